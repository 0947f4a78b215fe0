/* Engines, which OpenSSL 4.0 does not have (ENGINE_by_id(3)). */
#ifndef M2_ENGINE_H
#define M2_ENGINE_H

#ifndef OPENSSL_NO_ENGINE

#ifndef SWIG
#include "m2.h"
#endif

/* An engine with the functional references that engine_init obtained. */
typedef struct m2_engine_st m2_engine;

/* Register the engine that loads others, and OpenSSL's own implementations as an engine. */
m2_status m2_engine_load_dynamic(void);
m2_status m2_engine_load_openssl(void);
/* Do nothing: OpenSSL releases engines at exit. */
void m2_engine_cleanup(void);

/* Return the engine with this id. One that is not registered is loaded from the file ID.so in
 * OPENSSL_ENGINES or ENGINESDIR. */
m2_engine *m2_engine_by_id(const char *id);
/* Obtain a functional reference, and release it. An engine that has loaded a key keeps one until
 * the process ends, because its keys can outlive the handle. */
m2_status m2_engine_init(m2_engine *engine);
m2_status m2_engine_finish(m2_engine *engine);
const char *m2_engine_get_id(const m2_engine *engine);
const char *m2_engine_get_name(const m2_engine *engine);
/* Run a control command by name; `arg` may be None. An unknown one is no error if `optional` is not
 * 0. The engine "dynamic" loads only a file whose libcrypto has the version of this one. */
m2_status m2_engine_ctrl_cmd_string(m2_engine *engine, const char *command, const char *OPTIONAL,
                                    int optional);
/* Make the engine the default implementation of the ENGINE_METHOD_ `flags`, in the whole process.
 */
m2_status m2_engine_set_default(m2_engine *engine, int flags);

/* Load a key or certificate by the engine's name for it. `pin` is a passphrase callback. A public
 * key is copied into memory. */
EVP_PKEY *m2_engine_load_private_key(m2_engine *engine, const char *name, m2_callback pin);
EVP_PKEY *m2_engine_load_public_key(m2_engine *engine, const char *name, m2_callback pin);
X509 *m2_engine_load_certificate(m2_engine *engine, const char *name);

#ifndef SWIG
void m2_engine_free(m2_engine *engine);
#endif

#endif
#endif
