/* ASN.1 integers, strings, times and object identifiers. */
#ifndef M2_ASN1_H
#define M2_ASN1_H

/* An integer of any size as hexadecimal digits with a sign. */
m2_bytes m2_asn1_integer_to_hex(const ASN1_INTEGER *number);
ASN1_INTEGER *m2_asn1_integer_from_hex(const char *digits);

/* A UTF8String. */
ASN1_STRING *m2_asn1_string_from_utf8(m2_buffer text);
m2_status m2_asn1_string_set(ASN1_STRING *string, m2_buffer content);
/* Return the content octets, and the characters as UTF-8. */
m2_bytes m2_asn1_string_data(const ASN1_STRING *string);
m2_bytes m2_asn1_string_to_utf8(const ASN1_STRING *string);

/* Set the time to seconds since the epoch: a UTCTime until 2049, then a GeneralizedTime (RFC
 * 5280, section 4.1.2.5). */
m2_status m2_asn1_time_set(ASN1_TIME *time, long long seconds);
/* Set it to the current time and these seconds (X509_gmtime_adj(3)). */
m2_status m2_x509_gmtime_adj(ASN1_TIME *time, long long seconds);
/* "YYMMDDHHMMSSZ" or "YYYYMMDDHHMMSSZ". */
m2_status m2_asn1_time_set_string(ASN1_TIME *time, const char *text);
/* Return V_ASN1_UTCTIME or V_ASN1_GENERALIZEDTIME. */
int m2_asn1_time_type(const ASN1_TIME *time);
/* Return "YYYYMMDDHHMMSS" in UTC, from the year 1 on. */
m2_bytes m2_asn1_time_digits(const ASN1_TIME *time);

ASN1_OBJECT *m2_obj_nid2obj(int nid);
/* Return NULL for an unknown NID. */
const char *m2_obj_nid2sn(int nid);
const char *m2_obj_nid2ln(int nid);
ASN1_OBJECT *m2_obj_copy(const ASN1_OBJECT *object);
/* Add an object identifier to OpenSSL's table, which all of the process uses, and return its NID.
 */
m2_status m2_obj_create(const char *oid, const char *short_name, const char *long_name);
/* Return the long name, else the short name; the OID if there is no name or `no_name` is 1. */
m2_bytes m2_obj_obj2txt(const ASN1_OBJECT *object, int no_name);

#ifndef SWIG
/* Return a copy of a time in another object; NULL for NULL. */
ASN1_TIME *m2_asn1_time_dup(const ASN1_TIME *time);
#endif

#endif
