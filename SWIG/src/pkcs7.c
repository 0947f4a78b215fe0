/* PKCS #7 and S/MIME messages (PKCS7_sign(3), SMIME_write_PKCS7(3); RFC 2315). */
#include <openssl/pem.h>
#include <openssl/pkcs7.h>

#include "m2.h"
#include "pkcs7.h"

/* The caller's flags, without those that leave a message unfinished. */
static int pkcs7_flags(int flags)
{
    return flags & ~(PKCS7_STREAM | PKCS7_PARTIAL);
}

/* Return whether the message has a content, which is OPTIONAL (RFC 2315, section 7). OpenSSL
 * 1.1.1 dereferences a missing one. */
static int pkcs7_has_content(const PKCS7 *message)
{
    if (message->type != NULL && message->d.ptr != NULL)
        return 1;
    m2_error("the PKCS #7 message has no content");
    return 0;
}

static int pkcs7_is_signed(const PKCS7 *message)
{
    if (!pkcs7_has_content(message))
        return 0;
    if (PKCS7_type_is_signed(message))
        return 1;
    m2_error("the PKCS #7 message is not signed data");
    return 0;
}

/* ---- encodings ---------------------------------------------------------------------------- */

PKCS7 *m2_pkcs7_read_bio(BIO *bio)
{
    return PEM_read_bio_PKCS7(bio, NULL, m2_password, NULL);
}

PKCS7 *m2_pkcs7_read_bio_der(BIO *bio)
{
    return d2i_PKCS7_bio(bio, NULL);
}

m2_status m2_pkcs7_write_bio(BIO *bio, const PKCS7 *message)
{
    return PEM_write_bio_PKCS7(bio, (PKCS7 *)message);
}

m2_status m2_pkcs7_write_bio_der(BIO *bio, const PKCS7 *message)
{
    return i2d_PKCS7_bio(bio, (PKCS7 *)message);
}

BIO *m2_smime_reader(BIO *bio)
{
    BIO *reader;
    char *data = NULL;
    long length;

    if (BIO_method_type(bio) != BIO_TYPE_MEM)
        return BIO_up_ref(bio) == 1 ? bio : NULL;
    length = BIO_get_mem_data(bio, &data);
    reader = BIO_new(BIO_s_mem());
    if (reader == NULL)
        return NULL;
    BIO_set_mem_eof_return(reader, 0);
    if (length > 0 && BIO_write(reader, data, (int)length) != length) {
        BIO_free(reader);
        return NULL;
    }
    (void)BIO_reset(bio);
    return reader;
}

/* Copy what is left in `from`, which may be NULL, and free it. */
static int pkcs7_move(BIO *from, BIO *to)
{
    char *data = NULL;
    long length = from == NULL ? 0 : BIO_get_mem_data(from, &data);
    int result = length == 0 || (m2_fits_int(length) && BIO_write(to, data, (int)length) == length);

    BIO_free_all(from);
    return result;
}

PKCS7 *m2_smime_read_pkcs7(BIO *bio, BIO *content)
{
    BIO *reader = m2_smime_reader(bio);
    BIO *part = NULL;
    PKCS7 *message = reader == NULL ? NULL : SMIME_read_PKCS7(reader, &part);

    BIO_free(reader);
    if (!pkcs7_move(part, content)) {
        PKCS7_free(message);
        message = NULL;
    }
    return message;
}

/* Move what OpenSSL wrote into memory, if it succeeded: it ignores that the write to a BIO fails.
 */
static int pkcs7_finish(BIO *text, int done, BIO *bio)
{
    if (done)
        return pkcs7_move(text, bio);
    BIO_free(text);
    return 0;
}

static int pkcs7_write_smime(BIO *bio, PKCS7 *message, BIO *data, int flags)
{
    BIO *text = BIO_new(BIO_s_mem());
    int done = text != NULL && SMIME_write_PKCS7(text, message, data, flags) == 1;

    return pkcs7_finish(text, done, bio);
}

m2_status m2_smime_write_pkcs7(BIO *bio, PKCS7 *message, int flags)
{
    return pkcs7_has_content(message) &&
           pkcs7_write_smime(bio, message, NULL, pkcs7_flags(flags) & ~PKCS7_DETACHED);
}

m2_status m2_smime_write_pkcs7_multi(BIO *bio, PKCS7 *message, BIO *data, int flags)
{
    return pkcs7_is_signed(message) &&
           pkcs7_write_smime(bio, message, data, pkcs7_flags(flags) | PKCS7_DETACHED);
}

m2_status m2_smime_crlf_copy(BIO *source, BIO *target, int flags)
{
    BIO *text = BIO_new(BIO_s_mem());
    int done = text != NULL && SMIME_crlf_copy(source, text, flags);

    return pkcs7_finish(text, done, target);
}

/* ---- parts -------------------------------------------------------------------------------- */

m2_number m2_pkcs7_type_nid(const PKCS7 *message)
{
    return OBJ_obj2nid(message->type);
}

const char *m2_pkcs7_type_sn(const PKCS7 *message)
{
    return OBJ_nid2sn(OBJ_obj2nid(message->type));
}

m2_verdict m2_pkcs7_is_detached(const PKCS7 *message)
{
    return message->d.ptr != NULL && PKCS7_type_is_signed(message) &&
           PKCS7_ctrl((PKCS7 *)message, PKCS7_OP_GET_DETACHED_SIGNATURE, 0, NULL) != 0;
}

