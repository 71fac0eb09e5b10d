// SPDX-License-Identifier: Apache-2.0
/*
 * Makes the answer that the proxy gives in its own name: status, headers, body, for HTTP and gRPC
 * requests, with the connection manager's local_reply_config applied. Pure over the stream's facts.
 */
#ifndef SRC_STREAM_LOCAL_REPLY_H
#define SRC_STREAM_LOCAL_REPLY_H

#include "src/access_log/access_log.h"
#include "src/config/listener_config.h"
#include "src/config/local_reply_config.h"
#include "src/filter_chain/http_filter.h"

struct local_reply_result {
    struct header_map *headers;
    struct slice body;
    uint32_t status; /* as sent, for the log */
};

/* `input` describes the stream (its info's response code is set by this for formats). */
void local_reply_make(const struct http_connection_manager_config *config,
                      const struct local_reply *reply, bool is_grpc, bool is_head,
                      struct log_format_input *input, struct stream_info *info,
                      struct io_context *io, struct local_reply_result *result);

#endif
