/* Parts of an error code, which are macros in OpenSSL or gone from newer ones. */
#ifndef M2_ERR_H
#define M2_ERR_H

int m2_err_get_lib(unsigned long code);
int m2_err_get_reason(unsigned long code);
/* The C function that failed; "" from OpenSSL 3.0 on, which no longer keeps it in the code. */
const char *m2_err_func_error_string(unsigned long code);
/* "error:CODE:LIBRARY::REASON", as ERR_error_string_n writes it. */
m2_bytes m2_err_error_string(unsigned long code);
/* The text of an X509_V_ERR_ code. */
const char *m2_x509_get_verify_error(long code);

#endif
