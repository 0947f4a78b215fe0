/* Cryptographic Message Syntax (CMS_sign(3), CMS_encrypt(3); RFC 5652). */
#include <openssl/opensslconf.h>

#ifdef OPENSSL_NO_CMS
/* ISO C has no empty translation unit. */
typedef int m2_no_cms;
#else

/* cms.h declares its functions for PEM after pem.h alone. */
#include <openssl/pem.h>

#include "m2.h"
#include "cms.h"
#include "compat_messages.h"
#include "pkcs7.h"

/* The caller's flags, without those that leave a message unfinished. */
static unsigned int cms_flags(int flags)
{
    return (unsigned int)flags & ~(unsigned int)(CMS_STREAM | CMS_PARTIAL);
}

/* Return a BIO that reads the data; NULL with an error queued if they are too long. */
static BIO *cms_reader(m2_buffer data)
{
    /* BIO_new_mem_buf refuses NULL. */
    const void *bytes = data.data == NULL ? "" : (const void *)data.data;

    return BIO_new_mem_buf(bytes, (int)data.length);
}

/* ---- encodings ---------------------------------------------------------------------------- */

CMS_ContentInfo *m2_cms_read_pem(BIO *bio)
{
    return PEM_read_bio_CMS(bio, NULL, m2_password, NULL);
}

CMS_ContentInfo *m2_cms_read_der(BIO *bio)
{
    return d2i_CMS_bio(bio, NULL);
}

m2_status m2_cms_write_pem(BIO *bio, const CMS_ContentInfo *message)
{
    return PEM_write_bio_CMS(bio, (CMS_ContentInfo *)message);
}

m2_status m2_cms_write_der(BIO *bio, const CMS_ContentInfo *message)
{
    return i2d_CMS_bio(bio, (CMS_ContentInfo *)message);
}

CMS_ContentInfo *m2_smime_read_cms(BIO *bio, BIO *content)
{
    BIO *reader = m2_smime_reader(bio);
    BIO *part = NULL;
    char *data = NULL;
    long length;
    CMS_ContentInfo *message = reader == NULL ? NULL : SMIME_read_CMS(reader, &part);

    BIO_free(reader);
    length = part == NULL ? 0 : BIO_get_mem_data(part, &data);
    if (length > 0 && BIO_write(content, data, (int)length) != length) {
        CMS_ContentInfo_free(message);
        message = NULL;
    }
    BIO_free_all(part);
    return message;
}

m2_bytes m2_smime_write_cms(CMS_ContentInfo *message, m2_buffer data, int flags)
{
    BIO *reader = data.data == NULL ? NULL : cms_reader(data);
    BIO *text = NULL;
    /* CMS_REUSE_DIGEST: the message is signed already. */
    unsigned int all = (cms_flags(flags) & ~(unsigned int)CMS_DETACHED) | CMS_REUSE_DIGEST;

    if (reader != NULL)
        all |= CMS_DETACHED;
    if (data.data == NULL || reader != NULL)
        text = BIO_new(BIO_s_mem());
    if (text != NULL && SMIME_write_CMS(text, message, reader, (int)all) != 1) {
        BIO_free(text);
        text = NULL;
    }
    BIO_free(reader);
    return m2_bytes_from_bio(text);
}

/* ---- parts -------------------------------------------------------------------------------- */

m2_number m2_cms_type_nid(const CMS_ContentInfo *message)
{
    return OBJ_obj2nid(CMS_get0_type(message));
}

m2_verdict m2_cms_is_detached(const CMS_ContentInfo *message)
{
    return CMS_is_detached((CMS_ContentInfo *)message);
}

m2_x509_stack *m2_cms_get1_certs(const CMS_ContentInfo *message)
{
    m2_x509_stack *stack = CMS_get1_certs((CMS_ContentInfo *)message);

    /* NULL without an error is an empty set. */
    return stack == NULL && ERR_peek_error() == 0 ? sk_X509_new_null() : stack;
}

m2_x509_crl_stack *m2_cms_get1_crls(const CMS_ContentInfo *message)
{
    m2_x509_crl_stack *stack = CMS_get1_crls((CMS_ContentInfo *)message);

    return stack == NULL && ERR_peek_error() == 0 ? sk_X509_CRL_new_null() : stack;
}

