// SPDX-License-Identifier: Apache-2.0
/*
 * Writes one JSON document into a buffer, as it goes: indented by one space per level (the form of
 * Envoy's protobuf documents) or without white space (its stats). A NULL key stands for an array's
 * element or the document itself.
 */
#ifndef SRC_ADMIN_JSON_WRITER_H
#define SRC_ADMIN_JSON_WRITER_H

#include <stdbool.h>

#include "src/base/buffer.h"

struct json_writer {
    struct buffer *out;
    unsigned depth;
    bool is_indented;
    bool is_empty; /* nothing in the innermost object or array yet */
};

void json_init(struct json_writer *json, struct buffer *out, bool is_indented);
void json_begin_object(struct json_writer *json, const char *key);
void json_end_object(struct json_writer *json);
void json_begin_array(struct json_writer *json, const char *key);
void json_end_array(struct json_writer *json);
/* Escaped; bytes that are no UTF-8 become U+FFFD. */
void json_string(struct json_writer *json, const char *key, struct slice value);
void json_uint(struct json_writer *json, const char *key, uint64_t value);
/* As protobuf's JSON shows 64-bit numbers: in quotes. */
void json_uint_text(struct json_writer *json, const char *key, uint64_t value);
/* The shortest text that reads back as the same number; null for NaN. */
void json_double(struct json_writer *json, const char *key, double value);
void json_bool(struct json_writer *json, const char *key, bool value);
/* A finished document, moved in as deep as it now stands. */
void json_document(struct json_writer *json, const char *key, const char *text);

/* `text` as a JSON string with its quotes. */
void json_append_string(struct buffer *out, struct slice text);

/* The shortest decimal text of a number ("1e+06" only where that is shorter, with `prefer_short`;
 * otherwise from 1e16 on); "nan" for NaN. */
enum { DOUBLE_TEXT_BYTES = 40 };
struct slice double_to_text(double value, bool prefer_short, char text[DOUBLE_TEXT_BYTES]);

#endif
