/* ASN.1 integers, strings, times and object identifiers. */
%{
#include "asn1.h"

#define m2_asn1_integer_get m2_asn1_integer_to_hex

/* A UTCTime has the type of a Time. */
#define m2_asn1_utctime_new ASN1_TIME_new
#define m2_asn1_utctime_free ASN1_TIME_free
#define m2_asn1_utctime_print ASN1_TIME_print
#define m2_asn1_utctime_set m2_asn1_time_set
#define m2_asn1_utctime_set_string m2_asn1_time_set_string
%}

%thread_io(ASN1_STRING_print_ex)
%thread_io(ASN1_STRING_print)
%thread_io(ASN1_TIME_print)
%thread_io(m2_asn1_utctime_print)

ASN1_INTEGER *ASN1_INTEGER_new(void);
void ASN1_INTEGER_free(ASN1_INTEGER *RELEASE);
m2_integer m2_asn1_integer_get(const ASN1_INTEGER *number);
%rename(asn1_integer_set) ASN1_INTEGER_set_int64;
m2_status ASN1_INTEGER_set_int64(ASN1_INTEGER *number, long long value);

ASN1_STRING *ASN1_STRING_new(void);
void ASN1_STRING_free(ASN1_STRING *RELEASE);
int ASN1_STRING_type(const ASN1_STRING *string);
m2_status ASN1_STRING_print(BIO *bio, const ASN1_STRING *string);
m2_number ASN1_STRING_print_ex(BIO *bio, const ASN1_STRING *string, unsigned long flags);

ASN1_TIME *ASN1_TIME_new(void);
void ASN1_TIME_free(ASN1_TIME *RELEASE);
/* Returns 0 and prints "Bad time value" for an invalid time. */
m2_verdict ASN1_TIME_print(BIO *bio, const ASN1_TIME *time);
/* Returns whether the encoding is valid. */
m2_verdict ASN1_TIME_check(const ASN1_TIME *time);

ASN1_TIME *m2_asn1_utctime_new(void);
void m2_asn1_utctime_free(ASN1_TIME *RELEASE);
m2_verdict m2_asn1_utctime_print(BIO *bio, const ASN1_TIME *time);
m2_status m2_asn1_utctime_set(ASN1_TIME *time, long long seconds);
m2_status m2_asn1_utctime_set_string(ASN1_TIME *time, const char *text);

void ASN1_OBJECT_free(ASN1_OBJECT *RELEASE);
ASN1_OBJECT *OBJ_txt2obj(const char *text, int no_name);
/* Return NID_undef (0) for an unknown name. */
m2_verdict OBJ_obj2nid(const ASN1_OBJECT *object);
m2_verdict OBJ_txt2nid(const char *text);
m2_verdict OBJ_sn2nid(const char *short_name);
m2_verdict OBJ_ln2nid(const char *long_name);
/* Return 0 if both are equal. */
int OBJ_cmp(const ASN1_OBJECT *first, const ASN1_OBJECT *second);
%rename(obj_dup) m2_obj_copy;
%include "src/asn1.h"
