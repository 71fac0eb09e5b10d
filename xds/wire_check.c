// SPDX-License-Identifier: Apache-2.0
#include "xds/wire_check.h"

#include "src/base/check.h"

/* Wire types of the encoding specification; groups are refused, as in protobuf-c. */
enum wire_type {
    WIRE_VARINT = 0,
    WIRE_FIXED64 = 1,
    WIRE_LENGTH = 2,
    WIRE_GROUP_START = 3,
    WIRE_GROUP_END = 4,
    WIRE_FIXED32 = 5,
};

enum { MAX_VARINT_BYTES = 10, MAX_TAG_BYTES = 5, MAP_VALUE_NUMBER = 2 };

struct wire_walk {
    struct wire_limits limits;
    struct wire_report report;
    struct validation *v;
    uint32_t depth;
    bool has_bad_text;
};

/* Which singular message fields of one message were there already, by index. protobuf-c fails to merge
 * a second occurrence as soon as the message has a oneof that is not set. */
struct wire_seen {
    uint64_t bits[4];
};

/* One field as it lies on the wire. */
struct wire_field {
    uint32_t number;
    enum wire_type type;
    struct slice payload; /* of WIRE_LENGTH */
};

static enum status wire_walk_message(struct wire_walk *walk, const struct proto_message_info *info,
                                     struct slice bytes);

struct wire_limits wire_limits_default(void) {
    return (struct wire_limits){.max_depth = WIRE_MAX_DEPTH,
                                .max_elements = WIRE_MAX_ELEMENTS,
                                .max_unpacked_bytes = WIRE_MAX_UNPACKED_BYTES};
}

/* Takes one varint off *rest. STATUS_INVALID: cut off, or wider than 64 bits. */
static enum status take_varint(struct slice *rest, uint64_t *value) {
    uint64_t result = 0;
    for (size_t i = 0; i < MAX_VARINT_BYTES; i++) {
        if (i >= rest->len) {
            return STATUS_INVALID;
        }
        uint8_t byte = rest->ptr[i];
        if (i == MAX_VARINT_BYTES - 1 && byte > 1) {
            return STATUS_INVALID;
        }
        result |= (uint64_t)(byte & 0x7f) << (7 * i);
        if ((byte & 0x80) == 0) {
            *rest = slice_make(rest->ptr + i + 1, rest->len - i - 1);
            *value = result;
            return STATUS_OK;
        }
    }
    return STATUS_INVALID;
}

static enum status take_bytes(struct slice *rest, uint64_t len, struct slice *taken) {
    if (len > rest->len) {
        return STATUS_INVALID;
    }
    *taken = slice_make(rest->ptr, (size_t)len);
    *rest = slice_make(rest->ptr + len, rest->len - (size_t)len);
    return STATUS_OK;
}

static enum status take_tag(struct slice *rest, struct wire_field *field) {
    uint64_t tag;
    size_t before = rest->len;
    TRY(take_varint(rest, &tag));
    if (before - rest->len > MAX_TAG_BYTES || tag > UINT32_MAX || (tag >> 3) == 0) {
        return STATUS_INVALID;
    }
    field->number = (uint32_t)(tag >> 3);
    field->type = (enum wire_type)(tag & 7);
    return STATUS_OK;
}

static enum status take_payload(struct slice *rest, struct wire_field *field) {
    uint64_t value;
    switch ((int)field->type) {
    case WIRE_VARINT:
        return take_varint(rest, &value);
    case WIRE_FIXED64:
        return take_bytes(rest, 8, &field->payload);
    case WIRE_FIXED32:
        return take_bytes(rest, 4, &field->payload);
    case WIRE_LENGTH:
        TRY(take_varint(rest, &value));
        return take_bytes(rest, value, &field->payload);
    default:
        return STATUS_INVALID;
    }
}

