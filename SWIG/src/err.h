/* Parts of an error code, which are macros in OpenSSL or removed in later versions. */
#ifndef M2_ERR_H
#define M2_ERR_H

int m2_err_get_lib(unsigned long code);
int m2_err_get_reason(unsigned long code);
/* Return the C function that failed; an empty string from OpenSSL 3.0 on. */
const char *m2_err_func_error_string(unsigned long code);
/* Return "error:CODE:LIBRARY::REASON" (ERR_error_string_n(3)). */
m2_bytes m2_err_error_string(unsigned long code);
/* Return the text of an X509_V_ERR_ code. */
const char *m2_x509_get_verify_error(long code);

#endif
