// SPDX-License-Identifier: Apache-2.0
#include "xds/decode/rate_limit.h"

#include "envoy/type/matcher/v3/address.pb-c.h"
#include "src/access_log/log_format.h"
#include "xds/core/v3/cidr.pb-c.h"
#include "xds/decode/ledgers.h"
#include "xds/decode/matcher.h"

#define ACTION(name) ROUTE(RateLimit__Action__##name)
#define ACTION_IS(name) ENVOY__CONFIG__ROUTE__V3__RATE_LIMIT__ACTION__ACTION_SPECIFIER_##name

static struct slice text_or(struct decoder *d, const char *value, const char *otherwise) {
    return decoder_text(d, value[0] == '\0' ? otherwise : value);
}

static bool decode_bits(struct decoder *d, const char *field,
                        const Google__Protobuf__UInt32Value *value, uint32_t max, uint32_t *bits) {
    *bits = VALUE_OR(value, max);
    return *bits <= max ||
           decoder_field_error(d, field, "value must be less than or equal to %u", max);
}

/* ---- actions ---- */

static bool decode_request_headers(struct decoder *d, const ACTION(RequestHeaders) * from,
                                   struct rate_action *out) {
    *out = (struct rate_action){.kind = RATE_ACTION_REQUEST_HEADERS,
                                .key = decoder_text(d, from->descriptor_key),
                                .name = decoder_lower(d, from->header_name),
                                .skip_if_absent = from->skip_if_absent};
    return true;
}

static bool decode_query(struct decoder *d, const ACTION(QueryParameters) * from,
                         struct rate_action *out) {
    *out = (struct rate_action){.kind = RATE_ACTION_QUERY_PARAMETERS,
                                .key = decoder_text(d, from->descriptor_key),
                                .name = decoder_text(d, from->query_parameter_name),
                                .skip_if_absent = from->skip_if_absent};
    return true;
}

static bool decode_masked(struct decoder *d, const ACTION(MaskedRemoteAddress) * from,
                          struct rate_action *out) {
    *out = (struct rate_action){.kind = RATE_ACTION_MASKED_REMOTE_ADDRESS,
                                .key = SLICE("masked_remote_address")};
    bool is_ok = decode_bits(d, "v4_prefix_mask_len", from->v4_prefix_mask_len, 32, &out->v4_bits);
    return decode_bits(d, "v6_prefix_mask_len", from->v6_prefix_mask_len, 128, &out->v6_bits) &&
           is_ok;
}

static bool decode_generic(struct decoder *d, const ACTION(GenericKey) * from,
                           struct rate_action *out) {
    *out = (struct rate_action){.kind = RATE_ACTION_GENERIC_KEY,
                                .key = text_or(d, from->descriptor_key, "generic_key"),
                                .value = decoder_text(d, from->descriptor_value)};
    return true;
}

static bool decode_header_match(struct decoder *d, const ACTION(HeaderValueMatch) * from,
                                struct rate_action *out) {
    *out = (struct rate_action){.kind = RATE_ACTION_HEADER_VALUE_MATCH,
                                .key = text_or(d, from->descriptor_key, "header_match"),
                                .value = decoder_text(d, from->descriptor_value),
                                .expect_match = FLAG_OR(from->expect_match, true)};
    return decode_header_matchers(d, "headers", from->headers, from->n_headers, &out->headers,
                                  &out->header_count);
}

static bool decode_query_match(struct decoder *d, const ACTION(QueryParameterValueMatch) * from,
                               struct rate_action *out) {
    *out = (struct rate_action){.kind = RATE_ACTION_QUERY_VALUE_MATCH,
                                .key = text_or(d, from->descriptor_key, "query_match"),
                                .value = decoder_text(d, from->descriptor_value),
                                .expect_match = FLAG_OR(from->expect_match, true)};
    bool is_ok = true;
    struct query_matcher *queries =
        ARENA_NEW_ARRAY(d->config.arena, from->n_query_parameters, struct query_matcher);
    for (size_t i = 0; i < from->n_query_parameters; i++) {
        decoder_push_index(d, "query_parameters", i);
        is_ok = decode_query_matcher(d, from->query_parameters[i], &queries[i]) && is_ok;
        decoder_pop_index(d);
    }
    out->queries = queries;
    out->query_count = (uint32_t)from->n_query_parameters;
    return is_ok;
}

