/* Revocation: where a certificate's status is found, and stapled OCSP responses. */
%{
#include "revocation.h"
%}

%include "src/revocation.h"
