/* Parts of an error code, which are macros in OpenSSL or removed in later versions. */
#include <string.h>

#include "m2.h"
#include "compat.h"
#include "err.h"

int m2_err_get_lib(unsigned long code)
{
    return ERR_GET_LIB(code);
}

int m2_err_get_reason(unsigned long code)
{
    return ERR_GET_REASON(code);
}

const char *m2_err_func_error_string(unsigned long code)
{
    const char *name = m2_compat_error_function(code);

    return name == NULL ? "" : name;
}

m2_bytes m2_err_error_string(unsigned long code)
{
    m2_bytes text = m2_bytes_new(256);

    if (text.data != NULL) {
        ERR_error_string_n(code, (char *)text.data, text.length);
        text.length = strlen((char *)text.data);
    }
    return text;
}

const char *m2_x509_get_verify_error(long code)
{
    return X509_verify_cert_error_string(code);
}
