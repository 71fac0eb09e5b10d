// SPDX-License-Identifier: Apache-2.0
#include "xds/decode/tls_config.h"

#include "envoy/config/core/v3/extension.pb-c.h"
#include "xds/decode/decode_common.h"
#include "xds/decode/ledgers.h"

enum { DEFAULT_SESSION_KEYS = 1 };

bool decode_sds_secret(struct decoder *d, const TLS(SdsSecretConfig) *from, uint32_t *slot) {
    if (from->name == NULL || from->name[0] == '\0') {
        return decoder_field_error(d, "name", "value length must be at least 1 characters");
    }
    *slot = decode_depend(d, CONFIG_SECRET, slice_from_string(from->name), from->sds_config);
    return true;
}

static bool decode_version(struct decoder *d, const char *field, int from, enum tls_version *out) {
    switch (from) {
    case ENVOY__EXTENSIONS__TRANSPORT_SOCKETS__TLS__V3__TLS_PARAMETERS__TLS_PROTOCOL__TLS_AUTO:
        return true; // the caller's default
    case ENVOY__EXTENSIONS__TRANSPORT_SOCKETS__TLS__V3__TLS_PARAMETERS__TLS_PROTOCOL__TLSv1_0:
        *out = TLS_VERSION_1_0;
        return true;
    case ENVOY__EXTENSIONS__TRANSPORT_SOCKETS__TLS__V3__TLS_PARAMETERS__TLS_PROTOCOL__TLSv1_1:
        *out = TLS_VERSION_1_1;
        return true;
    case ENVOY__EXTENSIONS__TRANSPORT_SOCKETS__TLS__V3__TLS_PARAMETERS__TLS_PROTOCOL__TLSv1_2:
        *out = TLS_VERSION_1_2;
        return true;
    case ENVOY__EXTENSIONS__TRANSPORT_SOCKETS__TLS__V3__TLS_PARAMETERS__TLS_PROTOCOL__TLSv1_3:
        *out = TLS_VERSION_1_3;
        return true;
    default:
        return decoder_field_error(d, field, "unknown TLS version %d", from);
    }
}

// "a:b:c", as the library takes lists; NULL for none.
static const char *joined(struct decoder *d, char *const *items, size_t count) {
    if (count == 0) {
        return NULL;
    }
    struct slice text = slice_from_string(items[0]);
    for (size_t i = 1; i < count; i++) {
        text = arena_printf(d->scratch, "%.*s:%s", SLICE_ARG(text), items[i]);
    }
    return arena_dup_string(d->config.arena, text);
}

static bool decode_parameters(struct decoder *d, const TLS(TlsParameters) *from,
                              struct tls_context_options *out) {
    out->cipher_suites = joined(d, from->cipher_suites, from->n_cipher_suites);
    out->curves = joined(d, from->ecdh_curves, from->n_ecdh_curves);
    out->signature_algorithms = joined(d, from->signature_algorithms, from->n_signature_algorithms);
    bool is_ok = decode_version(d, "tls_minimum_protocol_version",
                                (int)from->tls_minimum_protocol_version, &out->min_version);
    is_ok = decode_version(d, "tls_maximum_protocol_version",
                           (int)from->tls_maximum_protocol_version, &out->max_version) &&
            is_ok;
    if (from->n_compliance_policies > 0) {
        is_ok =
            decoder_field_error(d, "compliance_policies", "compliance policies are not supported");
    }
    return is_ok;
}

static bool decode_certificates(struct decoder *d, const TLS(CommonTlsContext) *from,
                                struct tls_config *out) {
    size_t count = from->n_tls_certificates;
    struct tls_certificate_source *certificates =
        count == 0 ? NULL : ARENA_NEW_ARRAY(d->config.arena, count, struct tls_certificate_source);
    bool is_ok = true;
    for (size_t i = 0; i < count; i++) {
        decoder_push_index(d, "tls_certificates", i);
        is_ok = decode_certificate(d, from->tls_certificates[i], &certificates[i]) && is_ok;
        decoder_pop_index(d);
    }
    out->options.certificates = certificates;
    out->options.certificate_count = (uint32_t)count;

    size_t sds_count = from->n_tls_certificate_sds_secret_configs;
    uint32_t *slots = sds_count == 0 ? NULL : ARENA_NEW_ARRAY(d->config.arena, sds_count, uint32_t);
    for (size_t i = 0; i < sds_count; i++) {
        decoder_push_index(d, "tls_certificate_sds_secret_configs", i);
        is_ok =
            decode_sds_secret(d, from->tls_certificate_sds_secret_configs[i], &slots[i]) && is_ok;
        decoder_pop_index(d);
    }
    out->certificate_slots = slots;
    out->certificate_slot_count = (uint32_t)sds_count;
    if (count > 0 && sds_count > 0) {
        // Envoy: the inline ones count, the secrets are not asked for.
        out->certificate_slot_count = 0;
    }
    return is_ok;
}

