// SPDX-License-Identifier: Apache-2.0
#include "src/access_log/log_format.h"
#include "xds/decode/decode_common.h"
#include "xds/decode/matcher.h"
#include "xds/decode/route_config.h"

#define ALLOW_LISTED                                                                               \
    Envoy__Extensions__InternalRedirect__AllowListedRoutes__V3__AllowListedRoutesConfig

/* ---- paths and hosts ---- */

static bool decode_rewrite_pattern(struct decoder *d, const char *field,
                                   const MATCHER(RegexMatchAndSubstitute) *from,
                                   const struct regex **regex, struct slice *substitution) {
    decoder_push(d, field);
    bool is_ok = decode_regex_rewrite(d, from, regex, substitution);
    decoder_pop(d);
    return is_ok;
}

static bool decode_path_rewrite(struct decoder *d, const char *text,
                                const struct log_format **out) {
    struct error err = {0};
    if (log_format_compile(decoder_text(d, text), true, d->config.arena, out, &err) != STATUS_OK) {
        return decoder_field_error(d, "path_rewrite", "%s", err.message);
    }
    return true;
}

static bool decode_host_rewrite(struct decoder *d, const ROUTE(RouteAction) *from,
                                struct route_action *action, struct route_rewrite *out) {
    switch ((int)from->host_rewrite_specifier_case) {
    case ENVOY__CONFIG__ROUTE__V3__ROUTE_ACTION__HOST_REWRITE_SPECIFIER_HOST_REWRITE_LITERAL:
        out->host_literal = decoder_text(d, from->host_rewrite_literal);
        return true;
    case ENVOY__CONFIG__ROUTE__V3__ROUTE_ACTION__HOST_REWRITE_SPECIFIER_AUTO_HOST_REWRITE:
        action->auto_host_rewrite = FLAG_OR(from->auto_host_rewrite, false);
        return true;
    case ENVOY__CONFIG__ROUTE__V3__ROUTE_ACTION__HOST_REWRITE_SPECIFIER_HOST_REWRITE_HEADER:
        out->host_header = decoder_lower(d, from->host_rewrite_header);
        return true;
    case ENVOY__CONFIG__ROUTE__V3__ROUTE_ACTION__HOST_REWRITE_SPECIFIER_HOST_REWRITE_PATH_REGEX:
        return decode_rewrite_pattern(d, "host_rewrite_path_regex", from->host_rewrite_path_regex,
                                      &out->host_regex, &out->host_substitution);
    case 0:
        return true;
    default:
        return decoder_field_error(d, "host_rewrite", "formatted host rewrites are not supported");
    }
}

/* NULL where there is none: routes by the ten thousand have no rule. */
static const struct route_rewrite *kept(struct decoder *d, const struct route_rewrite *rewrite) {
    bool is_empty = slice_is_empty(rewrite->prefix) && rewrite->regex == NULL &&
                    rewrite->path == NULL && slice_is_empty(rewrite->host_literal) &&
                    slice_is_empty(rewrite->host_header) && rewrite->host_regex == NULL;
    if (is_empty) {
        return NULL;
    }
    struct route_rewrite *copy = ARENA_NEW(d->config.arena, struct route_rewrite);
    *copy = *rewrite;
    return copy;
}

bool decode_route_rewrites(struct decoder *d, const ROUTE(RouteAction) *from,
                           struct route_action *out) {
    struct route_rewrite rewrite = {0};
    bool has_path_rewrite = from->path_rewrite[0] != '\0';
    bool has_prefix = from->prefix_rewrite[0] != '\0';
    bool is_ok = true;
    if (from->path_rewrite_policy != NULL) {
        is_ok = decoder_field_error(d, "path_rewrite_policy",
                                    "Didn't find a registered implementation for '%s'",
                                    from->path_rewrite_policy->name);
    }
    if (has_path_rewrite + has_prefix + (from->regex_rewrite != NULL) > 1) {
        is_ok = decoder_error(d, "Specify only one of prefix_rewrite, regex_rewrite or "
                                 "path_rewrite_policy");
    }
    rewrite.prefix = decoder_text(d, from->prefix_rewrite);
    if (from->regex_rewrite != NULL) {
        is_ok = decode_rewrite_pattern(d, "regex_rewrite", from->regex_rewrite, &rewrite.regex,
                                       &rewrite.regex_substitution) &&
                is_ok;
    }
    if (has_path_rewrite) {
        is_ok = decode_path_rewrite(d, from->path_rewrite, &rewrite.path) && is_ok;
    }
    is_ok = decode_host_rewrite(d, from, out, &rewrite) && is_ok;
    out->rewrite = kept(d, &rewrite);
    return is_ok;
}

