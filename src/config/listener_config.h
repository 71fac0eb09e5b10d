// SPDX-License-Identifier: Apache-2.0
/*
 * The immutable model of a Listener, its filter chains, and of the HTTP connection manager. Filters'
 * own configurations are opaque pointers that their factories made. A chain composed of several owners'
 * filters keeps the owner with each.
 */
#ifndef SRC_CONFIG_LISTENER_CONFIG_H
#define SRC_CONFIG_LISTENER_CONFIG_H

#include "src/config/common_config.h"
#include "src/config/config_part.h"
#include "src/config/route_config.h"
#include "src/http/codec.h"
#include "src/http/path.h"
#include "src/net/address.h"
#include "src/net/socket.h"

struct access_log;
struct listener_filter_factory;
struct listener_sockets;
struct network_filter_factory;
struct http_filter_factory;
struct stats_scope;

struct network_filter_config {
    struct slice name;
    const struct network_filter_factory *factory;
    const void *config;
    struct config_owner owner;
};
/* ListenerFilterChainMatchPredicate: a tree over the destination port. */
struct listener_filter_predicate {
    enum {
        LISTENER_FILTER_ANY,
        LISTENER_FILTER_OR,
        LISTENER_FILTER_AND,
        LISTENER_FILTER_NOT, /* of the one child */
        LISTENER_FILTER_PORTS,
    } kind;
    bool any; /* ANY */
    const struct listener_filter_predicate *const *children;
    uint32_t child_count;
    int32_t port_start, port_end; /* PORTS: start <= port < end */
};
struct listener_filter_config {
    struct slice name;
    const struct listener_filter_factory *factory;
    const void *config;
    const struct listener_filter_predicate *disabled_predicate; /* filter_disabled; NULL: none */
    struct config_owner owner;
};
struct http_filter_config {
    struct slice name;
    uint32_t name_id; /* interned, for overrides */
    const struct http_filter_factory *factory;
    const void *config;
    bool is_disabled; /* unless a route's override enables it */
    struct config_owner owner;
};

struct filter_chain_match {
    uint32_t destination_port; /* 0: any */
    const struct cidr *destination_ranges;
    uint32_t destination_range_count;
    const struct slice
        *server_names; /* lower case; "*.x" stored as ".x" with a flag by the index */
    uint32_t server_name_count;
    struct slice transport_protocol; /* "", "raw_buffer", "tls" */
    const struct slice *application_protocols;
    uint32_t application_protocol_count;
    const struct cidr *direct_source_ranges;
    uint32_t direct_source_range_count;
    enum { SOURCE_ANY, SOURCE_SAME_IP_OR_LOOPBACK, SOURCE_EXTERNAL } source_type;
    const struct cidr *source_ranges;
    uint32_t source_range_count;
    const uint32_t *source_ports;
    uint32_t source_port_count;
};

struct filter_chain_config {
    struct slice name;
    struct filter_chain_match match;
    const struct network_filter_config *filters;
    uint32_t filter_count;
    const struct tls_config *tls;          /* NULL: raw */
    uint32_t tls_slot;                     /* CONFIG_TLS; CONFIG_SLOT_NONE: raw */
    uint32_t transport_connect_timeout_ms; /* TLS handshake; 0: none; edge default 10 s */
    struct config_owner owner;
    uint64_t
        hash; /* canonical hash of the chain's proto: an equal chain survives a listener update */
};

/* CONFIG_LISTENER; pinned by its connections. */
/* Connections of all threads under one version of a listener; in its part, which they pin. */
struct listener_open {
    _Alignas(64) _Atomic uint64_t count;
};

struct listener_part {
    struct config_part part;
    struct slice stat_prefix;        /* "0.0.0.0_8080" or stat_prefix */
    const struct address *addresses; /* [0] and additional_addresses */
    uint32_t address_count;
    bool bind_to_port; /* default true */
    bool reuse_port;   /* default true */
    struct socket_listen_options socket;
    const struct listener_filter_config *listener_filters;
    uint32_t listener_filter_count;
    uint32_t listener_filters_timeout_ms; /* 15,000; 0: none */
    bool continue_on_listener_filters_timeout;
    const struct filter_chain_config *const *chains;
    uint32_t chain_count;
    const struct filter_chain_config *default_chain; /* NULL: none */
    uint64_t shell_hash; /* of all but the chains: equal means an update in place will do */
    uint32_t per_connection_buffer_limit_bytes; /* 1 MiB; edge 32 KiB */
    uint32_t max_connections_per_event;         /* 0: until dry */
    bool ignore_global_connection_limit;
    uint32_t connection_limit_key; /* of the runtime; no other limit is there */
    struct listener_open *open;
    bool bypass_overload;
    bool drain_modify_only;
    enum { TRAFFIC_UNSPECIFIED, TRAFFIC_INBOUND, TRAFFIC_OUTBOUND } traffic_direction;
    struct access_log *const *access_logs;
    uint32_t access_log_count;
    /* Filled by the listener manager before publication. */
    const struct listener_sockets *sockets;
    struct stats_scope *stats;     /* "listener.<stat_prefix>." */
    struct stats_scope *tls_stats; /* "listener.<stat_prefix>.ssl."; tls_stat_table */
};

