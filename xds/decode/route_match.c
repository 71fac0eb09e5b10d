// SPDX-License-Identifier: Apache-2.0
#include "xds/decode/decode_common.h"
#include "xds/decode/ledgers.h"
#include "xds/decode/matcher.h"
#include "xds/decode/route_config.h"
#include "xds/proto_reflect.h"

static void set_path(struct decoder *d, struct route_match *out, enum route_match_kind kind,
                     const char *path) {
    out->kind = kind;
    out->path = out->case_insensitive ? decoder_lower(d, path) : decoder_text(d, path);
}

static bool decode_path(struct decoder *d, const ROUTE(RouteMatch) *from, struct route_match *out) {
    bool is_ok;
    switch ((int)from->path_specifier_case) {
    case ENVOY__CONFIG__ROUTE__V3__ROUTE_MATCH__PATH_SPECIFIER_PREFIX:
        set_path(d, out, ROUTE_MATCH_PREFIX, from->prefix);
        return true;
    case ENVOY__CONFIG__ROUTE__V3__ROUTE_MATCH__PATH_SPECIFIER_PATH:
        set_path(d, out, ROUTE_MATCH_PATH, from->path);
        return true;
    case ENVOY__CONFIG__ROUTE__V3__ROUTE_MATCH__PATH_SPECIFIER_PATH_SEPARATED_PREFIX:
        set_path(d, out, ROUTE_MATCH_PATH_SEPARATED_PREFIX, from->path_separated_prefix);
        return true;
    case ENVOY__CONFIG__ROUTE__V3__ROUTE_MATCH__PATH_SPECIFIER_SAFE_REGEX:
        out->kind = ROUTE_MATCH_SAFE_REGEX;
        decoder_push(d, "safe_regex");
        is_ok = decode_regex(d, from->safe_regex, &out->regex);
        decoder_pop(d);
        return is_ok;
    case ENVOY__CONFIG__ROUTE__V3__ROUTE_MATCH__PATH_SPECIFIER_CONNECT_MATCHER:
        out->kind = ROUTE_MATCH_CONNECT;
        return true;
    case ENVOY__CONFIG__ROUTE__V3__ROUTE_MATCH__PATH_SPECIFIER_PATH_MATCH_POLICY:
        return decoder_field_error(d, "path_match_policy",
                                   "Didn't find a registered implementation for '%s'",
                                   from->path_match_policy->name);
    default:
        return decoder_error(d, "a path specifier is required");
    }
}

static bool decode_queries(struct decoder *d, const ROUTE(RouteMatch) *from,
                           struct route_match *out) {
    size_t count = from->n_query_parameters;
    struct query_matcher *matchers =
        count == 0 ? NULL : ARENA_NEW_ARRAY(d->config.arena, count, struct query_matcher);
    bool is_ok = true;
    for (size_t i = 0; i < count; i++) {
        decoder_push_index(d, "query_parameters", i);
        is_ok = decode_query_matcher(d, from->query_parameters[i], &matchers[i]) && is_ok;
        decoder_pop_index(d);
    }
    out->queries = matchers;
    out->query_count = (uint32_t)count;
    return is_ok;
}

// Through the descriptor: older sets of the API do not have the field.
static bool decode_cookie(struct decoder *d, const ProtobufCMessage *from,
                          struct header_matcher *out) {
    enum { NAME = 1, STRING_MATCH = 2, INVERT_MATCH = 3 };
    char *const *name = proto_member_by_number(from, NAME);
    MATCHER(StringMatcher) *const *text = proto_member_by_number(from, STRING_MATCH);
    const protobuf_c_boolean *invert = proto_member_by_number(from, INVERT_MATCH);
    *out = (struct header_matcher){
        .name = decoder_text(d, *name), .kind = HEADER_MATCH_STRING, .invert = *invert != 0};
    return decode_string_matcher(d, *text, &out->string);
}

static bool decode_cookies(struct decoder *d, const ROUTE(RouteMatch) *from,
                           struct route_match *out) {
    const ProtobufCFieldDescriptor *field =
        protobuf_c_message_descriptor_get_field_by_name(from->base.descriptor, "cookies");
    size_t count = field == NULL ? 0 : proto_count(&from->base, field);
    struct header_matcher *matchers =
        count == 0 ? NULL : ARENA_NEW_ARRAY(d->config.arena, count, struct header_matcher);
    bool is_ok = true;
    for (size_t i = 0; i < count; i++) {
        const ProtobufCMessage *const *cookie = proto_element(&from->base, field, i);
        decoder_push_index(d, "cookies", i);
        is_ok = decode_cookie(d, *cookie, &matchers[i]) && is_ok;
        decoder_pop_index(d);
    }
    out->cookies = matchers;
    out->cookie_count = (uint32_t)count;
    return is_ok;
}

static int8_t tri_state(const Google__Protobuf__BoolValue *value) {
    return value == NULL ? -1 : value->value != 0;
}

bool decode_route_match(struct decoder *d, const ROUTE(RouteMatch) *from, struct route_match *out) {
    *out = (struct route_match){.case_insensitive = !FLAG_OR(from->case_sensitive, true),
                                .grpc_only = from->grpc != NULL,
                                .tls_presented = -1,
                                .tls_validated = -1};
    if (from->tls_context != NULL) {
        out->tls_presented = tri_state(from->tls_context->presented);
        out->tls_validated = tri_state(from->tls_context->validated);
    }
    bool is_ok = decode_path(d, from, out);
    is_ok = decode_header_matchers(d, "headers", from->headers, from->n_headers, &out->headers,
                                   &out->header_count) &&
            is_ok;
    is_ok = decode_queries(d, from, out) && is_ok;
    is_ok = decode_cookies(d, from, out) && is_ok;
    if (from->runtime_fraction != NULL) {
        out->has_runtime_fraction = true;
        out->runtime_key = decoder_text(d, from->runtime_fraction->runtime_key);
        decoder_push(d, "runtime_fraction");
        is_ok = decode_runtime_fraction(d, from->runtime_fraction, &out->runtime_fraction) && is_ok;
        decoder_pop(d);
    }
    return is_ok;
}

static const struct ledger_field match_fields[] = {
    LEDGER_OK("prefix"),
    LEDGER_OK("path"),
    LEDGER_OK("safe_regex"),
    LEDGER_OK("connect_matcher"),
    LEDGER_OK("path_separated_prefix"),
    LEDGER_OK("case_sensitive"),
    LEDGER_OK("runtime_fraction"),
    LEDGER_OK("headers"),
    LEDGER_OK("query_parameters"),
    LEDGER_OK("cookies"),
    LEDGER_OK("grpc"),
    LEDGER_OK("tls_context"),
    {"*", LEDGER_REFUSED, "the route would match more than it says"},
};
static const struct ledger_field all_fields[] = {LEDGER_OK("*")};

const struct ledger_message ledger_route_match[] = {
    LEDGER_MESSAGE("envoy.config.route.v3.RouteMatch", match_fields),
    LEDGER_MESSAGE("envoy.config.route.v3.RouteMatch.GrpcRouteMatchOptions", all_fields),
    LEDGER_MESSAGE("envoy.config.route.v3.RouteMatch.TlsContextMatchOptions", all_fields),
    LEDGER_MESSAGE("envoy.config.route.v3.RouteMatch.ConnectMatcher", all_fields),
    LEDGER_MESSAGE("envoy.config.route.v3.CookieMatcher", all_fields),
};
const uint32_t ledger_route_match_count = ARRAY_LEN(ledger_route_match);
