// SPDX-License-Identifier: Apache-2.0
#include "filters/http/rbac/rbac.h"

#include "src/base/check.h"
#include "src/config/route_config.h"
#include "src/event/io_context.h"
#include "src/http/path.h"

static const struct stat_def stat_defs[] = {RBAC_STATS(STAT_DEF)};
static const struct stat_def shadow_stat_defs[] = {RBAC_SHADOW_STATS(STAT_DEF)};
const struct stat_table rbac_stat_table = {"http.<stat_prefix>.rbac", stat_defs,
                                           ARRAY_LEN(stat_defs)};
const struct stat_table rbac_shadow_stat_table = {"http.<stat_prefix>.rbac", shadow_stat_defs,
                                                  ARRAY_LEN(shadow_stat_defs)};

#define METADATA_SPACE SLICE("envoy.filters.http.rbac")

static struct rbac_filter *self(struct http_filter *f) {
    struct rbac_filter *filter = CONTAINER_OF(f, struct rbac_filter, base);
    CHECK_MAGIC(filter, RBAC_MAGIC);
    return filter;
}

/* ";name=value" of every segment goes where the routes do not look at it either. */
static struct slice without_parameters(struct slice path, struct arena *arena) {
    if (slice_find_byte(path, ';') == SIZE_MAX) {
        return path;
    }
    uint8_t *out = arena_alloc_bytes(arena, path.len);
    size_t used = 0;
    bool is_parameter = false;
    for (size_t i = 0; i < path.len; i++) {
        is_parameter = path.ptr[i] == ';' || (is_parameter && path.ptr[i] != '/');
        if (!is_parameter) {
            out[used++] = path.ptr[i];
        }
    }
    return slice_make(out, used);
}

static void make_request(struct http_filter *f, const struct header_map *headers,
                         struct rbac_request *request) {
    const struct route *route = http_filter_route(f);
    *request = (struct rbac_request){
        .headers = headers,
        .info = http_filter_info(f),
        .route_metadata = route == NULL ? NULL : &route->metadata,
    };
    struct slice path = header_map_get(headers, HEADER_PATH);
    if (path.ptr == NULL) {
        return;
    }
    request->path = path_without_query(path);
    const struct route_part *part = http_filter_route_config(f);
    if (part != NULL && part->ignore_path_parameters_in_path_matching) {
        request->path = without_parameters(request->path, http_filter_arena(f));
    }
}

static void count(struct http_filter *f, struct stats_scope *scope, uint32_t stat) {
    stats_inc(scope, http_filter_io(f)->index, stat);
}

static void count_policy(struct http_filter *f, struct stats_scope *scope,
                         const struct rbac_policy *policy, const char *outcome) {
    if (scope == NULL || policy == NULL || !self(f)->config->track_per_rule_stats) {
        return;
    }
    struct slice name =
        arena_printf(http_filter_arena(f), "policy.%.*s.%s", SLICE_ARG(policy->name), outcome);
    stats_dynamic_add(scope, http_filter_io(f)->index, stats_dynamic(scope, name, STAT_COUNTER), 1);
}

static void set_metadata(struct http_filter *f, const struct rbac_engine *engine,
                         const struct rbac_policy *matched, bool is_allowed) {
    struct stream_info *info = http_filter_info(f);
    if (matched != NULL && matched->name.len > 0) {
        stream_info_set_metadata(info, METADATA_SPACE, engine->policy_field, matched->name, true);
    }
    stream_info_set_metadata(info, METADATA_SPACE, engine->result_field,
                             is_allowed ? SLICE("allowed") : SLICE("denied"), true);
}

static void run_shadow(struct http_filter *f, const struct rbac_engine *engine,
                       const struct rbac_request *request) {
    const struct rbac_config *config = self(f)->config;
    const struct rbac_policy *matched = rbac_engine_match(engine, request);
    bool is_allowed = rbac_engine_allows(engine, matched);
    count(f, config->shadow_stats, is_allowed ? RBAC_STAT_SHADOW_ALLOWED : RBAC_STAT_SHADOW_DENIED);
    count_policy(f, config->shadow_stats, matched, is_allowed ? "shadow_allowed" : "shadow_denied");
    set_metadata(f, engine, matched, is_allowed);
}

static bool run_rules(struct http_filter *f, const struct rbac_engine *engine,
                      const struct rbac_request *request, const struct rbac_policy **matched) {
    const struct rbac_config *config = self(f)->config;
    *matched = rbac_engine_match(engine, request);
    bool is_allowed = rbac_engine_allows(engine, *matched);
    if (engine->action == RBAC_LOG) {
        stream_info_set_metadata(http_filter_info(f), SLICE("envoy.common"),
                                 SLICE("access_log_hint"),
                                 *matched != NULL ? SLICE("true") : SLICE("false"), false);
    }
    count(f, config->stats, is_allowed ? RBAC_STAT_ALLOWED : RBAC_STAT_DENIED);
    count_policy(f, config->stats, *matched, is_allowed ? "allowed" : "denied");
    set_metadata(f, engine, *matched, is_allowed);
    return is_allowed;
}

static enum http_filter_verdict decode_headers(struct http_filter *f, struct header_map *headers,
                                               bool end_stream) {
    (void)end_stream;
    const struct rbac_config *route_config = http_filter_route_specific(f);
    const struct rbac_config *config = route_config != NULL ? route_config : self(f)->config;
    if (config->rules == NULL && config->shadow_rules == NULL) {
        return HTTP_FILTER_CONTINUE;
    }
    struct rbac_request request;
    make_request(f, headers, &request);
    if (config->shadow_rules != NULL) {
        run_shadow(f, config->shadow_rules, &request);
    }
    const struct rbac_policy *matched;
    if (config->rules == NULL || run_rules(f, config->rules, &request, &matched)) {
        return HTTP_FILTER_CONTINUE;
    }
    struct local_reply reply = {
        .status = 403,
        .body = SLICE("RBAC: access denied"),
        .details = matched != NULL ? matched->denied_details
                                   : SLICE("rbac_access_denied_matched_policy[none]"),
        .grpc_status = -1,
        .flag = RESPONSE_FLAG_COUNT,
    };
    http_filter_local_reply(f, &reply);
    return HTTP_FILTER_HOLD;
}

const struct http_filter_ops rbac_ops = {.decode_headers = decode_headers};