/* ---- the HTTP connection manager (a network filter's configuration) ---- */

enum forward_client_cert {
    FORWARD_CLIENT_CERT_SANITIZE,
    FORWARD_CLIENT_CERT_FORWARD_ONLY,
    FORWARD_CLIENT_CERT_APPEND_FORWARD,
    FORWARD_CLIENT_CERT_SANITIZE_SET,
    FORWARD_CLIENT_CERT_ALWAYS_FORWARD_ONLY,
};
enum server_header_transformation {
    SERVER_OVERWRITE,
    SERVER_APPEND_IF_ABSENT,
    SERVER_PASS_THROUGH
};
enum hcm_codec { HCM_CODEC_AUTO, HCM_CODEC_HTTP1, HCM_CODEC_HTTP2 };

/* local_reply_config; opaque to all but src/stream. */
struct local_reply_config;

/* proxy_status_config; see src/stream/proxy_status.h. */
struct proxy_status_config {
    bool remove_details, remove_termination_details, remove_response_flags;
    bool set_recommended_status;
    bool names_node;           /* use_node_id is there, be it false, as in Envoy */
    struct slice literal_name; /* empty, without names_node: the server name */
};

struct http_connection_manager_config {
    struct slice stat_prefix;
    enum hcm_codec codec;
    uint32_t route_slot; /* CONFIG_ROUTE: RDS name, or the inline configuration's own slot */
    struct slice route_name;
    const struct http_filter_config *filters;
    uint32_t filter_count;
    struct access_log *const *access_logs;
    uint32_t access_log_count;
    bool measures_route; /* a log asks how long finding it took */
    /* limits and codec */
    uint32_t max_request_headers_kb;      /* 60 */
    uint32_t max_headers_count;           /* 100 */
    uint32_t max_requests_per_connection; /* 0: none */
    uint32_t underscores;                 /* HTTP_UNDERSCORES_* */
    struct http1_options http1;
    struct http2_options http2;
    uint32_t h2_keepalive_interval_ms, h2_keepalive_timeout_ms;
    bool accept_http_10;
    /* times, ms; 0: disabled */
    uint32_t idle_timeout_ms; /* connection; 1 h; edge 60 s */
    uint32_t max_connection_duration_ms;
    uint32_t max_stream_duration_ms;
    uint32_t stream_idle_timeout_ms; /* 5 min */
    uint32_t request_timeout_ms;
    uint32_t request_headers_timeout_ms; /* edge 10 s */
    uint32_t drain_timeout_ms;           /* 5 s */
    uint32_t delayed_close_timeout_ms;   /* 1 s */
    /* headers */
    enum server_header_transformation server_transformation;
    struct slice server_name; /* "envoy" */
    bool use_remote_address;
    uint32_t xff_num_trusted_hops;
    bool skip_xff_append;
    bool append_x_forwarded_port;
    bool append_local_overload;
    const struct cidr *internal_cidrs; /* internal_address_config */
    uint32_t internal_cidr_count;
    bool unix_is_internal;
    struct slice via;
    bool add_user_agent;                            /* and who the client's proxy is */
    const struct proxy_status_config *proxy_status; /* NULL: not sent */
    bool generate_request_id;                       /* default true */
    bool preserve_external_request_id;
    bool always_set_request_id_in_response;
    enum forward_client_cert forward_client_cert;
    bool xfcc_subject, xfcc_cert, xfcc_chain, xfcc_dns, xfcc_uri;
    bool proxy_100_continue;
    struct slice scheme_to_overwrite; /* empty: none */
    bool strip_matching_host_port, strip_any_host_port, strip_trailing_host_dot;
    /* path */
    struct path_options path;
    /* upgrades that are allowed on all routes unless a route says otherwise */
    const struct upgrade_config *upgrades;
    uint32_t upgrade_count;
    const struct local_reply_config *local_reply; /* NULL: Envoy's defaults */
    bool is_edge; /* --defaults edge: strict header sanitising (SECURITY.md §6) */
};

#endif
