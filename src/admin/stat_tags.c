// SPDX-License-Identifier: Apache-2.0
#include "src/admin/stat_tags.h"

#include "src/base/check.h"

/*
 * A rule is a pattern over the dot-separated parts of a name:
 *   word   this part             *    any one part           **   one part or more
 *   $      any one part: the tag      $+   one part or more: the tag
 *   pre_$  a part that begins so; the digits behind it are the tag
 *   @      a listener's address or stat prefix, not "admin"; $@ the same as the tag
 * The tag is cut out together with the dot behind it; at the name's end with the dot before it.
 */
struct tag_rule {
    const char *label;
    const char *pattern;
    const char *not_value; /* the tag must not be this; NULL: anything */
};

/* In Envoy's order. The names of features that are not built are left out. */
static const struct tag_rule rules[] = {
    {"envoy_grpc_bridge_method", "cluster.*.grpc.*.$.**", NULL},
    {"envoy_http_user_agent", "http.*.user_agent.$.**", NULL},
    {"envoy_virtual_cluster", "vhost.*.vcluster.$.**", NULL},
    {"envoy_route", "vhost.*.route.$.**", NULL},
    {"envoy_fault_downstream_cluster", "http.*.fault.$.**", NULL},
    {"envoy_ssl_cipher", "listener.**.ssl.ciphers.$", NULL},
    {"envoy_ssl_cipher_suite", "cluster.*.ssl.ciphers.$", NULL},
    {"envoy_ssl_curve", "listener.@.ssl.curves.$", NULL},
    {"envoy_ssl_curve", "cluster.*.ssl.curves.$", NULL},
    {"envoy_ssl_sigalg", "listener.@.ssl.sigalgs.$", NULL},
    {"envoy_ssl_sigalg", "cluster.*.ssl.sigalgs.$", NULL},
    {"envoy_ssl_version", "listener.@.ssl.versions.$+", NULL},
    {"envoy_ssl_version", "cluster.*.ssl.versions.$+", NULL},
    {"envoy_tls_certificate", "listener.@.ssl.certificate.$.**", NULL},
    {"envoy_tls_certificate", "cluster.*.ssl.certificate.$.**", NULL},
    {"envoy_grpc_bridge_service", "cluster.*.grpc.$.**", NULL},
    {"envoy_tcp_prefix", "tcp.$.**", NULL},
    {"envoy_udp_prefix", "udp.$.**", NULL},
    {"envoy_clientssl_prefix", "auth.clientssl.$.**", NULL},
    {"envoy_ratelimit_prefix", "ratelimit.$.**", NULL},
    {"envoy_ext_authz_prefix", "cluster.*.ext_authz.$.**", NULL},
    {"envoy_ext_authz_prefix", "http.*.ext_authz.$.**", NULL},
    {"envoy_cluster_name", "cluster.$.**", NULL},
    {"envoy_rbac_policy_name", "http.*.rbac.policy.$.*", NULL},
    {"envoy_rbac_policy_name", "http.*.rbac.*.policy.$.*", NULL},
    {"envoy_rbac_http_prefix", "http.*.rbac.$.**", "policy"},
    {"envoy_rbac_prefix", "$.rbac.*", NULL},
    {"envoy_http_conn_manager_prefix", "listener.**.http.$.**", NULL},
    {"envoy_http_conn_manager_prefix", "http.$.**", NULL},
    {"envoy_worker_id", "listener.@.worker_$.**", NULL},
    {"envoy_worker_id", "server.worker_$.**", NULL},
    {"envoy_worker_id", "listener_manager.worker_$.**", NULL},
    {"envoy_worker_id", "thread_local_cluster_manager.worker_$.**", NULL},
    {"envoy_listener_address", "listener.$@.**", NULL},
    {"envoy_virtual_host", "vhost.$.**", NULL},
    {"envoy_rds_route_config", "http.*.rds.$+.*", NULL},
    {"envoy_scoped_rds_config", "http.*.scoped_rds.$+.*", NULL},
    {"envoy_connection_limit_prefix", "connection_limit.$.**", NULL},
    {"envoy_local_network_ratelimit_prefix", "local_rate_limit.$.**", NULL},
    {"envoy_local_http_ratelimit_prefix", "$.http_local_rate_limit.**", NULL},
    {"envoy_local_listener_ratelimit_prefix", "listener_local_ratelimit.$.**", NULL},
    {"envoy_google_grpc_client_prefix", "grpc.$.**", NULL},
    {"envoy_xds_resource_name", "sds.$.**", NULL},
};

