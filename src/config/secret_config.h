// SPDX-License-Identifier: Apache-2.0
/*
 * The model of a Secret (envoy.extensions.transport_sockets.tls.v3.Secret) and of a TLS context's
 * configuration. Private keys lie in the part's arena, which is zeroed when freed and excluded from
 * core dumps. A tls_config names its secrets by slot; tls_part is the context made of both.
 */
#ifndef SRC_CONFIG_SECRET_CONFIG_H
#define SRC_CONFIG_SECRET_CONFIG_H

#include "src/config/config_part.h"
#include "src/tls/tls_context.h"

enum secret_kind { SECRET_CERTIFICATE, SECRET_VALIDATION, SECRET_TICKET_KEYS, SECRET_GENERIC };

struct secret_part {
    struct config_part part;
    enum secret_kind kind;
    struct tls_certificate_source certificate; /* CERTIFICATE */
    struct tls_validation_source validation;   /* VALIDATION */
    const struct slice *ticket_keys;
    uint32_t ticket_key_count;
    /* Files that the secret was read from, watched for changes; empty slices where inline. */
    const struct slice *watched_files;
    uint32_t watched_file_count;
    struct slice watched_directory;
};

/* A transport socket of type TLS, downstream or upstream, before its secrets are there. */
struct tls_config {
    struct tls_context_options options; /* certificates and validation filled in when resolved */
    const uint32_t *certificate_slots;  /* CONFIG_SECRET slots (SDS), in addition to inline ones */
    uint32_t certificate_slot_count;
    uint32_t validation_slot; /* CONFIG_SLOT_NONE: inline or none */
    bool combined_validation; /* default_validation_context merged under the slot's */
    uint32_t ticket_keys_slot;
};

/* Ready to hand-shake. `context` is NULL while a secret is missing. */
struct tls_part {
    struct config_part part;
    struct tls_context *context; /* one reference */
};

#endif
