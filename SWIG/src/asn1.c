/* ASN.1 integers, strings, times and object identifiers (ASN1_TIME_set(3), ASN1_STRING_new(3),
 * OBJ_nid2obj(3)). */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <openssl/asn1.h>
#include <openssl/objects.h>

#include "m2.h"
#include "asn1.h"

/* The start of these years in seconds since the epoch. */
static const long long YEAR_0 = -62167219200;
static const long long YEAR_10000 = 253402300800;

m2_bytes m2_asn1_integer_to_hex(const ASN1_INTEGER *number)
{
    m2_bytes text = {NULL, 0};
    BIGNUM *value = ASN1_INTEGER_to_BN(number, NULL);

    if (value != NULL)
        text.data = (unsigned char *)BN_bn2hex(value);
    if (text.data != NULL)
        text.length = strlen((char *)text.data);
    BN_free(value);
    return text;
}

ASN1_INTEGER *m2_asn1_integer_from_hex(const char *digits)
{
    BIGNUM *value = NULL;
    ASN1_INTEGER *number = NULL;

    if (digits[0] != '\0' && (size_t)BN_hex2bn(&value, digits) == strlen(digits))
        number = BN_to_ASN1_INTEGER(value, NULL);
    else
        m2_error("the text is not a hexadecimal number");
    BN_free(value);
    return number;
}

ASN1_STRING *m2_asn1_string_from_utf8(m2_buffer text)
{
    ASN1_STRING *string = NULL;

    string = ASN1_STRING_type_new(V_ASN1_UTF8STRING);
    if (string != NULL && ASN1_STRING_set(string, text.data, (int)text.length) != 1) {
        ASN1_STRING_free(string);
        string = NULL;
    }
    return string;
}

m2_status m2_asn1_string_set(ASN1_STRING *string, m2_buffer content)
{
    return ASN1_STRING_set(string, content.data, (int)content.length);
}

m2_bytes m2_asn1_string_data(const ASN1_STRING *string)
{
    m2_bytes bytes = m2_bytes_new((size_t)ASN1_STRING_length(string));

    if (bytes.data != NULL && bytes.length > 0)
        memcpy(bytes.data, ASN1_STRING_get0_data(string), bytes.length);
    return bytes;
}

m2_bytes m2_asn1_string_to_utf8(const ASN1_STRING *string)
{
    m2_bytes text = {NULL, 0};
    int length = ASN1_STRING_to_UTF8(&text.data, string);

    if (length >= 0)
        text.length = (size_t)length;
    else if (ERR_peek_error() == 0)
        m2_error("the ASN.1 value is not a character string");
    return text;
}

m2_status m2_asn1_time_set(ASN1_TIME *time, long long seconds)
{
    /* OpenSSL encodes the year 10000 with five digits. */
    if (seconds < YEAR_0 || seconds >= YEAR_10000 || (time_t)seconds != seconds) {
        m2_error("the time is not between the years 0 and 9999");
        return 0;
    }
    return ASN1_TIME_set(time, (time_t)seconds) != NULL;
}

m2_status m2_x509_gmtime_adj(ASN1_TIME *time_out, long long seconds)
{
    /* Beyond these bounds the sum is out of range itself, or overflows. */
    if (seconds < -YEAR_10000)
        seconds = -YEAR_10000;
    else if (seconds > YEAR_10000)
        seconds = YEAR_10000;
    return m2_asn1_time_set(time_out, (long long)time(NULL) + seconds);
}

m2_status m2_asn1_time_set_string(ASN1_TIME *time, const char *text)
{
    if (ASN1_TIME_set_string(time, text) == 1)
        return 1;
    m2_error("the text is not a time such as 20260131235959Z");
    return 0;
}

int m2_asn1_time_type(const ASN1_TIME *time)
{
    return ASN1_STRING_type(time);
}

m2_bytes m2_asn1_time_digits(const ASN1_TIME *time)
{
    m2_bytes text = {NULL, 0};
    struct tm parts;

    /* ASN1_TIME_to_tm(3) returns the current time for an empty one. */
    if (ASN1_STRING_length(time) == 0 || ASN1_TIME_to_tm(time, &parts) != 1) {
        m2_error("the time is empty or malformed");
        return text;
    }
    if (parts.tm_year + 1900 < 1) {
        m2_error("the time is in the year 0, which datetime does not support");
        return text;
    }
    text = m2_bytes_new(64);
    if (text.data != NULL) {
        snprintf((char *)text.data, text.length, "%04d%02d%02d%02d%02d%02d", parts.tm_year + 1900,
                 parts.tm_mon + 1, parts.tm_mday, parts.tm_hour, parts.tm_min, parts.tm_sec);
        text.length = strlen((char *)text.data);
    }
    return text;
}

ASN1_TIME *m2_asn1_time_dup(const ASN1_TIME *time)
{
    return time == NULL ? NULL : (ASN1_TIME *)ASN1_STRING_dup(time);
}

ASN1_OBJECT *m2_obj_nid2obj(int nid)
{
    const ASN1_OBJECT *object = OBJ_nid2obj(nid);

    return object == NULL ? NULL : OBJ_dup(object);
}

const char *m2_obj_nid2sn(int nid)
{
    const char *name = OBJ_nid2sn(nid);

    ERR_clear_error();
    return name;
}

const char *m2_obj_nid2ln(int nid)
{
    const char *name = OBJ_nid2ln(nid);

    ERR_clear_error();
    return name;
}

ASN1_OBJECT *m2_obj_copy(const ASN1_OBJECT *object)
{
    return OBJ_dup(object);
}

m2_status m2_obj_create(const char *oid, const char *short_name, const char *long_name)
{
    if (oid[0] == '\0' || short_name[0] == '\0' || long_name[0] == '\0') {
        m2_error("the object identifier or one of its names is empty");
        return 0;
    }
    return OBJ_create(oid, short_name, long_name) > 0 ? OBJ_txt2nid(oid) : 0;
}

m2_bytes m2_obj_obj2txt(const ASN1_OBJECT *object, int no_name)
{
    m2_bytes text = {NULL, 0};
    int length = OBJ_obj2txt(NULL, 0, object, no_name);

    if (length >= 0)
        text = m2_bytes_new((size_t)length + 1);
    else if (ERR_peek_error() == 0)
        m2_error("the object identifier is malformed");
    if (text.data != NULL) {
        OBJ_obj2txt((char *)text.data, length + 1, object, no_name);
        text.length = (size_t)length;
    }
    return text;
}
