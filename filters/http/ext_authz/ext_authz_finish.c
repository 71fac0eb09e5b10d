// SPDX-License-Identifier: Apache-2.0
/* Acts on the verdict: counts it, changes the request and lets it go, or answers the client. */
#include "filters/http/ext_authz/ext_authz.h"
#include "src/base/check.h"
#include "src/config/config_part.h"
#include "src/config/listener_config.h"
#include "src/upstream/cluster_stats.h"

#define METADATA_SPACE SLICE("envoy.filters.http.ext_authz")

/* ---- counting ---- */

static struct stats_scope *cluster_stats(const struct ext_authz *authz) {
    return authz->route_cluster_slot == CONFIG_SLOT_NONE
               ? NULL
               : upstream_cluster_stats(authz->io, authz->route_cluster_slot);
}

/* In the filter's scope and in that of the cluster that the request is for. */
static void count_outcome(const struct ext_authz *authz, enum ext_authz_stat stat) {
    authz_count(authz, stat);
    struct stats_scope *scope = cluster_stats(authz);
    if (scope != NULL) {
        struct slice name = arena_printf(http_filter_arena(&authz->base), "%.*s%s",
                                         SLICE_ARG(authz->config->cluster_stat_prefix),
                                         ext_authz_stat_table.defs[stat].name);
        stats_dynamic_add(scope, authz->io->index, stats_dynamic(scope, name, STAT_COUNTER), 1);
    }
}

/* A denial counts among the responses of the cluster that would have answered. */
static void charge_response(const struct ext_authz *authz, uint32_t status) {
    struct stats_scope *scope = cluster_stats(authz);
    uint32_t thread = authz->io->index, class = status / 100 - 1;
    if (scope == NULL || authz->config->skips_cluster_response_stats) {
        return;
    }
    stats_inc(scope, thread, CLUSTER_STAT_UPSTREAM_RQ_COMPLETED);
    stats_inc(scope, thread, CLUSTER_STAT_INTERNAL_UPSTREAM_RQ_COMPLETED);
    stats_inc(scope, thread, CLUSTER_STAT_UPSTREAM_RQ_1XX + class);
    stats_inc(scope, thread, CLUSTER_STAT_INTERNAL_UPSTREAM_RQ_1XX + class);
    struct slice name =
        arena_printf(http_filter_arena(&authz->base), "internal.upstream_rq_%u", (unsigned)status);
    stats_dynamic_add(scope, thread, stats_dynamic(scope, name, STAT_COUNTER), 1);
    name = slice_sub(name, sizeof("internal.") - 1, SIZE_MAX);
    stats_dynamic_add(scope, thread, stats_dynamic(scope, name, STAT_COUNTER), 1);
}

/* ---- local replies ---- */

static bool may_have_body(uint32_t status) {
    return status != 204 && status != 304;
}

/* A status that can end a response; else the fallback. */
static uint32_t reply_status(uint32_t status, uint32_t fallback) {
    return status >= 200 && status <= 599 ? status : fallback;
}

static bool is_omitted(const struct ext_authz *authz, const struct authz_header *header) {
    bool is_grpc = http_is_grpc(http_filter_request_headers(&authz->base));
    return !authz_header_is_response_safe(header) ||
           (is_grpc && slice_equal(header->name, SLICE("content-type")));
}

static bool is_full(const struct ext_authz *authz, const struct header_map *headers) {
    return authz->config->enforce_response_header_limits && headers->max_count > 0 &&
           headers->live >= headers->max_count;
}

static void add_reply_headers(void *arg, struct header_map *headers) {
    const struct ext_authz *authz = arg;
    const struct authz_headers *list = &authz->response.reply;
    for (uint32_t i = 0; i < list->count; i++) {
        if (!is_omitted(authz, &list->items[i])) {
            (void)header_map_remove_name(headers, list->items[i].name);
        }
    }
    for (uint32_t i = 0; i < list->count; i++) {
        if (is_omitted(authz, &list->items[i])) {
            continue;
        }
        if (is_full(authz, headers)) {
            authz_count(authz, EXT_AUTHZ_OMITTED_RESPONSE_HEADERS);
            return;
        }
        header_map_append_name(headers, list->items[i].name, list->items[i].value);
    }
}

