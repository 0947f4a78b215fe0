/* The parameters of validations, and policies. */
%{
#include "x509_param.h"
%}

/* The handle of whatever has parameters is the argument. */
%typemap(in, noblock=1) X509_VERIFY_PARAM * (m2_argument argument = {0}) {
    $1 = m2_param_begin(&argument, $input, M2_CHANGES, M2_AREA, "$symname");
    if ($1 == NULL)
        SWIG_fail;
}
%typemap(in, noblock=1) X509_VERIFY_PARAM *READ (m2_argument argument = {0}) {
    $1 = m2_param_begin(&argument, $input, M2_READS, M2_AREA, "$symname");
    if ($1 == NULL)
        SWIG_fail;
}
%typemap(freearg, noblock=1) X509_VERIFY_PARAM *, X509_VERIFY_PARAM *READ {
    m2_argument_end(&argument$argnum);
}

m2_status X509_VERIFY_PARAM_set_flags(X509_VERIFY_PARAM *param, unsigned long flags);
m2_status X509_VERIFY_PARAM_clear_flags(X509_VERIFY_PARAM *param, unsigned long flags);
unsigned long X509_VERIFY_PARAM_get_flags(X509_VERIFY_PARAM *READ);
m2_status X509_VERIFY_PARAM_set_purpose(X509_VERIFY_PARAM *param, int purpose);
m2_status X509_VERIFY_PARAM_set_trust(X509_VERIFY_PARAM *param, int trust);
void X509_VERIFY_PARAM_set_depth(X509_VERIFY_PARAM *param, int depth);
int X509_VERIFY_PARAM_get_depth(X509_VERIFY_PARAM *READ);
void X509_VERIFY_PARAM_set_auth_level(X509_VERIFY_PARAM *param, int level);
int X509_VERIFY_PARAM_get_auth_level(X509_VERIFY_PARAM *READ);
%include "src/x509_param.h"
