// SPDX-License-Identifier: Apache-2.0
/*
 * The facts of one exchange (an HTTP stream or a TCP session): what logs, header formats, matchers and
 * stats ask about. Lies in the stream's arena, written by whoever learns a fact, never read for control
 * flow. Times are monotonic µs, 0 = did not happen.
 */
#ifndef SRC_ACCESS_LOG_STREAM_INFO_H
#define SRC_ACCESS_LOG_STREAM_INFO_H

#include "src/http/header_map.h"
#include "src/http/message.h"
#include "src/net/address.h"
#include "src/net/transport.h"

struct connection;
struct metadata;

/* Envoy's response flags: id, short text, long text. Order is the bit. */
#define RESPONSE_FLAGS(X)                                                                          \
    X(FAILED_LOCAL_HEALTH_CHECK, "LH", "FailedLocalHealthCheck")                                   \
    X(NO_HEALTHY_UPSTREAM, "UH", "NoHealthyUpstream")                                              \
    X(UPSTREAM_REQUEST_TIMEOUT, "UT", "UpstreamRequestTimeout")                                    \
    X(LOCAL_RESET, "LR", "LocalReset")                                                             \
    X(UPSTREAM_REMOTE_RESET, "UR", "UpstreamRemoteReset")                                          \
    X(UPSTREAM_CONNECTION_FAILURE, "UF", "UpstreamConnectionFailure")                              \
    X(UPSTREAM_CONNECTION_TERMINATION, "UC", "UpstreamConnectionTermination")                      \
    X(UPSTREAM_OVERFLOW, "UO", "UpstreamOverflow")                                                 \
    X(NO_ROUTE_FOUND, "NR", "NoRouteFound")                                                        \
    X(DELAY_INJECTED, "DI", "DelayInjected")                                                       \
    X(FAULT_INJECTED, "FI", "FaultInjected")                                                       \
    X(RATE_LIMITED, "RL", "RateLimited")                                                           \
    X(UNAUTHORIZED_EXTERNAL_SERVICE, "UAEX", "UnauthorizedExternalService")                        \
    X(RATELIMIT_SERVICE_ERROR, "RLSE", "RateLimitServiceError")                                    \
    X(DOWNSTREAM_CONNECTION_TERMINATION, "DC", "DownstreamConnectionTermination")                  \
    X(UPSTREAM_RETRY_LIMIT_EXCEEDED, "URX", "UpstreamRetryLimitExceeded")                          \
    X(STREAM_IDLE_TIMEOUT, "SI", "StreamIdleTimeout")                                              \
    X(INVALID_ENVOY_REQUEST_HEADERS, "IH", "InvalidEnvoyRequestHeaders")                           \
    X(DOWNSTREAM_PROTOCOL_ERROR, "DPE", "DownstreamProtocolError")                                 \
    X(UPSTREAM_MAX_STREAM_DURATION_REACHED, "UMSDR", "UpstreamMaxStreamDurationReached")           \
    X(RESPONSE_FROM_CACHE_FILTER, "RFCF", "ResponseFromCacheFilter")                               \
    X(NO_FILTER_CONFIG_FOUND, "NFCF", "NoFilterConfigFound")                                       \
    X(DURATION_TIMEOUT, "DT", "DurationTimeout")                                                   \
    X(UPSTREAM_PROTOCOL_ERROR, "UPE", "UpstreamProtocolError")                                     \
    X(NO_CLUSTER_FOUND, "NC", "NoClusterFound")                                                    \
    X(OVERLOAD_MANAGER, "OM", "OverloadManagerTerminated")                                         \
    X(DNS_RESOLUTION_FAILED, "DF", "DnsResolutionFailed")                                          \
    X(DROP_OVERLOAD, "DO", "DropOverload")                                                         \
    X(DOWNSTREAM_REMOTE_RESET, "DR", "DownstreamRemoteReset")                                      \
    X(UNCONDITIONAL_DROP_OVERLOAD, "UDO", "UnconditionalDropOverload")
enum response_flag {
#define RESPONSE_FLAG_ENUM(id, text, long_text) RESPONSE_FLAG_##id,
    RESPONSE_FLAGS(RESPONSE_FLAG_ENUM)
#undef RESPONSE_FLAG_ENUM
        RESPONSE_FLAG_COUNT,
};

