from M2Crypto._m2crypto import *
