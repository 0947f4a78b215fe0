/*
 * The extension M2Crypto._m2crypto. Each area has a .i file; its C functions and the headers
 * that SWIG reads are in src/.
 */
%module(package="M2Crypto", threads="1") m2crypto
/* With threads for every function SWIG runs its own helpers without the GIL, so %thread is set
 * per function. */
%nothread;

%{
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include "m2.h"
#include "handle.h"
#include "raise.h"
#include "text.h"
%}

%ignore m2_buffer;
%ignore m2_bytes;
%include "src/m2.h"
%include "typemaps.i"
%include "handles.i"

/* The constants and algorithms of this OpenSSL, which ci/extension.py reads from its headers. */
%area("")
%include "openssl_names.i"

%area("BIO")
%include "bio.i"
%area("")
%include "err.i"
%include "bn.i"
%area("Rand")
%include "rand.i"
%area("X509")
%include "asn1.i"
%area("EVP")
%include "evp.i"
%area("RSA")
%include "rsa.i"
%area("EC")
%include "ec.i"
%area("EVP")
%{
#include "pkey.h"
%}
%include "src/pkey.h"
%area("X509")
%include "x509.i"
%area("SSL")
%include "ssl.i"
%area("Engine")
%include "engine.i"
%area("Provider")
%include "provider.i"
