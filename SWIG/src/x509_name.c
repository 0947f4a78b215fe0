/* Distinguished names and their entries (X509_NAME_get_index_by_NID(3), X509_NAME_print_ex(3)). */
#include <string.h>

#include <openssl/x509.h>

#include "m2.h"
#include "compat.h"
#include "x509_name.h"

m2_bytes m2_x509_name_oneline(const X509_NAME *name)
{
    m2_bytes text = {NULL, 0};

    text.data = (unsigned char *)X509_NAME_oneline(name, NULL, 0);
    if (text.data != NULL)
        text.length = strlen((char *)text.data);
    return text;
}

m2_bytes m2_x509_name_get_der(const X509_NAME *name)
{
    return M2_DER(X509_NAME, name);
}

unsigned long m2_x509_name_hash(const X509_NAME *name)
{
    return m2_name_hash(name);
}

m2_status m2_x509_name_add_entry_by_txt(X509_NAME *name, const char *field, int type,
                                        m2_buffer value, int index, int set)
{
    if (!m2_fits_int(value.length))
        return 0;
    return X509_NAME_add_entry_by_txt(name, field, type, value.data, (int)value.length, index, set);
}

m2_status m2_x509_name_add_entry_by_nid(X509_NAME *name, int nid, int type, m2_buffer value,
                                        int index, int set)
{
    if (!m2_fits_int(value.length))
        return 0;
    return X509_NAME_add_entry_by_NID(name, nid, type, value.data, (int)value.length, index, set);
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

/* Which RDN the entry at `index` is in; -1 when there is no such entry. */
static int rdn(const X509_NAME *name, int index)
{
    const X509_NAME_ENTRY *entry = X509_NAME_get_entry(name, index);

    return entry == NULL ? -1 : X509_NAME_ENTRY_set(entry);
}

m2_status m2_x509_name_set_entry(X509_NAME *name, int index, const X509_NAME_ENTRY *entry)
{
    int here = rdn(name, index);
    int set = 0;

    if (here < 0) {
        m2_error("the name has no such entry");
        return 0;
    }
    if (rdn(name, index - 1) == here)
        set = -1;
    else if (rdn(name, index + 1) == here)
        set = 1;
    /* Changing the entry itself would leave the name's cached encoding as it was. */
    X509_NAME_ENTRY_free(X509_NAME_delete_entry(name, index));
    return X509_NAME_add_entry(name, (X509_NAME_ENTRY *)entry, index, set);
}

X509_NAME_ENTRY *m2_x509_name_entry_create_by_txt(const char *field, int type, m2_buffer value)
{
    if (!m2_fits_int(value.length))
        return NULL;
    return X509_NAME_ENTRY_create_by_txt(NULL, field, type, value.data, (int)value.length);
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

m2_status m2_x509_name_entry_set_data(X509_NAME_ENTRY *entry, int type, m2_buffer value)
{
    if (!m2_fits_int(value.length))
        return 0;
    return X509_NAME_ENTRY_set_data(entry, type, value.data, (int)value.length);
}

int m2_x509_name_get_index_by_nid(X509_NAME *name, int nid, int after)
{
    int place;

    /* OpenSSL adds one to the last place without looking. */
    if (after >= X509_NAME_entry_count(name))
        return -1;
    place = X509_NAME_get_index_by_NID(name, nid, after);
    /* -2: no such NID, which is no error here; an error may be queued all the same. */
    ERR_clear_error();
    return place < 0 ? -1 : place;
}
