// SPDX-License-Identifier: Apache-2.0
/*
 * Readers of a RouteConfiguration and its sections, a file each (decoder.h says how readers behave).
 */
#ifndef XDS_DECODE_ROUTE_CONFIG_H
#define XDS_DECODE_ROUTE_CONFIG_H

#include "envoy/config/route/v3/route.pb-c.h"
#include "envoy/config/route/v3/route_components.pb-c.h"
#include "src/config/route_config.h"
#include "xds/decode/decoder.h"

/* A new part named as `from`, with one reference; errors are in the validation. The decoder's part is as
 * before afterwards. `is_inline`: stands in a connection manager, where clusters are looked for unless
 * validate_clusters says otherwise. */
struct route_part *decode_route_configuration(struct decoder *d,
                                              const ROUTE(RouteConfiguration) *from,
                                              bool is_inline);

/* What the routes of one configuration are read with. */
struct route_scope {
    const char *config_name;
    bool validate_clusters;
    uint32_t max_direct_response_bytes;
    /* What holds where a route says nothing itself. */
    const struct request_mirror *mirrors;
    uint32_t mirror_count;
    uint32_t body_buffer_limit; /* UINT32_MAX: unset */
    /* The last policy read: the routes of one configuration mostly have the same, and share it. */
    const struct retry_policy **last_retry;
};

bool decode_route_match(struct decoder *d, const ROUTE(RouteMatch) *from, struct route_match *out);
bool decode_route_action(struct decoder *d, const struct route_scope *scope,
                         const ROUTE(RouteAction) *from, struct route_action *out);
bool decode_redirect(struct decoder *d, const ROUTE(RedirectAction) *from,
                     struct redirect_action *out);
bool decode_direct_response(struct decoder *d, const struct route_scope *scope,
                            const ROUTE(DirectResponseAction) *from,
                            struct direct_response_action *out);
/* The rewriting of paths and hosts. */
bool decode_route_rewrites(struct decoder *d, const ROUTE(RouteAction) *from,
                           struct route_action *out);
bool decode_mirrors(struct decoder *d, const struct route_scope *scope,
                    ROUTE(RouteAction__RequestMirrorPolicy) *const *from, size_t count,
                    const struct request_mirror **out, uint32_t *out_count);
bool decode_hash_policies(struct decoder *d, const ROUTE(RouteAction) *from,
                          struct route_action *out);
bool decode_internal_redirect(struct decoder *d, const ROUTE(RouteAction) *from,
                              struct route_action *out);
/* A cluster's slot, noted as a dependency; an error where it must exist and does not. `what` begins the
 * text: "route", "shadow". */
bool decode_cluster_name(struct decoder *d, const struct route_scope *scope, const char *what,
                         const char *name, uint32_t *slot);

/* typed_per_filter_config of any message: the entries as pairs. */
struct override_entry {
    const char *key;
    const Google__Protobuf__Any *value;
};
bool decode_overrides(struct decoder *d, const struct override_entry *entries, size_t count,
                      struct filter_overrides *out);
/* The generated entry types differ by name only. */
#define OVERRIDE_ENTRIES(d, from)                                                                  \
    override_entries((d), (const void *)(from)->typed_per_filter_config,                           \
                     (from)->n_typed_per_filter_config)
const struct override_entry *override_entries(struct decoder *d, const void *entries, size_t count);

#endif
