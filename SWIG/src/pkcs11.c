/*
 * Destroying keys of a token (pkcs11.h), by the module's own functions. The structures are those of
 * PKCS #11 Cryptographic Token Interface Base Specification 2.40, section 3 and appendix.
 */
#include <string.h>

#include "m2.h"
#include "pkcs11.h"

#if OPENSSL_VERSION_NUMBER >= 0x30000000L

#ifdef _WIN32
#include <windows.h>
#pragma pack(push, 1)
#else
#include <dlfcn.h>
#endif

typedef unsigned long ck_ulong;

enum {
    CKA_CLASS = 0x0,
    CKA_LABEL = 0x3,
    CKA_ID = 0x102,
    CKF_RW_SESSION = 0x2,
    CKF_SERIAL_SESSION = 0x4,
    CKF_OS_LOCKING_OK = 0x2,
    CKO_PUBLIC_KEY = 2,
    CKO_SECRET_KEY = 4,
    CKR_OK = 0x0,
    CKR_USER_ALREADY_LOGGED_IN = 0x100,
    CKR_CRYPTOKI_ALREADY_INITIALIZED = 0x191,
    CKU_USER = 1
};

typedef struct {
    ck_ulong type;
    const void *value;
    ck_ulong length;
} ck_attribute;

typedef struct {
    void *mutexes[4];
    ck_ulong flags;
    void *reserved;
} ck_initialize_args;

typedef struct {
    unsigned char label[32];
    unsigned char manufacturer[32];
    unsigned char model[16];
    unsigned char serial[16];
    ck_ulong numbers[11];
    unsigned char versions[4];
    unsigned char time[16];
} ck_token_info;

/* CK_FUNCTION_LIST up to C_FindObjectsFinal. */
typedef struct {
    unsigned char version[2];
    ck_ulong (*initialize)(ck_initialize_args *args);
    ck_ulong (*finalize)(void *reserved);
    void (*unused_2[2])(void);
    ck_ulong (*get_slots)(unsigned char with_token, ck_ulong *slots, ck_ulong *count);
    void (*unused_5)(void);
    ck_ulong (*get_token)(ck_ulong slot, ck_token_info *info);
    void (*unused_7[5])(void);
    ck_ulong (*open)(ck_ulong slot, ck_ulong flags, void *application, void *notify,
                     ck_ulong *session);
    ck_ulong (*close)(ck_ulong session);
    void (*unused_14[4])(void);
    ck_ulong (*login)(ck_ulong session, ck_ulong user, const unsigned char *pin, ck_ulong length);
    void (*unused_19[3])(void);
    ck_ulong (*destroy)(ck_ulong session, ck_ulong object);
    void (*unused_23[3])(void);
    ck_ulong (*find_begin)(ck_ulong session, ck_attribute *attributes, ck_ulong count);
    ck_ulong (*find)(ck_ulong session, ck_ulong *objects, ck_ulong maximum, ck_ulong *count);
    ck_ulong (*find_end)(ck_ulong session);
} ck_functions;

#ifdef _WIN32
#pragma pack(pop)
#endif

typedef ck_ulong (*ck_get_functions)(ck_functions **functions);

#define MAX_SLOTS 256
#define MAX_KEYS 64

/* ---- the module --------------------------------------------------------------------------- */

/* A module that uses the same libcrypto leaves its own errors in the queue. */
static void pkcs11_error(const char *message)
{
    ERR_clear_error();
    m2_error(message);
}

static int pkcs11_fail(const char *function, ck_ulong code)
{
    char message[96];

    BIO_snprintf(message, sizeof(message), "%s failed with the code 0x%lx of PKCS #11", function,
                 code);
    pkcs11_error(message);
    return 0;
}

/* The module stays loaded: a provider may use it, too. */
static ck_functions *pkcs11_open(const char *path)
{
    ck_functions *functions = NULL;
    ck_get_functions get = NULL;
#ifdef _WIN32
    HMODULE module = LoadLibraryA(path);

    if (module != NULL)
        get = (ck_get_functions)(void *)GetProcAddress(module, "C_GetFunctionList");
#else
    void *module = dlopen(path, RTLD_NOW | RTLD_LOCAL);

    if (module != NULL)
        *(void **)&get = dlsym(module, "C_GetFunctionList");
#endif
    if (get == NULL || get(&functions) != CKR_OK || functions == NULL) {
        pkcs11_error("the file is not a PKCS #11 module that can be loaded");
        functions = NULL;
    }
    return functions;
}

/* ---- the token ---------------------------------------------------------------------------- */

/* Compare text with a field that is padded with blanks; NULL is any text. */
static int pkcs11_is(const unsigned char *field, size_t size, const char *text)
{
    size_t length;

    if (text == NULL)
        return 1;
    length = strlen(text);
    if (length > size || memcmp(field, text, length) != 0)
        return 0;
    while (length < size && field[length] == ' ')
        length++;
    return length == size;
}

