// SPDX-License-Identifier: Apache-2.0
#include "src/stream/request_headers.h"

#include "src/base/check.h"
#include "src/http/message.h"

/* ---- checks ---- */

static void fail(struct request_head *head, uint32_t status, const char *details) {
    head->failed_status = status;
    head->failed_details = details;
}

static struct slice strip_port(struct slice host, const char *default_port) {
    size_t colon = slice_rfind_byte(host, ':');
    size_t bracket = slice_rfind_byte(host, ']');
    if (colon == SIZE_MAX || (bracket != SIZE_MAX && colon < bracket)) {
        return host;
    }
    struct slice port = slice_sub(host, colon + 1, SIZE_MAX);
    if (default_port != NULL && !slice_equal(port, slice_from_string(default_port))) {
        return host;
    }
    return slice_sub(host, 0, colon);
}

static struct slice strip_trailing_dot(struct slice host, struct arena *arena) {
    struct slice name = strip_port(host, NULL);
    if (name.len == 0 || name.ptr[name.len - 1] != '.') {
        return host;
    }
    struct slice port = slice_sub(host, name.len, SIZE_MAX);
    return arena_printf(arena, "%.*s%.*s", (int)(name.len - 1), (const char *)name.ptr,
                        SLICE_ARG(port));
}

static void normalize_host(struct request_head *head) {
    const struct http_connection_manager_config *config = head->config;
    struct slice host = header_map_get(head->headers, HEADER_AUTHORITY);
    struct slice before = host;
    if (!head->is_connect) {
        if (config->strip_any_host_port) {
            host = strip_port(host, NULL);
        } else if (config->strip_matching_host_port) {
            host = strip_port(host, head->is_tls ? "443" : "80");
        }
    }
    if (config->strip_trailing_host_dot || config->is_edge) {
        host = strip_trailing_dot(host, head->headers->arena);
    }
    if (host.ptr != before.ptr || host.len != before.len) {
        header_map_set(head->headers, HEADER_AUTHORITY, host);
    }
}

static bool check_path(struct request_head *head) {
    struct slice path = header_map_get(head->headers, HEADER_PATH);
    if (path.ptr == NULL) {
        if (head->is_connect && !header_map_has(head->headers, HEADER_PROTOCOL)) {
            return true;
        }
        fail(head, 404, "missing_path_rejected");
        return false;
    }
    if (path.len == 0 || path.ptr[0] != '/') {
        head->path_is_no_path = true;
        fail(head, 404, "absolute_path_rejected");
        return false;
    }
    if (slice_find_byte(path, '#') != SIZE_MAX) {
        head->path_failed = true;
        fail(head, 400, "path_normalization_failed");
        return false;
    }
    return true;
}

static void normalize_path(struct request_head *head) {
    struct slice path = header_map_get(head->headers, HEADER_PATH);
    if (path.ptr == NULL) {
        return;
    }
    struct slice normalized = path;
    enum path_verdict verdict =
        path_normalize(path, &head->config->path, head->headers->arena, &normalized);
    switch (verdict) {
    case PATH_OK:
        if (normalized.ptr != path.ptr || normalized.len != path.len) {
            header_map_set(head->headers, HEADER_PATH, normalized);
        }
        break;
    case PATH_REJECT:
        head->path_failed = true;
        fail(head, 400, "path_normalization_failed");
        break;
    case PATH_REDIRECT:
        head->failed_location = normalized;
        fail(head, 307, "path_normalization_failed");
        break;
    }
}

void request_headers_validate(struct request_head *head) {
    struct header_map *headers = head->headers;
    if (!header_map_has(headers, HEADER_AUTHORITY)) {
        fail(head, 400, "missing_host_header");
        return;
    }
    if (!check_path(head)) {
        return;
    }
    if (slice_equal(header_map_get(headers, HEADER_METHOD), SLICE("QUERY")) &&
        !header_map_has(headers, HEADER_CONTENT_TYPE)) {
        fail(head, 400, "query_missing_content_type");
        return;
    }
    normalize_host(head);
    normalize_path(head);
}

/* ---- who is the client ---- */

/* The `nth` address from the right of the received x-forwarded-for (1: the last). */
static bool xff_from_right(const struct header_map *headers, uint32_t nth, struct address *address,
                           bool *is_single, struct arena *arena) {
    struct slice joined =
        header_map_get_joined(headers, SLICE("x-forwarded-for"), SLICE(","), arena);
    *is_single = joined.ptr != NULL && slice_find_byte(joined, ',') == SIZE_MAX;
    for (uint32_t i = 1; joined.ptr != NULL; i++) {
        size_t comma = slice_rfind_byte(joined, ',');
        struct slice last =
            slice_trim(comma == SIZE_MAX ? joined : slice_sub(joined, comma + 1, SIZE_MAX));
        if (i == nth) {
            return address_from_ip(address, last, 0, NULL) == STATUS_OK;
        }
        joined = comma == SIZE_MAX ? (struct slice){NULL, 0} : slice_sub(joined, 0, comma);
    }
    return false;
}

