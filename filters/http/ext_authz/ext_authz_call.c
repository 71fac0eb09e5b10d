// SPDX-License-Identifier: Apache-2.0
/* The facts of a check, and the call that carries it. */
#include "filters/http/ext_authz/ext_authz.h"
#include "src/access_log/log_format.h"
#include "src/base/check.h"
#include "src/config/route_config.h"

#define PARTIAL_BODY_HEADER SLICE("x-envoy-auth-partial-body")

enum { MAX_ROUTE_LEVELS = 4 };

/* ---- the facts ---- */

static struct slice first_of(struct slice list) {
    struct slice first = {0};
    (void)slice_split(&list, ',', &first);
    return first;
}

static struct slice principal_of(struct slice uri_sans, struct slice dns_sans,
                                 struct slice subject) {
    if (uri_sans.len > 0) {
        return first_of(uri_sans);
    }
    return dns_sans.len > 0 ? first_of(dns_sans) : subject;
}

static void gather_peers(const struct ext_authz *authz, const struct header_map *headers,
                         struct arena *arena, struct authz_check *check) {
    const struct connection_info *connection = http_filter_info(&authz->base)->connection;
    if (connection == NULL) {
        return;
    }
    const struct transport_peer *peer = connection_info_peer(connection);
    check->source.address =
        connection->remote != NULL ? connection->remote : connection->direct_remote;
    check->destination.address = connection->local;
    check->source.service =
        authz_utf8(header_map_get(headers, HEADER_X_ENVOY_DOWNSTREAM_SERVICE_CLUSTER), arena);
    if (peer->is_tls) {
        check->source.principal = authz_utf8(
            principal_of(peer->peer_uri_sans, peer->peer_dns_sans, peer->peer_subject), arena);
        check->destination.principal = authz_utf8(
            principal_of(peer->local_uri_sans, peer->local_dns_sans, peer->local_subject), arena);
        if (authz->config->include_peer_certificate) {
            check->source.certificate = transport_peer_fact(peer, TRANSPORT_FACT_PEER_PEM);
        }
    }
    check->has_tls_session = authz->config->include_tls_session;
    if (check->has_tls_session) {
        check->sni =
            authz_utf8(peer->sni.len > 0 ? peer->sni : connection->requested_server_name, arena);
    }
}

static bool is_sent(const struct ext_authz *authz, struct slice name) {
    const struct ext_authz_config *config = authz->config;
    if (slice_equal(name, PARTIAL_BODY_HEADER) ||
        authz_matchers_match(&config->disallowed_headers, name)) {
        return false; /* the first is ours to say, not the client's */
    }
    if (!authz->service->is_http) {
        return !config->allowed_headers.is_set ||
               authz_matchers_match(&config->allowed_headers, name);
    }
    return slice_equal(name, SLICE(":method")) || slice_equal(name, SLICE(":path")) ||
           slice_equal(name, SLICE(":authority")) || slice_equal(name, SLICE("authorization")) ||
           authz_matchers_match(&config->allowed_headers, name);
}

/* An earlier entry of the name: well-known names are found by their id's chain. */
static bool is_repeated(const struct header_map *headers, const struct header_entry *entry) {
    if (entry->id != HEADER_OTHER) {
        return &headers->entries[headers->first[entry->id]] != entry;
    }
    for (const struct header_entry *at = headers->entries; at != entry; at++) {
        if (!header_entry_is_removed(at) &&
            slice_equal(header_entry_name(at), header_entry_name(entry))) {
            return true;
        }
    }
    return false;
}

/* A name's values become one, as the service sees a map. */
static void gather_headers(const struct ext_authz *authz, const struct header_map *headers,
                           struct arena *arena, struct authz_check *check) {
    struct authz_pair *pairs = ARENA_NEW_ARRAY(arena, headers->live + 1U, struct authz_pair);
    const struct header_entry *entry;
    check->raw_headers = authz->config->encode_raw_headers;
    for (uint32_t i = 0; (entry = header_map_next(headers, &i)) != NULL;) {
        if (!is_sent(authz, header_entry_name(entry))) {
            continue;
        }
        struct slice value = header_entry_value(entry);
        if (!check->raw_headers) {
            if (is_repeated(headers, entry)) {
                continue;
            }
            value = authz_utf8(
                header_map_get_joined(headers, header_entry_name(entry), SLICE(","), arena), arena);
        }
        pairs[check->header_count++] =
            (struct authz_pair){authz_utf8(header_entry_name(entry), arena), value};
    }
    check->headers = pairs;
}

