/* Engines, if this OpenSSL has them. */
#ifndef OPENSSL_NO_ENGINE
%{
#include "engine.h"
%}

%handle(m2_engine, m2_engine_free)

%thread m2_engine_init;
%thread m2_engine_finish;
%thread m2_engine_ctrl_cmd_string;
%thread m2_engine_load_private_key;
%thread m2_engine_load_public_key;
%thread m2_engine_load_certificate;

%constant int ENGINE_METHOD_RSA = 0x0001;
%constant int ENGINE_METHOD_DSA = 0x0002;
%constant int ENGINE_METHOD_DH = 0x0004;
%constant int ENGINE_METHOD_RAND = 0x0008;
%constant int ENGINE_METHOD_CIPHERS = 0x0040;
%constant int ENGINE_METHOD_DIGESTS = 0x0080;
%constant int ENGINE_METHOD_PKEY_METHS = 0x0200;
%constant int ENGINE_METHOD_PKEY_ASN1_METHS = 0x0400;
%constant int ENGINE_METHOD_EC = 0x0800;
%constant int ENGINE_METHOD_ALL = 0xFFFF;
%constant int ENGINE_METHOD_NONE = 0x0000;

void m2_engine_free(m2_engine *RELEASE);
%include "src/engine.h"
#endif