static void send_reply(struct ext_authz *authz, uint32_t status, struct slice details) {
    struct local_reply reply = {
        .status = status,
        .body = may_have_body(status) ? authz->response.body : SLICE(""),
        .details = details,
        .grpc_status = -1,
        .flag = RESPONSE_FLAG_UNAUTHORIZED_EXTERNAL_SERVICE,
        .modify = add_reply_headers,
        .arg = authz,
    };
    http_filter_local_reply(&authz->base, &reply);
}

void authz_reply_error(struct ext_authz *authz) {
    send_reply(authz, reply_status(authz->response.status, authz->config->status_on_error),
               SLICE("ext_authz_error"));
}

static void refuse_answer(struct ext_authz *authz) {
    count_outcome(authz, EXT_AUTHZ_INVALID);
    authz->response = (struct authz_response){0};
    send_reply(authz, 500, SLICE("ext_authz_invalid"));
}

static bool all_are_valid(const struct authz_headers *list) {
    for (uint32_t i = 0; i < list->count; i++) {
        if (!http_is_token(list->items[i].name) || !http_is_field_value(list->items[i].value)) {
            return false;
        }
    }
    return true;
}

/* ---- verdicts ---- */

static void take_metadata(const struct ext_authz *authz) {
    const struct authz_response *response = &authz->response;
    struct stream_info *info = http_filter_info(&authz->base);
    if (response->metadata_count == 0) {
        return;
    }
    if (authz->config->ignores_dynamic_metadata) {
        authz_count(authz, EXT_AUTHZ_IGNORED_DYNAMIC_METADATA);
        return;
    }
    for (uint32_t i = 0; i < response->metadata_count; i++) {
        const struct authz_metadata *item = &response->metadata[i];
        stream_info_set_metadata(info, METADATA_SPACE, item->key, item->value, item->is_string);
    }
    if (response->verdict == AUTHZ_VERDICT_OK) {
        uint64_t ms = (event_loop_now_us(authz->io->loop) - authz->start_us) / 1000;
        struct slice text = arena_printf(info->arena, "%llu", (unsigned long long)ms);
        stream_info_set_metadata(info, METADATA_SPACE, SLICE("ext_authz_duration"), text, false);
    }
}

static void let_go(struct ext_authz *authz) {
    http_filter_continue_decoding(&authz->base);
}

static bool changes_request(const struct authz_response *response) {
    return response->request.count + response->remove_count + response->query_set_count +
               response->query_remove_count >
           0;
}

static void finish_ok(struct ext_authz *authz) {
    const struct authz_response *response = &authz->response;
    bool validates = authz->config->validate_mutations;
    if (validates && (response->has_invalid_action || !all_are_valid(&response->response))) {
        refuse_answer(authz);
        return;
    }
    enum status status = authz_apply_request(authz, http_filter_request_headers(&authz->base));
    if (status == STATUS_LIMIT) {
        authz_count(authz, EXT_AUTHZ_REQUEST_HEADER_LIMITS_REACHED);
    }
    if (status != STATUS_OK) {
        refuse_answer(authz);
        return;
    }
    if (authz->config->clear_route_cache && changes_request(response)) {
        http_filter_clear_route(&authz->base);
    }
    authz->has_response_headers = response->response.count > 0;
    count_outcome(authz, EXT_AUTHZ_OK);
    let_go(authz);
}

/* What the verdict would have done, for logs. */
static void note_shadow(struct ext_authz *authz, const char *result, uint32_t status) {
    struct stream_info *info = http_filter_info(&authz->base);
    struct slice name = slice_from_string(authz->base.config->factory->name);
    struct slice key = arena_printf(info->arena, "%.*s.shadow", SLICE_ARG(name));
    struct slice value = arena_printf(info->arena, "{\"check_result\":\"%s\",\"status_code\":%u}",
                                      result, (unsigned)status);
    stream_info_set_state(info, key, value);
}

