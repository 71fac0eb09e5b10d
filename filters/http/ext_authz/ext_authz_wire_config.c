// SPDX-License-Identifier: Apache-2.0
#include "filters/http/ext_authz/ext_authz_wire_config.h"

#include <math.h>
#include <stdio.h>

#include "filters/http/ext_authz/ext_authz_check.h"
#include "google/protobuf/struct.pb-c.h"
#include "src/base/check.h"

enum { MAX_DEPTH = 100, MAX_VARINT_BYTES = 10 };

/* ---- memory ---- */

static void *wire_alloc(void *arena, size_t size) {
    return arena_alloc(arena, size);
}

static void wire_free(void *arena, void *pointer) {
    (void)arena;
    (void)pointer;
}

void authz_wire_allocator(ProtobufCAllocator *allocator, struct arena *arena) {
    *allocator =
        (ProtobufCAllocator){.alloc = wire_alloc, .free = wire_free, .allocator_data = arena};
}

struct slice authz_wire_prefixed(struct slice bytes, struct arena *arena) {
    uint8_t *out = arena_alloc_bytes(arena, bytes.len + MAX_VARINT_BYTES);
    size_t at = 0, left = bytes.len;
    for (; left > 0x7f; left >>= 7) {
        out[at++] = (uint8_t)(left | 0x80);
    }
    out[at++] = (uint8_t)left;
    memcpy(out + at, bytes.ptr, bytes.len);
    return slice_make(out, at + bytes.len);
}

/* ---- the check ---- */

static bool take_varint(struct slice *rest, uint64_t *value) {
    *value = 0;
    for (size_t i = 0; i < MAX_VARINT_BYTES && i < rest->len; i++) {
        *value |= (uint64_t)(rest->ptr[i] & 0x7f) << (7 * i);
        if ((rest->ptr[i] & 0x80) == 0) {
            *rest = slice_sub(*rest, i + 1, SIZE_MAX);
            return true;
        }
    }
    return false;
}

static bool skip(struct slice *rest, size_t len) {
    if (rest->len < len) {
        return false;
    }
    *rest = slice_sub(*rest, len, SIZE_MAX);
    return true;
}

static bool message_is_sound(const ProtobufCMessageDescriptor *descriptor, struct slice bytes,
                             int depth);

static bool block_is_sound(const ProtobufCFieldDescriptor *field, struct slice block, int depth) {
    if (field == NULL) {
        return true;
    }
    if (field->type == PROTOBUF_C_TYPE_STRING) {
        return slice_find_byte(block, 0) == SIZE_MAX && slice_is_utf8(block);
    }
    return field->type != PROTOBUF_C_TYPE_MESSAGE ||
           message_is_sound(field->descriptor, block, depth + 1);
}

static bool field_is_sound(const ProtobufCMessageDescriptor *descriptor, struct slice *rest,
                           int depth) {
    uint64_t key, value;
    if (!take_varint(rest, &key) || key >> 3 == 0 || key >> 3 > 0x1fffffff) {
        return false;
    }
    switch (key & 7) {
    case PROTOBUF_C_WIRE_TYPE_VARINT:
        return take_varint(rest, &value);
    case PROTOBUF_C_WIRE_TYPE_64BIT:
        return skip(rest, 8);
    case PROTOBUF_C_WIRE_TYPE_32BIT:
        return skip(rest, 4);
    case PROTOBUF_C_WIRE_TYPE_LENGTH_PREFIXED:
        break;
    default:
        return false; /* groups are not part of this API */
    }
    if (!take_varint(rest, &value) || value > rest->len) {
        return false;
    }
    struct slice block = slice_sub(*rest, 0, (size_t)value);
    *rest = slice_sub(*rest, (size_t)value, SIZE_MAX);
    return block_is_sound(protobuf_c_message_descriptor_get_field(descriptor, (unsigned)(key >> 3)),
                          block, depth);
}