static bool decode_inline_validation(struct decoder *d, const char *field,
                                     const TLS(CertificateValidationContext) *from,
                                     struct tls_config *out) {
    struct tls_validation_source *validation =
        ARENA_NEW(d->config.arena, struct tls_validation_source);
    decoder_push(d, field);
    bool is_ok = decode_validation_context(d, from, validation);
    decoder_pop(d);
    out->options.validation = validation;
    return is_ok;
}

static bool decode_combined(struct decoder *d,
                            const TLS(CommonTlsContext__CombinedCertificateValidationContext) *from,
                            struct tls_config *out) {
    bool is_ok = true;
    if (from->default_validation_context != NULL) {
        is_ok = decode_inline_validation(d, "default_validation_context",
                                         from->default_validation_context, out);
    }
    if (from->validation_context_sds_secret_config == NULL) {
        return decoder_field_error(d, "validation_context_sds_secret_config", "value is required");
    }
    out->combined_validation = true;
    decoder_push(d, "validation_context_sds_secret_config");
    is_ok =
        decode_sds_secret(d, from->validation_context_sds_secret_config, &out->validation_slot) &&
        is_ok;
    decoder_pop(d);
    return is_ok;
}

static bool decode_validation(struct decoder *d, const TLS(CommonTlsContext) *from,
                              struct tls_config *out) {
    bool is_ok;
    struct error err = {0};
    switch ((int)from->validation_context_type_case) {
    case 0:
        return true;
    case ENVOY__EXTENSIONS__TRANSPORT_SOCKETS__TLS__V3__COMMON_TLS_CONTEXT__VALIDATION_CONTEXT_TYPE_VALIDATION_CONTEXT:
        is_ok = decode_inline_validation(d, "validation_context", from->validation_context, out);
        if (is_ok && tls_validation_check(out->options.validation, &err) != STATUS_OK) {
            return decoder_field_error(d, "validation_context", "%s", err.message);
        }
        return is_ok;
    case ENVOY__EXTENSIONS__TRANSPORT_SOCKETS__TLS__V3__COMMON_TLS_CONTEXT__VALIDATION_CONTEXT_TYPE_VALIDATION_CONTEXT_SDS_SECRET_CONFIG:
        decoder_push(d, "validation_context_sds_secret_config");
        is_ok =
            decode_sds_secret(d, from->validation_context_sds_secret_config, &out->validation_slot);
        decoder_pop(d);
        return is_ok;
    case ENVOY__EXTENSIONS__TRANSPORT_SOCKETS__TLS__V3__COMMON_TLS_CONTEXT__VALIDATION_CONTEXT_TYPE_COMBINED_VALIDATION_CONTEXT:
        decoder_push(d, "combined_validation_context");
        is_ok = decode_combined(d, from->combined_validation_context, out);
        decoder_pop(d);
        return is_ok;
    default:
        return decoder_error(d, "certificate providers are not supported");
    }
}

static bool decode_common(struct decoder *d, const TLS(CommonTlsContext) *from,
                          struct tls_config *out) {
    decoder_push(d, "common_tls_context");
    bool is_ok = true;
    if (from->tls_params != NULL) {
        decoder_push(d, "tls_params");
        is_ok = decode_parameters(d, from->tls_params, &out->options);
        decoder_pop(d);
    }
    if (from->custom_tls_certificate_selector != NULL) {
        is_ok = decoder_field_error(d, "custom_tls_certificate_selector",
                                    "certificate selectors are not supported");
    }
    if (from->custom_handshaker != NULL) {
        is_ok = decoder_field_error(d, "custom_handshaker",
                                    "Didn't find a registered implementation for '%s'",
                                    from->custom_handshaker->name);
    }
    if (from->tls_certificate_provider_instance != NULL) {
        is_ok = decoder_field_error(d, "tls_certificate_provider_instance",
                                    "certificate providers are not supported");
    }
    out->options.alpn = decoder_texts(d, from->alpn_protocols, from->n_alpn_protocols, false);
    out->options.alpn_count = (uint32_t)from->n_alpn_protocols;
    if (from->key_log != NULL) {
        out->options.keylog_path =
            arena_dup_string(d->config.arena, slice_from_string(from->key_log->path));
    }
    is_ok = decode_certificates(d, from, out) && is_ok;
    is_ok = decode_validation(d, from, out) && is_ok;
    decoder_pop(d);
    return is_ok;
}

