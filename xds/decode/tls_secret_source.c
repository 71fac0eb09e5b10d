// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <unistd.h>

#include "xds/decode/decode_common.h"
#include "xds/decode/matcher.h"
#include "xds/decode/tls_config.h"

enum { SHA256_BYTES = 32, SHA256_BASE64_CHARS = 44 };

/* Where distributions keep the roots; the first that is there counts. */
static const char *const root_bundles[] = {
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
};

// An unset source leaves *out as it is.
static bool optional_source(struct decoder *d, const char *field, const CORE(DataSource) *from,
                            struct slice *out) {
    if (from == NULL) {
        return true;
    }
    decoder_push(d, field);
    bool is_ok = decode_data_source(d, from, out);
    decoder_pop(d);
    return is_ok;
}

bool decode_certificate(struct decoder *d, const TLS(TlsCertificate) *from,
                        struct tls_certificate_source *out) {
    *out = (struct tls_certificate_source){0};
    if (from->pkcs12 != NULL) {
        return decoder_field_error(d, "pkcs12", "PKCS #12 is not supported");
    }
    if (from->private_key_provider != NULL) {
        return decoder_field_error(d, "private_key_provider",
                                   "Failed to load private key provider: %s",
                                   from->private_key_provider->provider_name);
    }
    bool is_ok = optional_source(d, "certificate_chain", from->certificate_chain, &out->chain_pem);
    is_ok = optional_source(d, "private_key", from->private_key, &out->private_key_pem) && is_ok;
    is_ok = optional_source(d, "password", from->password, &out->password) && is_ok;
    is_ok = optional_source(d, "ocsp_staple", from->ocsp_staple, &out->ocsp_staple) && is_ok;
    if (!is_ok) {
        return false;
    }
    struct slice file = data_source_file(from->certificate_chain);
    out->name = arena_dup_slice(d->config.arena, file.len > 0 ? file : SLICE("<inline>"));
    struct error err = {0};
    if (tls_check_certificate(out, &err) != STATUS_OK) {
        return decoder_error(d, "%s", err.message);
    }
    return true;
}

bool decode_ticket_keys(struct decoder *d, const TLS(TlsSessionTicketKeys) *from,
                        const struct slice **out, uint32_t *out_count) {
    struct slice *keys = ARENA_NEW_ARRAY(d->config.arena, from->n_keys, struct slice);
    bool is_ok = true;
    for (size_t i = 0; i < from->n_keys; i++) {
        decoder_push_index(d, "keys", i);
        if (!decode_data_source(d, from->keys[i], &keys[i])) {
            is_ok = false;
        } else if (keys[i].len != TICKET_KEY_BYTES) {
            is_ok = decoder_error(d,
                                  "Incorrect TLS session ticket key length. Length %zu, expected "
                                  "length %d.",
                                  keys[i].len, TICKET_KEY_BYTES);
        }
        decoder_pop_index(d);
    }
    *out = keys;
    *out_count = (uint32_t)from->n_keys;
    return is_ok;
}

