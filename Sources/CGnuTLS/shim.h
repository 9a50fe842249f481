#pragma once
#include <gnutls/abstract.h>
#include <gnutls/gnutls.h>
#include <gnutls/x509.h>

// A certificate with those that lead to its authority, and its key, as a handshake takes them.
struct cgnutls_identity {
    gnutls_pcert_st *chain;
    unsigned int count;
    gnutls_privkey_t key;
};

static inline void cgnutls_free(struct cgnutls_identity *identity) {
    for (unsigned int index = 0; index < identity->count; index++)
        gnutls_pcert_deinit(&identity->chain[index]);
    gnutls_free(identity->chain);
    if (identity->key) gnutls_privkey_deinit(identity->key);
}

// Reads both from PEM; returns 0, or a GnuTLS error if they cannot be read or do not belong together.
static inline int cgnutls_load(
    const gnutls_datum_t *certificate, const gnutls_datum_t *key, struct cgnutls_identity *identity
) {
    gnutls_certificate_credentials_t pair;
    int result = gnutls_certificate_allocate_credentials(&pair);
    if (result < 0) return result;
    // It alone compares the two.
    result = gnutls_certificate_set_x509_key_mem(pair, certificate, key, GNUTLS_X509_FMT_PEM);
    gnutls_certificate_free_credentials(pair);
    if (result < 0) return result;
    enum { longest = 16 };
    identity->key = NULL;
    identity->count = longest;
    identity->chain = gnutls_calloc(longest, sizeof(gnutls_pcert_st));
    if (!identity->chain) return GNUTLS_E_MEMORY_ERROR;
    result = gnutls_pcert_list_import_x509_raw(
        identity->chain, &identity->count, certificate, GNUTLS_X509_FMT_PEM, 0);
    if (result < 0) {
        identity->count = 0;
    } else if ((result = gnutls_privkey_init(&identity->key)) >= 0) {
        result = gnutls_privkey_import_x509_raw(
            identity->key, key, GNUTLS_X509_FMT_PEM, NULL, 0);
    }
    if (result < 0) cgnutls_free(identity);
    return result < 0 ? result : 0;
}

// When the first certificate of a PEM text expires, in seconds since 1970; -1 if it cannot be read.
static inline long cgnutls_expiration(const gnutls_datum_t *certificate) {
    gnutls_x509_crt_t first;
    if (gnutls_x509_crt_init(&first) < 0) return -1;
    long time = -1;
    if (gnutls_x509_crt_import(first, certificate, GNUTLS_X509_FMT_PEM) >= 0)
        time = (long)gnutls_x509_crt_get_expiration_time(first);
    gnutls_x509_crt_deinit(first);
    return time;
}