static bool is_internal_address(const struct http_connection_manager_config *config,
                                const struct address *address) {
    if (address_is_unix(address)) {
        return config->unix_is_internal;
    }
    for (uint32_t i = 0; i < config->internal_cidr_count; i++) {
        if (cidr_contains(&config->internal_cidrs[i], address)) {
            return true;
        }
    }
    return false;
}

/* Both headers that say who the client is are made from one text where it is one address. */
static struct slice ip_text(struct request_head *head, const struct address *address) {
    if (head->ip_text_of != address) {
        char text[ADDRESS_TEXT_BYTES];
        head->ip_text = arena_dup_slice(head->headers->arena, address_ip_text(address, text));
        head->ip_text_of = address;
    }
    return head->ip_text;
}

static void append_xff(struct request_head *head) {
    const struct connection_info *connection = head->info->connection;
    if (head->config->skip_xff_append || !address_is_ip(connection->remote)) {
        return;
    }
    struct slice ip = ip_text(head, connection->remote);
    struct slice value = ip;
    if (header_map_has(head->headers, HEADER_X_FORWARDED_FOR)) {
        struct arena *arena = head->headers->arena;
        struct slice present =
            header_map_get_joined(head->headers, SLICE("x-forwarded-for"), SLICE(","), arena);
        value = present.len == 0
                    ? ip
                    : arena_printf(arena, "%.*s,%.*s", SLICE_ARG(present), SLICE_ARG(ip));
    }
    header_map_set(head->headers, HEADER_X_FORWARDED_FOR, value);
}

static void set_downstream_address(struct request_head *head, const struct address *address) {
    struct address *copy = (struct address *)arena_alloc(head->info->arena, sizeof(*copy));
    *copy = *address;
    head->info->downstream_remote = copy;
}

static void set_forwarded_proto(struct request_head *head) {
    const struct http_connection_manager_config *config = head->config;
    struct slice scheme = head->is_tls ? SLICE("https") : SLICE("http");
    bool trust_received = !config->use_remote_address || config->xff_num_trusted_hops > 0;
    if (!trust_received || !header_map_has(head->headers, HEADER_X_FORWARDED_PROTO)) {
        header_map_set(head->headers, HEADER_X_FORWARDED_PROTO, scheme);
    }
    if (config->scheme_to_overwrite.len > 0) {
        header_map_set(head->headers, HEADER_X_FORWARDED_PROTO, config->scheme_to_overwrite);
        header_map_set(head->headers, HEADER_SCHEME, config->scheme_to_overwrite);
        return;
    }
    /* :scheme follows x-forwarded-proto, so that redirects and upstreams see one truth. */
    struct slice proto = header_map_get(head->headers, HEADER_X_FORWARDED_PROTO);
    bool is_known =
        slice_equal_nocase(proto, SLICE("http")) || slice_equal_nocase(proto, SLICE("https"));
    if (!header_map_has(head->headers, HEADER_SCHEME) || config->use_remote_address) {
        header_map_set(head->headers, HEADER_SCHEME, is_known ? proto : scheme);
    }
}

/* Sets info->downstream_remote and head->is_internal. */
static void establish_client(struct request_head *head) {
    const struct http_connection_manager_config *config = head->config;
    const struct connection_info *connection = head->info->connection;
    struct address client;
    bool is_single = false;
    head->info->downstream_remote = connection->remote;
    if (config->use_remote_address) {
        bool had_xff = header_map_has(head->headers, HEADER_X_FORWARDED_FOR);
        if (config->xff_num_trusted_hops > 0 &&
            xff_from_right(head->headers, config->xff_num_trusted_hops, &client, &is_single,
                           head->headers->arena)) {
            set_downstream_address(head, &client);
        }
        head->is_internal = !had_xff && is_internal_address(config, connection->remote);
        append_xff(head);
        return;
    }
    if (xff_from_right(head->headers, config->xff_num_trusted_hops + 1, &client, &is_single,
                       head->headers->arena)) {
        set_downstream_address(head, &client);
        head->is_internal = is_single && is_internal_address(config, &client);
    }
}

/* ---- what a client must not say ---- */

static void remove_all(struct header_map *headers, const enum header_id *ids, size_t count) {
    for (size_t i = 0; i < count; i++) {
        header_map_remove(headers, ids[i]);
    }
}