m2_x509_stack *m2_cms_get0_signers(const CMS_ContentInfo *message)
{
    m2_x509_stack *found = CMS_get0_signers((CMS_ContentInfo *)message);
    m2_x509_stack *signers = NULL;

    if (found != NULL)
        signers = X509_chain_up_ref(found);
    else if (ERR_peek_error() == 0)
        signers = sk_X509_new_null();
    sk_X509_free(found);
    return signers;
}

/* ---- signing and encryption --------------------------------------------------------------- */

CMS_ContentInfo *m2_cms_sign(X509 *certificate, EVP_PKEY *signer, m2_x509_stack *certificates,
                             m2_buffer data, const EVP_MD *digest, int flags)
{
    const unsigned int all = cms_flags(flags);
    BIO *reader = cms_reader(data);
    CMS_ContentInfo *message = NULL;

    if (reader != NULL)
        message = CMS_sign(NULL, NULL, certificates, NULL, all | CMS_PARTIAL);
    if (message != NULL && (CMS_add1_signer(message, certificate, signer, digest, all) == NULL ||
                            CMS_final(message, reader, NULL, all) != 1)) {
        CMS_ContentInfo_free(message);
        message = NULL;
    }
    BIO_free(reader);
    return message;
}

m2_bytes m2_cms_verify(CMS_ContentInfo *message, m2_x509_stack *certificates,
                       const X509_STORE *store, m2_buffer data, int flags)
{
    BIO *reader = data.data == NULL ? NULL : cms_reader(data);
    BIO *content = NULL;

    if (data.data == NULL || reader != NULL)
        content = BIO_new(BIO_s_mem());
    if (content != NULL && CMS_verify(message, certificates, (X509_STORE *)store, reader, content,
                                      cms_flags(flags)) != 1) {
        BIO_free(content);
        content = NULL;
    }
    BIO_free(reader);
    return m2_bytes_from_bio(content);
}

static int cms_takes_cipher(const EVP_CIPHER *cipher)
{
    int mode = EVP_CIPHER_mode(cipher);

    if (mode == EVP_CIPH_GCM_MODE && !m2_compat_cms_has_auth_enveloped()) {
        m2_error("AuthEnvelopedData (RFC 5083) needs OpenSSL 3.0 or later");
        return 0;
    }
    if (mode == EVP_CIPH_GCM_MODE)
        return 1;
    if ((EVP_CIPHER_flags(cipher) & EVP_CIPH_FLAG_AEAD_CIPHER) == 0 &&
        (mode == EVP_CIPH_CBC_MODE || mode == EVP_CIPH_CFB_MODE || mode == EVP_CIPH_OFB_MODE))
        return 1;
    m2_error("CMS supports ciphers in GCM, CBC, CFB or OFB mode");
    return 0;
}

CMS_ContentInfo *m2_cms_encrypt(m2_x509_stack *recipients, m2_buffer data, const EVP_CIPHER *cipher,
                                int flags)
{
    CMS_ContentInfo *message = NULL;
    BIO *reader = NULL;

    if (!cms_takes_cipher(cipher))
        return NULL;
    if (sk_X509_num(recipients) == 0) {
        m2_error("there is no recipient's certificate");
        return NULL;
    }
    reader = cms_reader(data);
    if (reader != NULL)
        message = CMS_encrypt(recipients, reader, cipher, cms_flags(flags));
    BIO_free(reader);
    return message;
}

m2_bytes m2_cms_decrypt(const CMS_ContentInfo *message, EVP_PKEY *signer, X509 *certificate,
                        int flags)
{
    /* A copy: OpenSSL 1.1.1 decrypts a message for an EC key once. */
    CMS_ContentInfo *copy = ASN1_item_dup(ASN1_ITEM_rptr(CMS_ContentInfo), (void *)message);
    BIO *content = NULL;

    if (copy != NULL)
        content = BIO_new(BIO_s_mem());
    if (content != NULL &&
        CMS_decrypt(copy, signer, certificate, NULL, content, cms_flags(flags)) != 1) {
        /* OpenSSL queues no error for it. */
        if (ERR_peek_error() == 0)
            m2_error("the message has no recipient of this certificate or key");
        BIO_free(content);
        content = NULL;
    }
    CMS_ContentInfo_free(copy);
    return m2_bytes_from_bio(content);
}

#endif