/* ---- answers ---- */

static uint32_t redirect_code(int code) {
    switch (code) {
    case ENVOY__CONFIG__ROUTE__V3__REDIRECT_ACTION__REDIRECT_RESPONSE_CODE__FOUND:
        return 302;
    case ENVOY__CONFIG__ROUTE__V3__REDIRECT_ACTION__REDIRECT_RESPONSE_CODE__SEE_OTHER:
        return 303;
    case ENVOY__CONFIG__ROUTE__V3__REDIRECT_ACTION__REDIRECT_RESPONSE_CODE__TEMPORARY_REDIRECT:
        return 307;
    case ENVOY__CONFIG__ROUTE__V3__REDIRECT_ACTION__REDIRECT_RESPONSE_CODE__PERMANENT_REDIRECT:
        return 308;
    default:
        return 301;
    }
}

bool decode_redirect(struct decoder *d, const ROUTE(RedirectAction) *from,
                     struct redirect_action *out) {
    *out = (struct redirect_action){.response_code = redirect_code((int)from->response_code),
                                    .host = decoder_text(d, from->host_redirect),
                                    .port = from->port_redirect,
                                    .strip_query = from->strip_query != 0};
    if (from->scheme_rewrite_specifier_case ==
        ENVOY__CONFIG__ROUTE__V3__REDIRECT_ACTION__SCHEME_REWRITE_SPECIFIER_HTTPS_REDIRECT) {
        out->https_redirect = from->https_redirect != 0;
    }
    if (from->scheme_rewrite_specifier_case ==
        ENVOY__CONFIG__ROUTE__V3__REDIRECT_ACTION__SCHEME_REWRITE_SPECIFIER_SCHEME_REDIRECT) {
        out->scheme = decoder_lower(d, from->scheme_redirect);
    }
    switch ((int)from->path_rewrite_specifier_case) {
    case ENVOY__CONFIG__ROUTE__V3__REDIRECT_ACTION__PATH_REWRITE_SPECIFIER_PATH_REDIRECT:
        out->path = decoder_text(d, from->path_redirect);
        return true;
    case ENVOY__CONFIG__ROUTE__V3__REDIRECT_ACTION__PATH_REWRITE_SPECIFIER_PREFIX_REWRITE:
        out->has_prefix_rewrite = true;
        out->prefix_rewrite = decoder_text(d, from->prefix_rewrite);
        return true;
    case ENVOY__CONFIG__ROUTE__V3__REDIRECT_ACTION__PATH_REWRITE_SPECIFIER_REGEX_REWRITE:
        return decode_rewrite_pattern(d, "regex_rewrite", from->regex_rewrite, &out->regex_rewrite,
                                      &out->regex_rewrite_substitution);
    case 0:
        return true;
    default:
        return decoder_field_error(d, "path_rewrite", "formatted redirects are not supported");
    }
}

bool decode_direct_response(struct decoder *d, const struct route_scope *scope,
                            const ROUTE(DirectResponseAction) *from,
                            struct direct_response_action *out) {
    *out = (struct direct_response_action){.status = from->status};
    bool is_ok = true;
    if (from->body != NULL) {
        decoder_push(d, "body");
        is_ok = decode_data_source(d, from->body, &out->body);
        decoder_pop(d);
    }
    if (is_ok && out->body.len > scope->max_direct_response_bytes) {
        is_ok = decoder_field_error(d, "body", "response body size is %zu bytes; maximum is %u",
                                    out->body.len, scope->max_direct_response_bytes);
    }
    if (from->body_format != NULL) {
        decoder_push(d, "body_format");
        is_ok = decode_format(d, from->body_format, &out->body_format, &out->content_type) && is_ok;
        decoder_pop(d);
    }
    return is_ok;
}

