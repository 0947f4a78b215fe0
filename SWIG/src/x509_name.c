/* Distinguished names and their entries (X509_NAME_get_index_by_NID(3), X509_NAME_print_ex(3)). */
#include <openssl/x509.h>

#include "m2.h"
#include "asn1.h"
#include "compat.h"
#include "x509_name.h"

/* Return whether names can have the string type (RFC 5280, section 4.1.2.4). OpenSSL interprets
 * the fields of another type as another structure. */
static int name_is_string_type(int type)
{
    switch (type) {
    case V_ASN1_NUMERICSTRING:
    case V_ASN1_PRINTABLESTRING:
    case V_ASN1_T61STRING:
    case V_ASN1_IA5STRING:
    case V_ASN1_UNIVERSALSTRING:
    case V_ASN1_BMPSTRING:
    case V_ASN1_UTF8STRING:
        return 1;
    default:
        m2_error("the type is not a string type that a name can have");
        return 0;
    }
}

/* Return whether the value has a canonical form, by which names are hashed and compared.
 * X509_NAME_hash dereferences NULL for a name without one. */
static int name_is_value(const ASN1_STRING *value)
{
    unsigned char *text = NULL;
    int length;

    if (!name_is_string_type(ASN1_STRING_type(value)))
        return 0;
    length = ASN1_STRING_to_UTF8(&text, value);
    OPENSSL_free(text);
    if (length < 0)
        m2_error("the value is not encoded as its type requires");
    return length >= 0;
}

static int name_is_attribute(const ASN1_OBJECT *object)
{
    if (object != NULL && OBJ_length(object) > 0)
        return 1;
    m2_error("the object identifier of the attribute is empty");
    return 0;
}

/* Return whether the entry leaves a name that can be encoded. The name is not changed yet. */
static int name_is_entry(const X509_NAME_ENTRY *entry)
{
    return name_is_attribute(X509_NAME_ENTRY_get_object(entry)) &&
           name_is_value(X509_NAME_ENTRY_get_data(entry));
}

/* Add the entry, which may be NULL, and free it. */
static int name_add(X509_NAME *name, X509_NAME_ENTRY *entry, int index, int set)
{
    int result =
        entry != NULL && name_is_entry(entry) && X509_NAME_add_entry(name, entry, index, set) == 1;

    X509_NAME_ENTRY_free(entry);
    return result;
}

char *m2_x509_name_oneline(const X509_NAME *name)
{
    return X509_NAME_oneline(name, NULL, 0);
}

X509_NAME *m2_d2i_x509_name(m2_buffer der)
{
    const unsigned char *data = der.data;

    return d2i_X509_NAME(NULL, &data, (long)der.length);
}

m2_bytes m2_x509_name_get_der(const X509_NAME *name)
{
    return M2_DER(X509_NAME, name);
}

m2_number m2_x509_name_hash(const X509_NAME *name)
{
    unsigned long hash;

    /* The encoder computes the canonical form, which is hashed. */
    if (i2d_X509_NAME((X509_NAME *)name, NULL) < 0)
        return -1;
    hash = m2_name_hash(name);
    return hash == 0 && ERR_peek_error() != 0 ? -1 : (m2_number)hash;
}

m2_status m2_x509_name_add_entry_by_txt(X509_NAME *name, const char *field, int type,
                                        m2_buffer value, int index, int set)
{
    X509_NAME_ENTRY *entry;

    entry = X509_NAME_ENTRY_create_by_txt(NULL, field, type, value.data, (int)value.length);
    return name_add(name, entry, index, set);
}

m2_status m2_x509_name_add_entry_by_nid(X509_NAME *name, int nid, int type, m2_buffer value,
                                        int index, int set)
{
    X509_NAME_ENTRY *entry;

    entry = X509_NAME_ENTRY_create_by_NID(NULL, nid, type, value.data, (int)value.length);
    return name_add(name, entry, index, set);
}

m2_status m2_x509_name_add_entry(X509_NAME *name, const X509_NAME_ENTRY *entry, int index, int set)
{
    return name_is_entry(entry) && X509_NAME_add_entry(name, entry, index, set) == 1;
}

m2_status m2_x509_name_set_by_nid(X509_NAME *name, int nid, m2_buffer value)
{
    return m2_x509_name_add_entry_by_nid(name, nid, MBSTRING_UTF8, value, -1, 0);
}

m2_bytes m2_x509_name_get_by_nid(const X509_NAME *name, int nid)
{
    const m2_bytes failed = {NULL, 0};
    int index = m2_x509_name_get_index_by_nid(name, nid, -1);

    if (index < 0) {
        m2_error("the name has no such entry");
        return failed;
    }
    return m2_asn1_string_to_utf8(X509_NAME_ENTRY_get_data(X509_NAME_get_entry(name, index)));
}

