// SPDX-License-Identifier: Apache-2.0
#include "xds/decode/decode_common.h"
#include "xds/decode/ledgers.h"
#include "xds/decode/tls_config.h"

/* Files that a secret is read from. */
struct watched {
    struct slice *files;
    uint32_t count;
};

static void watch(struct decoder *d, struct watched *watched, const CORE(DataSource) *source) {
    struct slice file = data_source_file(source);
    if (file.len > 0) {
        watched->files[watched->count++] = arena_dup_slice(d->config.arena, file);
    }
}

static struct slice watched_directory(struct decoder *d, const CORE(WatchedDirectory) *from) {
    return from == NULL ? SLICE("") : decoder_text(d, from->path);
}

static bool decode_certificate_secret(struct decoder *d, const TLS(TlsCertificate) *from,
                                      struct secret_part *out) {
    enum { SOURCES = 4 };
    struct watched watched = {.files = ARENA_NEW_ARRAY(d->config.arena, SOURCES, struct slice)};
    out->kind = SECRET_CERTIFICATE;
    decoder_push(d, "tls_certificate");
    bool is_ok = decode_certificate(d, from, &out->certificate);
    decoder_pop(d);
    watch(d, &watched, from->certificate_chain);
    watch(d, &watched, from->private_key);
    watch(d, &watched, from->password);
    watch(d, &watched, from->ocsp_staple);
    out->watched_files = watched.files;
    out->watched_file_count = watched.count;
    out->watched_directory = watched_directory(d, from->watched_directory);
    return is_ok;
}

static bool decode_validation_secret(struct decoder *d,
                                     const TLS(CertificateValidationContext) *from,
                                     struct secret_part *out) {
    enum { SOURCES = 2 };
    struct watched watched = {.files = ARENA_NEW_ARRAY(d->config.arena, SOURCES, struct slice)};
    out->kind = SECRET_VALIDATION;
    decoder_push(d, "validation_context");
    bool is_ok = decode_validation_context(d, from, &out->validation);
    decoder_pop(d);
    watch(d, &watched, from->trusted_ca);
    watch(d, &watched, from->crl);
    out->watched_files = watched.files;
    out->watched_file_count = watched.count;
    out->watched_directory = watched_directory(d, from->watched_directory);
    return is_ok;
}

static bool decode_by_type(struct decoder *d, const TLS(Secret) *from, struct secret_part *out) {
    bool is_ok;
    switch ((int)from->type_case) {
    case ENVOY__EXTENSIONS__TRANSPORT_SOCKETS__TLS__V3__SECRET__TYPE_TLS_CERTIFICATE:
        return decode_certificate_secret(d, from->tls_certificate, out);
    case ENVOY__EXTENSIONS__TRANSPORT_SOCKETS__TLS__V3__SECRET__TYPE_VALIDATION_CONTEXT:
        return decode_validation_secret(d, from->validation_context, out);
    case ENVOY__EXTENSIONS__TRANSPORT_SOCKETS__TLS__V3__SECRET__TYPE_SESSION_TICKET_KEYS:
        out->kind = SECRET_TICKET_KEYS;
        decoder_push(d, "session_ticket_keys");
        is_ok = decode_ticket_keys(d, from->session_ticket_keys, &out->ticket_keys,
                                   &out->ticket_key_count);
        decoder_pop(d);
        return is_ok;
    case ENVOY__EXTENSIONS__TRANSPORT_SOCKETS__TLS__V3__SECRET__TYPE_GENERIC_SECRET:
        out->kind = SECRET_GENERIC;
        return true;
    default:
        return decoder_field_error(d, "type", "Secret type not implemented");
    }
}

static struct config_part *decode_secret(struct decoder *d, const ProtobufCMessage *message) {
    const TLS(Secret) *from = (const TLS(Secret) *)message;
    struct secret_part *secret =
        config_part_new(CONFIG_SECRET, sizeof(*secret), slice_from_string(from->name));
    decoder_use_part(d, &secret->part);
    (void)decode_by_type(d, from, secret);
    return &secret->part;
}

const struct resource_type resource_type_secret = {
    .type_url = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret",
    .message = "envoy.extensions.transport_sockets.tls.v3.Secret",
    .short_name = "SDS",
    .kind = CONFIG_SECRET,
    .name_field = 1,
    .decode = decode_secret,
};

static const struct ledger_field secret_fields[] = {
    {"generic_secret", LEDGER_HARMLESS, "no filter that is built in asks for one"},
    LEDGER_OK("*"),
};

const struct ledger_message ledger_secret[] = {
    LEDGER_MESSAGE("envoy.extensions.transport_sockets.tls.v3.Secret", secret_fields),
};
const uint32_t ledger_secret_count = ARRAY_LEN(ledger_secret);
