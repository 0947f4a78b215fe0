/*
 * Engines (engine.h). OpenSSL 3.0 deprecates them all, so this file alone sees deprecated
 * functions.
 */
#undef OPENSSL_NO_DEPRECATED
#define OPENSSL_SUPPRESS_DEPRECATED

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "m2.h"
#include "engine.h"
#include "evp.h"

#ifndef OPENSSL_NO_ENGINE

#ifndef _WIN32
#include <dlfcn.h>
#endif

#include <openssl/engine.h>
#include <openssl/ui.h>

struct m2_engine_st {
    ENGINE *engine;
    int functional;
    /* Whether a functional reference is kept for the keys. */
    int has_keys;
    /* The file that the engine "dynamic" is to load. */
    char *path;
};

/* ---- the libcrypto of a dynamic engine ----------------------------------------------------- */

#ifdef _WIN32

static int engine_fits(const char *path)
{
    (void)path;
    m2_error("dynamic engines are not supported on Windows; use a provider (M2Crypto.Provider)");
    return 0;
}

#else

/* Look up a symbol in a library and its dependencies. POSIX defines the conversion of its address.
 */
static void engine_find(void *library, const char *symbol, void *function)
{
    *(void **)function = dlsym(library, symbol);
}

static int engine_refuse(const char *path, const char *version)
{
    char message[PATH_MAX + 256];

    BIO_snprintf(message, sizeof(message),
                 "the engine %s uses %s and cannot be loaded into %s: use a provider "
                 "(M2Crypto.Provider), or an engine that was built with this OpenSSL",
                 path, version, OpenSSL_version(OPENSSL_VERSION));
    m2_error(message);
    return 0;
}

/* Return whether the engine in the file uses this libcrypto, or another one of the same version:
 * engines create structures of libcrypto, whose layout is that of a version. */
static int engine_fits(const char *path)
{
    void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    unsigned long (*number)(void) = NULL;
    const char *(*text)(int) = NULL;
    int fits;

    if (library == NULL) {
        m2_error(dlerror());
        return 0;
    }
    engine_find(library, "OpenSSL_version_num", &number);
    engine_find(library, "OpenSSL_version", &text);
    if (number == NULL || text == NULL)
        fits = engine_refuse(path, "a libcrypto that it does not name");
    else
        fits = number == OpenSSL_version_num || number() == OpenSSL_version_num() ||
               engine_refuse(path, text(OPENSSL_VERSION));
    dlclose(library);
    return fits;
}

#endif

static int engine_is_registered(const char *id)
{
    ENGINE *each = ENGINE_get_first();
    int found = 0;

    while (each != NULL && !found) {
        found = strcmp(ENGINE_get_id(each), id) == 0;
        /* It releases `each`. */
        if (!found)
            each = ENGINE_get_next(each);
    }
    ENGINE_free(each);
    return found;
}

/* Copy the path of the file that ENGINE_by_id loads for an id, ENGINESDIR/ID.so. */
static int engine_path(const char *id, char *path, size_t size)
{
#ifdef __APPLE__
    const char *suffix = ".dylib";
#else
    const char *suffix = ".so";
#endif
    const char *directory = getenv("OPENSSL_ENGINES");
    int length = directory == NULL ? 0 : (int)strlen(directory);

    if (strchr(id, '/') != NULL || strchr(id, '\\') != NULL) {
        m2_error("the id of an engine has no slash; load a file by load_dynamic_engine");
        return 0;
    }
    if (directory == NULL) {
        /* ENGINESDIR: "/usr/lib/engines-3" */
        directory = strchr(OpenSSL_version(OPENSSL_ENGINES_DIR), '"');
        directory = directory == NULL ? "" : directory + 1;
        length = (int)strcspn(directory, "\"");
    }
    if (BIO_snprintf(path, size, "%.*s/%s%s", length, directory, id, suffix) > 0)
        return 1;
    m2_error("the id of the engine is too long");
    return 0;
}

/* ---- references --------------------------------------------------------------------------- */

m2_status m2_engine_load_dynamic(void)
{
    return OPENSSL_init_crypto(OPENSSL_INIT_ENGINE_DYNAMIC, NULL);
}

m2_status m2_engine_load_openssl(void)
{
    ENGINE *engine;

    if (OPENSSL_init_crypto(OPENSSL_INIT_ENGINE_OPENSSL, NULL) != 1)
        return 0;
    engine = ENGINE_by_id("openssl");
    if (engine == NULL)
        return 0;
    /* OpenSSL registers it for every operation. It is the default of none until set_default: with
     * it, keys are legacy ones, whose parameters cannot be copied in a handshake. */
    ENGINE_unregister_RSA(engine);
    ENGINE_unregister_DSA(engine);
    ENGINE_unregister_DH(engine);
    ENGINE_unregister_EC(engine);
    ENGINE_unregister_RAND(engine);
    ENGINE_unregister_ciphers(engine);
    ENGINE_unregister_digests(engine);
    ENGINE_unregister_pkey_meths(engine);
    ENGINE_unregister_pkey_asn1_meths(engine);
    ENGINE_free(engine);
    return 1;
}

void m2_engine_cleanup(void)
{
}