static bool decode_address_match(struct decoder *d, const ACTION(RemoteAddressMatch) * from,
                                 struct rate_action *out) {
    const MATCHER(AddressMatcher) *matcher = from->address_matcher;
    *out = (struct rate_action){.kind = RATE_ACTION_REMOTE_ADDRESS_MATCH,
                                .key = text_or(d, from->descriptor_key, "remote_address_match"),
                                .value = decoder_text(d, from->descriptor_value)};
    if (matcher == NULL) {
        return decoder_field_error(d, "address_matcher", "value is required");
    }
    bool is_ok = true;
    struct cidr *ranges = ARENA_NEW_ARRAY(d->config.arena, matcher->n_ranges, struct cidr);
    for (size_t i = 0; i < matcher->n_ranges; i++) {
        const Xds__Core__V3__CidrRange *range = matcher->ranges[i];
        struct error err = {0};
        if (cidr_init(&ranges[i], slice_from_string(range->address_prefix),
                      VALUE_OR(range->prefix_len, 0), &err) != STATUS_OK) {
            is_ok = decoder_field_error(d, "address_matcher", "%s", err.message);
        }
    }
    out->ranges = ranges;
    out->range_count = (uint32_t)matcher->n_ranges;
    out->expect_match = !matcher->invert_match;
    return is_ok;
}

static bool decode_metadata_key(struct decoder *d,
                                const Envoy__Type__Metadata__V3__MetadataKey *key,
                                struct rate_action *out) {
    out->kind = RATE_ACTION_METADATA;
    if (key == NULL) {
        return decoder_field_error(d, "metadata_key", "value is required");
    }
    out->name = decoder_text(d, key->key);
    for (size_t i = 0; i < key->n_path; i++) {
        const char *part = key->path[i]->key;
        out->path = i == 0 ? decoder_text(d, part)
                           : arena_printf(d->config.arena, "%.*s.%s", SLICE_ARG(out->path), part);
    }
    return true;
}

static bool decode_metadata_action(struct decoder *d, const ACTION(MetaData) * from,
                                   struct rate_action *out) {
    *out = (struct rate_action){.key = decoder_text(d, from->descriptor_key),
                                .default_value = decoder_text(d, from->default_value),
                                .skip_if_absent = from->skip_if_absent};
    switch ((int)from->source) {
    case ENVOY__CONFIG__ROUTE__V3__RATE_LIMIT__ACTION__META_DATA__SOURCE__DYNAMIC:
        break;
    case ENVOY__CONFIG__ROUTE__V3__RATE_LIMIT__ACTION__META_DATA__SOURCE__ROUTE_ENTRY:
        out->from_route = true;
        break;
    default:
        return decoder_field_error(d, "source", "only DYNAMIC and ROUTE_ENTRY are built in");
    }
    return decode_metadata_key(d, from->metadata_key, out);
}

