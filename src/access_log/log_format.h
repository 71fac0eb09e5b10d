// SPDX-License-Identifier: Apache-2.0
/*
 * Envoy's substitution formatter: a text with %COMMAND(args):max_length% operators, compiled once at
 * configuration time, run per request. Serves access logs, header values, local replies. Immutable, in
 * its part's arena.
 */
#ifndef SRC_ACCESS_LOG_LOG_FORMAT_H
#define SRC_ACCESS_LOG_LOG_FORMAT_H

#include "src/access_log/stream_info.h"
#include "src/base/arena.h"
#include "src/base/buffer.h"

struct log_format;

/* What an operator may ask beyond stream_info. Each pointer may be NULL. */
struct log_format_input {
    const struct stream_info *info;
    const struct header_map *request_headers;
    const struct header_map *response_headers;
    const struct header_map *response_trailers;
    struct slice local_reply_body;
    const char *access_log_type; /* "DownstreamEnd" … */
    uint64_t now_us, now_wall_us;
    struct slice node_id,
        node_cluster; /* of the bootstrap, for %ENVIRONMENT…% and node operators */
};

/* Unknown operators and malformed arguments are STATUS_INVALID with Envoy's kind of message. */
enum status log_format_compile(struct slice text, bool omit_empty_values, struct arena *arena,
                               const struct log_format **format, struct error *err) MUST_USE;
/* A JSON object template (json_format): `template_json` is the Struct as JSON text. Numbers and
 * booleans of operators keep their type as in Envoy; one line with a newline at the end. */
enum status log_format_compile_json(struct slice template_json, bool omit_empty_values,
                                    bool sort_properties, struct arena *arena,
                                    const struct log_format **format, struct error *err) MUST_USE;
/* Appends the formatted text to `out`. Values are sanitised so that one request is one line. */
void log_format_write(const struct log_format *format, const struct log_format_input *input,
                      struct buffer *out);
/* Into an arena; for header values. A constant format returns its own text without a copy. */
struct slice log_format_text(const struct log_format *format, const struct log_format_input *input,
                             struct arena *arena);
bool log_format_is_constant(const struct log_format *format, struct slice *text);
/* Whether it names %ROUTE_RESOLUTION_TIME_US%, which is measured only for those who ask. */
bool log_format_asks_route_time(const struct log_format *format);
/* Envoy's default access log line. */
const char *log_format_default_text(void);

#endif
