// SPDX-License-Identifier: Apache-2.0
/*
 * The proto3 JSON mapping over protobuf-c descriptors, both ways. Reading takes a document (JSON or
 * YAML) and follows what Envoy 1.40 accepts: snake and camel names, enums in any case and by number,
 * one element for a list, numbers and booleans as text, null for unset. Writing gives what Envoy's
 * admin interface gives: proto field names, by field number, unset fields left out, Any expanded.
 * Single thread; nothing is kept between calls.
 */
#ifndef XDS_BOOTSTRAP_PROTO_JSON_H
#define XDS_BOOTSTRAP_PROTO_JSON_H

#include <stdbool.h>

#include "proto/proto_registry.h"
#include "src/base/arena.h"
#include "src/config/validation.h"
#include "xds/bootstrap/document.h"

/* What reading met, to tell the two texts of Envoy's refusals apart. */
struct proto_json_report {
    uint32_t unknown_names; /* fields and enum values, whether or not they were errors */
    uint32_t other_errors;
};

struct proto_json_read_options {
    bool unknown_is_error; /* unknown field and enum names refuse the document, else are findings */
    bool is_text_format;   /* the document is of document_parse_text: no JSON forms of types */
    struct proto_json_report *report; /* filled; may be NULL */
};

/* The message that `root` describes, in `arena`. Every problem is in `v`, with its path; the message is
 * returned all the same (without the bad fields), so look at validation_ok(). */
ProtobufCMessage *proto_json_read(const struct proto_message_info *info,
                                  const struct document_node *root,
                                  const struct proto_json_read_options *options,
                                  struct arena *arena, struct validation *v);

struct proto_json_write_options {
    bool is_pretty; /* a line per member, indented by one space a level, as Envoy's */
    bool redact;    /* sensitive fields as "[redacted]", in Any and TypedStruct as well */
};

/* Takes the text piece by piece. */
typedef void proto_json_sink_fn(void *arg, struct slice text);

void proto_json_write(const ProtobufCMessage *message,
                      const struct proto_json_write_options *options, proto_json_sink_fn *sink,
                      void *arg);
/* The same as one text in `arena`, NUL-terminated. */
struct slice proto_json_text(const ProtobufCMessage *message,
                             const struct proto_json_write_options *options, struct arena *arena);

#endif