static bool decode_action(struct decoder *d, const ROUTE(RateLimit__Action) *from,
                          struct rate_action *out) {
    switch ((int)from->action_specifier_case) {
    case ACTION_IS(SOURCE_CLUSTER):
        *out = (struct rate_action){.kind = RATE_ACTION_SOURCE_CLUSTER,
                                    .key = SLICE("source_cluster")};
        return true;
    case ACTION_IS(DESTINATION_CLUSTER):
        *out = (struct rate_action){.kind = RATE_ACTION_DESTINATION_CLUSTER,
                                    .key = SLICE("destination_cluster")};
        return true;
    case ACTION_IS(REQUEST_HEADERS):
        return decode_request_headers(d, from->request_headers, out);
    case ACTION_IS(QUERY_PARAMETERS):
        return decode_query(d, from->query_parameters, out);
    case ACTION_IS(REMOTE_ADDRESS):
        *out = (struct rate_action){.kind = RATE_ACTION_REMOTE_ADDRESS,
                                    .key = SLICE("remote_address")};
        return true;
    case ACTION_IS(MASKED_REMOTE_ADDRESS):
        return decode_masked(d, from->masked_remote_address, out);
    case ACTION_IS(GENERIC_KEY):
        return decode_generic(d, from->generic_key, out);
    case ACTION_IS(HEADER_VALUE_MATCH):
        return decode_header_match(d, from->header_value_match, out);
    case ACTION_IS(QUERY_PARAMETER_VALUE_MATCH):
        return decode_query_match(d, from->query_parameter_value_match, out);
    case ACTION_IS(REMOTE_ADDRESS_MATCH):
        return decode_address_match(d, from->remote_address_match, out);
    case ACTION_IS(DYNAMIC_METADATA):
        *out = (struct rate_action){.key = decoder_text(d, from->dynamic_metadata->descriptor_key),
                                    .default_value =
                                        decoder_text(d, from->dynamic_metadata->default_value)};
        return decode_metadata_key(d, from->dynamic_metadata->metadata_key, out);
    case ACTION_IS(METADATA):
        return decode_metadata_action(d, from->metadata, out);
    default:
        return decoder_error(d, "an action is required, of a kind that is built in");
    }
}

/* ---- limits ---- */

static bool decode_hits(struct decoder *d, const ROUTE(RateLimit__HitsAddend) *from,
                        struct rate_limit *out) {
    out->hits = 1;
    if (from == NULL) {
        return true;
    }
    if (from->format[0] == '\0') {
        out->hits = VALUE_OR(from->number, 1);
        return true;
    }
    if (from->number != NULL) {
        return decoder_error(d, "hits_addend must be either number or format");
    }
    struct error err = {0};
    if (log_format_compile(decoder_text(d, from->format), true, d->config.arena, &out->hits_format,
                           &err) == STATUS_OK) {
        return true;
    }
    return decoder_field_error(d, "hits_addend", "%s", err.message);
}

static enum rate_headers headers_option(int option) {
    switch (option) {
    case ENVOY__CONFIG__ROUTE__V3__RATE_LIMIT__XRATE_LIMIT_OPTION__OFF:
        return RATE_HEADERS_OFF;
    case ENVOY__CONFIG__ROUTE__V3__RATE_LIMIT__XRATE_LIMIT_OPTION__DRAFT_VERSION_03:
        return RATE_HEADERS_ON;
    default:
        return RATE_HEADERS_AS_FILTER;
    }
}

bool decode_rate_limit(struct decoder *d, const ROUTE(RateLimit) *from, struct rate_limit *out) {
    struct rate_action *actions =
        ARENA_NEW_ARRAY(d->config.arena, from->n_actions, struct rate_action);
    *out = (struct rate_limit){
        .actions = actions,
        .action_count = (uint32_t)from->n_actions,
        .stage = VALUE_OR(from->stage, 0),
        .has_disable_key = from->disable_key[0] != '\0',
        .applies_on_stream_done = from->apply_on_stream_done != 0,
        .headers = headers_option((int)from->x_ratelimit_option),
    };
    bool is_ok = decode_hits(d, from->hits_addend, out);
    for (size_t i = 0; i < from->n_actions; i++) {
        decoder_push_index(d, "actions", i);
        is_ok = decode_action(d, from->actions[i], &actions[i]) && is_ok;
        decoder_pop_index(d);
    }
    return is_ok;
}

