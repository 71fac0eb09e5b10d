// SPDX-License-Identifier: Apache-2.0
#include "filters/listener/tls_inspector/tls_inspector.h"

#include "envoy/extensions/filters/listener/tls_inspector/v3/tls_inspector.pb-c.h"
#include "filters/listener/tls_inspector/client_hello.h"
#include "src/base/check.h"
#include "src/filter_chain/filter_config.h"

typedef Envoy__Extensions__Filters__Listener__TlsInspector__V3__TlsInspector TlsInspectorMessage;

static void release_stats(void *scope) {
    stats_scope_unref(scope);
}

static const void *parse(struct filter_config_context *context,
                         const struct ProtobufCMessage *base) {
    const TlsInspectorMessage *message = (const TlsInspectorMessage *)(const void *)base;
    struct tls_inspector_config *config = ARENA_NEW(context->arena, struct tls_inspector_config);
    config->close_on_invalid_hello = message->close_connection_on_client_hello_parsing_errors;
    if (context->stats != NULL) {
        config->stats =
            stats_scope_get(context->stats, SLICE("tls_inspector"), &tls_inspector_stat_table);
        config_part_on_free(context->part, release_stats, config->stats);
    }
    return config;
}

static const struct ledger_field fields[] = {
    LEDGER_OK("close_connection_on_client_hello_parsing_errors"),
    {"initial_read_buffer_size", LEDGER_HARMLESS, "a hint; reads are as large as what came"},
    {"max_client_hello_size", LEDGER_HARMLESS, "fixed at 16 KiB, the API's default"},
    {"enable_ja3_fingerprinting", LEDGER_HARMLESS, "telemetry: fingerprints are not computed"},
    {"enable_ja4_fingerprinting", LEDGER_HARMLESS, "telemetry: fingerprints are not computed"},
};
static const struct ledger_message ledger[] = {
    LEDGER_MESSAGE("envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector", fields),
};

const struct listener_filter_factory tls_inspector_listener_filter_factory = {
    .name = "envoy.filters.listener.tls_inspector",
    .type_url = "envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector",
    .max_read_bytes = CLIENT_HELLO_MAX_BYTES,
    .ops = &tls_inspector_ops,
    .parse = parse,
    .ledger = ledger,
    .ledger_count = ARRAY_LEN(ledger),
};
