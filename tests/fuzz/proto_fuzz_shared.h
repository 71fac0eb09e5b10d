// SPDX-License-Identifier: Apache-2.0
/*
 * What the fuzz targets of the configuration documents have in common: a document that was read as a
 * message must survive being written and read again, and being packed, checked and unpacked.
 */
#ifndef TESTS_FUZZ_PROTO_FUZZ_SHARED_H
#define TESTS_FUZZ_PROTO_FUZZ_SHARED_H

#include "src/base/check.h"
#include "xds/bootstrap/document.h"
#include "xds/bootstrap/proto_json.h"
#include "xds/pgv_validate.h"
#include "xds/proto_reflect.h"

static const char *const FUZZ_TYPES[] = {
    "envoy.config.bootstrap.v3.Bootstrap",
    "envoy.service.discovery.v3.DiscoveryResponse",
    "google.protobuf.Any",
    "google.protobuf.Value",
};

static inline const struct proto_message_info *fuzz_type(uint8_t choice) {
    const struct proto_message_info *info =
        proto_message_find(slice_from_string(FUZZ_TYPES[choice % ARRAY_LEN(FUZZ_TYPES)]));
    CHECK(info != NULL);
    return info;
}

/* Written as JSON, with the sink's pieces put together in `arena`, and read again. */
static inline ProtobufCMessage *fuzz_rewrite(const struct proto_message_info *info,
                                             const ProtobufCMessage *message, struct arena *arena,
                                             struct validation *v) {
    struct error err;
    const struct document_node *root;
    struct proto_json_write_options write = {.is_pretty = true};
    struct proto_json_read_options read = {.unknown_is_error = true};
    struct slice text = proto_json_text(message, &write, arena);
    if (document_parse_json(text, arena, &root, &err) != STATUS_OK) {
        /* Only nesting can be lost: an Any's content lies deeper in JSON than in the message. */
        CHECK(strstr(err.message, "nested deeper") != NULL);
        return NULL;
    }
    return proto_json_read(info, root, &read, arena, v);
}

static inline void fuzz_document(const struct proto_message_info *info,
                                 const struct document_node *root, bool is_text_format,
                                 struct arena *arena) {
    struct validation v;
    struct proto_json_read_options options = {.unknown_is_error = false,
                                              .is_text_format = is_text_format};
    validation_init(&v, arena, SLICE("fuzz"));
    ProtobufCMessage *message = proto_json_read(info, root, &options, arena, &v);
    if (!validation_ok(&v)) {
        return;
    }
    ProtobufCMessage *again = fuzz_rewrite(info, message, arena, &v);
    if (again != NULL && validation_ok(&v)) {
        /* Written twice, the text must be the same. */
        struct proto_json_write_options write = {.is_pretty = false};
        CHECK(slice_equal(proto_json_text(message, &write, arena),
                          proto_json_text(again, &write, arena)));
    }
    validation_init(&v, arena, SLICE("fuzz"));
    (void)proto_unpack(info, proto_pack(message, arena), arena, &v);
    pgv_validate(message, NULL, &v);
}

#endif