X509_NAME_ENTRY *m2_x509_name_get_entry(const X509_NAME *name, int index)
{
    const X509_NAME_ENTRY *entry = X509_NAME_get_entry(name, index);

    if (entry == NULL) {
        m2_error("the name has no such entry");
        return NULL;
    }
    return X509_NAME_ENTRY_dup((X509_NAME_ENTRY *)entry);
}

/* Return the RDN of the entry at `index`, or -1. */
static int name_rdn(const X509_NAME *name, int index)
{
    const X509_NAME_ENTRY *entry = X509_NAME_get_entry(name, index);

    return entry == NULL ? -1 : X509_NAME_ENTRY_set(entry);
}

m2_status m2_x509_name_set_entry(X509_NAME *name, int index, const X509_NAME_ENTRY *entry)
{
    X509_NAME_ENTRY *copy = NULL;
    int here = name_rdn(name, index);
    int set = 0;
    int result;

    if (here < 0) {
        m2_error("the name has no such entry");
        return 0;
    }
    if (!name_is_entry(entry))
        return 0;
    copy = X509_NAME_ENTRY_dup((X509_NAME_ENTRY *)entry);
    if (copy == NULL)
        return 0;
    if (name_rdn(name, index - 1) == here)
        set = -1;
    else if (name_rdn(name, index + 1) == here)
        set = 1;
    /* Changing the entry itself would leave the name's cached encoding as it was. */
    X509_NAME_ENTRY_free(X509_NAME_delete_entry(name, index));
    result = X509_NAME_add_entry(name, copy, index, set);
    X509_NAME_ENTRY_free(copy);
    return result;
}

X509_NAME_ENTRY *m2_x509_name_entry_create_by_txt(const char *field, int type, m2_buffer value)
{
    X509_NAME_ENTRY *entry = NULL;

    entry = X509_NAME_ENTRY_create_by_txt(NULL, field, type, value.data, (int)value.length);
    if (entry != NULL && !name_is_entry(entry)) {
        X509_NAME_ENTRY_free(entry);
        entry = NULL;
    }
    return entry;
}

m2_status m2_x509_name_entry_set_object(X509_NAME_ENTRY *entry, const ASN1_OBJECT *object)
{
    return name_is_attribute(object) && X509_NAME_ENTRY_set_object(entry, object) == 1;
}

ASN1_OBJECT *m2_x509_name_entry_get_object(const X509_NAME_ENTRY *entry)
{
    const ASN1_OBJECT *object = X509_NAME_ENTRY_get_object(entry);

    return object == NULL ? NULL : OBJ_dup(object);
}

ASN1_STRING *m2_x509_name_entry_get_data(const X509_NAME_ENTRY *entry)
{
    const ASN1_STRING *data = X509_NAME_ENTRY_get_data(entry);

    return data == NULL ? NULL : ASN1_STRING_dup(data);
}

m2_number m2_x509_name_entry_set(const X509_NAME *name, int index)
{
    const X509_NAME_ENTRY *entry = X509_NAME_get_entry(name, index);

    if (entry == NULL) {
        m2_error("the name has no such entry");
        return -1;
    }
    return X509_NAME_ENTRY_set(entry);
}

m2_status m2_x509_name_entry_set_data(X509_NAME_ENTRY *entry, int type, m2_buffer value)
{
    const int length = (int)value.length;
    X509_NAME_ENTRY *trial = NULL;
    int result = 0;

    if (type == V_ASN1_UNDEF)
        type = ASN1_STRING_type(X509_NAME_ENTRY_get_data(entry));
    /* OpenSSL changes the entry before it checks the value, so set the value of another entry
     * first. */
    trial = X509_NAME_ENTRY_new();
    if (trial != NULL &&
        X509_NAME_ENTRY_set_object(trial, X509_NAME_ENTRY_get_object(entry)) == 1 &&
        X509_NAME_ENTRY_set_data(trial, type, value.data, length) == 1 &&
        name_is_value(X509_NAME_ENTRY_get_data(trial)))
        result = X509_NAME_ENTRY_set_data(entry, type, value.data, length);
    X509_NAME_ENTRY_free(trial);
    return result;
}

int m2_x509_name_get_index_by_nid(const X509_NAME *name, int nid, int after)
{
    int place;

    /* OpenSSL adds 1 to the index without a check. */
    if (after >= X509_NAME_entry_count(name))
        return -1;
    place = X509_NAME_get_index_by_NID((X509_NAME *)name, nid, after);
    /* -2 is an unknown NID, which is no error here, although one may be queued. */
    ERR_clear_error();
    return place < 0 ? -1 : place;
}