static bool message_is_sound(const ProtobufCMessageDescriptor *descriptor, struct slice bytes,
                             int depth) {
    if (depth > MAX_DEPTH) {
        return false;
    }
    while (bytes.len > 0) {
        if (!field_is_sound(descriptor, &bytes, depth)) {
            return false;
        }
    }
    return true;
}

enum status authz_wire_check(const ProtobufCMessageDescriptor *descriptor, struct slice bytes) {
    return message_is_sound(descriptor, bytes, 1) ? STATUS_OK : STATUS_INVALID;
}

/* ---- JSON ---- */

struct json_out {
    uint8_t *bytes; /* NULL while counting */
    size_t len;
};

static void put(struct json_out *out, struct slice text) {
    if (out->bytes != NULL) {
        memcpy(out->bytes + out->len, text.ptr, text.len);
    }
    out->len += text.len;
}

static void put_text(struct json_out *out, const char *text) {
    static const char hex[] = "0123456789abcdef";
    put(out, SLICE("\""));
    for (const uint8_t *at = (const uint8_t *)text; *at != 0; at++) {
        if (*at == '"' || *at == '\\') {
            put(out, SLICE("\\"));
        }
        if (*at >= 0x20) {
            put(out, slice_make(at, 1));
            continue;
        }
        char escape[6] = {'\\', 'u', '0', '0', hex[*at >> 4], hex[*at & 15]};
        put(out, slice_make(escape, sizeof(escape)));
    }
    put(out, SLICE("\""));
}

static void put_number(struct json_out *out, double number) {
    char text[40];
    if (!isfinite(number)) {
        put(out, SLICE("null"));
        return;
    }
    bool is_whole = fabs(number) < 9007199254740992.0 && number == floor(number);
    int len = snprintf(text, sizeof(text), is_whole ? "%.0f" : "%.17g", number);
    put(out, slice_make(text, (size_t)len));
}

static void put_value(struct json_out *out, const Google__Protobuf__Value *value);

static void put_object(struct json_out *out, const Google__Protobuf__Struct *object) {
    put(out, SLICE("{"));
    for (size_t i = 0; i < object->n_fields; i++) {
        put(out, i == 0 ? SLICE("") : SLICE(","));
        put_text(out, object->fields[i]->key);
        put(out, SLICE(":"));
        put_value(out, object->fields[i]->value);
    }
    put(out, SLICE("}"));
}

static void put_list(struct json_out *out, const Google__Protobuf__ListValue *list) {
    put(out, SLICE("["));
    for (size_t i = 0; i < list->n_values; i++) {
        put(out, i == 0 ? SLICE("") : SLICE(","));
        put_value(out, list->values[i]);
    }
    put(out, SLICE("]"));
}

static void put_value(struct json_out *out, const Google__Protobuf__Value *value) {
    switch (value == NULL ? 0 : (int)value->kind_case) {
    case GOOGLE__PROTOBUF__VALUE__KIND_NUMBER_VALUE:
        put_number(out, value->number_value);
        break;
    case GOOGLE__PROTOBUF__VALUE__KIND_STRING_VALUE:
        put_text(out, value->string_value);
        break;
    case GOOGLE__PROTOBUF__VALUE__KIND_BOOL_VALUE:
        put(out, value->bool_value ? SLICE("true") : SLICE("false"));
        break;
    case GOOGLE__PROTOBUF__VALUE__KIND_STRUCT_VALUE:
        put_object(out, value->struct_value);
        break;
    case GOOGLE__PROTOBUF__VALUE__KIND_LIST_VALUE:
        put_list(out, value->list_value);
        break;
    default:
        put(out, SLICE("null"));
        break;
    }
}

struct slice authz_json_of_value(const Google__Protobuf__Value *value, struct arena *arena) {
    struct json_out out = {0};
    put_value(&out, value);
    out.bytes = arena_alloc_bytes(arena, out.len);
    out.len = 0;
    put_value(&out, value);
    return slice_make(out.bytes, out.len);
}