m2_engine *m2_engine_by_id(const char *id)
{
    char path[PATH_MAX] = "";
    m2_engine *engine = NULL;

    if (OPENSSL_init_crypto(OPENSSL_INIT_ENGINE_ALL_BUILTIN, NULL) != 1)
        return NULL;
    if (!engine_is_registered(id)) {
        BIO *file = NULL;
        int exists;

        if (!engine_path(id, path, sizeof(path)))
            return NULL;
        ERR_set_mark();
        file = BIO_new_file(path, "rb");
        ERR_pop_to_mark();
        exists = file != NULL;
        BIO_free(file);
        /* ENGINE_by_id reports a file that does not exist. */
        if (exists && !engine_fits(path))
            return NULL;
    }
    engine = OPENSSL_zalloc(sizeof(*engine));
    if (engine != NULL)
        engine->engine = ENGINE_by_id(id);
    if (engine != NULL && engine->engine == NULL) {
        OPENSSL_free(engine);
        engine = NULL;
    }
    return engine;
}

void m2_engine_free(m2_engine *engine)
{
    while (engine->functional > 0)
        m2_engine_finish(engine);
    ENGINE_free(engine->engine);
    OPENSSL_free(engine->path);
    OPENSSL_free(engine);
}

m2_status m2_engine_init(m2_engine *engine)
{
    int status = ENGINE_init(engine->engine);

    if (status == 1)
        engine->functional++;
    return status;
}

m2_status m2_engine_finish(m2_engine *engine)
{
    if (engine->functional == 0) {
        m2_error("the engine is not initialized; call init first");
        return 0;
    }
    engine->functional--;
    return ENGINE_finish(engine->engine);
}

const char *m2_engine_get_id(const m2_engine *engine)
{
    return ENGINE_get_id(engine->engine);
}

const char *m2_engine_get_name(const m2_engine *engine)
{
    return ENGINE_get_name(engine->engine);
}

/* ---- control ------------------------------------------------------------------------------ */

/* Return whether the engine "dynamic" may run a command. */
static int engine_may_load(m2_engine *engine, const char *command, const char *argument)
{
    if (strcmp(command, "DIR_ADD") == 0 || strcmp(command, "DIR_LOAD") == 0) {
        m2_error("the file of an engine is named by its whole path, by SO_PATH");
        return 0;
    }
    if (strcmp(command, "SO_PATH") == 0 && argument != NULL) {
        OPENSSL_free(engine->path);
        engine->path = OPENSSL_strdup(argument);
        return engine->path != NULL;
    }
    if (strcmp(command, "LOAD") != 0)
        return 1;
    if (engine->path == NULL) {
        m2_error("set SO_PATH, the path of the engine's file, before LOAD");
        return 0;
    }
    return engine_fits(engine->path);
}

m2_status m2_engine_ctrl_cmd_string(m2_engine *engine, const char *command, const char *argument,
                                    int optional)
{
    if (strcmp(ENGINE_get_id(engine->engine), "dynamic") == 0 &&
        !engine_may_load(engine, command, argument))
        return 0;
    return ENGINE_ctrl_cmd_string(engine->engine, command, argument, optional);
}

m2_status m2_engine_set_default(m2_engine *engine, int flags)
{
    return ENGINE_set_default(engine->engine, flags < 0 ? ENGINE_METHOD_ALL : (unsigned int)flags);
}

/* ---- keys and certificates ---------------------------------------------------------------- */

typedef EVP_PKEY *(*engine_loader)(ENGINE *, const char *, UI_METHOD *, void *);

static EVP_PKEY *engine_load(m2_engine *engine, engine_loader load, const char *name,
                             m2_callback pin)
{
    UI_METHOD *prompt = NULL;
    EVP_PKEY *key = NULL;

    if (engine->functional == 0) {
        m2_error("the engine is not initialized; call init first");
        return NULL;
    }
    prompt = UI_UTIL_wrap_read_pem_callback(m2_password, 0);
    if (prompt != NULL)
        key = load(engine->engine, name, prompt, pin);
    UI_destroy_method(prompt);
    if (key != NULL && !engine->has_keys)
        engine->has_keys = ENGINE_init(engine->engine);
    return key;
}

EVP_PKEY *m2_engine_load_private_key(m2_engine *engine, const char *name, m2_callback pin)
{
    return engine_load(engine, ENGINE_load_private_key, name, pin);
}

EVP_PKEY *m2_engine_load_public_key(m2_engine *engine, const char *name, m2_callback pin)
{
    EVP_PKEY *loaded = engine_load(engine, ENGINE_load_public_key, name, pin);
    EVP_PKEY *key = loaded == NULL ? NULL : m2_pkey_copy_public(loaded);

    EVP_PKEY_free(loaded);
    return key;
}

X509 *m2_engine_load_certificate(m2_engine *engine, const char *name)
{
    /* The parameter of the command, which the engines for PKCS #11 have in common. */
    struct {
        const char *name;
        X509 *certificate;
    } request = {name, NULL};

    if (engine->functional == 0)
        m2_error("the engine is not initialized; call init first");
    else if (ENGINE_ctrl_cmd(engine->engine, "LOAD_CERT_CTRL", 0, &request, NULL, 0) == 1 &&
             request.certificate == NULL)
        m2_error("the engine found no such certificate");
    return request.certificate;
}

#endif
