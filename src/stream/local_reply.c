// SPDX-License-Identifier: Apache-2.0
#include "src/stream/local_reply.h"

#include "src/http/message.h"
#include "src/route/header_mutation.h"

static const struct local_reply_mapper *find_mapper(const struct local_reply_config *config,
                                                    const struct log_format_input *input,
                                                    struct io_context *io) {
    for (uint32_t i = 0; i < config->mapper_count; i++) {
        const struct local_reply_mapper *mapper = &config->mappers[i];
        if (mapper->filter == NULL || access_log_filter_matches(mapper->filter, input, io)) {
            return mapper;
        }
    }
    return NULL;
}

struct reply_text {
    uint32_t status;
    struct slice body;
    struct slice content_type;
};

/* Mapper first (its headers see the original status, its body the new one), then the body format. */
static void apply_config(const struct local_reply_config *config, struct reply_text *text,
                         struct header_map *headers, struct log_format_input *input,
                         struct stream_info *info, struct io_context *io) {
    const struct local_reply_mapper *mapper = find_mapper(config, input, io);
    const struct log_format *format = config->body_format;
    struct slice content_type = config->content_type;
    input->local_reply_body = text->body;
    if (mapper != NULL) {
        header_ops_apply(&mapper->headers, headers, input);
        if (mapper->status != 0) {
            text->status = mapper->status;
            info->response_code = mapper->status;
        }
        if (mapper->has_body) {
            text->body = mapper->body;
        }
        if (mapper->body_format != NULL) {
            format = mapper->body_format;
            content_type = mapper->content_type;
        }
    }
    if (format == NULL) {
        return;
    }
    input->local_reply_body = text->body;
    text->body = log_format_text(format, input, info->arena);
    text->content_type = content_type.len > 0 ? content_type : SLICE("text/plain");
}

static void make_grpc(const struct local_reply *reply, const struct reply_text *text,
                      struct header_map *headers) {
    uint32_t code =
        reply->grpc_status >= 0 ? (uint32_t)reply->grpc_status : http_to_grpc_status(text->status);
    header_map_set(headers, HEADER_STATUS, SLICE("200"));
    header_map_set(headers, HEADER_CONTENT_TYPE, SLICE("application/grpc"));
    header_map_set_uint(headers, HEADER_GRPC_STATUS, code);
    if (text->body.len > 0) {
        header_map_append(headers, HEADER_GRPC_MESSAGE,
                          grpc_message_encode(headers->arena, text->body));
    }
}

void local_reply_make(const struct http_connection_manager_config *config,
                      const struct local_reply *reply, bool is_grpc, bool is_head,
                      struct log_format_input *input, struct stream_info *info,
                      struct io_context *io, struct local_reply_result *result) {
    struct header_map *headers = ARENA_NEW(info->arena, struct header_map);
    header_map_init(headers, info->arena);
    header_map_set_uint(headers, HEADER_STATUS, reply->status);
    struct reply_text text = {
        .status = reply->status,
        .body = arena_dup_slice(info->arena, reply->body),
        .content_type = SLICE("text/plain"),
    };
    if (reply->modify != NULL) {
        reply->modify(reply->arg, headers);
    }
    input->response_headers = headers;
    info->response_code = reply->status;
    if (config->local_reply != NULL) {
        apply_config(config->local_reply, &text, headers, input, info, io);
    }
    result->headers = headers;
    result->status = text.status;
    result->body = (struct slice){NULL, 0};
    if (is_grpc) {
        make_grpc(reply, &text, headers);
        return;
    }
    header_map_set_uint(headers, HEADER_STATUS, text.status);
    if (text.body.len == 0) {
        return;
    }
    header_map_set_uint(headers, HEADER_CONTENT_LENGTH, text.body.len);
    if (!header_map_has(headers, HEADER_CONTENT_TYPE)) {
        header_map_append(headers, HEADER_CONTENT_TYPE, text.content_type);
    }
    if (!is_head) {
        result->body = text.body;
    }
}
