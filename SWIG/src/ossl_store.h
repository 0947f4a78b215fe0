/* Certificates, keys and CRLs by URI (ossl_store(7), OSSL_STORE_open(3)). */
#ifndef M2_OSSL_STORE_H
#define M2_OSSL_STORE_H

#ifndef SWIG
#include <openssl/store.h>
#endif

#ifdef SWIG
typedef struct m2_store_objects m2_store_objects;
#else
typedef struct m2_store_objects {
    OSSL_STORE_INFO **infos;
    int count;
} m2_store_objects;
#endif

/* Load all objects of the URI, or of the path of a file or directory. */
m2_store_objects *m2_store_load(const char *uri, m2_callback passphrase);
void m2_store_objects_free(m2_store_objects *RELEASE);
int m2_store_objects_num(const m2_store_objects *objects);
/* Return the type, OSSL_STORE_INFO_. */
m2_number m2_store_objects_type(const m2_store_objects *objects, int index);
/* Return the object; it is an error if it is of another type. */
X509 *m2_store_objects_cert(const m2_store_objects *objects, int index);
X509_CRL *m2_store_objects_crl(const m2_store_objects *objects, int index);
EVP_PKEY *m2_store_objects_pkey(const m2_store_objects *objects, int index);
/* Return the URI of an entry of a directory. */
m2_bytes m2_store_objects_name(const m2_store_objects *objects, int index);

#endif
