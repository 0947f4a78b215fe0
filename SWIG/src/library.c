/* The OpenSSL library in the process. */
#ifdef _WIN32
#include <windows.h>
#else
/* dladdr(3) is an extension of glibc and musl. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <dlfcn.h>
#endif

#include <string.h>

#include <openssl/conf.h>

#include "m2.h"
#include "compat.h"
#include "library.h"

int m2_openssl_fips_enabled(void)
{
    return m2_compat_fips_enabled();
}

int m2_crypto_memcmp(m2_buffer first, m2_buffer second)
{
    if (first.length != second.length)
        return 1;
    return first.length > 0 && CRYPTO_memcmp(first.data, second.data, first.length) != 0;
}

m2_status m2_openssl_configure(const char *file)
{
    /* The configuration is the process's: a subinterpreter imports the module again. */
    static int is_configured = 0;

    if (is_configured)
        return 1;
    if (OPENSSL_init_crypto(OPENSSL_INIT_NO_LOAD_CONFIG, NULL) != 1)
        return 0;
    m2_compat_load_conf_modules();
    /* OpenSSL's default flags ignore every error. */
    if (*file != '\0' && CONF_modules_load_file(file, NULL, CONF_MFLAGS_DEFAULT_SECTION) <= 0)
        return 0;
    is_configured = 1;
    return 1;
}

int m2_openssl_config_diagnostics(const char *file)
{
    CONF *conf = NCONF_new(NULL);
    long number = 0;
    int is_on = conf != NULL && NCONF_load(conf, file, NULL) > 0 &&
                NCONF_get_number_e(conf, NULL, "config_diagnostics", &number) && number != 0;

    NCONF_free(conf);
    ERR_clear_error();
    return is_on;
}

int m2_openssl_has_sha256(void)
{
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    int is_there = context != NULL && EVP_DigestInit_ex(context, EVP_sha256(), NULL) == 1;

    EVP_MD_CTX_free(context);
    ERR_clear_error();
    return is_there;
}

m2_bytes m2_openssl_config_file(void)
{
    m2_bytes path = {(unsigned char *)CONF_get1_default_config_file(), 0};

    if (path.data != NULL)
        path.length = strlen((char *)path.data);
    return path;
}

#ifdef _WIN32
const char *m2_openssl_library(void)
{
    static char path[MAX_PATH];
    HMODULE module = NULL;
    DWORD flags =
        GET_MODULE_HANDLE_EX_FLAG_FROM_ADDRESS | GET_MODULE_HANDLE_EX_FLAG_UNCHANGED_REFCOUNT;

    if (!GetModuleHandleExA(flags, (LPCSTR)OpenSSL_version_num, &module) ||
        GetModuleFileNameA(module, path, sizeof(path)) == 0)
        return "";
    return path;
}
#else
const char *m2_openssl_library(void)
{
    Dl_info found;

    if (dladdr((void *)OpenSSL_version_num, &found) == 0 || found.dli_fname == NULL)
        return "";
    return found.dli_fname;
}
#endif
