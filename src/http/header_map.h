// SPDX-License-Identifier: Apache-2.0
/*
 * The one form of a message's header block, request or response, both codecs. Entries keep wire order;
 * names are lower case; well-known names carry a small id, by which the first entry is found without
 * a search. Names and values are slices into the message's arena (or static text): setting a value
 * never copies unless asked. Pseudo headers (":path") are entries like others and come first.
 * Bytes and counts are charged at header_map_add against the map's limits, before anything is stored.
 * One thread, life of its arena.
 */
#ifndef SRC_HTTP_HEADER_MAP_H
#define SRC_HTTP_HEADER_MAP_H

#include <stdbool.h>
#include <stdint.h>

#include "src/base/arena.h"

#define HEADER_IDS(X)                                                                              \
    X(AUTHORITY, ":authority")                                                                     \
    X(METHOD, ":method")                                                                           \
    X(PATH, ":path")                                                                               \
    X(PROTOCOL, ":protocol")                                                                       \
    X(SCHEME, ":scheme")                                                                           \
    X(STATUS, ":status")                                                                           \
    X(ACCEPT, "accept")                                                                            \
    X(ACCEPT_ENCODING, "accept-encoding")                                                          \
    X(ACCESS_CONTROL_REQUEST_METHOD, "access-control-request-method")                              \
    X(AUTHORIZATION, "authorization")                                                              \
    X(CACHE_CONTROL, "cache-control")                                                              \
    X(CONNECTION, "connection")                                                                    \
    X(CONTENT_ENCODING, "content-encoding")                                                        \
    X(CONTENT_LENGTH, "content-length")                                                            \
    X(CONTENT_TYPE, "content-type")                                                                \
    X(COOKIE, "cookie")                                                                            \
    X(DATE, "date")                                                                                \
    X(ETAG, "etag")                                                                                \
    X(EXPECT, "expect")                                                                            \
    X(FORWARDED, "forwarded")                                                                      \
    X(GRPC_MESSAGE, "grpc-message")                                                                \
    X(GRPC_STATUS, "grpc-status")                                                                  \
    X(GRPC_TIMEOUT, "grpc-timeout")                                                                \
    X(HOST, "host")                                                                                \
    X(HTTP2_SETTINGS, "http2-settings")                                                            \
    X(KEEP_ALIVE, "keep-alive")                                                                    \
    X(LOCATION, "location")                                                                        \
    X(ORIGIN, "origin")                                                                            \
    X(PROXY, "proxy")                                                                              \
    X(PROXY_AUTHENTICATE, "proxy-authenticate")                                                    \
    X(PROXY_AUTHORIZATION, "proxy-authorization")                                                  \
    X(PROXY_CONNECTION, "proxy-connection")                                                        \
    X(RANGE, "range")                                                                              \
    X(REFERER, "referer")                                                                          \
    X(RETRY_AFTER, "retry-after")                                                                  \
    X(SERVER, "server")                                                                            \
    X(SET_COOKIE, "set-cookie")                                                                    \
    X(TE, "te")                                                                                    \
    X(TRACEPARENT, "traceparent")                                                                  \
    X(TRACESTATE, "tracestate")                                                                    \
    X(TRAILER, "trailer")                                                                          \
    X(TRANSFER_ENCODING, "transfer-encoding")                                                      \
    X(UPGRADE, "upgrade")                                                                          \
    X(USER_AGENT, "user-agent")                                                                    \
    X(VARY, "vary")                                                                                \
    X(VIA, "via")                                                                                  \
    X(WWW_AUTHENTICATE, "www-authenticate")                                                        \
    X(X_B3_SAMPLED, "x-b3-sampled")                                                                \
    X(X_CLIENT_TRACE_ID, "x-client-trace-id")                                                      \
    X(X_ENVOY_ATTEMPT_COUNT, "x-envoy-attempt-count")                                              \
    X(X_ENVOY_AUTH_FAILURE_MODE_ALLOWED, "x-envoy-auth-failure-mode-allowed")                      \
    X(X_ENVOY_CANARY, "x-envoy-upstream-canary")                                                   \
    X(X_ENVOY_DECORATOR_OPERATION, "x-envoy-decorator-operation")                                  \
    X(X_ENVOY_DEGRADED, "x-envoy-degraded")                                                        \
    X(X_ENVOY_DOWNSTREAM_SERVICE_CLUSTER, "x-envoy-downstream-service-cluster")                    \
    X(X_ENVOY_DOWNSTREAM_SERVICE_NODE, "x-envoy-downstream-service-node")                          \
    X(X_ENVOY_EXPECTED_RQ_TIMEOUT_MS, "x-envoy-expected-rq-timeout-ms")                            \
    X(X_ENVOY_EXTERNAL_ADDRESS, "x-envoy-external-address")                                        \
    X(X_ENVOY_FORCE_TRACE, "x-envoy-force-trace")                                                  \
    X(X_ENVOY_HEDGE_ON_PER_TRY_TIMEOUT, "x-envoy-hedge-on-per-try-timeout")                        \
    X(X_ENVOY_IMMEDIATE_HEALTH_CHECK_FAIL, "x-envoy-immediate-health-check-fail")                  \
    X(X_ENVOY_INTERNAL, "x-envoy-internal")                                                        \
    X(X_ENVOY_IP_TAGS, "x-envoy-ip-tags")                                                          \
    X(X_ENVOY_IS_TIMEOUT_RETRY, "x-envoy-is-timeout-retry")                                        \
    X(X_ENVOY_LOCAL_OVERLOADED, "x-envoy-local-overloaded")                                        \
    X(X_ENVOY_MAX_RETRIES, "x-envoy-max-retries")                                                  \
    X(X_ENVOY_ORIGINAL_DST_HOST, "x-envoy-original-dst-host")                                      \
    X(X_ENVOY_ORIGINAL_HOST, "x-envoy-original-host")                                              \
    X(X_ENVOY_ORIGINAL_METHOD, "x-envoy-original-method")                                          \
    X(X_ENVOY_ORIGINAL_PATH, "x-envoy-original-path")                                              \
    X(X_ENVOY_OVERLOADED, "x-envoy-overloaded")                                                    \
    X(X_ENVOY_RATELIMITED, "x-envoy-ratelimited")                                                  \
    X(X_ENVOY_RETRIABLE_HEADER_NAMES, "x-envoy-retriable-header-names")                            \
    X(X_ENVOY_RETRIABLE_STATUS_CODES, "x-envoy-retriable-status-codes")                            \
    X(X_ENVOY_RETRY_GRPC_ON, "x-envoy-retry-grpc-on")                                              \
    X(X_ENVOY_RETRY_ON, "x-envoy-retry-on")                                                        \
    X(X_ENVOY_UPSTREAM_ALT_STAT_NAME, "x-envoy-upstream-alt-stat-name")                            \
    X(X_ENVOY_UPSTREAM_RQ_PER_TRY_TIMEOUT_MS, "x-envoy-upstream-rq-per-try-timeout-ms")            \
    X(X_ENVOY_UPSTREAM_RQ_TIMEOUT_ALT_RESPONSE, "x-envoy-upstream-rq-timeout-alt-response")        \
    X(X_ENVOY_UPSTREAM_RQ_TIMEOUT_MS, "x-envoy-upstream-rq-timeout-ms")                            \
    X(X_ENVOY_UPSTREAM_SERVICE_TIME, "x-envoy-upstream-service-time")                              \
    X(X_ENVOY_UPSTREAM_STREAM_DURATION_MS, "x-envoy-upstream-stream-duration-ms")                  \
    X(X_FORWARDED_CLIENT_CERT, "x-forwarded-client-cert")                                          \
    X(X_FORWARDED_FOR, "x-forwarded-for")                                                          \
    X(X_FORWARDED_HOST, "x-forwarded-host")                                                        \
    X(X_FORWARDED_PORT, "x-forwarded-port")                                                        \
    X(X_FORWARDED_PROTO, "x-forwarded-proto")                                                      \
    X(X_REAL_IP, "x-real-ip")                                                                      \
    X(X_REQUEST_ID, "x-request-id")