static int hex_digit(uint8_t c) {
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    uint8_t lower = ascii_lower(c);
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

// 64 digits, or pairs of them with colons between.
static bool parse_hash(struct slice text, uint8_t out[SHA256_BYTES]) {
    size_t step = text.len == SHA256_BYTES * 3 - 1 ? 3 : 2;
    if (step == 2 && text.len != SHA256_BYTES * 2) {
        return false;
    }
    for (size_t i = 0; i < SHA256_BYTES; i++) {
        int high = hex_digit(text.ptr[i * step]);
        int low = hex_digit(text.ptr[i * step + 1]);
        bool has_colon = step == 2 || i + 1 == SHA256_BYTES || text.ptr[i * step + 2] == ':';
        if (high < 0 || low < 0 || !has_colon) {
            return false;
        }
        out[i] = (uint8_t)(high << 4 | low);
    }
    return true;
}

static int base64_digit(uint8_t c) {
    if (c >= 'A' && c <= 'Z') {
        return c - 'A';
    }
    if (c >= 'a' && c <= 'z') {
        return c - 'a' + 26;
    }
    if (c >= '0' && c <= '9') {
        return c - '0' + 52;
    }
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

static bool parse_pin(struct slice text, uint8_t out[SHA256_BYTES]) {
    if (text.len != SHA256_BASE64_CHARS || text.ptr[SHA256_BASE64_CHARS - 1] != '=') {
        return false;
    }
    uint32_t bits = 0, bit_count = 0;
    size_t len = 0;
    for (size_t i = 0; i + 1 < text.len; i++) {
        int digit = base64_digit(text.ptr[i]);
        if (digit < 0) {
            return false;
        }
        bits = (bits << 6 | (uint32_t)digit) & 0xffffff;
        bit_count += 6;
        if (bit_count >= 8) {
            bit_count -= 8;
            out[len++] = (uint8_t)(bits >> bit_count);
        }
    }
    return len == SHA256_BYTES;
}

static bool decode_digests(struct decoder *d, const char *field, char *const *from, size_t count,
                           bool is_hex, const struct slice **out) {
    struct slice *digests =
        count == 0 ? NULL : ARENA_NEW_ARRAY(d->config.arena, count, struct slice);
    for (size_t i = 0; i < count; i++) {
        uint8_t *bytes = arena_alloc_bytes(d->config.arena, SHA256_BYTES);
        struct slice text = slice_from_string(from[i]);
        if (!(is_hex ? parse_hash(text, bytes) : parse_pin(text, bytes))) {
            return decoder_field_error(d, field, "Invalid %s-encoded SHA-256 %s",
                                       is_hex ? "hex" : "base64", from[i]);
        }
        digests[i] = slice_make(bytes, SHA256_BYTES);
    }
    *out = digests;
    return true;
}

static void set_san(struct tls_san_matcher *out, enum tls_san_type type,
                    const struct string_matcher *matcher) {
    *out = (struct tls_san_matcher){
        .type = type, .matches = string_matcher_matches_untyped, .matcher = matcher};
    if (type == TLS_SAN_DNS && matcher->kind == STRING_MATCH_EXACT) {
        out->is_exact_dns = true;
        out->exact = matcher->text;
    }
}

static bool san_type(struct decoder *d, const TLS(SubjectAltNameMatcher) *from,
                     enum tls_san_type *type) {
    switch ((int)from->san_type) {
    case ENVOY__EXTENSIONS__TRANSPORT_SOCKETS__TLS__V3__SUBJECT_ALT_NAME_MATCHER__SAN_TYPE__EMAIL:
        *type = TLS_SAN_EMAIL;
        return true;
    case ENVOY__EXTENSIONS__TRANSPORT_SOCKETS__TLS__V3__SUBJECT_ALT_NAME_MATCHER__SAN_TYPE__DNS:
        *type = TLS_SAN_DNS;
        return true;
    case ENVOY__EXTENSIONS__TRANSPORT_SOCKETS__TLS__V3__SUBJECT_ALT_NAME_MATCHER__SAN_TYPE__URI:
        *type = TLS_SAN_URI;
        return true;
    case ENVOY__EXTENSIONS__TRANSPORT_SOCKETS__TLS__V3__SUBJECT_ALT_NAME_MATCHER__SAN_TYPE__IP_ADDRESS:
        *type = TLS_SAN_IP;
        return true;
    default:
        return decoder_field_error(d, "san_type", "this type of name is not supported");
    }
}

static const struct string_matcher *san_matcher(struct decoder *d,
                                                const MATCHER(StringMatcher) *from) {
    struct string_matcher *matcher = ARENA_NEW(d->config.arena, struct string_matcher);
    return decode_string_matcher(d, from, matcher) ? matcher : NULL;
}

// The older, untyped list means names of all four types.
static bool decode_untyped_sans(struct decoder *d, const TLS(CertificateValidationContext) *from,
                                struct tls_san_matcher *out, uint32_t *count) {
    static const enum tls_san_type types[] = {TLS_SAN_DNS, TLS_SAN_URI, TLS_SAN_EMAIL, TLS_SAN_IP};
    bool is_ok = true;
    for (size_t i = 0; i < from->n_match_subject_alt_names; i++) {
        decoder_push_index(d, "match_subject_alt_names", i);
        const struct string_matcher *matcher = san_matcher(d, from->match_subject_alt_names[i]);
        decoder_pop_index(d);
        is_ok = matcher != NULL && is_ok;
        for (size_t t = 0; t < ARRAY_LEN(types) && matcher != NULL; t++) {
            set_san(&out[(*count)++], types[t], matcher);
        }
    }
    return is_ok;
}

static bool decode_sans(struct decoder *d, const TLS(CertificateValidationContext) *from,
                        struct tls_validation_source *out) {
    size_t room = from->n_match_typed_subject_alt_names + from->n_match_subject_alt_names * 4;
    if (room == 0) {
        return true;
    }
    struct tls_san_matcher *sans = ARENA_NEW_ARRAY(d->config.arena, room, struct tls_san_matcher);
    uint32_t count = 0;
    bool is_ok = true;
    // Typed matchers win over untyped ones, as in Envoy.
    for (size_t i = 0; i < from->n_match_typed_subject_alt_names; i++) {
        const TLS(SubjectAltNameMatcher) *typed = from->match_typed_subject_alt_names[i];
        enum tls_san_type type = TLS_SAN_ANY;
        decoder_push_index(d, "match_typed_subject_alt_names", i);
        const struct string_matcher *matcher =
            san_type(d, typed, &type) ? san_matcher(d, typed->matcher) : NULL;
        decoder_pop_index(d);
        is_ok = matcher != NULL && is_ok;
        if (matcher != NULL) {
            set_san(&sans[count++], type, matcher);
        }
    }
    if (from->n_match_typed_subject_alt_names == 0) {
        is_ok = decode_untyped_sans(d, from, sans, &count) && is_ok;
    }
    out->san_matchers = sans;
    out->san_matcher_count = count;
    return is_ok;
}

static bool read_system_roots(struct decoder *d, struct slice *out) {
    for (size_t i = 0; i < ARRAY_LEN(root_bundles); i++) {
        if (access(root_bundles[i], R_OK) != 0) {
            continue;
        }
        CORE(DataSource) source;
        envoy__config__core__v3__data_source__init(&source);
        char *path = arena_dup_string(d->scratch, slice_from_string(root_bundles[i]));
        source.specifier_case = ENVOY__CONFIG__CORE__V3__DATA_SOURCE__SPECIFIER_FILENAME;
        source.filename = path;
        return decode_data_source(d, &source, out);
    }
    return decoder_field_error(d, "system_root_certs", "no bundle of root certificates was found");
}

static bool decode_trust(struct decoder *d, const TLS(CertificateValidationContext) *from,
                         struct tls_validation_source *out) {
    if (from->ca_certificate_provider_instance != NULL) {
        return decoder_field_error(d, "ca_certificate_provider_instance",
                                   "certificate providers are not supported");
    }
    if (from->custom_validator_config != NULL) {
        return decoder_field_error(d, "custom_validator_config",
                                   "Failed to get certificate validator factory from type URL: %s",
                                   from->custom_validator_config->name);
    }
    bool is_ok = optional_source(d, "trusted_ca", from->trusted_ca, &out->trusted_ca_pem);
    if (from->trusted_ca != NULL) {
        out->trusted_ca_name = arena_dup_slice(d->config.arena, data_source_file(from->trusted_ca));
    }
    if (from->trusted_ca == NULL && from->system_root_certs != NULL) {
        is_ok = read_system_roots(d, &out->trusted_ca_pem) && is_ok;
    }
    struct error err = {0};
    if (is_ok && out->trusted_ca_pem.len > 0 &&
        tls_check_ca(out->trusted_ca_pem, &err) != STATUS_OK) {
        is_ok = decoder_field_error(d, "trusted_ca", "%s", err.message);
    }
    is_ok = optional_source(d, "crl", from->crl, &out->crl_pem) && is_ok;
    return is_ok;
}

bool decode_validation_context(struct decoder *d, const TLS(CertificateValidationContext) *from,
                               struct tls_validation_source *out) {
    *out = (struct tls_validation_source){
        .allow_expired = from->allow_expired_certificate != 0,
        .accept_untrusted =
            from->trust_chain_verification ==
            ENVOY__EXTENSIONS__TRANSPORT_SOCKETS__TLS__V3__CERTIFICATE_VALIDATION_CONTEXT__TRUST_CHAIN_VERIFICATION__ACCEPT_UNTRUSTED,
        .only_leaf_crl = from->only_verify_leaf_cert_crl != 0,
        .max_verify_depth = VALUE_OR(from->max_verify_depth, 0),
        .certificate_hash_count = (uint32_t)from->n_verify_certificate_hash,
        .spki_pin_count = (uint32_t)from->n_verify_certificate_spki,
    };
    bool is_ok = decode_trust(d, from, out);
    is_ok = decode_digests(d, "verify_certificate_hash", from->verify_certificate_hash,
                           from->n_verify_certificate_hash, true, &out->certificate_hashes) &&
            is_ok;
    is_ok = decode_digests(d, "verify_certificate_spki", from->verify_certificate_spki,
                           from->n_verify_certificate_spki, false, &out->spki_pins) &&
            is_ok;
    return decode_sans(d, from, out) && is_ok;
}

enum status tls_validation_check(const struct tls_validation_source *validation,
                                 struct error *err) {
    if (validation->trusted_ca_pem.len > 0) {
        return STATUS_OK;
    }
    if (validation->san_matcher_count > 0) {
        return error_set(err, STATUS_INVALID,
                         "SAN-based verification of peer certificates without trusted CA is "
                         "insecure and not allowed");
    }
    if (validation->crl_pem.len > 0) {
        return error_set(err, STATUS_INVALID, "Certificate revocation lists need a trusted CA");
    }
    if (validation->allow_expired) {
        return error_set(err, STATUS_INVALID,
                         "Certificate validity period is always ignored without trusted CA");
    }
    return STATUS_OK;
}
