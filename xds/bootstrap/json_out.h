// SPDX-License-Identifier: Apache-2.0
/*
 * JSON text piece by piece into a sink: punctuation, indentation (one space a level) and escapes as in
 * Envoy's output. The caller nests begin and end properly. Storage is the caller's.
 */
#ifndef XDS_BOOTSTRAP_JSON_OUT_H
#define XDS_BOOTSTRAP_JSON_OUT_H

#include <stdbool.h>
#include <stdint.h>

#include "src/base/slice.h"
#include "xds/bootstrap/proto_json.h"

struct json_out {
    proto_json_sink_fn *sink;
    void *sink_arg;
    size_t len;
    uint32_t level;
    bool is_pretty;
    bool is_first; /* nothing was written yet at this level */
    char text[4096];
};

void json_out_init(struct json_out *out, proto_json_sink_fn *sink, void *arg, bool is_pretty);
/* Everything to the sink. */
void json_out_flush(struct json_out *out);
void json_out_raw(struct json_out *out, struct slice text);
void json_out_string(struct json_out *out, struct slice text);
void json_out_base64(struct json_out *out, struct slice bytes);
/* '{' or '['. */
void json_out_begin(struct json_out *out, char bracket);
void json_out_end(struct json_out *out, char bracket);
/* Comma and line break before a list's element. */
void json_out_element(struct json_out *out);
/* The same, then the key and its colon. */
void json_out_key(struct json_out *out, struct slice key);

#endif
