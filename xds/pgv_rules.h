// SPDX-License-Identifier: Apache-2.0
/*
 * One value against one rule: the leaves of pgv_validate. A breach is an error in the validation at
 * its current path, in the words of protoc-gen-validate, inside Envoy's frame.
 */
#ifndef XDS_PGV_RULES_H
#define XDS_PGV_RULES_H

#include <protobuf-c/protobuf-c.h>

#include "proto/proto_registry.h"
#include "proto/proto_rules.h"
#include "src/config/validation.h"

enum { PGV_MAX_REGEXES = 64 };

struct regex;

struct pgv_regex {
    const char *pattern; /* the rule's own text: compared by address */
    struct regex *regex; /* NULL: RE2 does not take it */
};

/* Where a check stands: whose field, for the text of the error. */
struct pgv_context {
    struct validation *v;
    const char *message_name; /* "Cluster" */
    const char *field_name;   /* "connect_timeout" */
    int64_t index;            /* element; -1: none */
    struct pgv_regex regexes[PGV_MAX_REGEXES];
    uint32_t regex_count;
};

/* Error "Proto constraint validation failed (<Message>ValidationError.<Field>: <text>)". */
void pgv_fail(struct pgv_context *context, const char *format, ...) PRINTF_LIKE(2, 3);

/* `member` is the address of a scalar, text, bytes or enum of the field's type. */
void pgv_check_scalar(struct pgv_context *context, const struct proto_field_rules *rules,
                      const ProtobufCFieldDescriptor *field, const void *member);
/* Duration and Timestamp. */
void pgv_check_span(struct pgv_context *context, const struct proto_field_rules *rules,
                    struct proto_span span);
void pgv_check_any(struct pgv_context *context, const struct proto_any_rules *rules,
                   struct slice type_url);
void pgv_context_deinit(struct pgv_context *context);

#endif
