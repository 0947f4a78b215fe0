/* Keys of any type. */
%{
#include "keys.h"
%}

%ignore m2_pair;
%typemap(out, noblock=1) m2_pair {
    if ($1.first.data == NULL || $1.second.data == NULL || PyErr_Occurred()) {
        m2_bytes_free(&$1.first);
        m2_bytes_free(&$1.second);
        m2_raise(M2_AREA, "$symname");
        SWIG_fail;
    }
    m2_errors_clear();
    $result = Py_BuildValue(
        "(NN)", PyBytes_FromStringAndSize((const char *)$1.first.data, (Py_ssize_t)$1.first.length),
        PyBytes_FromStringAndSize((const char *)$1.second.data, (Py_ssize_t)$1.second.length));
    m2_bytes_free(&$1.first);
    m2_bytes_free(&$1.second);
}

%thread m2_pkey_generate;
%thread m2_pkey_from_raw_private;
%thread m2_pkey_from_raw_public;
%thread m2_pkey_read_der;
%thread m2_pkey_private_der;
%thread m2_pkey_sign;
%thread m2_pkey_verify;
%thread m2_pkey_encrypt;
%thread m2_pkey_decrypt;
%thread m2_pkey_derive;
%thread m2_pkey_encapsulate;
%thread m2_pkey_decapsulate;

%include "src/keys.h"
