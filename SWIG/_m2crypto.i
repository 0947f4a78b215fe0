/*
 * The extension M2Crypto._m2crypto. Each area has a .i file; its C functions and the headers
 * that SWIG reads are in src/.
 */
%module(package="M2Crypto", threads="1") m2crypto
/* With threads for every function SWIG runs its own helpers without the GIL, so %thread is set
 * per function. */
%nothread;

%{
#include <math.h>

#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include "m2.h"
#include "handle.h"
#include "raise.h"
#include "buffer.h"
#include "text.h"
%}

%ignore m2_buffer;
%ignore m2_bytes;
%ignore m2_integer;
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
%include "rc4.i"
%include "mac.i"
%area("RSA")
%include "rsa.i"
%area("EC")
%include "ec.i"
%area("EVP")
%{
#include "pkey.h"
%}
%include "src/pkey.h"
%include "keys.i"
%area("DSA")
%include "dsa.i"
%area("DH")
%include "dh.i"
%area("X509")
%include "x509.i"
%include "x509_param.i"
%area("PKCS7")
%include "pkcs7.i"
%area("CMS")
%include "cms.i"
%area("PKCS12")
%include "pkcs12.i"
%area("STORE")
%include "ossl_store.i"
%area("OCSP")
%include "ocsp.i"
%area("SSL")
%include "ssl.i"
%include "ssl_extensions.i"
%include "revocation.i"
%area("Engine")
%include "engine.i"
%area("Provider")
%include "provider.i"
