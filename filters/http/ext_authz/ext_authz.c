// SPDX-License-Identifier: Apache-2.0
#include "filters/http/ext_authz/ext_authz.h"

#include "src/base/check.h"
#include "src/config/config_runtime.h"
#include "src/config/route_config.h"

static const struct stat_def stat_defs[] = {EXT_AUTHZ_STATS(STAT_DEF)};
const struct stat_table ext_authz_stat_table = {"ext_authz", stat_defs, ARRAY_LEN(stat_defs)};

static struct ext_authz *authz_of(struct http_filter *f) {
    struct ext_authz *authz = CONTAINER_OF(f, struct ext_authz, base);
    CHECK_MAGIC(authz, EXT_AUTHZ_MAGIC);
    return authz;
}

bool authz_matchers_match(const struct authz_matchers *matchers, struct slice name) {
    for (uint32_t i = 0; i < matchers->count; i++) {
        if (string_matcher_matches(&matchers->items[i], name)) {
            return true;
        }
    }
    return false;
}

static bool metadata_matches(const struct authz_metadata_matcher *matcher,
                             const struct stream_info *info) {
    const struct info_entry *entry = stream_info_metadata(info, matcher->space, matcher->path);
    bool matches = false;
    switch (matcher->kind) {
    case AUTHZ_VALUE_STRING:
        matches = entry != NULL && entry->is_string &&
                  string_matcher_matches(&matcher->string, entry->value);
        break;
    case AUTHZ_VALUE_BOOL:
        matches = entry != NULL && !entry->is_string &&
                  slice_equal(entry->value, matcher->wanted ? SLICE("true") : SLICE("false"));
        break;
    case AUTHZ_VALUE_PRESENT:
        matches = entry != NULL && matcher->wanted;
        break;
    case AUTHZ_VALUE_NULL:
        matches = entry != NULL && !entry->is_string && slice_equal(entry->value, SLICE("null"));
        break;
    }
    return matches != matcher->invert;
}

static bool is_enabled(const struct ext_authz *authz) {
    const struct ext_authz_config *config = authz->config;
    if (config->has_filter_enabled && random_below(&authz->io->random, 1000000) >=
                                          config_fraction_now(&config->filter_enabled, authz->io)) {
        return false;
    }
    return config->filter_enabled_metadata == NULL ||
           metadata_matches(config->filter_enabled_metadata, http_filter_info(&authz->base));
}

static uint32_t route_cluster(struct ext_authz *authz, const struct route *route) {
    const struct weighted_cluster *weighted = http_filter_weighted_cluster(&authz->base);
    if (weighted != NULL) {
        return weighted->cluster_slot;
    }
    return route->action == ROUTE_ACTION_CLUSTER ? route->cluster->cluster_slot : CONFIG_SLOT_NONE;
}

/* The body is held for the check only where there will be one with an end. */
static bool needs_body(struct ext_authz *authz, const struct ext_authz_route *override,
                       const struct header_map *headers, bool end_stream) {
    authz->body = authz->config->body;
    bool is_disabled = override != NULL && override->disable_request_body_buffering;
    if (override != NULL && override->has_body) {
        authz->body = override->body;
        /* How the body travels is not the route's to say. */
        authz->body.pack_as_bytes = authz->config->body.pack_as_bytes;
    }
    return authz->body.max_request_bytes > 0 && !is_disabled && !end_stream &&
           !http_is_upgrade(headers) && !http_is_connect(headers);
}

static enum http_filter_verdict decode_headers(struct http_filter *f, struct header_map *headers,
                                               bool end_stream) {
    struct ext_authz *authz = authz_of(f);
    const struct route *route = http_filter_route(f);
    if (route == NULL) {
        return HTTP_FILTER_CONTINUE; /* nothing to protect: the router answers */
    }
    const struct ext_authz_route *override = http_filter_route_specific(f);
    if (override != NULL && override->is_disabled) {
        return HTTP_FILTER_CONTINUE;
    }
    authz->route_cluster_slot = route_cluster(authz, route);
    if (!is_enabled(authz)) {
        authz_count(authz, EXT_AUTHZ_DISABLED);
        if (!config_flag_now(&authz->config->deny_at_disable, authz->io)) {
            return HTTP_FILTER_CONTINUE;
        }
        authz->state = AUTHZ_DONE;
        authz->response = (struct authz_response){.verdict = AUTHZ_VERDICT_ERROR};
        authz_reply_error(authz);
        return HTTP_FILTER_PAUSE;
    }
    authz->service =
        override != NULL && override->service != NULL ? override->service : authz->config->service;
    if (needs_body(authz, override, headers, end_stream)) {
        authz->state = AUTHZ_BUFFERING;
        if (!authz->body.allow_partial_message) {
            http_filter_set_decoder_buffer_limit(f, authz->body.max_request_bytes);
        }
        return HTTP_FILTER_HOLD;
    }
    authz_call_start(authz, SLICE(""), false);
    return HTTP_FILTER_PAUSE;
}