/* Facts of the connection, shared by its streams; owned by the downstream connection. */
struct connection_info {
    uint64_t id;
    const struct address *local;         /* where the peer connected to */
    const struct address *direct_remote; /* the socket's peer */
    const struct address *remote;        /* after PROXY protocol or original-src */
    struct slice requested_server_name;  /* SNI from the inspector; lower case */
    struct slice filter_chain_name;
    struct slice listener_name;
    uint32_t traffic_direction;
    struct transport *transport;       /* asks for the TLS facts; NULL once closed */
    const struct transport_peer *peer; /* NULL: plain; of use once the handshake is done */
    struct slice transport_failure_reason;
    const char *termination_details; /* static text; NULL: none */
    uint64_t accepted_us;
    uint64_t handshake_done_us;
    uint32_t rtt_us;
};

/* Never NULL: a plain connection's facts are all empty. */
static inline const struct transport_peer *
connection_info_peer(const struct connection_info *connection) {
    return connection->peer != NULL ? connection->peer : &transport_peer_plain;
}

/* One upstream attempt's facts; the last one stays. */
struct upstream_info {
    struct slice cluster_name;  /* with alt stat name as Envoy prints it */
    struct slice host_name;     /* Endpoint.hostname */
    struct stored_address host; /* len 0: none chosen */
    struct stored_address local;
    uint64_t connection_id;
    enum http_protocol protocol;
    bool has_protocol;
    struct slice transport_failure_reason;
    uint32_t attempts; /* 1 for the first */
    uint64_t pool_ready_us, first_tx_us, last_tx_us, first_rx_us, last_rx_us;
    struct message_bytes received, sent;
    uint32_t connection_requests;      /* streams served on that connection before and with this */
    const struct transport_peer *peer; /* NULL: plain */
};

extern const struct upstream_info upstream_info_none; /* nothing is known */

static inline const struct transport_peer *
upstream_info_peer(const struct upstream_info *upstream) {
    return upstream->peer != NULL ? upstream->peer : &transport_peer_plain;
}

/* Dynamic metadata and filter state: small lists in the stream's arena. */
struct info_entry {
    struct slice space; /* metadata namespace, or filter-state key */
    struct slice key;   /* dotted path; empty for filter state */
    struct slice value; /* JSON scalar or document text; strings without quotes */
    bool is_string;
    struct info_entry *next;
};

struct stream_info {
    struct arena *arena;
    struct connection_info *connection; /* NULL only in tests */
    enum http_protocol protocol;
    bool is_http;
    uint16_t route_resolutions; /* how often a route was looked for */
    uint64_t start_us;          /* monotonic */
    uint64_t start_wall_us;
    uint64_t last_rx_us;  /* last byte of the request */
    uint64_t first_tx_us; /* first byte of the response, to the client */
    uint64_t last_tx_us;
    uint64_t end_us;
    uint64_t response_flags;             /* bits by enum response_flag */
    uint32_t response_code;              /* 0: none sent */
    uint32_t route_resolution_us;        /* all of them; 0 where no log asks */
    struct slice response_code_details;  /* "via_upstream"; NULL ptr: none */
    uint64_t bytes_received, bytes_sent; /* body bytes */
    struct message_bytes received, sent;
    const struct address *downstream_remote;  /* after XFF trust */
    const struct header_map *request_headers; /* as after the filters; NULL before */
    const struct header_map *response_headers;
    const struct header_map *response_trailers;
    const struct metadata *route_metadata; /* NULL: no route */
    const struct metadata *vhost_metadata;
    struct slice route_name;
    struct slice vhost_name;
    struct slice cluster_name;
    struct slice request_id;
    struct upstream_info *upstream; /* NULL before the request's head is known */
    struct info_entry *dynamic_metadata;
    struct info_entry *filter_state;
    bool is_health_check;
    bool downstream_reset;
    uint32_t trace_id_sampled;
    uint64_t stream_id; /* unique in the process */
};

/* To read; never NULL. */
static inline const struct upstream_info *stream_info_upstream(const struct stream_info *info) {
    return info->upstream != NULL ? info->upstream : &upstream_info_none;
}

static inline void stream_info_set_flag(struct stream_info *info, enum response_flag flag) {
    info->response_flags |= UINT64_C(1) << flag;
}
static inline bool stream_info_has_flag(const struct stream_info *info, enum response_flag flag) {
    return (info->response_flags & (UINT64_C(1) << flag)) != 0;
}
/* Comma-separated short texts, "-" for none; in info->arena. */
struct slice stream_info_flags_text(const struct stream_info *info, bool long_form);
/* Adds or replaces; all slices are copied into the arena. */
void stream_info_set_metadata(struct stream_info *info, struct slice space, struct slice key,
                              struct slice value, bool is_string);
const struct info_entry *stream_info_metadata(const struct stream_info *info, struct slice space,
                                              struct slice key);
void stream_info_set_state(struct stream_info *info, struct slice key, struct slice value);
const struct info_entry *stream_info_state(const struct stream_info *info, struct slice key);

#endif
