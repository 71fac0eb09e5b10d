// SPDX-License-Identifier: Apache-2.0
/*
 * Who a resource belongs to: read from the metadata that control planes attach (Istio, Envoy Gateway,
 * kgateway), from the structured names that Kuma gives, else from the operator's name patterns; else
 * unknown. Text lies in the given arena.
 */
#ifndef XDS_DECODE_OWNER_H
#define XDS_DECODE_OWNER_H

#include "envoy/config/core/v3/base.pb-c.h"
#include "src/base/arena.h"
#include "src/config/owner.h"
#include "src/config/validation.h"
#include "src/matcher/string_matcher.h"

struct decoder;

/* The operator's: names that match belong to `owner`; the first match counts. */
struct owner_pattern {
    struct string_matcher name;
    struct slice owner;
};
struct owner_patterns {
    const struct owner_pattern *patterns;
    uint32_t count;
};

/* `metadata` and `patterns` may be NULL; what lies inside another resource passes that one's owner as
 * `fallback` (NULL: unknown, or "bootstrap" with is_static). */
struct owner_input {
    const Envoy__Config__Core__V3__Metadata *metadata;
    struct slice name;
    const struct owner_patterns *patterns;
    bool is_static;
    const struct config_owner *fallback;
};
struct config_owner owner_find(const struct owner_input *input, struct arena *arena);

/* The same into the arena of the part being decoded; what is found at the current path names it. */
struct config_owner decode_owner(struct decoder *d, const struct owner_input *input);
/* For a resource that no decoder saw, since it breaks the API's own rules: its findings name it. */
void decode_refused_owner(const struct owner_patterns *patterns, struct slice name,
                          const ProtobufCMessage *resource, struct validation *v);

#endif