m2_x509_stack *m2_pkcs7_get0_signers(const PKCS7 *message, m2_x509_stack *certificates, int flags)
{
    m2_x509_stack *found = NULL;
    m2_x509_stack *signers = NULL;

    if (!pkcs7_is_signed(message))
        return NULL;
    found = PKCS7_get0_signers((PKCS7 *)message, certificates, flags);
    if (found != NULL)
        signers = X509_chain_up_ref(found);
    sk_X509_free(found);
    return signers;
}

/* Return the sets of certificates and CRLs, which may be NULL, of a message that has them. */
static int pkcs7_sets(const PKCS7 *message, STACK_OF(X509) * *certificates,
                      STACK_OF(X509_CRL) * *crls)
{
    if (!pkcs7_has_content(message))
        return 0;
    if (PKCS7_type_is_signed(message)) {
        *certificates = message->d.sign->cert;
        *crls = message->d.sign->crl;
        return 1;
    }
    if (PKCS7_type_is_signedAndEnveloped(message)) {
        *certificates = message->d.signed_and_enveloped->cert;
        *crls = message->d.signed_and_enveloped->crl;
        return 1;
    }
    m2_error("only signed data have certificates and CRLs");
    return 0;
}

m2_x509_stack *m2_pkcs7_get1_certs(const PKCS7 *message)
{
    STACK_OF(X509) *certificates = NULL;
    STACK_OF(X509_CRL) *crls = NULL;

    if (!pkcs7_sets(message, &certificates, &crls))
        return NULL;
    return certificates == NULL ? sk_X509_new_null() : X509_chain_up_ref(certificates);
}

m2_x509_crl_stack *m2_pkcs7_get1_crls(const PKCS7 *message)
{
    STACK_OF(X509) *certificates = NULL;
    STACK_OF(X509_CRL) *crls = NULL;
    m2_x509_crl_stack *stack;
    int i;

    if (!pkcs7_sets(message, &certificates, &crls))
        return NULL;
    stack = sk_X509_CRL_new_null();
    for (i = 0; stack != NULL && i < sk_X509_CRL_num(crls); i++) {
        if (m2_sk_x509_crl_push(stack, sk_X509_CRL_value(crls, i)) <= 0) {
            m2_sk_x509_crl_free(stack);
            stack = NULL;
        }
    }
    return stack;
}

/* ---- signing and encryption --------------------------------------------------------------- */

PKCS7 *m2_pkcs7_sign0(X509 *certificate, EVP_PKEY *signer, BIO *data, const EVP_MD *digest,
                      int flags)
{
    return m2_pkcs7_sign1(certificate, signer, NULL, data, digest, flags);
}

PKCS7 *m2_pkcs7_sign1(X509 *certificate, EVP_PKEY *signer, m2_x509_stack *certificates, BIO *data,
                      const EVP_MD *digest, int flags)
{
    PKCS7 *message;

    flags = pkcs7_flags(flags);
    /* PKCS7_sign alone has no parameter for the digest. */
    message = PKCS7_sign(NULL, NULL, certificates, NULL, flags | PKCS7_PARTIAL);
    if (message != NULL &&
        (PKCS7_sign_add_signer(message, certificate, signer, digest, flags) == NULL ||
         PKCS7_final(message, data, flags) != 1)) {
        PKCS7_free(message);
        message = NULL;
    }
    return message;
}

static m2_bytes pkcs7_verify(PKCS7 *message, m2_x509_stack *certificates, const X509_STORE *store,
                             BIO *data, int flags)
{
    BIO *content = NULL;

    if (pkcs7_is_signed(message))
        content = BIO_new(BIO_s_mem());
    if (content != NULL &&
        PKCS7_verify(message, certificates, (X509_STORE *)store, data, content, flags) != 1) {
        BIO_free(content);
        content = NULL;
    }
    return m2_bytes_from_bio(content);
}

m2_bytes m2_pkcs7_verify0(PKCS7 *message, m2_x509_stack *certificates, const X509_STORE *store,
                          int flags)
{
    return pkcs7_verify(message, certificates, store, NULL, flags);
}

m2_bytes m2_pkcs7_verify1(PKCS7 *message, m2_x509_stack *certificates, const X509_STORE *store,
                          BIO *data, int flags)
{
    return pkcs7_verify(message, certificates, store, data, flags);
}

/* EnvelopedData has no place for the tag of an AEAD cipher. */
static int pkcs7_takes_cipher(const EVP_CIPHER *cipher)
{
    int mode = EVP_CIPHER_mode(cipher);

    if ((EVP_CIPHER_flags(cipher) & EVP_CIPH_FLAG_AEAD_CIPHER) == 0 &&
        (mode == EVP_CIPH_CBC_MODE || mode == EVP_CIPH_CFB_MODE || mode == EVP_CIPH_OFB_MODE))
        return 1;
    m2_error("PKCS #7 supports ciphers in CBC, CFB or OFB mode");
    return 0;
}

PKCS7 *m2_pkcs7_encrypt(m2_x509_stack *recipients, BIO *data, const EVP_CIPHER *cipher, int flags)
{
    if (!pkcs7_takes_cipher(cipher))
        return NULL;
    if (sk_X509_num(recipients) == 0) {
        m2_error("there is no recipient's certificate");
        return NULL;
    }
    return PKCS7_encrypt(recipients, data, cipher, pkcs7_flags(flags));
}

m2_bytes m2_pkcs7_decrypt(PKCS7 *message, EVP_PKEY *signer, X509 *certificate, int flags)
{
    BIO *content = NULL;

    if (pkcs7_has_content(message))
        content = BIO_new(BIO_s_mem());
    if (content != NULL && PKCS7_decrypt(message, signer, certificate, content, flags) != 1) {
        BIO_free(content);
        content = NULL;
    }
    return m2_bytes_from_bio(content);
}
