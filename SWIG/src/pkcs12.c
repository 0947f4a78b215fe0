/* PKCS #12 files (PKCS12_create(3), PKCS12_parse(3); RFC 7292). */
#include <string.h>

#include <openssl/pkcs12.h>

#include "m2.h"
#include "compat_messages.h"
#include "pkcs12.h"

/* ---- passphrases -------------------------------------------------------------------------- */

/* Set `copy` to the text with a NUL for pkcs12_forget; to NULL for None. */
static int pkcs12_text(m2_buffer text, char **copy)
{
    *copy = NULL;
    if (text.data == NULL)
        return 1;
    if (memchr(text.data, '\0', text.length) != NULL) {
        m2_error("the text has a NUL in it");
        return 0;
    }
    *copy = OPENSSL_zalloc(text.length + 1);
    if (*copy == NULL) {
        m2_error("out of memory");
        return 0;
    }
    memcpy(*copy, text.data, text.length);
    return 1;
}

static void pkcs12_forget(char *copy)
{
    if (copy != NULL)
        OPENSSL_clear_free(copy, strlen(copy));
}

/* ---- structure ---------------------------------------------------------------------------- */

/* Return the authSafe of `der`: the PKCS #7 message after the version. */
static PKCS7 *pkcs12_authsafe(m2_bytes der)
{
    const unsigned char *at = der.data;
    const unsigned char *end = der.data + der.length;
    long length;
    int tag;
    int class;

    if ((ASN1_get_object(&at, &length, &tag, &class, end - at) & 0x80) != 0)
        return NULL;
    if ((ASN1_get_object(&at, &length, &tag, &class, end - at) & 0x80) != 0)
        return NULL;
    at += length;
    return d2i_PKCS7(NULL, &at, end - at);
}

static int pkcs12_is_part(const PKCS7 *part)
{
    if (part->d.ptr == NULL)
        return 0;
    return !PKCS7_type_is_encrypted(part) || part->d.encrypted->enc_data->enc_data != NULL;
}

/* Return whether no optional content is missing, which OpenSSL 1.1.1 dereferences
 * (CVE-2024-0727). */
static int pkcs12_is_complete(const PKCS12 *pkcs12)
{
    m2_bytes der = M2_DER(PKCS12, pkcs12);
    PKCS7 *authsafe = NULL;
    STACK_OF(PKCS7) *parts = NULL;
    int complete = 0;
    int i;

    if (der.data != NULL)
        authsafe = pkcs12_authsafe(der);
    if (authsafe == NULL || !pkcs12_is_part(authsafe) || !PKCS7_type_is_data(authsafe))
        goto done;
    parts = PKCS12_unpack_authsafes(pkcs12);
    if (parts == NULL)
        goto done;
    complete = 1;
    for (i = 0; i < sk_PKCS7_num(parts); i++) {
        if (!pkcs12_is_part(sk_PKCS7_value(parts, i)))
            complete = 0;
    }
done:
    sk_PKCS7_pop_free(parts, PKCS7_free);
    PKCS7_free(authsafe);
    m2_bytes_free(&der);
    if (!complete) {
        ERR_clear_error();
        m2_error("the PKCS #12 structure has no content");
    }
    return complete;
}

PKCS12 *m2_d2i_pkcs12(m2_buffer der)
{
    const unsigned char *data = der.data;
    PKCS12 *pkcs12;

    pkcs12 = d2i_PKCS12(NULL, &data, (long)der.length);
    if (pkcs12 != NULL && !pkcs12_is_complete(pkcs12)) {
        PKCS12_free(pkcs12);
        pkcs12 = NULL;
    }
    return pkcs12;
}

m2_bytes m2_i2d_pkcs12(const PKCS12 *pkcs12)
{
    return M2_DER(PKCS12, pkcs12);
}

/* ---- reading ------------------------------------------------------------------------------ */

/* As PKCS12_parse does: without a passphrase the MAC can be that of an empty one. */
static int pkcs12_check_mac(PKCS12 *pkcs12, const char *passphrase)
{
    if (PKCS12_mac_present(pkcs12) == 0)
        return 1;
    if (PKCS12_verify_mac(pkcs12, passphrase, -1) == 1)
        return 1;
    return (passphrase == NULL || *passphrase == '\0') &&
           PKCS12_verify_mac(pkcs12, passphrase == NULL ? "" : NULL, passphrase == NULL ? 0 : -1) ==
               1;
}

m2_verdict m2_pkcs12_verify_mac(PKCS12 *pkcs12, m2_buffer text)
{
    char *passphrase;
    int verdict = -1;

    if (!pkcs12_text(text, &passphrase))
        return -1;
    verdict = pkcs12_check_mac(pkcs12, passphrase);
    /* An error is an algorithm that is not available. */
    if (!verdict && ERR_peek_error() != 0)
        verdict = -1;
    pkcs12_forget(passphrase);
    return verdict;
}