/* Any request that is not internal. */
static const enum header_id external_removed[] = {
    HEADER_X_ENVOY_INTERNAL,
    HEADER_X_ENVOY_RETRY_ON,
    HEADER_X_ENVOY_RETRY_GRPC_ON,
    HEADER_X_ENVOY_MAX_RETRIES,
    HEADER_X_ENVOY_RETRIABLE_STATUS_CODES,
    HEADER_X_ENVOY_RETRIABLE_HEADER_NAMES,
    HEADER_X_ENVOY_UPSTREAM_ALT_STAT_NAME,
    HEADER_X_ENVOY_UPSTREAM_RQ_TIMEOUT_MS,
    HEADER_X_ENVOY_UPSTREAM_RQ_PER_TRY_TIMEOUT_MS,
    HEADER_X_ENVOY_UPSTREAM_RQ_TIMEOUT_ALT_RESPONSE,
    HEADER_X_ENVOY_EXPECTED_RQ_TIMEOUT_MS,
    HEADER_X_ENVOY_FORCE_TRACE,
    HEADER_X_ENVOY_IP_TAGS,
    HEADER_X_ENVOY_HEDGE_ON_PER_TRY_TIMEOUT,
    HEADER_X_ENVOY_UPSTREAM_STREAM_DURATION_MS,
};
/* Only where this proxy is the edge (use_remote_address). */
static const enum header_id edge_removed[] = {
    HEADER_X_ENVOY_DECORATOR_OPERATION,     HEADER_X_ENVOY_DOWNSTREAM_SERVICE_CLUSTER,
    HEADER_X_ENVOY_DOWNSTREAM_SERVICE_NODE, HEADER_X_ENVOY_ORIGINAL_PATH,
    HEADER_X_ENVOY_ORIGINAL_HOST,
};
/* The strict edge leaves nothing that upstreams may take for the proxy's word. */
static const enum header_id strict_removed[] = {
    HEADER_X_ENVOY_IS_TIMEOUT_RETRY,
    HEADER_X_ENVOY_ORIGINAL_METHOD,
    HEADER_X_ENVOY_ATTEMPT_COUNT,
    HEADER_X_ENVOY_ORIGINAL_DST_HOST,
    HEADER_X_FORWARDED_HOST,
    HEADER_X_FORWARDED_PORT,
    HEADER_X_REAL_IP,
    HEADER_FORWARDED,
    HEADER_PROXY_AUTHORIZATION,
    HEADER_X_ENVOY_AUTH_FAILURE_MODE_ALLOWED,
    HEADER_X_B3_SAMPLED,
    HEADER_PROXY,
};

static void sanitize(struct request_head *head) {
    struct header_map *headers = head->headers;
    const struct http_connection_manager_config *config = head->config;
    if (head->is_internal) {
        header_map_set(headers, HEADER_X_ENVOY_INTERNAL, SLICE("true"));
        return;
    }
    remove_all(headers, external_removed, ARRAY_LEN(external_removed));
    for (uint32_t i = 0; i < head->internal_only_header_count; i++) {
        header_map_remove_name(headers, head->internal_only_headers[i]);
    }
    if (!config->use_remote_address) {
        return;
    }
    remove_all(headers, edge_removed, ARRAY_LEN(edge_removed));
    if (config->is_edge) {
        remove_all(headers, strict_removed, ARRAY_LEN(strict_removed));
        header_map_remove_prefix(headers, SLICE("x-envoy-peer-metadata"));
    }
    if (address_is_ip(head->info->downstream_remote)) {
        header_map_set(headers, HEADER_X_ENVOY_EXTERNAL_ADDRESS,
                       ip_text(head, head->info->downstream_remote));
    }
}

/* RFC 9110 §7.6.1: fields named by Connection go with it; those that carry identity or framing stay
 * out of a client's reach. */
static bool may_be_nominated(struct slice name) {
    static const struct slice protected_names[] = {
        SLICE_INIT("host"),
        SLICE_INIT("authorization"),
        SLICE_INIT("cookie"),
        SLICE_INIT("content-length"),
        SLICE_INIT("content-type"),
        SLICE_INIT("x-forwarded-for"),
        SLICE_INIT("x-forwarded-proto"),
        SLICE_INIT("x-forwarded-host"),
        SLICE_INIT("x-forwarded-client-cert"),
        SLICE_INIT("x-request-id"),
        SLICE_INIT("x-envoy-external-address"),
        SLICE_INIT("x-real-ip"),
    };
    for (size_t i = 0; i < ARRAY_LEN(protected_names); i++) {
        if (slice_equal_nocase(name, protected_names[i])) {
            return false;
        }
    }
    return name.len > 0 && name.ptr[0] != ':';
}