bool decode_rate_limits(struct decoder *d, ROUTE(RateLimit) *const *from, size_t count,
                        const struct rate_limit_policy **out) {
    if (count == 0) {
        return true;
    }
    struct rate_limit_policy *policy = ARENA_NEW(d->config.arena, struct rate_limit_policy);
    struct rate_limit *limits = ARENA_NEW_ARRAY(d->config.arena, count, struct rate_limit);
    bool is_ok = true;
    for (size_t i = 0; i < count; i++) {
        decoder_push_index(d, "rate_limits", i);
        is_ok = decode_rate_limit(d, from[i], &limits[i]) && is_ok;
        decoder_pop_index(d);
    }
    *policy = (struct rate_limit_policy){.limits = limits, .count = (uint32_t)count};
    *out = policy;
    return is_ok;
}

/* ---- the ledger ---- */

static const struct ledger_field limit_fields[] = {
    LEDGER_OK("stage"),
    LEDGER_OK("disable_key"),
    LEDGER_OK("actions"),
    LEDGER_OK("hits_addend"),
    LEDGER_OK("x_ratelimit_option"),
    {"limit", LEDGER_IGNORED, "a local bucket has its own limit"},
    LEDGER_OK("apply_on_stream_done"),
};
static const struct ledger_field hits_fields[] = {
    LEDGER_OK("number"),
    LEDGER_OK("format"),
    {"is_negative_hits", LEDGER_IGNORED, "tokens are never given back"},
};
static const struct ledger_field action_fields[] = {
    {"extension", LEDGER_REFUSED, "requests would not be limited: no descriptor extensions"},
    LEDGER_OK("*"),
};
/* As in Envoy 1.40 by default. */
static const struct ledger_field value_fields[] = {
    {"default_value", LEDGER_HARMLESS, "values are taken as they are, without operators"},
    LEDGER_OK("*"),
};
static const struct ledger_field segment_fields[] = {LEDGER_OK("key")};
static const struct ledger_field all_fields[] = {LEDGER_OK("*")};
#define RATE_LIMIT "envoy.config.route.v3.RateLimit"
const struct ledger_message ledger_rate_limit[] = {
    LEDGER_MESSAGE(RATE_LIMIT, limit_fields),
    LEDGER_MESSAGE(RATE_LIMIT ".HitsAddend", hits_fields),
    LEDGER_MESSAGE(RATE_LIMIT ".Action", action_fields),
    LEDGER_MESSAGE(RATE_LIMIT ".Action.SourceCluster", all_fields),
    LEDGER_MESSAGE(RATE_LIMIT ".Action.DestinationCluster", all_fields),
    LEDGER_MESSAGE(RATE_LIMIT ".Action.RequestHeaders", all_fields),
    LEDGER_MESSAGE(RATE_LIMIT ".Action.QueryParameters", all_fields),
    LEDGER_MESSAGE(RATE_LIMIT ".Action.RemoteAddress", all_fields),
    LEDGER_MESSAGE(RATE_LIMIT ".Action.MaskedRemoteAddress", all_fields),
    LEDGER_MESSAGE(RATE_LIMIT ".Action.GenericKey", value_fields),
    LEDGER_MESSAGE(RATE_LIMIT ".Action.HeaderValueMatch", value_fields),
    LEDGER_MESSAGE(RATE_LIMIT ".Action.DynamicMetaData", all_fields),
    LEDGER_MESSAGE(RATE_LIMIT ".Action.MetaData", all_fields),
    LEDGER_MESSAGE(RATE_LIMIT ".Action.QueryParameterValueMatch", value_fields),
    LEDGER_MESSAGE(RATE_LIMIT ".Action.RemoteAddressMatch", value_fields),
    LEDGER_MESSAGE("envoy.type.matcher.v3.AddressMatcher", all_fields),
    LEDGER_MESSAGE("xds.core.v3.CidrRange", all_fields),
    LEDGER_MESSAGE("envoy.type.metadata.v3.MetadataKey", all_fields),
    LEDGER_MESSAGE("envoy.type.metadata.v3.MetadataKey.PathSegment", segment_fields),
};
const uint32_t ledger_rate_limit_count = ARRAY_LEN(ledger_rate_limit);
