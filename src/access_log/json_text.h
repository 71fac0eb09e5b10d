// SPDX-License-Identifier: Apache-2.0
/*
 * A small strict JSON reader (RFC 8259) for format templates and for metadata that lies in logs as
 * document text. Results lie in the given arena; depth and size are bounded by the caller's text and
 * JSON_MAX_DEPTH. Private to src/access_log.
 */
#ifndef SRC_ACCESS_LOG_JSON_TEXT_H
#define SRC_ACCESS_LOG_JSON_TEXT_H

#include "src/base/arena.h"
#include "src/base/error.h"

enum { JSON_MAX_DEPTH = 100 };

enum json_kind {
    JSON_NULL,
    JSON_FALSE,
    JSON_TRUE,
    JSON_NUMBER,
    JSON_STRING,
    JSON_ARRAY,
    JSON_OBJECT
};

struct json_text {
    enum json_kind kind;
    struct slice text;              /* STRING: decoded; NUMBER: as written */
    struct slice raw;               /* the value as it stands in the source */
    struct slice key;               /* of a member, decoded */
    struct json_text *first, *next; /* children in source order */
    uint32_t count;
};

enum status json_text_parse(struct slice source, struct arena *arena, struct json_text **root,
                            struct error *err) MUST_USE;
/* NULL when `object` is none or has no such member; the last of equal names counts. */
const struct json_text *json_text_member(const struct json_text *object, struct slice key);

#endif