/* ---- hash policies ---- */

static bool decode_hash_header(struct decoder *d,
                               const ROUTE(RouteAction__HashPolicy__Header) *from,
                               struct hash_policy *out) {
    out->kind = HASH_POLICY_HEADER;
    out->name = decoder_lower(d, from->header_name);
    return from->regex_rewrite == NULL ||
           decode_rewrite_pattern(d, "header.regex_rewrite", from->regex_rewrite,
                                  &out->rewrite_regex, &out->rewrite_substitution);
}

static bool decode_hash_cookie(struct decoder *d,
                               const ROUTE(RouteAction__HashPolicy__Cookie) *from,
                               struct hash_policy *out) {
    out->kind = HASH_POLICY_COOKIE;
    out->name = decoder_text(d, from->name);
    out->cookie_path = decoder_text(d, from->path);
    if (from->ttl == NULL) {
        return true;
    }
    uint32_t ms = 0;
    out->has_cookie_ttl = true;
    if (!decode_duration(d, "cookie.ttl", from->ttl, &ms)) {
        return false;
    }
    out->cookie_ttl_s = (uint64_t)from->ttl->seconds;
    return true;
}

static bool decode_hash_policy(struct decoder *d, const ROUTE(RouteAction__HashPolicy) *from,
                               struct hash_policy *out) {
    out->terminal = from->terminal != 0;
    switch ((int)from->policy_specifier_case) {
    case ENVOY__CONFIG__ROUTE__V3__ROUTE_ACTION__HASH_POLICY__POLICY_SPECIFIER_HEADER:
        return decode_hash_header(d, from->header, out);
    case ENVOY__CONFIG__ROUTE__V3__ROUTE_ACTION__HASH_POLICY__POLICY_SPECIFIER_COOKIE:
        return decode_hash_cookie(d, from->cookie, out);
    case ENVOY__CONFIG__ROUTE__V3__ROUTE_ACTION__HASH_POLICY__POLICY_SPECIFIER_CONNECTION_PROPERTIES:
        out->kind = HASH_POLICY_SOURCE_IP;
        if (!from->connection_properties->source_ip) {
            return decoder_error(d, "connection_properties without source_ip has no effect");
        }
        return true;
    case ENVOY__CONFIG__ROUTE__V3__ROUTE_ACTION__HASH_POLICY__POLICY_SPECIFIER_QUERY_PARAMETER:
        out->kind = HASH_POLICY_QUERY;
        out->name = decoder_text(d, from->query_parameter->name);
        return true;
    case ENVOY__CONFIG__ROUTE__V3__ROUTE_ACTION__HASH_POLICY__POLICY_SPECIFIER_FILTER_STATE:
        out->kind = HASH_POLICY_FILTER_STATE;
        out->name = decoder_text(d, from->filter_state->key);
        return true;
    default:
        return decoder_error(d, "a policy is required");
    }
}

bool decode_hash_policies(struct decoder *d, const ROUTE(RouteAction) *from,
                          struct route_action *out) {
    size_t count = from->n_hash_policy;
    struct hash_policy *policies =
        count == 0 ? NULL : ARENA_NEW_ARRAY(d->config.arena, count, struct hash_policy);
    bool is_ok = true;
    for (size_t i = 0; i < count; i++) {
        decoder_push_index(d, "hash_policy", i);
        is_ok = decode_hash_policy(d, from->hash_policy[i], &policies[i]) && is_ok;
        decoder_pop_index(d);
    }
    out->hash_policies = policies;
    out->hash_policy_count = (uint32_t)count;
    return is_ok;
}