static void reply_too_large(struct ext_authz *authz) {
    authz->state = AUTHZ_DONE;
    struct local_reply reply = {
        .status = 413,
        .body = SLICE("Payload Too Large"),
        .details = SLICE("request_payload_too_large"),
        .grpc_status = -1,
        .flag = RESPONSE_FLAG_COUNT,
    };
    http_filter_local_reply(&authz->base, &reply);
}

/* Asks with the body held so far and `data`, cut to the limit. */
static void start_with_body(struct ext_authz *authz, const struct buffer *data) {
    const struct buffer *held = http_filter_decoding_buffer(&authz->base);
    size_t added = data == NULL ? 0 : data->len;
    size_t total = held->len + added, limit = authz->body.max_request_bytes;
    size_t len = total < limit ? total : limit;
    size_t from_held = held->len < len ? held->len : len;
    uint8_t *bytes = arena_alloc_bytes(http_filter_arena(&authz->base), len);
    buffer_copy_out(held, 0, bytes, from_held);
    if (len > from_held) {
        buffer_copy_out(data, 0, bytes + from_held, len - from_held);
    }
    authz_call_start(authz, slice_make(bytes, len), len < total);
}

static enum http_filter_verdict decode_data(struct http_filter *f, struct buffer *data,
                                            bool end_stream) {
    struct ext_authz *authz = authz_of(f);
    switch (authz->state) {
    case AUTHZ_IDLE:
    case AUTHZ_DONE:
        return HTTP_FILTER_CONTINUE;
    case AUTHZ_CALLING:
        return HTTP_FILTER_PAUSE;
    case AUTHZ_BUFFERING:
        break;
    }
    size_t total = http_filter_decoding_buffer(f)->len + data->len;
    if (!authz->body.allow_partial_message && total > authz->body.max_request_bytes) {
        reply_too_large(authz);
        return HTTP_FILTER_HOLD;
    }
    bool is_full = authz->body.allow_partial_message && total >= authz->body.max_request_bytes;
    if (!end_stream && !is_full) {
        return HTTP_FILTER_HOLD;
    }
    start_with_body(authz, data);
    return HTTP_FILTER_PAUSE;
}

static enum http_filter_verdict decode_trailers(struct http_filter *f,
                                                struct header_map *trailers) {
    struct ext_authz *authz = authz_of(f);
    (void)trailers;
    if (authz->state == AUTHZ_BUFFERING) {
        start_with_body(authz, NULL);
    }
    return authz->state == AUTHZ_CALLING ? HTTP_FILTER_HOLD : HTTP_FILTER_CONTINUE;
}

static enum http_filter_verdict encode_headers(struct http_filter *f, struct header_map *headers,
                                               bool end_stream) {
    struct ext_authz *authz = authz_of(f);
    (void)end_stream;
    if (authz->has_response_headers) {
        authz_encode_headers(authz, headers);
    }
    return HTTP_FILTER_CONTINUE;
}

/* Another's reply ends the request: the answer is not wanted any more. */
static void on_local_reply(struct http_filter *f, uint32_t status, struct slice details) {
    struct ext_authz *authz = authz_of(f);
    (void)status;
    (void)details;
    authz_call_cancel(authz);
    authz->state = AUTHZ_DONE;
}

static void on_destroy(struct http_filter *f) {
    struct ext_authz *authz = authz_of(f);
    authz_call_cancel(authz);
    authz->state = AUTHZ_DONE;
}

const struct http_filter_ops ext_authz_ops = {
    .decode_headers = decode_headers,
    .decode_data = decode_data,
    .decode_trailers = decode_trailers,
    .encode_headers = encode_headers,
    .on_local_reply = on_local_reply,
    .on_destroy = on_destroy,
};
