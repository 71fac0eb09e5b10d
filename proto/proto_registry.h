// SPDX-License-Identifier: Apache-2.0
/*
 * What the API's descriptors say beyond what protobuf-c keeps: every message by its full name (the
 * registry behind Any), JSON names, marks (sensitive, deprecated) and references to the validation
 * rules of proto_rules.h. The tables are generated from the descriptors by proto/gen_tables.py.
 *
 * Everything here is constant and may be read from any thread. Pointers stay valid for the life of
 * the process. Nothing is allocated.
 */
#ifndef PROTO_PROTO_REGISTRY_H
#define PROTO_PROTO_REGISTRY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <protobuf-c/protobuf-c.h>

#include "src/base/slice.h"

struct proto_field_rules;
struct proto_message_info;
struct proto_enum_info;

enum proto_field_flag {
    PROTO_FIELD_SENSITIVE = 1U << 0,             /* udpa.annotations.sensitive: redact */
    PROTO_FIELD_DEPRECATED = 1U << 1,            /* accepted with a warning */
    PROTO_FIELD_DISALLOWED_BY_DEFAULT = 1U << 2, /* envoy.annotations: refused unless enabled */
    PROTO_FIELD_MAP = 1U << 3,                   /* repeated entry message, see `message` */
    PROTO_FIELD_ONEOF = 1U << 4,                 /* member of a real oneof, see `oneof_index` */
    PROTO_FIELD_OPTIONAL = 1U << 5,              /* proto3 `optional`: presence is explicit */
    PROTO_FIELD_WORK_IN_PROGRESS = 1U << 6,      /* xds.annotations.v3: not for production */
};

enum proto_message_flag {
    PROTO_MESSAGE_MAP_ENTRY = 1U << 0,
    PROTO_MESSAGE_RULES_DISABLED = 1U << 1, /* validate.disabled: no rule of this message holds */
    PROTO_MESSAGE_RULES_IGNORED = 1U << 2,  /* validate.ignored: rules were never generated */
    PROTO_MESSAGE_DEPRECATED = 1U << 3,
    PROTO_MESSAGE_WORK_IN_PROGRESS = 1U << 4,
};

enum proto_enum_value_flag {
    PROTO_ENUM_VALUE_DEPRECATED = 1U << 0,
    PROTO_ENUM_VALUE_DISALLOWED_BY_DEFAULT = 1U << 1,
};

/* One field; the tables are in the order of ProtobufCMessageDescriptor.fields (by number). */
struct proto_field_info {
    const char *name;      /* as in the .proto file; protobuf-c's own name may carry a '_' */
    const char *json_name; /* lowerCamelCase */
    /* The Envoy version that deprecated it, as "3.0" or "1.21"; NULL if not said. */
    const char *deprecated_since;
    const struct proto_field_rules *rules; /* NULL: no rules */
    const struct proto_message_info
        *message;                            /* of message fields and maps (the entry); else NULL */
    const struct proto_enum_info *enum_info; /* of enum fields; else NULL */
    uint16_t flags;                          /* enum proto_field_flag */
    int16_t oneof_index;                     /* into proto_message_info.oneofs; -1: none */
};

struct proto_oneof_info {
    const char *name;
    bool is_required; /* validate.required: one member must be set */
};

/* One message. A map's entry has two fields: fields[0] is the key, fields[1] the value. */
struct proto_message_info {
    const char *name; /* full name without leading dot, "envoy.config.cluster.v3.Cluster" */
    const ProtobufCMessageDescriptor *descriptor;
    const struct proto_field_info *fields; /* descriptor->n_fields of them */
    const struct proto_oneof_info
        *oneofs; /* oneof_count of them; proto3 optionals are not oneofs */
    uint16_t oneof_count;
    uint16_t flags; /* enum proto_message_flag */
};

struct proto_enum_value_info {
    int32_t number;
    uint16_t flags; /* enum proto_enum_value_flag */
    const char *deprecated_since;
};

/* One enum. Only values with a mark are listed; names and numbers are in the descriptor. */
struct proto_enum_info {
    const char *name;
    const ProtobufCEnumDescriptor *descriptor;
    const struct proto_enum_value_info *marked_values;
    size_t marked_count;
};

/* Number of messages of the registry. */
size_t proto_message_count(void);

/* Message number `index` (below proto_message_count()), sorted by name. */
const struct proto_message_info *proto_message_at(size_t index);

/* The message of that full name (no leading dot, no type URL prefix); NULL if there is none. */
const struct proto_message_info *proto_message_find(struct slice name);

/* The message of a type URL: what follows its last '/'. NULL if there is no '/' or no message. */
const struct proto_message_info *proto_message_find_url(struct slice type_url);

/* The registry's entry of a descriptor; NULL for one that is not of the compiled API. */
const struct proto_message_info *proto_message_of(const ProtobufCMessageDescriptor *descriptor);

/* The field that `key` names, by .proto name or by JSON name; NULL if there is none. */
const struct proto_field_info *proto_field_find(const struct proto_message_info *message,
                                                struct slice key);

/* The protobuf-c descriptor of a field found in `message`. */
const ProtobufCFieldDescriptor *proto_field_descriptor(const struct proto_message_info *message,
                                                       const struct proto_field_info *field);

/* Marks of an enum's value (enum proto_enum_value_flag); 0 for unmarked and unknown numbers. */
uint16_t proto_enum_value_flags(const struct proto_enum_info *info, int32_t number);

/* Which descriptors were compiled: "envoy 1.40.0" or "xds-protos 1.85.0". */
const char *proto_api_set(void);

#endif
