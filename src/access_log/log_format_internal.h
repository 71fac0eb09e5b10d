// SPDX-License-Identifier: Apache-2.0
/*
 * A compiled format: a list of literals and operators, or a tree of them for JSON. Lies in its part's
 * arena. Private to src/access_log.
 */
#ifndef SRC_ACCESS_LOG_LOG_FORMAT_INTERNAL_H
#define SRC_ACCESS_LOG_LOG_FORMAT_INTERNAL_H

#include "src/access_log/log_operator.h"
#include "src/access_log/log_output.h"

struct log_json;

struct log_ops {
    struct log_op *items;
    uint32_t count;
};
struct log_format {
    struct log_ops ops;
    const struct log_json *json; /* NULL: text */
    bool omit_empty;
    bool asks_route_time;
};

enum status log_ops_compile(struct slice text, struct arena *arena, struct log_ops *ops,
                            struct error *err) MUST_USE;
/* Of a format's own text, before it is compiled. */
bool log_text_asks_route_time(struct slice text);
/* `is_line`: nothing may break the line, not even a local reply's body. */
void log_format_put(const struct log_format *format, const struct log_format_input *input,
                    struct log_output *out, bool is_line);
void log_json_put(const struct log_json *node, const struct log_format_input *input,
                  struct log_output *out, bool omit_empty);

#endif