static void remove_nominated(struct header_map *headers) {
    struct slice rest = header_map_get(headers, HEADER_CONNECTION);
    struct slice token;
    while (slice_split(&rest, ',', &token)) {
        token = slice_trim(token);
        bool is_plain = slice_equal_nocase(token, SLICE("close")) ||
                        slice_equal_nocase(token, SLICE("keep-alive")) ||
                        slice_equal_nocase(token, SLICE("upgrade")) ||
                        slice_equal_nocase(token, SLICE("te"));
        if (is_plain || !may_be_nominated(token)) {
            continue;
        }
        uint8_t lower[256];
        if (token.len > sizeof(lower)) {
            continue;
        }
        for (size_t i = 0; i < token.len; i++) {
            lower[i] = ascii_lower(token.ptr[i]);
        }
        header_map_remove_name(headers, slice_make(lower, token.len));
    }
}

static void remove_hop_by_hop(struct request_head *head) {
    struct header_map *headers = head->headers;
    if (header_map_has(headers, HEADER_CONNECTION)) {
        remove_nominated(headers);
    }
    if (!head->is_upgrade) {
        header_map_remove(headers, HEADER_CONNECTION);
        header_map_remove(headers, HEADER_UPGRADE);
    }
    static const enum header_id always[] = {HEADER_KEEP_ALIVE, HEADER_PROXY_CONNECTION,
                                            HEADER_TRANSFER_ENCODING, HEADER_HTTP2_SETTINGS};
    remove_all(headers, always, ARRAY_LEN(always));
    if (header_map_has(headers, HEADER_TE)) {
        if (http_header_has_token(headers, HEADER_TE, SLICE("trailers"))) {
            header_map_set(headers, HEADER_TE, SLICE("trailers"));
        } else {
            header_map_remove(headers, HEADER_TE);
        }
    }
}

/* ---- what the proxy adds ---- */

/* Envoy packs the trace reason into the 14th nibble of the UUID: '4' is "not sampled". */
static void set_request_id(struct request_head *head) {
    const struct http_connection_manager_config *config = head->config;
    struct header_map *headers = head->headers;
    bool is_edge_request = config->use_remote_address && !head->is_internal;
    bool keep = header_map_has(headers, HEADER_X_REQUEST_ID) &&
                (!is_edge_request || config->preserve_external_request_id);
    if (!keep) {
        if (!config->generate_request_id) {
            if (is_edge_request && !config->preserve_external_request_id) {
                header_map_remove(headers, HEADER_X_REQUEST_ID);
            }
            return;
        }
        char *text = (char *)arena_alloc_bytes(head->headers->arena, UUID_TEXT_LEN);
        random_uuid(head->random, text);
        header_map_set(headers, HEADER_X_REQUEST_ID, slice_make(text, UUID_TEXT_LEN));
    }
    head->info->request_id = header_map_get(headers, HEADER_X_REQUEST_ID);
}

static void set_user_agent(struct request_head *head) {
    struct header_map *headers = head->headers;
    if (!head->config->add_user_agent) {
        return;
    }
    header_map_set(headers, HEADER_X_ENVOY_DOWNSTREAM_SERVICE_CLUSTER, head->node_cluster);
    if (header_map_get(headers, HEADER_USER_AGENT).len == 0) {
        header_map_set(headers, HEADER_USER_AGENT, head->node_cluster);
    }
    if (head->node_id.len > 0) {
        header_map_set(headers, HEADER_X_ENVOY_DOWNSTREAM_SERVICE_NODE, head->node_id);
    }
}

static void append_via(struct request_head *head) {
    if (head->config->via.len == 0) {
        return;
    }
    struct arena *arena = head->headers->arena;
    struct slice present = header_map_get(head->headers, HEADER_VIA);
    struct slice value = present.len == 0 ? head->config->via
                                          : arena_printf(arena, "%.*s, %.*s", SLICE_ARG(present),
                                                         SLICE_ARG(head->config->via));
    header_map_set(head->headers, HEADER_VIA, value);
}

/* Only http and https references mean anything to an upstream. */
static void check_referer(struct header_map *headers) {
    struct slice referer = header_map_get(headers, HEADER_REFERER);
    if (referer.ptr != NULL && !slice_starts_with_nocase(referer, SLICE("http://")) &&
        !slice_starts_with_nocase(referer, SLICE("https://"))) {
        header_map_remove(headers, HEADER_REFERER);
    }
}

void request_headers_mutate(struct request_head *head) {
    remove_hop_by_hop(head);
    establish_client(head);
    set_forwarded_proto(head);
    if (head->config->append_x_forwarded_port) {
        header_map_set_uint(head->headers, HEADER_X_FORWARDED_PORT,
                            address_port(head->info->connection->local));
    }
    sanitize(head);
    set_user_agent(head);
    check_referer(head->headers);
    request_headers_set_xfcc(head);
    set_request_id(head);
    append_via(head);
}