enum header_id {
    HEADER_OTHER = 0, /* no well-known name */
#define HEADER_ID_ENUM(id, name) HEADER_##id,
    HEADER_IDS(HEADER_ID_ENUM)
#undef HEADER_ID_ENUM
        HEADER_ID_COUNT,
};

enum { HEADER_NONE = 0xffff };

/* Half a cache line: a head has a dozen of them. Read through the functions below. */
struct header_entry {
    const uint8_t *name_ptr; /* lower case; NULL: removed */
    const uint8_t *value_ptr;
    uint32_t name_len, value_len;
    uint16_t id;    /* enum header_id */
    uint16_t next;  /* next entry of the same well-known id, or HEADER_NONE */
    uint16_t last;  /* last entry of that id; kept in the first entry only */
    uint16_t flags; /* HEADER_FLAG_* */
};
enum { HEADER_FLAG_SENSITIVE = 1 /* never indexed by HPACK */ };
_Static_assert(sizeof(struct header_entry) == 32, "two in a cache line");

static inline struct slice header_entry_name(const struct header_entry *entry) {
    return slice_make(entry->name_ptr, entry->name_len);
}
static inline struct slice header_entry_value(const struct header_entry *entry) {
    return slice_make(entry->value_ptr, entry->value_len);
}
static inline bool header_entry_is_removed(const struct header_entry *entry) {
    return entry->name_ptr == NULL;
}