static bool decode_tickets(struct decoder *d, const TLS(DownstreamTlsContext) *from,
                           struct tls_config *out) {
    bool is_ok = true;
    switch ((int)from->session_ticket_keys_type_case) {
    case ENVOY__EXTENSIONS__TRANSPORT_SOCKETS__TLS__V3__DOWNSTREAM_TLS_CONTEXT__SESSION_TICKET_KEYS_TYPE_SESSION_TICKET_KEYS:
        decoder_push(d, "session_ticket_keys");
        is_ok = decode_ticket_keys(d, from->session_ticket_keys, &out->options.ticket_keys,
                                   &out->options.ticket_key_count);
        decoder_pop(d);
        break;
    case ENVOY__EXTENSIONS__TRANSPORT_SOCKETS__TLS__V3__DOWNSTREAM_TLS_CONTEXT__SESSION_TICKET_KEYS_TYPE_SESSION_TICKET_KEYS_SDS_SECRET_CONFIG:
        decoder_push(d, "session_ticket_keys_sds_secret_config");
        is_ok = decode_sds_secret(d, from->session_ticket_keys_sds_secret_config,
                                  &out->ticket_keys_slot);
        decoder_pop(d);
        break;
    case ENVOY__EXTENSIONS__TRANSPORT_SOCKETS__TLS__V3__DOWNSTREAM_TLS_CONTEXT__SESSION_TICKET_KEYS_TYPE_DISABLE_STATELESS_SESSION_RESUMPTION:
        out->options.disable_session_tickets = from->disable_stateless_session_resumption != 0;
        break;
    default:
        break;
    }
    return is_ok;
}

static bool decode_downstream(struct decoder *d, const TLS(DownstreamTlsContext) *from,
                              struct tls_config *out) {
    out->options.is_server = true;
    bool is_ok =
        from->common_tls_context == NULL || decode_common(d, from->common_tls_context, out);
    if (out->options.certificate_count == 0 && out->certificate_slot_count == 0 && is_ok) {
        is_ok = decoder_error(d, "No TLS certificates found for server context");
    }
    if (from->ocsp_staple_policy !=
        ENVOY__EXTENSIONS__TRANSPORT_SOCKETS__TLS__V3__DOWNSTREAM_TLS_CONTEXT__OCSP_STAPLE_POLICY__LENIENT_STAPLING) {
        is_ok = decoder_field_error(d, "ocsp_staple_policy", "only LENIENT_STAPLING is supported");
    }
    out->options.require_client_certificate = FLAG_OR(from->require_client_certificate, false);
    out->options.disable_stateful_resumption = from->disable_stateful_session_resumption != 0;
    out->options.prefer_client_ciphers = from->prefer_client_ciphers != 0;
    if (from->session_timeout != NULL) {
        uint32_t ms = 0;
        is_ok = decode_duration(d, "session_timeout", from->session_timeout, &ms) && is_ok;
        out->options.session_timeout_s = ms / 1000;
    }
    // Sessions never cross from one configuration to another.
    uint64_t identity = canonical_hash(&from->base, d->scratch);
    out->options.session_id_context =
        arena_dup_slice(d->config.arena, slice_make(&identity, sizeof(identity)));
    return decode_tickets(d, from, out) && is_ok;
}

static bool decode_upstream(struct decoder *d, const TLS(UpstreamTlsContext) *from,
                            struct tls_config *out) {
    // Envoy offers no more than TLS 1.2 upstream unless told to.
    out->options.max_version = d->config.edge_defaults ? TLS_VERSION_AUTO : TLS_VERSION_1_2;
    bool is_ok =
        from->common_tls_context == NULL || decode_common(d, from->common_tls_context, out);
    if (out->options.certificate_count + out->certificate_slot_count > 1) {
        is_ok = decoder_error(d, "Multiple TLS certificates are not supported for client contexts");
    }
    out->options.sni = decoder_text(d, from->sni);
    out->options.auto_host_sni = from->auto_host_sni != 0;
    out->options.auto_sni_san_validation = from->auto_sni_san_validation != 0;
    out->options.allow_renegotiation = from->allow_renegotiation != 0;
    out->options.max_session_keys = VALUE_OR(from->max_session_keys, DEFAULT_SESSION_KEYS);
    out->options.enforce_rsa_key_usage = true;
    if (out->options.auto_sni_san_validation && out->options.validation == NULL &&
        out->validation_slot == CONFIG_SLOT_NONE) {
        is_ok = decoder_field_error(
            d, "auto_sni_san_validation",
            "'auto_sni_san_validation' was configured without a validation context");
    }
    return is_ok;
}

