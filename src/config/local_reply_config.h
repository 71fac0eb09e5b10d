// SPDX-License-Identifier: Apache-2.0
/*
 * The model of a connection manager's local_reply_config: how the answers that the proxy gives in its
 * own name are changed. Made by the decoder, applied by src/stream; immutable, in its part's arena.
 */
#ifndef SRC_CONFIG_LOCAL_REPLY_CONFIG_H
#define SRC_CONFIG_LOCAL_REPLY_CONFIG_H

#include "src/config/common_config.h"

struct access_log_filter;

/* One ResponseMapper; first match wins. */
struct local_reply_mapper {
    const struct access_log_filter *filter;
    uint32_t status; /* 0: keep */
    struct slice body;
    bool has_body;
    const struct log_format *body_format; /* NULL: the configuration's */
    struct slice content_type;            /* empty: by the format's kind */
    struct header_ops headers;
};
struct local_reply_config {
    const struct local_reply_mapper *mappers;
    uint32_t mapper_count;
    const struct log_format *body_format; /* NULL: the body as it is */
    struct slice content_type;
};

#endif
