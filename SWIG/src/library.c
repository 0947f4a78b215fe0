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

m2_status m2_openssl_configure(const char *path)
{
    OPENSSL_INIT_SETTINGS *settings = OPENSSL_INIT_new();
    int ok = settings != NULL && OPENSSL_INIT_set_config_filename(settings, path) == 1;

    if (ok) {
        /* OpenSSL's default flags ignore a file that is not there. */
        OPENSSL_INIT_set_config_file_flags(settings, CONF_MFLAGS_DEFAULT_SECTION);
        ok = OPENSSL_init_crypto(OPENSSL_INIT_LOAD_CONFIG, settings) == 1;
    }
    OPENSSL_INIT_free(settings);
    return ok;
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
