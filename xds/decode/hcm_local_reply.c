// SPDX-License-Identifier: Apache-2.0
#include "src/config/local_reply_config.h"
#include "xds/decode/access_log.h"
#include "xds/decode/decode_common.h"
#include "xds/decode/hcm_parts.h"

static bool decode_mapper(struct decoder *d, const HCM(ResponseMapper) *from,
                          struct local_reply_mapper *out) {
    *out = (struct local_reply_mapper){.status = VALUE_OR(from->status_code, 0)};
    if (from->filter == NULL) {
        return decoder_field_error(d, "filter", "value is required");
    }
    decoder_push(d, "filter");
    bool is_ok = decode_access_log_filter(d, from->filter, &out->filter);
    decoder_pop(d);
    if (from->body != NULL) {
        out->has_body = true;
        decoder_push(d, "body");
        is_ok = decode_data_source(d, from->body, &out->body) && is_ok;
        decoder_pop(d);
    }
    if (from->body_format_override != NULL) {
        decoder_push(d, "body_format_override");
        is_ok =
            decode_format(d, from->body_format_override, &out->body_format, &out->content_type) &&
            is_ok;
        decoder_pop(d);
    }
    struct header_lists headers = {.add = from->headers_to_add,
                                   .add_count = from->n_headers_to_add,
                                   .add_field = "headers_to_add"};
    return decode_header_ops(d, &headers, &out->headers) && is_ok;
}

bool decode_hcm_local_reply(struct decoder *d, const HCM(HttpConnectionManager) *from,
                            struct http_connection_manager_config *out) {
    const HCM(LocalReplyConfig) *reply = from->local_reply_config;
    if (reply == NULL) {
        return true;
    }
    struct local_reply_config *config = ARENA_NEW(d->config.arena, struct local_reply_config);
    struct local_reply_mapper *mappers =
        reply->n_mappers == 0
            ? NULL
            : ARENA_NEW_ARRAY(d->config.arena, reply->n_mappers, struct local_reply_mapper);
    bool is_ok = true;
    decoder_push(d, "local_reply_config");
    for (size_t i = 0; i < reply->n_mappers; i++) {
        decoder_push_index(d, "mappers", i);
        is_ok = decode_mapper(d, reply->mappers[i], &mappers[i]) && is_ok;
        decoder_pop_index(d);
    }
    config->mappers = mappers;
    config->mapper_count = (uint32_t)reply->n_mappers;
    if (reply->body_format != NULL) {
        decoder_push(d, "body_format");
        is_ok = decode_format(d, reply->body_format, &config->body_format, &config->content_type) &&
                is_ok;
        decoder_pop(d);
    }
    decoder_pop(d);
    out->local_reply = config;
    return is_ok;
}