static enum wire_type expected_wire_type(ProtobufCType type) {
    switch (type) {
    case PROTOBUF_C_TYPE_INT32:
    case PROTOBUF_C_TYPE_SINT32:
    case PROTOBUF_C_TYPE_UINT32:
    case PROTOBUF_C_TYPE_INT64:
    case PROTOBUF_C_TYPE_SINT64:
    case PROTOBUF_C_TYPE_UINT64:
    case PROTOBUF_C_TYPE_BOOL:
    case PROTOBUF_C_TYPE_ENUM:
        return WIRE_VARINT;
    case PROTOBUF_C_TYPE_SFIXED32:
    case PROTOBUF_C_TYPE_FIXED32:
    case PROTOBUF_C_TYPE_FLOAT:
        return WIRE_FIXED32;
    case PROTOBUF_C_TYPE_SFIXED64:
    case PROTOBUF_C_TYPE_FIXED64:
    case PROTOBUF_C_TYPE_DOUBLE:
        return WIRE_FIXED64;
    case PROTOBUF_C_TYPE_STRING:
    case PROTOBUF_C_TYPE_BYTES:
    case PROTOBUF_C_TYPE_MESSAGE:
        return WIRE_LENGTH;
    }
    return WIRE_LENGTH;
}

static enum status charge(struct wire_walk *walk, size_t elements, size_t bytes) {
    walk->report.unpacked_bytes += bytes;
    if (elements > walk->limits.max_elements - walk->report.elements) {
        validation_error(walk->v, "more than %u elements", walk->limits.max_elements);
        return STATUS_LIMIT;
    }
    walk->report.elements += (uint32_t)elements;
    if (walk->report.unpacked_bytes > walk->limits.max_unpacked_bytes) {
        validation_error(walk->v, "would take more than %zu bytes of memory",
                         walk->limits.max_unpacked_bytes);
        return STATUS_LIMIT;
    }
    return STATUS_OK;
}

static void check_text(struct wire_walk *walk, struct slice text) {
    if (slice_find_byte(text, 0) != SIZE_MAX) {
        validation_error(walk->v, "string holds a NUL byte");
        walk->has_bad_text = true;
    } else if (!slice_is_utf8(text)) {
        validation_error(walk->v, "string is not valid UTF-8");
        walk->has_bad_text = true;
    }
}

/* A packed run of numbers: each must be whole, and is charged as an element. */
static enum status check_packed(struct wire_walk *walk, enum wire_type type, struct slice run) {
    size_t count = 0;
    while (run.len > 0) {
        struct wire_field element = {.type = type};
        if (take_payload(&run, &element) != STATUS_OK) {
            validation_error(walk->v, "packed value is malformed");
            return STATUS_INVALID;
        }
        count++;
    }
    return charge(walk, count, count * 8);
}

static enum status check_known(struct wire_walk *walk, const ProtobufCFieldDescriptor *descriptor,
                               const struct proto_field_info *info,
                               const struct wire_field *field) {
    bool is_repeated = descriptor->label == PROTOBUF_C_LABEL_REPEATED;
    enum wire_type expected = expected_wire_type(descriptor->type);
    if (is_repeated && field->type == WIRE_LENGTH && expected != WIRE_LENGTH) {
        return check_packed(walk, expected, field->payload);
    }
    if (field->type != expected) {
        validation_error(walk->v, "wire type %d where %d was expected", (int)field->type,
                         (int)expected);
        return STATUS_INVALID;
    }
    TRY(charge(walk, is_repeated ? 1 : 0, field->payload.len + (is_repeated ? 8 : 0)));
    if (descriptor->type == PROTOBUF_C_TYPE_STRING) {
        check_text(walk, field->payload);
    }
    if (descriptor->type == PROTOBUF_C_TYPE_MESSAGE) {
        return wire_walk_message(walk, info->message, field->payload);
    }
    return STATUS_OK;
}

/* True at the second call for that index; messages of more fields than bits do not exist. */
static bool was_seen(struct wire_seen *seen, size_t index) {
    CHECK(index < 64 * ARRAY_LEN(seen->bits));
    uint64_t bit = UINT64_C(1) << (index % 64);
    bool was = (seen->bits[index / 64] & bit) != 0;
    seen->bits[index / 64] |= bit;
    return was;
}