static bool decode_tls_socket(struct decoder *d, const ProtobufCMessage *message, bool is_server,
                              const struct tls_config **tls, uint32_t *slot) {
    struct tls_config *config = ARENA_NEW(d->config.arena, struct tls_config);
    config->validation_slot = CONFIG_SLOT_NONE;
    config->ticket_keys_slot = CONFIG_SLOT_NONE;
    bool is_ok = is_server
                     ? decode_downstream(d, (const TLS(DownstreamTlsContext) *)message, config)
                     : decode_upstream(d, (const TLS(UpstreamTlsContext) *)message, config);
    struct slice name = arena_printf(d->scratch, "%.*s/tls/%u", SLICE_ARG(d->scope), d->serial++);
    *slot = config_store_slot_for(d->config.store, d->config.part, CONFIG_TLS, name);
    *tls = config;
    decode_need_tls(d, *slot, config);
    return is_ok;
}

bool decode_transport_socket(struct decoder *d, const CORE(TransportSocket) *from, bool is_server,
                             const struct tls_config **tls, uint32_t *slot) {
    *tls = NULL;
    *slot = CONFIG_SLOT_NONE;
    if (from == NULL) {
        return true;
    }
    if (from->config_type_case == 0 &&
        slice_equal(slice_from_string(from->name), SLICE("envoy.transport_sockets.raw_buffer"))) {
        return true;
    }
    struct any_view view;
    bool is_ok = false;
    const char *wanted = is_server
                             ? "envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext"
                             : "envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext";
    decoder_push(d, "transport_socket.typed_config");
    if (!decode_any_type(d, from->typed_config, &view)) {
        is_ok = false;
    } else if (any_is(&view, "envoy.extensions.transport_sockets.raw_buffer.v3.RawBuffer")) {
        is_ok = true;
    } else if (any_is(&view, wanted)) {
        const ProtobufCMessage *message = decode_any_open(d, &view);
        is_ok = message != NULL && decode_tls_socket(d, message, is_server, tls, slot);
    } else {
        is_ok = decode_unknown_extension(d, from->name, &view);
    }
    decoder_pop(d);
    return is_ok;
}

