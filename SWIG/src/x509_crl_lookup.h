/* How a validation finds CRLs (X509_STORE_set_lookup_crls(3)). */
#ifndef M2_X509_CRL_LOOKUP_H
#define M2_X509_CRL_LOOKUP_H

#include "m2.h"
#include "x509_store.h"

/* Use this lookup in the validations with a store. */
void m2_crl_lookup_install(X509_STORE *store);
/* Look up CRLs also in the list of the validation. */
int m2_crl_lookup_set_list(m2_x509_store_ctx *context);

#endif