static enum status walk_field(struct wire_walk *walk, const struct proto_message_info *info,
                              const struct wire_field *field, uint32_t index,
                              struct wire_seen *seen) {
    const ProtobufCMessageDescriptor *message = info->descriptor;
    const ProtobufCFieldDescriptor *descriptor =
        protobuf_c_message_descriptor_get_field(message, field->number);
    if (descriptor == NULL) {
        walk->report.unknown_fields++;
        /* protobuf-c keeps the bytes and a record of them. */
        TRY(charge(walk, 1, field->payload.len + sizeof(ProtobufCMessageUnknownField) + 10));
        validation_note(walk->v, FINDING_UNKNOWN, "unknown field number %u of %s", field->number,
                        info->name);
        return STATUS_OK;
    }
    size_t field_index = (size_t)(descriptor - message->fields);
    const struct proto_field_info *field_info = &info->fields[field_index];
    bool is_repeated = descriptor->label == PROTOBUF_C_LABEL_REPEATED;
    if (!is_repeated && descriptor->type == PROTOBUF_C_TYPE_MESSAGE &&
        was_seen(seen, field_index)) {
        validation_field_error(walk->v, field_info->name, "message is given more than once");
        return STATUS_INVALID;
    }
    if ((field_info->flags & PROTO_FIELD_MAP) != 0 && was_seen(seen, field_index)) {
        walk->report.has_larger_map = true;
    }
    validation_push(walk->v, field_info->name);
    if (is_repeated) {
        validation_push_index(walk->v, index);
    }
    enum status status = check_known(walk, descriptor, field_info, field);
    if (is_repeated) {
        validation_pop(walk->v);
    }
    validation_pop(walk->v);
    return status;
}

static void refuse_payload(struct wire_walk *walk, const struct proto_message_info *info,
                           uint32_t number) {
    const ProtobufCFieldDescriptor *descriptor =
        protobuf_c_message_descriptor_get_field(info->descriptor, number);
    if (descriptor != NULL) {
        validation_field_error(walk->v, info->fields[descriptor - info->descriptor->fields].name,
                               "cut off or malformed");
    } else {
        validation_error(walk->v, "field number %u is cut off or malformed", number);
    }
}

static enum status walk_fields(struct wire_walk *walk, const struct proto_message_info *info,
                               struct slice rest) {
    uint32_t last_number = 0;
    uint32_t index = 0;
    struct wire_seen seen = {{0}};
    bool has_value = (info->flags & PROTO_MESSAGE_MAP_ENTRY) == 0;
    while (rest.len > 0) {
        struct wire_field field = {0};
        if (take_tag(&rest, &field) != STATUS_OK) {
            validation_error(walk->v, "malformed field tag");
            return STATUS_INVALID;
        }
        if (take_payload(&rest, &field) != STATUS_OK) {
            refuse_payload(walk, info, field.number);
            return STATUS_INVALID;
        }
        /* Elements of one field usually lie together; the index is that within the run. */
        index = field.number == last_number ? index + 1 : 0;
        last_number = field.number;
        has_value = has_value || field.number == MAP_VALUE_NUMBER;
        TRY(walk_field(walk, info, &field, index, &seen));
    }
    if (!has_value) {
        walk->report.has_sparse_map_entry = true;
    }
    return STATUS_OK;
}

static enum status wire_walk_message(struct wire_walk *walk, const struct proto_message_info *info,
                                     struct slice bytes) {
    if (walk->depth >= walk->limits.max_depth) {
        validation_error(walk->v, "messages are nested deeper than %u", walk->limits.max_depth);
        return STATUS_LIMIT;
    }
    TRY(charge(walk, 1, info->descriptor->sizeof_message));
    walk->depth++;
    enum status status = walk_fields(walk, info, bytes);
    walk->depth--;
    return status;
}

enum status wire_check(const struct proto_message_info *info, struct slice bytes,
                       const struct wire_limits *limits, struct wire_report *report,
                       struct validation *v) {
    struct wire_walk walk = {.limits = limits != NULL ? *limits : wire_limits_default(), .v = v};
    enum status status = wire_walk_message(&walk, info, bytes);
    if (report != NULL) {
        *report = walk.report;
    }
    if (status == STATUS_OK && walk.has_bad_text) {
        return STATUS_INVALID;
    }
    return status;
}