struct header_map {
    struct arena *arena;
    struct header_entry *entries;
    uint16_t count; /* used entries, removed ones included */
    uint16_t live;  /* entries not removed */
    uint16_t capacity;
    uint16_t first[HEADER_ID_COUNT]; /* entry index by id, or HEADER_NONE */
    uint32_t bytes;     /* names, values and 32 each (RFC 9113 §6.5.2) of live entries */
    uint32_t max_bytes; /* 0: no limit */
    uint16_t max_count; /* 0: no limit */
    uint16_t reserved_at, reserved_count; /* places that header_map_reserve_pseudo has kept */
};

void header_map_init(struct header_map *map, struct arena *arena);
void header_map_set_limits(struct header_map *map, uint32_t max_bytes, uint16_t max_count);
/* Room for `capacity` entries at once, where a codec can guess their number. */
void header_map_reserve(struct header_map *map, uint16_t capacity);
/* Keeps one place behind the pseudo headers free, so that one more of them (":scheme", set by the
 * connection's owner) goes in front of the others without moving them. */
void header_map_reserve_pseudo(struct header_map *map);

/* HEADER_OTHER for a name that is not well known; `name` in lower case. */
enum header_id header_id_of(struct slice name);
struct slice header_id_name(enum header_id id);

/* Appends. Name (lower case) and value are borrowed and must live as long as the arena. STATUS_LIMIT
 * when the map's limits would be passed; nothing is stored then. */
enum status header_map_add(struct header_map *map, struct slice name, struct slice value) MUST_USE;
/* The same where the id is known already (HEADER_OTHER with any `name`). */
enum status header_map_add_id(struct header_map *map, enum header_id id, struct slice name,
                              struct slice value) MUST_USE;
/* Appends by id; proxy-made headers, not charged against the limits. A pseudo header goes behind the
 * other pseudo headers, which may move the entries after it. */
void header_map_append(struct header_map *map, enum header_id id, struct slice value);
/* Same by name; both are borrowed. */
void header_map_append_name(struct header_map *map, struct slice name, struct slice value);
/* Replaces all entries of the name by one (in the first one's place). Values are borrowed. */
void header_map_set(struct header_map *map, enum header_id id, struct slice value);
void header_map_set_name(struct header_map *map, struct slice name, struct slice value);
/* Copies the value into the arena first. */
void header_map_set_copy(struct header_map *map, enum header_id id, struct slice value);
void header_map_set_uint(struct header_map *map, enum header_id id, uint64_t value);
/* Removes what header_map_has told of. */
uint32_t header_map_remove_present(struct header_map *map, enum header_id id);
/* Returns the number of entries removed. */
static inline uint32_t header_map_remove(struct header_map *map, enum header_id id) {
    return map->first[id] == HEADER_NONE ? 0 : header_map_remove_present(map, id);
}
uint32_t header_map_remove_name(struct header_map *map, struct slice name);
uint32_t header_map_remove_prefix(struct header_map *map, struct slice prefix);
/* Removes one entry by index (from iteration). */
void header_map_remove_at(struct header_map *map, uint32_t index);

/* First value; empty slice with NULL ptr when absent. */
static inline struct slice header_map_get(const struct header_map *map, enum header_id id) {
    uint16_t at = map->first[id];
    return at == HEADER_NONE ? (struct slice){NULL, 0} : header_entry_value(&map->entries[at]);
}
static inline bool header_map_has(const struct header_map *map, enum header_id id) {
    return map->first[id] != HEADER_NONE;
}
struct slice header_map_get_name(const struct header_map *map, struct slice name);
/* All values of a name joined with `separator` (","; "; " for cookie), in `arena` where there is more
 * than one; NULL ptr when absent. */
struct slice header_map_get_joined(const struct header_map *map, struct slice name,
                                   struct slice separator, struct arena *arena);
uint32_t header_map_count_name(const struct header_map *map, struct slice name);

/* for (uint32_t i = 0; (entry = header_map_next(map, &i)) != NULL;) : live entries in order. */
const struct header_entry *header_map_next(const struct header_map *map, uint32_t *at);
/* Deep copy into `arena` (retry, shadow). `to` is initialised by this. */
void header_map_copy(struct header_map *to, const struct header_map *from, struct arena *arena);

#endif
