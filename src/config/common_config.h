// SPDX-License-Identifier: Apache-2.0
/*
 * Small immutable pieces that several configuration models share: fractions, header operations, filter
 * overrides, retry policy, metadata. Everything lies in the arena of the part that contains it.
 */
#ifndef SRC_CONFIG_COMMON_CONFIG_H
#define SRC_CONFIG_COMMON_CONFIG_H

#include <stdbool.h>
#include <stdint.h>

#include "src/config/owner.h"
#include "src/http/header_map.h"
#include "src/matcher/header_matcher.h"

struct log_format;
struct http_filter_factory;

/* ms: not configured; 0 means disabled */
#define CONFIG_TIMEOUT_UNSET UINT32_MAX

/* Values that the runtime may override while they are in use, read with src/config/config_runtime.h. The
 * key is the number that the runtime gave it; 0: none. */
struct config_fraction {
    uint32_t per_million;
    uint32_t key;
};
struct config_flag {
    bool value;
    uint32_t key;
};
struct config_integer {
    uint32_t value;
    uint32_t key;
};

/* envoy.config.core.v3.HeaderValueOption. */
enum header_op_action {
    HEADER_OP_APPEND_IF_EXISTS_OR_ADD,
    HEADER_OP_ADD_IF_ABSENT,
    HEADER_OP_OVERWRITE_IF_EXISTS_OR_ADD,
    HEADER_OP_OVERWRITE_IF_EXISTS,
};
struct header_op {
    struct slice name; /* lower case */
    enum header_id id;
    enum header_op_action action;
    const struct log_format *value; /* formatted per request; constant text is a format too */
    bool keep_empty_value;
};
struct header_ops {
    const struct header_op *add;
    uint32_t add_count;
    const struct slice *remove; /* lower-case names; a trailing '*' is not special */
    uint32_t remove_count;
};

/* typed_per_filter_config of one level; looked up by interned filter name. */
struct filter_override {
    uint32_t name_id; /* config_store_intern of the HTTP filter's name in the chain */
    bool is_disabled;
    const struct http_filter_factory *factory; /* NULL where only the flags are given */
    const void *config;
};
struct filter_overrides {
    const struct filter_override *items;
    uint32_t count;
};

/* Bits of RetryPolicy.retry_on, HTTP then gRPC. */
enum retry_on {
    RETRY_ON_5XX = 1 << 0,
    RETRY_ON_GATEWAY_ERROR = 1 << 1,
    RETRY_ON_RESET = 1 << 2,
    RETRY_ON_CONNECT_FAILURE = 1 << 3,
    RETRY_ON_RETRIABLE_4XX = 1 << 4,
    RETRY_ON_REFUSED_STREAM = 1 << 5,
    RETRY_ON_RETRIABLE_STATUS_CODES = 1 << 6,
    RETRY_ON_RETRIABLE_HEADERS = 1 << 7,
    RETRY_ON_ENVOY_RATELIMITED = 1 << 8,
    RETRY_ON_RESET_BEFORE_REQUEST = 1 << 9,
    RETRY_ON_HTTP3_POST_CONNECT_FAILURE = 1 << 10,
    RETRY_ON_GRPC_CANCELLED = 1 << 11,
    RETRY_ON_GRPC_DEADLINE_EXCEEDED = 1 << 12,
    RETRY_ON_GRPC_RESOURCE_EXHAUSTED = 1 << 13,
    RETRY_ON_GRPC_UNAVAILABLE = 1 << 14,
    RETRY_ON_GRPC_INTERNAL = 1 << 15,
};

struct retry_policy {
    uint32_t retry_on;                    /* enum retry_on bits */
    uint32_t num_retries;                 /* default 1 */
    uint32_t per_try_timeout_ms;          /* CONFIG_TIMEOUT_UNSET: none */
    uint32_t per_try_idle_timeout_ms;     /* likewise */
    uint32_t base_interval_ms;            /* default 25 */
    uint32_t max_interval_ms;             /* default 10 x base */
    uint32_t host_selection_max_attempts; /* default 1 */
    bool avoid_previous_hosts;            /* retry_host_predicate previous_hosts */
    const uint32_t *retriable_status_codes;
    uint32_t retriable_status_code_count;
    const struct header_matcher *retriable_headers; /* any matches */
    uint32_t retriable_header_count;
    const struct header_matcher *retriable_request_headers; /* any matches; none: always */
    uint32_t retriable_request_header_count;
};

/* filter_metadata of the API, kept for formats, subset balancing and RBAC: a flat list of
 * (namespace, dotted path) -> text or number. */
struct metadata_entry {
    struct slice filter;
    struct slice path;  /* "a.b" */
    struct slice value; /* JSON scalar text; strings without quotes */
    bool is_string;
};
struct metadata {
    const struct metadata_entry *entries;
    uint32_t count;
};

#endif
