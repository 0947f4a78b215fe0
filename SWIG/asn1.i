/* ASN.1 integers, strings, times and object identifiers. */
%{
#include "asn1.h"
%}

%thread_io(ASN1_STRING_print_ex)
%thread_io(ASN1_TIME_print)

ASN1_INTEGER *ASN1_INTEGER_new(void);
void ASN1_INTEGER_free(ASN1_INTEGER *RELEASE);

ASN1_STRING *ASN1_STRING_new(void);
void ASN1_STRING_free(ASN1_STRING *RELEASE);
int ASN1_STRING_type(const ASN1_STRING *string);
m2_number ASN1_STRING_print_ex(BIO *bio, const ASN1_STRING *string, unsigned long flags);

ASN1_TIME *ASN1_TIME_new(void);
void ASN1_TIME_free(ASN1_TIME *RELEASE);
/* Returns 0 and prints "Bad time value" for an invalid time. */
m2_verdict ASN1_TIME_print(BIO *bio, const ASN1_TIME *time);

void ASN1_OBJECT_free(ASN1_OBJECT *RELEASE);
ASN1_OBJECT *OBJ_txt2obj(const char *text, int no_name);
/* Return NID_undef (0) for an unknown name. */
m2_verdict OBJ_obj2nid(const ASN1_OBJECT *object);
m2_verdict OBJ_txt2nid(const char *text);
m2_verdict OBJ_sn2nid(const char *short_name);
m2_verdict OBJ_ln2nid(const char *long_name);
%include "src/asn1.h"
