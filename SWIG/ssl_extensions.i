/* What clients and servers agree on besides versions and ciphers. */
%{
#include "ssl_extensions.h"
%}

%none_for_null(X509, m2_ssl_get_certificate)

%include "src/ssl_extensions.h"
