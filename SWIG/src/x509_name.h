/* Distinguished names and their entries (X509_NAME_get_index_by_NID(3), X509_NAME_print_ex(3)). */
#ifndef M2_X509_NAME_H
#define M2_X509_NAME_H

/* "/C=US/CN=...", for OPENSSL_free. */
char *m2_x509_name_oneline(const X509_NAME *name);
X509_NAME *m2_d2i_x509_name(m2_buffer der);
m2_bytes m2_x509_name_get_der(const X509_NAME *name);
m2_number m2_x509_name_hash(const X509_NAME *name);

/* A value has one of the string types of RFC 5280, section 4.1.2.4, or is given in an MBSTRING_
 * encoding; a name or an entry is unchanged when a value is refused.
 *
 * `index` is where the entry goes (-1: the end), and `set` is 0 for an RDN of its own, -1 or 1 for
 * the one before or after it (X509_NAME_add_entry(3)). */
m2_status m2_x509_name_add_entry_by_txt(X509_NAME *name, const char *field, int type,
                                        m2_buffer value, int index, int set);
m2_status m2_x509_name_add_entry_by_nid(X509_NAME *name, int nid, int type, m2_buffer value,
                                        int index, int set);
/* Add a copy of an entry. */
m2_status m2_x509_name_add_entry(X509_NAME *name, const X509_NAME_ENTRY *entry, int index, int set);
/* Add an entry of UTF-8 at the end. */
m2_status m2_x509_name_set_by_nid(X509_NAME *name, int nid, m2_buffer value);
/* Return the first value as text. */
m2_bytes m2_x509_name_get_by_nid(const X509_NAME *name, int nid);
X509_NAME_ENTRY *m2_x509_name_get_entry(const X509_NAME *name, int index);
/* Put `entry` in the place of the entry at `index`, in the same RDN. */
m2_status m2_x509_name_set_entry(X509_NAME *name, int index, const X509_NAME_ENTRY *entry);

X509_NAME_ENTRY *m2_x509_name_entry_create_by_txt(const char *field, int type, m2_buffer value);
m2_status m2_x509_name_entry_set_object(X509_NAME_ENTRY *entry, const ASN1_OBJECT *object);
ASN1_OBJECT *m2_x509_name_entry_get_object(const X509_NAME_ENTRY *entry);
ASN1_STRING *m2_x509_name_entry_get_data(const X509_NAME_ENTRY *entry);
/* The number of an entry's relative distinguished name, from 0. */
m2_number m2_x509_name_entry_set(const X509_NAME *name, int index);
m2_status m2_x509_name_entry_set_data(X509_NAME_ENTRY *entry, int type, m2_buffer value);

/* The place of the first entry of that kind behind the place `after` (-1: of all); -1: there is
 * none. */
int m2_x509_name_get_index_by_nid(const X509_NAME *name, int nid, int after);

#endif