static void finish_denied(struct ext_authz *authz) {
    struct authz_response *response = &authz->response;
    uint32_t status = reply_status(response->status, 403);
    count_outcome(authz, EXT_AUTHZ_DENIED);
    charge_response(authz, status);
    if (authz->config->shadow_mode) {
        authz_count(authz, EXT_AUTHZ_SHADOW_DENIED);
        note_shadow(authz, "DENIED", status);
        let_go(authz);
        return;
    }
    if (authz->config->validate_mutations && !all_are_valid(&response->reply)) {
        refuse_answer(authz);
        return;
    }
    if (authz->config->max_denied_body_bytes > 0) {
        response->body = slice_sub(response->body, 0, authz->config->max_denied_body_bytes);
    }
    send_reply(authz, status, SLICE("ext_authz_denied"));
}

static void finish_error(struct ext_authz *authz) {
    count_outcome(authz, EXT_AUTHZ_ERROR);
    if (authz->config->shadow_mode) {
        authz_count(authz, EXT_AUTHZ_SHADOW_ERROR);
        note_shadow(authz, "ERROR",
                    reply_status(authz->response.status, authz->config->status_on_error));
        let_go(authz);
        return;
    }
    if (!authz->config->failure_mode_allow) {
        if (authz->config->validate_mutations && !all_are_valid(&authz->response.reply)) {
            refuse_answer(authz);
            return;
        }
        authz_reply_error(authz);
        return;
    }
    count_outcome(authz, EXT_AUTHZ_FAILURE_MODE_ALLOWED);
    if (authz->config->failure_mode_allow_header_add) {
        header_map_append_name(http_filter_request_headers(&authz->base),
                               SLICE("x-envoy-auth-failure-mode-allowed"), SLICE("true"));
    }
    let_go(authz);
}

void authz_finish(struct ext_authz *authz) {
    authz->state = AUTHZ_DONE;
    take_metadata(authz);
    switch (authz->response.verdict) {
    case AUTHZ_VERDICT_OK:
        finish_ok(authz);
        break;
    case AUTHZ_VERDICT_DENIED:
        finish_denied(authz);
        break;
    case AUTHZ_VERDICT_ERROR:
        finish_error(authz);
        break;
    }
}

/* ---- the client's response ---- */

static void change_response(struct header_map *headers, const struct authz_header *header) {
    bool exists = header_map_get_name(headers, header->name).ptr != NULL;
    switch (header->action) {
    case AUTHZ_HEADER_ADD:
        header_map_append_name(headers, header->name, header->value);
        break;
    case AUTHZ_HEADER_SET:
        header_map_set_name(headers, header->name, header->value);
        break;
    case AUTHZ_HEADER_ADD_IF_ABSENT:
        if (!exists) {
            header_map_append_name(headers, header->name, header->value);
        }
        break;
    case AUTHZ_HEADER_SET_IF_EXISTS:
    case AUTHZ_HEADER_APPEND_IF_EXISTS:
        if (exists) {
            header_map_set_name(headers, header->name, header->value);
        }
        break;
    }
}

void authz_encode_headers(struct ext_authz *authz, struct header_map *headers) {
    static const enum authz_header_action order[] = {
        AUTHZ_HEADER_ADD, AUTHZ_HEADER_SET, AUTHZ_HEADER_ADD_IF_ABSENT, AUTHZ_HEADER_SET_IF_EXISTS};
    const struct authz_headers *list = &authz->response.response;
    bool omitted = false;
    for (size_t step = 0; step < ARRAY_LEN(order); step++) {
        for (uint32_t i = 0; i < list->count; i++) {
            const struct authz_header *header = &list->items[i];
            if (header->action != order[step] || !authz_header_is_response_safe(header)) {
                continue;
            }
            if (is_full(authz, headers)) {
                omitted = true;
                continue;
            }
            change_response(headers, header);
        }
    }
    if (omitted) {
        authz_count(authz, EXT_AUTHZ_OMITTED_RESPONSE_HEADERS);
    }
}