/* What is cut: [from, to) of the name; the value within it. */
struct cut {
    size_t from, to;
    struct slice value;
};

struct match {
    struct slice name;
    size_t value_from, value_to; /* of the tag in the name */
};

/* Offset behind the part that begins at `at`, without its dot. */
static size_t part_end(struct slice name, size_t at) {
    size_t dot = slice_find_byte(slice_sub(name, at, SIZE_MAX), '.');
    return dot == SIZE_MAX ? name.len : at + dot;
}

static bool is_all_digits(struct slice s) {
    uint64_t value;
    return s.len > 0 && s.len < 20 && slice_parse_uint64(s, &value) == STATUS_OK;
}

/* "10.0.0.1_8080" has dots of its own; all other listener names are taken up to their first dot. */
static size_t address_end(struct slice name, size_t at) {
    size_t end = at;
    for (unsigned part = 0; part < 4; part++) {
        size_t next = part_end(name, end);
        struct slice text = slice_sub(name, end, next - end);
        size_t underscore = part == 3 ? slice_find_byte(text, '_') : text.len;
        if (underscore == SIZE_MAX || !is_all_digits(slice_sub(text, 0, underscore))) {
            return part_end(name, at);
        }
        if (part == 3) {
            return is_all_digits(slice_sub(text, underscore + 1, SIZE_MAX)) ? next
                                                                            : part_end(name, at);
        }
        if (next == name.len) {
            return part_end(name, at);
        }
        end = next + 1;
    }
    return end;
}

static bool match_parts(struct match *match, struct slice pattern, size_t at);

/* Goes on behind `end`, the end of what `element` took from the name. */
static bool match_rest(struct match *match, struct slice pattern, size_t end) {
    if (pattern.len == 0 || end == match->name.len) {
        return pattern.len == 0 && end == match->name.len;
    }
    return match_parts(match, pattern, end + 1);
}

static bool match_many(struct match *match, struct slice pattern, size_t at, bool is_tag) {
    if (pattern.len == 0 && !is_tag) {
        return true;
    }
    for (size_t end = part_end(match->name, at);; end = part_end(match->name, end + 1)) {
        if (match_rest(match, pattern, end)) {
            if (is_tag) {
                match->value_from = at;
                match->value_to = end;
            }
            return true;
        }
        if (end == match->name.len) {
            return false;
        }
    }
}

static bool match_one(struct match *match, struct slice element, size_t *at, size_t *end) {
    struct slice part = slice_sub(match->name, *at, *end - *at);
    if (slice_equal(element, SLICE("*"))) {
        return true;
    }
    if (!slice_ends_with(element, SLICE("$"))) {
        return slice_equal(part, element);
    }
    struct slice prefix = slice_sub(element, 0, element.len - 1);
    if (!slice_starts_with(part, prefix)) {
        return false;
    }
    match->value_from = *at + prefix.len;
    match->value_to = *end;
    return prefix.len == 0 || is_all_digits(slice_sub(part, prefix.len, SIZE_MAX));
}

static bool match_listener(struct match *match, struct slice element, size_t at, size_t *end) {
    *end = address_end(match->name, at);
    if (slice_equal(slice_sub(match->name, at, *end - at), SLICE("admin"))) {
        return false;
    }
    if (element.len == 2) {
        match->value_from = at;
        match->value_to = *end;
    }
    return true;
}

