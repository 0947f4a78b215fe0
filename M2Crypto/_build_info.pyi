# Written by setup.py: how the extension was built.
SWIG_VERSION: str
COMPILER: str
FLAGS: str
ABI: str
LINK: str
HEADER: str
