/* Cryptographic Message Syntax, if this OpenSSL has it. */
#ifndef OPENSSL_NO_CMS
%{
#include "cms.h"
%}

%thread m2_cms_read_pem;
%thread m2_cms_read_der;
%thread m2_cms_write_pem;
%thread m2_cms_write_der;
%thread m2_smime_read_cms;
%thread m2_smime_write_cms;
%thread m2_cms_sign;
%thread m2_cms_verify;
%thread m2_cms_encrypt;
%thread m2_cms_decrypt;

/* Either may be None. */
%apply m2_x509_stack *OPTIONAL { m2_x509_stack *certificates };

void CMS_ContentInfo_free(CMS_ContentInfo *RELEASE);
%include "src/cms.h"
%clear m2_x509_stack *certificates;
#endif
