// SPDX-License-Identifier: Apache-2.0
/*
 * gRPC-Web to gRPC: the browser's framing without trailers (and, as text, in base64) becomes plain gRPC
 * upstream; on the way back the trailers become the last frame of the body. Responses that are no gRPC
 * become a grpc-status with the body as its message. One instance per stream, in its arena; nothing is
 * buffered but an incomplete base64 group and the text of a response that is no gRPC.
 */
#ifndef FILTERS_HTTP_GRPC_WEB_GRPC_WEB_H
#define FILTERS_HTTP_GRPC_WEB_GRPC_WEB_H

#include "filters/http/grpc_web/base64_stream.h"
#include "src/event/io_context.h"
#include "src/filter_chain/http_filter.h"
#include "src/stats/stats.h"

struct grpc_web_config {
    struct stats_scope *stats; /* of all clusters; names are dynamic */
};

enum { GRPC_WEB_MAGIC = 0x67777765 };

struct grpc_web {
    struct http_filter base;
    uint32_t magic;
    const struct grpc_web_config *config;
    struct io_context *io;
    bool is_grpc_web;
    bool is_text_request, is_text_response;
    bool is_foreign_response; /* no gRPC: becomes a status */
    bool response_is_counted;
    struct base64_decoder request;
    struct grpc_text_encoder response;
    struct slice stat_name; /* "<cluster>.grpc-web.<service>.<method>."; empty: not counted */
};

extern const struct http_filter_ops grpc_web_ops;
extern const struct stat_table grpc_web_stat_table;

#endif