static void add_partial_body_header(struct authz_check *check, bool is_partial) {
    /* gather_headers left room for it. */
    struct authz_pair *pairs = (struct authz_pair *)(uintptr_t)check->headers;
    pairs[check->header_count++] =
        (struct authz_pair){PARTIAL_BODY_HEADER, is_partial ? SLICE("true") : SLICE("false")};
}

static void gather_extensions(struct ext_authz *authz, struct arena *arena,
                              struct authz_check *check) {
    const void *levels[MAX_ROUTE_LEVELS];
    uint32_t level_count = http_filter_route_levels(&authz->base, levels, MAX_ROUTE_LEVELS);
    uint32_t total = 0;
    for (uint32_t i = 0; i < level_count; i++) {
        total += ((const struct ext_authz_route *)levels[i])->context_extension_count;
    }
    struct authz_pair *pairs = ARENA_NEW_ARRAY(arena, total, struct authz_pair);
    for (uint32_t i = 0; i < level_count; i++) {
        const struct ext_authz_route *route = levels[i];
        for (uint32_t j = 0; j < route->context_extension_count; j++) {
            uint32_t at = 0;
            while (at < check->context_extension_count &&
                   !slice_equal(pairs[at].name, route->context_extensions[j].name)) {
                at++;
            }
            pairs[at] = route->context_extensions[j];
            check->context_extension_count += at == check->context_extension_count;
        }
    }
    check->context_extensions = pairs;
}

static void gather_dynamic_metadata(const struct ext_authz *authz, struct arena *arena,
                                    struct authz_check *check) {
    const struct ext_authz_config *config = authz->config;
    const struct info_entry *list = http_filter_info(&authz->base)->dynamic_metadata;
    uint32_t total = 0;
    for (const struct info_entry *entry = list; entry != NULL; entry = entry->next) {
        total++;
    }
    struct authz_metadata *items = ARENA_NEW_ARRAY(
        arena, (size_t)total * config->metadata_namespace_count, struct authz_metadata);
    for (uint32_t i = 0; i < config->metadata_namespace_count; i++) {
        for (const struct info_entry *entry = list; entry != NULL; entry = entry->next) {
            if (slice_equal(entry->space, config->metadata_namespaces[i])) {
                items[check->metadata_count++] = (struct authz_metadata){
                    entry->space, entry->key, entry->value, entry->is_string};
            }
        }
    }
    check->metadata = items;
}

static void gather_route_metadata(struct ext_authz *authz, struct arena *arena,
                                  struct authz_check *check) {
    const struct ext_authz_config *config = authz->config;
    const struct route *route = http_filter_route(&authz->base);
    if (route == NULL || config->route_metadata_namespace_count == 0) {
        return;
    }
    struct authz_metadata *items = ARENA_NEW_ARRAY(
        arena, (size_t)route->metadata.count * config->route_metadata_namespace_count,
        struct authz_metadata);
    for (uint32_t i = 0; i < config->route_metadata_namespace_count; i++) {
        for (uint32_t j = 0; j < route->metadata.count; j++) {
            const struct metadata_entry *entry = &route->metadata.entries[j];
            if (slice_equal(entry->filter, config->route_metadata_namespaces[i])) {
                items[check->route_metadata_count++] = (struct authz_metadata){
                    entry->filter, entry->path, entry->value, entry->is_string};
            }
        }
    }
    check->route_metadata = items;
}

static void gather_check(struct ext_authz *authz, struct slice body, bool body_is_partial,
                         struct authz_check *check) {
    struct arena *arena = http_filter_arena(&authz->base);
    const struct header_map *headers = http_filter_request_headers(&authz->base);
    const struct stream_info *info = http_filter_info(&authz->base);
    *check = (struct authz_check){
        .start_wall_us = info->start_wall_us,
        .stream_id = info->stream_id,
        .method = authz_utf8(header_map_get(headers, HEADER_METHOD), arena),
        .path = authz_utf8(header_map_get(headers, HEADER_PATH), arena),
        .host = authz_utf8(header_map_get(headers, HEADER_AUTHORITY), arena),
        .scheme = authz_utf8(header_map_get(headers, HEADER_SCHEME), arena),
        .protocol = slice_from_string(http_protocol_name(info->protocol)),
        .size = info->bytes_received,
        .body = body,
        .body_as_bytes = authz->body.pack_as_bytes,
    };
    gather_peers(authz, headers, arena, check);
    gather_headers(authz, headers, arena, check);
    if (body.len > 0) {
        add_partial_body_header(check, body_is_partial);
    }
    gather_extensions(authz, arena, check);
    gather_dynamic_metadata(authz, arena, check);
    gather_route_metadata(authz, arena, check);
}