static const struct ledger_field all_fields[] = {LEDGER_OK("*")};
static const struct ledger_field transport_socket_fields[] = {
    LEDGER_OK("name"),
    LEDGER_OK("typed_config"),
};
static const struct ledger_field sds_fields[] = {LEDGER_OK("name"), LEDGER_OK("sds_config")};
static const struct ledger_field parameter_fields[] = {
    LEDGER_OK("tls_minimum_protocol_version"),
    LEDGER_OK("tls_maximum_protocol_version"),
    LEDGER_OK("cipher_suites"),
    LEDGER_OK("ecdh_curves"),
    LEDGER_OK("signature_algorithms"),
    {"compliance_policies", LEDGER_REFUSED, "no policy is known"},
};
static const struct ledger_field common_fields[] = {
    LEDGER_OK("tls_params"),
    LEDGER_OK("tls_certificates"),
    LEDGER_OK("tls_certificate_sds_secret_configs"),
    LEDGER_OK("validation_context"),
    LEDGER_OK("validation_context_sds_secret_config"),
    LEDGER_OK("combined_validation_context"),
    LEDGER_OK("alpn_protocols"),
    LEDGER_OK("key_log"),
    {"*", LEDGER_REFUSED, "certificate providers, selectors and handshakers are not built in"},
};
static const struct ledger_field combined_fields[] = {
    LEDGER_OK("default_validation_context"),
    LEDGER_OK("validation_context_sds_secret_config"),
    {"*", LEDGER_REFUSED, "certificate providers are not built in"},
};
static const struct ledger_field key_log_fields[] = {
    LEDGER_OK("path"),
    {"*", LEDGER_REFUSED, "keys would be logged for more connections than asked for"},
};
static const struct ledger_field downstream_fields[] = {
    LEDGER_OK("common_tls_context"),
    LEDGER_OK("require_client_certificate"),
    {"require_sni", LEDGER_REFUSED, "connections without SNI are not refused"},
    LEDGER_OK("session_ticket_keys"),
    LEDGER_OK("session_ticket_keys_sds_secret_config"),
    LEDGER_OK("disable_stateless_session_resumption"),
    LEDGER_OK("disable_stateful_session_resumption"),
    LEDGER_OK("session_timeout"),
    LEDGER_OK("ocsp_staple_policy"),
    {"full_scan_certs_on_sni_mismatch", LEDGER_IGNORED, "the first certificate is used"},
    LEDGER_OK("prefer_client_ciphers"),
};
static const struct ledger_field upstream_fields[] = {
    LEDGER_OK("common_tls_context"),
    LEDGER_OK("sni"),
    LEDGER_OK("auto_host_sni"),
    LEDGER_OK("auto_sni_san_validation"),
    LEDGER_OK("allow_renegotiation"),
    LEDGER_OK("max_session_keys"),
    {"enforce_rsa_key_usage", LEDGER_HARMLESS, "always enforced, as in Envoy since 1.39"},
};
static const struct ledger_field certificate_fields[] = {
    LEDGER_OK("certificate_chain"),
    LEDGER_OK("private_key"),
    LEDGER_OK("password"),
    LEDGER_OK("ocsp_staple"),
    LEDGER_OK("watched_directory"),
    {"signed_certificate_timestamp", LEDGER_HARMLESS, "Envoy does not send them either"},
    {"*", LEDGER_REFUSED, "how this key is to be held or used is not supported"},
};
static const struct ledger_field validation_fields[] = {
    LEDGER_OK("trusted_ca"),
    LEDGER_OK("system_root_certs"),
    LEDGER_OK("watched_directory"),
    LEDGER_OK("verify_certificate_spki"),
    LEDGER_OK("verify_certificate_hash"),
    LEDGER_OK("match_typed_subject_alt_names"),
    LEDGER_OK("match_subject_alt_names"),
    LEDGER_OK("crl"),
    LEDGER_OK("allow_expired_certificate"),
    LEDGER_OK("trust_chain_verification"),
    LEDGER_OK("only_verify_leaf_cert_crl"),
    LEDGER_OK("max_verify_depth"),
    {"suppress_client_ca_list", LEDGER_IGNORED, "the list of accepted CAs is sent"},
    {"*", LEDGER_REFUSED, "a check of the peer that would not be made"},
};
static const struct ledger_field san_fields[] = {
    LEDGER_OK("san_type"),
    LEDGER_OK("matcher"),
    {"oid", LEDGER_REFUSED, "names of type OTHER_NAME are not matched"},
};

const struct ledger_message ledger_tls_config[] = {
    LEDGER_MESSAGE("envoy.config.core.v3.TransportSocket", transport_socket_fields),
    LEDGER_MESSAGE("envoy.extensions.transport_sockets.raw_buffer.v3.RawBuffer", all_fields),
    LEDGER_MESSAGE("envoy.extensions.transport_sockets.tls.v3.SdsSecretConfig", sds_fields),
    LEDGER_MESSAGE("envoy.extensions.transport_sockets.tls.v3.TlsParameters", parameter_fields),
    LEDGER_MESSAGE("envoy.extensions.transport_sockets.tls.v3.CommonTlsContext", common_fields),
    LEDGER_MESSAGE("envoy.extensions.transport_sockets.tls.v3.CommonTlsContext."
                   "CombinedCertificateValidationContext",
                   combined_fields),
    LEDGER_MESSAGE("envoy.extensions.transport_sockets.tls.v3.TlsKeyLog", key_log_fields),
    LEDGER_MESSAGE("envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext",
                   downstream_fields),
    LEDGER_MESSAGE("envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext", upstream_fields),
    LEDGER_MESSAGE("envoy.extensions.transport_sockets.tls.v3.TlsCertificate", certificate_fields),
    LEDGER_MESSAGE("envoy.extensions.transport_sockets.tls.v3.CertificateValidationContext",
                   validation_fields),
    LEDGER_MESSAGE("envoy.extensions.transport_sockets.tls.v3.CertificateValidationContext."
                   "SystemRootCerts",
                   all_fields),
    LEDGER_MESSAGE("envoy.extensions.transport_sockets.tls.v3.SubjectAltNameMatcher", san_fields),
    LEDGER_MESSAGE("envoy.extensions.transport_sockets.tls.v3.TlsSessionTicketKeys", all_fields),
};
const uint32_t ledger_tls_config_count = ARRAY_LEN(ledger_tls_config);
