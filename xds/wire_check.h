// SPDX-License-Identifier: Apache-2.0
/*
 * Looks at the bytes of a message before protobuf-c does, driven by the same descriptors: protobuf-c
 * recurses as deep as the bytes say, cuts strings at a NUL, takes any bytes for text and cannot merge a
 * singular message that is given twice (legal, but written by no encoder: refused). Nothing is
 * allocated but the text of findings; recursion is bounded by max_depth. The value of an Any is opaque
 * here: it is checked by the same function when it is unpacked.
 */
#ifndef XDS_WIRE_CHECK_H
#define XDS_WIRE_CHECK_H

#include <stdbool.h>
#include <stdint.h>

#include "proto/proto_registry.h"
#include "src/config/validation.h"

enum {
    WIRE_MAX_DEPTH = 100,
    WIRE_MAX_ELEMENTS = 4 * 1024 * 1024,
    WIRE_MAX_UNPACKED_BYTES = 512 * 1024 * 1024,
};

struct wire_limits {
    uint32_t max_depth;        /* nested messages, the outermost counts as one */
    uint32_t max_elements;     /* messages, and elements of repeated fields */
    size_t max_unpacked_bytes; /* estimate of what unpacking will allocate */
};

/* The limits above. */
struct wire_limits wire_limits_default(void);

struct wire_report {
    uint32_t unknown_fields; /* occurrences of field numbers that the API does not know */
    uint32_t elements;
    size_t unpacked_bytes;
    bool has_sparse_map_entry; /* some map entry lacks its value: unpacking leaves a NULL message */
    bool has_larger_map;       /* some map has several entries: their keys may be equal */
};

/* Checks `bytes` as the message `info`. Each problem is an error in `v` with the field's path; each
 * unknown field number a FINDING_UNKNOWN. `limits` NULL: the defaults; `report` may be NULL and is
 * filled also on failure. STATUS_INVALID where protobuf-c must not see the bytes, STATUS_LIMIT where a
 * limit was passed. */
enum status wire_check(const struct proto_message_info *info, struct slice bytes,
                       const struct wire_limits *limits, struct wire_report *report,
                       struct validation *v) MUST_USE;

#endif