m2_pkcs12_parts *m2_pkcs12_parse(PKCS12 *pkcs12, m2_buffer text)
{
    m2_pkcs12_parts *parts = NULL;
    char *passphrase;

    if (!pkcs12_text(text, &passphrase))
        return NULL;
    parts = OPENSSL_zalloc(sizeof(*parts));
    if (parts != NULL &&
        PKCS12_parse(pkcs12, passphrase, &parts->pkey, &parts->certificate, &parts->others) != 1) {
        OPENSSL_free(parts);
        parts = NULL;
    }
    pkcs12_forget(passphrase);
    return parts;
}

void m2_pkcs12_parts_free(m2_pkcs12_parts *parts)
{
    if (parts == NULL)
        return;
    EVP_PKEY_free(parts->pkey);
    X509_free(parts->certificate);
    sk_X509_pop_free(parts->others, X509_free);
    OPENSSL_free(parts);
}

EVP_PKEY *m2_pkcs12_get1_pkey(const m2_pkcs12_parts *parts)
{
    if (parts->pkey == NULL || EVP_PKEY_up_ref(parts->pkey) != 1)
        return NULL;
    return parts->pkey;
}

X509 *m2_pkcs12_get1_cert(const m2_pkcs12_parts *parts)
{
    if (parts->certificate == NULL || X509_up_ref(parts->certificate) != 1)
        return NULL;
    return parts->certificate;
}

m2_x509_stack *m2_pkcs12_get1_ca(const m2_pkcs12_parts *parts)
{
    return parts->others == NULL ? sk_X509_new_null() : X509_chain_up_ref(parts->others);
}

m2_bytes m2_x509_alias_get(const X509 *certificate)
{
    int length = 0;
    const unsigned char *alias = X509_alias_get0((X509 *)certificate, &length);
    m2_bytes text = m2_bytes_new(alias == NULL ? 0 : (size_t)length);

    if (text.data != NULL && text.length > 0)
        memcpy(text.data, alias, text.length);
    return text;
}

/* ---- writing ------------------------------------------------------------------------------ */

/* PKCS12_create takes the cipher of PBES2 by its NID; -1 is none. */
static int pkcs12_cipher(const EVP_CIPHER *cipher, int *nid)
{
    *nid = -1;
    if (cipher == NULL)
        return 1;
    *nid = EVP_CIPHER_nid(cipher);
    if (EVP_CIPHER_mode(cipher) == EVP_CIPH_CBC_MODE && *nid != NID_undef &&
        (EVP_CIPHER_flags(cipher) & EVP_CIPH_FLAG_AEAD_CIPHER) == 0)
        return 1;
    m2_error("PKCS #12 is encrypted by a cipher in CBC mode");
    return 0;
}

static int pkcs12_set_mac(PKCS12 *pkcs12, const char *passphrase, const EVP_MD *digest,
                          int iterations, int pbmac1)
{
    if (digest == NULL)
        return 1;
    if (pbmac1)
        return m2_compat_pkcs12_set_pbmac1(pkcs12, passphrase, iterations, digest);
    return PKCS12_set_mac(pkcs12, passphrase, -1, NULL, 0, iterations, digest);
}

PKCS12 *m2_pkcs12_create(m2_buffer text, m2_buffer name, EVP_PKEY *pkey, X509 *certificate,
                         m2_x509_stack *ca, const EVP_CIPHER *cipher, const EVP_MD *digest,
                         int iterations, int pbmac1)
{
    PKCS12 *pkcs12 = NULL;
    char *passphrase = NULL;
    char *friendly = NULL;
    int nid = -1;

    if (!pkcs12_text(text, &passphrase) || !pkcs12_text(name, &friendly) ||
        !pkcs12_cipher(cipher, &nid))
        goto done;
    if (iterations < 1) {
        m2_error("the iterations are not 1 or more");
        goto done;
    }
    if (passphrase == NULL && (cipher != NULL || digest != NULL)) {
        m2_error("encryption and a MAC need a passphrase");
        goto done;
    }
    /* A MAC iteration of -1 leaves out PKCS12_create's own, of a fixed digest. */
    pkcs12 = PKCS12_create(passphrase, friendly != NULL && *friendly != '\0' ? friendly : NULL,
                           pkey, certificate, ca, nid, nid, iterations, -1, 0);
    if (pkcs12 != NULL && pkcs12_set_mac(pkcs12, passphrase, digest, iterations, pbmac1) != 1) {
        PKCS12_free(pkcs12);
        pkcs12 = NULL;
    }
done:
    pkcs12_forget(passphrase);
    pkcs12_forget(friendly);
    return pkcs12;
}