/* Find the slot of the one token that fits; 0 with an error queued if none does, or several do. */
static int pkcs11_find_token(ck_functions *functions, const char *token, const char *serial,
                             ck_ulong *slot)
{
    ck_ulong slots[MAX_SLOTS];
    ck_ulong count = MAX_SLOTS;
    ck_ulong code = functions->get_slots(1, slots, &count);
    ck_ulong i;
    int found = 0;

    if (code != CKR_OK)
        return pkcs11_fail("C_GetSlotList", code);
    for (i = 0; i < count; i++) {
        ck_token_info info;

        memset(&info, 0, sizeof(info));
        if (functions->get_token(slots[i], &info) == CKR_OK &&
            pkcs11_is(info.label, sizeof(info.label), token) &&
            pkcs11_is(info.serial, sizeof(info.serial), serial)) {
            *slot = slots[i];
            found++;
        }
    }
    if (found != 1)
        pkcs11_error(found == 0 ? "no token has this label and serial number"
                                : "several tokens fit; name one by its label and serial number");
    return found == 1;
}

/* ---- keys --------------------------------------------------------------------------------- */

static ck_ulong pkcs11_add(ck_attribute *attributes, ck_ulong count, ck_ulong type,
                           const void *value, size_t length)
{
    if (value == NULL)
        return count;
    attributes[count].type = type;
    attributes[count].value = value;
    attributes[count].length = (ck_ulong)length;
    return count + 1;
}

/* Find up to MAX_KEYS keys; 0 with an error queued. */
static int pkcs11_find(ck_functions *functions, ck_ulong session, ck_attribute *attributes,
                       ck_ulong count, ck_ulong *keys, ck_ulong *found)
{
    ck_ulong code = functions->find_begin(session, attributes, count);

    if (code == CKR_OK) {
        code = functions->find(session, keys, MAX_KEYS, found);
        functions->find_end(session);
    }
    return code == CKR_OK || pkcs11_fail("C_FindObjects", code);
}

/* Destroy the keys of a class and return their number, -1 with an error queued. */
static int pkcs11_destroy_class(ck_functions *functions, ck_ulong session, ck_ulong key_class,
                                m2_buffer id, m2_buffer label)
{
    ck_attribute attributes[3];
    ck_ulong keys[MAX_KEYS];
    ck_ulong found = 0;
    ck_ulong count = pkcs11_add(attributes, 0, CKA_CLASS, &key_class, sizeof(key_class));
    int destroyed = 0;

    count = pkcs11_add(attributes, count, CKA_ID, id.data, id.length);
    count = pkcs11_add(attributes, count, CKA_LABEL, label.data, label.length);
    do {
        ck_ulong i;

        if (!pkcs11_find(functions, session, attributes, count, keys, &found))
            return -1;
        for (i = 0; i < found; i++, destroyed++) {
            ck_ulong code = functions->destroy(session, keys[i]);

            if (code != CKR_OK) {
                pkcs11_fail("C_DestroyObject", code);
                return -1;
            }
        }
    } while (found == MAX_KEYS);
    return destroyed;
}

static int pkcs11_destroy(ck_functions *functions, ck_ulong session, int key_class, m2_buffer id,
                          m2_buffer label)
{
    int first = key_class < 0 ? CKO_PUBLIC_KEY : key_class;
    int last = key_class < 0 ? CKO_SECRET_KEY : key_class;
    int total = 0;
    int each;

    for (each = first; each <= last; each++) {
        int destroyed = pkcs11_destroy_class(functions, session, (ck_ulong)each, id, label);

        if (destroyed < 0)
            return -1;
        total += destroyed;
    }
    return total;
}

m2_number m2_pkcs11_destroy_keys(const char *module, const char *token, const char *serial,
                                 m2_buffer id, m2_buffer label, int key_class, m2_buffer pin)
{
    ck_initialize_args args = {{NULL, NULL, NULL, NULL}, CKF_OS_LOCKING_OK, NULL};
    ck_functions *functions = NULL;
    ck_ulong initialized;
    ck_ulong slot = 0;
    ck_ulong session = 0;
    ck_ulong code;
    int destroyed = -1;

    if (id.data == NULL && label.data == NULL) {
        m2_error("name the keys by their id or label");
        return -1;
    }
    functions = pkcs11_open(module);
    if (functions == NULL)
        return -1;
    initialized = functions->initialize(&args);
    if (initialized != CKR_OK && initialized != CKR_CRYPTOKI_ALREADY_INITIALIZED) {
        pkcs11_fail("C_Initialize", initialized);
        return -1;
    }
    if (!pkcs11_find_token(functions, token, serial, &slot))
        goto done;
    code = functions->open(slot, CKF_SERIAL_SESSION | CKF_RW_SESSION, NULL, NULL, &session);
    if (code != CKR_OK) {
        pkcs11_fail("C_OpenSession", code);
        goto done;
    }
    code = pin.data == NULL ? CKR_OK
                            : functions->login(session, CKU_USER, pin.data, (ck_ulong)pin.length);
    if (code == CKR_OK || code == CKR_USER_ALREADY_LOGGED_IN)
        destroyed = pkcs11_destroy(functions, session, key_class, id, label);
    else
        pkcs11_fail("C_Login", code);
    functions->close(session);
done:
    /* Another user of the module, such as a provider, has initialized it and still needs it. */
    if (initialized == CKR_OK)
        functions->finalize(NULL);
    return destroyed;
}

#endif
