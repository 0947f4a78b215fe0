/* Parts of an error code, which are macros in OpenSSL. */
#ifndef M2_ERR_H
#define M2_ERR_H

int m2_err_get_lib(unsigned long code);
int m2_err_get_reason(unsigned long code);
/* "error:CODE:LIBRARY::REASON", as ERR_error_string_n writes it. */
m2_bytes m2_err_error_string(unsigned long code);

#endif
