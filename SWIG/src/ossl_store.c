/* Certificates, keys and CRLs by URI (ossl_store(7), OSSL_STORE_open(3)). */
#include <string.h>

#include <openssl/store.h>
#include <openssl/ui.h>

#include "m2.h"
#include "compat_messages.h"
#include "ossl_store.h"

void m2_store_objects_free(m2_store_objects *objects)
{
    int i;

    if (objects == NULL)
        return;
    for (i = 0; i < objects->count; i++)
        OSSL_STORE_INFO_free(objects->infos[i]);
    OPENSSL_free(objects->infos);
    OPENSSL_free(objects);
}

/* Add the object, which is freed on failure. */
static int store_add(m2_store_objects *objects, OSSL_STORE_INFO *info)
{
    size_t size = sizeof(info) * ((size_t)objects->count + 1);
    OSSL_STORE_INFO **infos = OPENSSL_realloc(objects->infos, size);

    if (infos == NULL) {
        OSSL_STORE_INFO_free(info);
        m2_error("out of memory");
        return 0;
    }
    objects->infos = infos;
    infos[objects->count++] = info;
    return 1;
}

/* At the end of a file OpenSSL 3 reports an error without one in the queue. */
static int store_read(OSSL_STORE_CTX *store, m2_store_objects *objects)
{
    while (!OSSL_STORE_eof(store)) {
        OSSL_STORE_INFO *info = OSSL_STORE_load(store);

        if (info != NULL) {
            if (!store_add(objects, info))
                return 0;
            /* Loaders queue errors of the formats that they try. */
            ERR_clear_error();
        } else if (ERR_peek_error() != 0) {
            return 0;
        } else if (!OSSL_STORE_eof(store)) {
            m2_error("an object cannot be loaded");
            return 0;
        }
    }
    return 1;
}

m2_store_objects *m2_store_load(const char *uri, m2_callback passphrase)
{
    UI_METHOD *prompt = UI_UTIL_wrap_read_pem_callback(m2_password, 0);
    m2_store_objects *objects = OPENSSL_zalloc(sizeof(*objects));
    OSSL_STORE_CTX *store = NULL;
    int done = 0;

    if (prompt != NULL && objects != NULL)
        store = OSSL_STORE_open(uri, prompt, passphrase, NULL, NULL);
    if (store != NULL)
        done = store_read(store, objects);
    if (done && objects->count == 0) {
        m2_error("there is no object that OpenSSL can load");
        done = 0;
    }
    OSSL_STORE_close(store);
    UI_destroy_method(prompt);
    if (!done) {
        m2_store_objects_free(objects);
        return NULL;
    }
    return objects;
}

int m2_store_objects_num(const m2_store_objects *objects)
{
    return objects->count;
}

static const OSSL_STORE_INFO *store_get(const m2_store_objects *objects, int index)
{
    if (index >= 0 && index < objects->count)
        return objects->infos[index];
    m2_error("there is no such object");
    return NULL;
}

m2_number m2_store_objects_type(const m2_store_objects *objects, int index)
{
    const OSSL_STORE_INFO *info = store_get(objects, index);

    return info == NULL ? -1 : OSSL_STORE_INFO_get_type(info);
}

/* Return `object`, for which OpenSSL queues no error if the type is another. */
static void *store_of_type(void *object)
{
    if (object == NULL && ERR_peek_error() == 0)
        m2_error("the object is of another type");
    return object;
}

X509 *m2_store_objects_cert(const m2_store_objects *objects, int index)
{
    const OSSL_STORE_INFO *info = store_get(objects, index);

    return info == NULL ? NULL : store_of_type(OSSL_STORE_INFO_get1_CERT(info));
}

X509_CRL *m2_store_objects_crl(const m2_store_objects *objects, int index)
{
    const OSSL_STORE_INFO *info = store_get(objects, index);

    return info == NULL ? NULL : store_of_type(OSSL_STORE_INFO_get1_CRL(info));
}

EVP_PKEY *m2_store_objects_pkey(const m2_store_objects *objects, int index)
{
    const OSSL_STORE_INFO *info = store_get(objects, index);

    return info == NULL ? NULL : store_of_type(m2_compat_store_key(info));
}

m2_bytes m2_store_objects_name(const m2_store_objects *objects, int index)
{
    const OSSL_STORE_INFO *info = store_get(objects, index);
    m2_bytes text = {NULL, 0};

    if (info != NULL)
        text.data = store_of_type(OSSL_STORE_INFO_get1_NAME(info));
    if (text.data != NULL)
        text.length = strlen((char *)text.data);
    return text;
}
