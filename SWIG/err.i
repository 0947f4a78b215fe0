/*
 * The error queue. Every failing call empties it into an exception, so these are for programs that
 * look at it themselves.
 */
%{
#include "err.h"
#include "library.h"
%}

%thread_io(ERR_print_errors)

unsigned long ERR_get_error(void);
unsigned long ERR_peek_error(void);
unsigned long ERR_peek_last_error(void);
void ERR_clear_error(void);
const char *ERR_lib_error_string(unsigned long code);
const char *ERR_reason_error_string(unsigned long code);
void ERR_print_errors(BIO *bio);
unsigned long OpenSSL_version_num(void);
const char *OpenSSL_version(int type);
%include "src/err.h"
%include "src/library.h"