/* The recursion is as deep as the pattern is long. */
static bool match_parts(struct match *match, struct slice pattern, size_t at) {
    struct slice element;
    (void)slice_split(&pattern, '.', &element);
    if (slice_equal(element, SLICE("**")) || slice_equal(element, SLICE("$+"))) {
        return match_many(match, pattern, at, element.ptr[0] == '$');
    }
    size_t end = part_end(match->name, at);
    if (slice_ends_with(element, SLICE("@"))) {
        return match_listener(match, element, at, &end) && match_rest(match, pattern, end);
    }
    return match_one(match, element, &at, &end) && match_rest(match, pattern, end);
}

static bool match_rule(struct slice name, const struct tag_rule *rule, struct cut *cut) {
    struct match match = {.name = name};
    if (rule->pattern[0] != '$' && (uint8_t)rule->pattern[0] != name.ptr[0]) {
        return false; /* most rules, before anything is taken apart */
    }
    if (!match_parts(&match, slice_from_string(rule->pattern), 0)) {
        return false;
    }
    cut->value = slice_sub(name, match.value_from, match.value_to - match.value_from);
    if (rule->not_value != NULL && slice_equal(cut->value, slice_from_string(rule->not_value))) {
        return false;
    }
    cut->from = match.value_to == name.len ? match.value_from - 1 : match.value_from;
    cut->to = match.value_to == name.len ? name.len : match.value_to + 1;
    return true;
}

static bool is_digit(uint8_t c) {
    return c >= '0' && c <= '9';
}

/* "…_rq_503": the code goes with its underscore. "…_rq_5xx": only the digit goes. */
static const char *match_response_code(struct slice name, struct cut *cut) {
    const struct slice marker = SLICE("_rq_");
    if (name.len < marker.len + 3) {
        return NULL;
    }
    struct slice code = slice_sub(name, name.len - 3, 3);
    struct slice head = slice_sub(name, 0, name.len - 3);
    if (!slice_ends_with(head, marker) || !is_digit(code.ptr[0])) {
        return NULL;
    }
    if (slice_equal(slice_sub(code, 1, 2), SLICE("xx"))) {
        *cut = (struct cut){head.len, head.len + 1, slice_sub(code, 0, 1)};
        return "envoy_response_code_class";
    }
    if (is_digit(code.ptr[1]) && is_digit(code.ptr[2])) {
        *cut = (struct cut){head.len - 1, name.len, code};
        return "envoy_response_code";
    }
    return NULL;
}

static void add_tag(struct stat_tags *tags, struct cut *cuts, const char *label,
                    const struct cut *cut) {
    struct slice name = slice_from_string(label);
    for (uint32_t i = 0; i < tags->count; i++) {
        if (slice_equal(tags->tags[i].label, name)) {
            return;
        }
    }
    cuts[tags->count] = *cut;
    tags->tags[tags->count++] = (struct stat_tag){.label = name, .value = cut->value};
}

static struct slice remove_cuts(struct slice name, const struct cut *cuts, uint32_t count,
                                struct arena *arena) {
    uint8_t *text = arena_alloc_bytes(arena, name.len);
    size_t len = 0;
    for (size_t at = 0; at < name.len;) {
        size_t end = name.len; /* of what stays */
        size_t next = name.len;
        for (uint32_t i = 0; i < count; i++) {
            if (cuts[i].to > at && cuts[i].from < end) {
                end = cuts[i].from > at ? cuts[i].from : at;
                next = cuts[i].to;
            }
        }
        memcpy(text + len, name.ptr + at, end - at);
        len += end - at;
        at = next;
    }
    return slice_make(text, len);
}

void stat_tags_extract(struct slice name, struct arena *arena, struct stat_tags *tags) {
    struct cut cuts[STAT_TAGS_MAX];
    struct cut cut;
    tags->count = 0;
    tags->base = name;
    if (name.len == 0) {
        return;
    }
    const char *code_label = match_response_code(name, &cut);
    if (code_label != NULL) {
        add_tag(tags, cuts, code_label, &cut);
    }
    for (size_t i = 0; i < ARRAY_LEN(rules) && tags->count < STAT_TAGS_MAX; i++) {
        if (match_rule(name, &rules[i], &cut)) {
            add_tag(tags, cuts, rules[i].label, &cut);
        }
    }
    if (tags->count > 0) {
        tags->base = remove_cuts(name, cuts, tags->count, arena);
    }
}