/* ---- the calls ---- */

static void on_grpc_done(void *arg, uint32_t status, struct slice message, struct slice text) {
    struct ext_authz *authz = arg;
    CHECK_MAGIC(authz, EXT_AUTHZ_MAGIC);
    (void)text;
    authz->grpc = NULL;
    authz->response = (struct authz_response){.verdict = AUTHZ_VERDICT_ERROR};
    if (status == GRPC_OK && authz_message_decode(message, http_filter_arena(&authz->base),
                                                  &authz->response) != STATUS_OK) {
        authz->response = (struct authz_response){.verdict = AUTHZ_VERDICT_ERROR};
    }
    authz_finish(authz);
}

static void on_http_done(void *arg, const struct http_call_result *result) {
    struct ext_authz *authz = arg;
    CHECK_MAGIC(authz, EXT_AUTHZ_MAGIC);
    authz->http = NULL;
    authz->response = (struct authz_response){.verdict = AUTHZ_VERDICT_ERROR};
    authz_http_response(authz, result, &authz->response);
    authz_finish(authz);
}

static void start_grpc(struct ext_authz *authz, const struct authz_check *check) {
    const struct authz_service *service = authz->service;
    struct arena *arena = http_filter_arena(&authz->base);
    struct log_format_input input;
    http_filter_log_input(&authz->base, &input);
    struct grpc_call_metadata *metadata =
        ARENA_NEW_ARRAY(arena, service->add_count, struct grpc_call_metadata);
    uint32_t metadata_count = 0;
    for (uint32_t i = 0; i < service->add_count; i++) {
        struct slice value = log_format_text(service->add[i].value, &input, arena);
        if (http_is_field_value(value)) {
            metadata[metadata_count++] = (struct grpc_call_metadata){service->add[i].name, value};
        }
    }
    authz->grpc = grpc_call_start(&(struct grpc_call_options){
        .io = authz->io,
        .cluster_slot = service->cluster_slot,
        .authority = service->authority,
        .path = SLICE("/envoy.service.auth.v3.Authorization/Check"),
        .message = authz_message_encode(check, arena),
        .metadata = metadata,
        .metadata_count = metadata_count,
        .timeout_ms = service->timeout_ms,
        .max_message_bytes = service->max_message_bytes,
        .done = on_grpc_done,
        .arg = authz,
    });
}

static void start_http(struct ext_authz *authz, const struct authz_check *check) {
    struct header_map headers;
    authz_http_request(authz, check, &headers);
    struct buffer body;
    buffer_init(&body, &authz->io->buffers);
    buffer_append(&body, check->body);
    authz->http = http_call_start(&(struct http_call_options){
        .io = authz->io,
        .cluster_slot = authz->service->cluster_slot,
        .headers = &headers,
        .body = check->body.len > 0 ? &body : NULL,
        .timeout_ms = authz->service->timeout_ms,
        .done = on_http_done,
        .arg = authz,
    });
    buffer_deinit(&body);
}

void authz_call_start(struct ext_authz *authz, struct slice body, bool body_is_partial) {
    struct authz_check check;
    authz->state = AUTHZ_CALLING;
    authz->start_us = event_loop_now_us(authz->io->loop);
    gather_check(authz, body, body_is_partial, &check);
    if (authz->service->is_http) {
        start_http(authz, &check);
    } else {
        start_grpc(authz, &check);
    }
}

void authz_call_cancel(struct ext_authz *authz) {
    if (authz->grpc != NULL) {
        grpc_call_abandon(authz->grpc);
        authz->grpc = NULL;
    }
    if (authz->http != NULL) {
        http_call_cancel(authz->http);
        authz->http = NULL;
    }
}
