// SPDX-License-Identifier: Apache-2.0
/*
 * What an extension's parse function gets: where to allocate, where to report, and the decoders of the
 * API's shared messages, which live in xds/ and are reached through a vtable, so that extensions depend
 * on src only. All pointers to messages are protobuf-c messages of the named type, passed as their base.
 * Control thread.
 */
#ifndef SRC_FILTER_CHAIN_FILTER_CONFIG_H
#define SRC_FILTER_CHAIN_FILTER_CONFIG_H

#include "src/base/arena.h"
#include "src/config/common_config.h"
#include "src/config/config_store.h"
#include "src/config/validation.h"
#include "src/runtime/runtime.h"

struct ProtobufCMessage;
struct access_log;
struct cidr;
struct access_log_filter;
struct filter_config_context;
struct file_writer;
struct rate_limit;
struct route_match;
struct stats_registry;
struct stats_scope;
struct stat_table;

struct filter_decoders {
    /* google.protobuf.Any -> the message it holds (TypedStruct is unwrapped), NULL with an error on
     * the validation. Lives as long as the decode. */
    const struct ProtobufCMessage *(*unpack)(struct filter_config_context *context,
                                             const struct ProtobufCMessage *any);
    /* type.matcher.v3.StringMatcher, RegexMatcher; false with an error. */
    bool (*string_matcher)(struct filter_config_context *context,
                           const struct ProtobufCMessage *message, struct string_matcher *out);
    bool (*regex)(struct filter_config_context *context, const struct ProtobufCMessage *message,
                  const struct regex **out);
    /* config.route.v3.HeaderMatcher, QueryParameterMatcher */
    bool (*header_matcher)(struct filter_config_context *context,
                           const struct ProtobufCMessage *message, struct header_matcher *out);
    bool (*query_matcher)(struct filter_config_context *context,
                          const struct ProtobufCMessage *message, struct query_matcher *out);
    /* core.v3.CidrRange */
    bool (*cidr)(struct filter_config_context *context, const struct ProtobufCMessage *message,
                 struct cidr *out);
    /* core.v3.DataSource: inline text, file or environment. */
    bool (*data_source)(struct filter_config_context *context,
                        const struct ProtobufCMessage *message, struct slice *out);
    /* core.v3.HeaderValueOption */
    bool (*header_op)(struct filter_config_context *context, const struct ProtobufCMessage *message,
                      struct header_op *out);
    /* core.v3.RuntimeFractionalPercent, type.v3.FractionalPercent -> config_fraction */
    bool (*fraction)(struct filter_config_context *context, const struct ProtobufCMessage *message,
                     struct config_fraction *out);
    /* core.v3.SubstitutionFormatString -> a format */
    bool (*format)(struct filter_config_context *context, const struct ProtobufCMessage *message,
                   const struct log_format **out);
    /* accesslog.v3.AccessLog -> a logger owned by the part */
    bool (*access_log)(struct filter_config_context *context,
                       const struct ProtobufCMessage *message, struct access_log **out);
    /* google.protobuf.Struct / core.v3.Metadata -> flat metadata */
    bool (*metadata)(struct filter_config_context *context, const struct ProtobufCMessage *message,
                     struct metadata *out);
    /* google.protobuf.Duration in ms; false with an error when negative or too large. */
    bool (*duration_ms)(struct filter_config_context *context,
                        const struct ProtobufCMessage *message, uint32_t *out);
    /* tls.v3.SdsSecretConfig -> CONFIG_SECRET slot, subscribed to. */
    bool (*sds_secret)(struct filter_config_context *context,
                       const struct ProtobufCMessage *message, uint32_t *slot);
    /* config.route.v3.RetryPolicy */
    bool (*retry_policy)(struct filter_config_context *context,
                         const struct ProtobufCMessage *message, struct retry_policy *out);
    /* config.route.v3.RateLimit */
    bool (*rate_limit)(struct filter_config_context *context,
                       const struct ProtobufCMessage *message, struct rate_limit *out);
    /* config.route.v3.RouteMatch */
    bool (*route_match)(struct filter_config_context *context,
                        const struct ProtobufCMessage *message, struct route_match *out);
};

struct filter_config_context {
    struct arena *arena;      /* of the part: results live as long as it */
    struct config_part *part; /* for config_part_on_free */
    struct validation *validation;
    struct config_store *store; /* cluster and secret slots */
    struct stats_registry *stats;
    struct file_writer *files;
    const struct filter_decoders *decoders;
    struct slice stat_prefix; /* of the enclosing connection manager or listener, "http.ingress." */
    bool edge_defaults;       /* --defaults edge */
    bool bypass_overload;     /* of the enclosing listener */
    struct slice node_id, node_cluster; /* of the bootstrap; outlive the part */
};

/* The slot of a cluster named in a filter's configuration. */
static inline uint32_t filter_config_cluster(struct filter_config_context *context,
                                             struct slice name) {
    return config_store_slot_for(context->store, context->part, CONFIG_CLUSTER, name);
}

/* The number of a key of the runtime, for config_flag and the like. */
static inline uint32_t filter_config_runtime_key(struct filter_config_context *context,
                                                 const char *name) {
    return runtime_key(config_store_runtime(context->store), slice_from_string(name));
}

#endif
