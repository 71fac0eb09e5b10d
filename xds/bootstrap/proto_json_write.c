// SPDX-License-Identifier: Apache-2.0
#include <inttypes.h>
#include <stdio.h>

#include "src/base/check.h"
#include "xds/bootstrap/json_out.h"
#include "xds/bootstrap/json_scalar.h"
#include "xds/bootstrap/proto_json.h"
#include "xds/proto_reflect.h"

/* Any in Any, and messages built in memory, are the only ways past the wire's own depth limit. */
enum { MAX_WRITE_DEPTH = 400, FIRST = 1, SECOND = 2 };

static const char REDACTED[] = "[redacted]";

struct json_writer {
    struct json_out out;
    bool redact;
    uint32_t depth;
};

/* What is known of a Struct that stands for a typed message (TypedStruct). */
struct struct_guide {
    const struct proto_message_info *info; /* NULL: nothing */
    bool is_sensitive;
};

static void write_message(struct json_writer *w, const struct proto_message_info *info,
                          const ProtobufCMessage *message, bool is_sensitive);
static void write_struct(struct json_writer *w, const ProtobufCMessage *message,
                         struct struct_guide guide);

static void write_signed(struct json_writer *w, int64_t value, bool is_quoted) {
    char text[JSON_SCALAR_TEXT_BYTES];
    int len = snprintf(text, sizeof(text), is_quoted ? "\"%" PRId64 "\"" : "%" PRId64, value);
    json_out_raw(&w->out, slice_make(text, (size_t)len));
}

static void write_unsigned(struct json_writer *w, uint64_t value, bool is_quoted) {
    char text[JSON_SCALAR_TEXT_BYTES];
    int len = snprintf(text, sizeof(text), is_quoted ? "\"%" PRIu64 "\"" : "%" PRIu64, value);
    json_out_raw(&w->out, slice_make(text, (size_t)len));
}

static void write_double(struct json_writer *w, double value) {
    char text[JSON_SCALAR_TEXT_BYTES];
    json_out_raw(&w->out, slice_make(text, json_format_double(value, text)));
}

static void write_float(struct json_writer *w, float value) {
    char text[JSON_SCALAR_TEXT_BYTES];
    json_out_raw(&w->out, slice_make(text, json_format_float(value, text)));
}

static void write_bool(struct json_writer *w, bool value) {
    json_out_raw(&w->out, value ? SLICE("true") : SLICE("false"));
}

static void write_enum(struct json_writer *w, const ProtobufCFieldDescriptor *field,
                       const struct proto_field_info *info, int32_t number) {
    if (info->enum_info != NULL &&
        strcmp(info->enum_info->name, "google.protobuf.NullValue") == 0) {
        json_out_raw(&w->out, SLICE("null"));
        return;
    }
    const ProtobufCEnumValue *value =
        protobuf_c_enum_descriptor_get_value(field->descriptor, number);
    if (value == NULL) {
        write_signed(w, number, false);
    } else {
        json_out_string(&w->out, slice_from_string(value->name));
    }
}

static void write_scalar(struct json_writer *w, const ProtobufCFieldDescriptor *field,
                         const struct proto_field_info *info, const void *member) {
    switch (field->type) {
    case PROTOBUF_C_TYPE_INT32:
    case PROTOBUF_C_TYPE_SINT32:
    case PROTOBUF_C_TYPE_SFIXED32:
        write_signed(w, *(const int32_t *)member, false);
        break;
    case PROTOBUF_C_TYPE_INT64:
    case PROTOBUF_C_TYPE_SINT64:
    case PROTOBUF_C_TYPE_SFIXED64:
        write_signed(w, *(const int64_t *)member, true);
        break;
    case PROTOBUF_C_TYPE_UINT32:
    case PROTOBUF_C_TYPE_FIXED32:
        write_unsigned(w, *(const uint32_t *)member, false);
        break;
    case PROTOBUF_C_TYPE_UINT64:
    case PROTOBUF_C_TYPE_FIXED64:
        write_unsigned(w, *(const uint64_t *)member, true);
        break;
    case PROTOBUF_C_TYPE_FLOAT:
        write_float(w, *(const float *)member);
        break;
    case PROTOBUF_C_TYPE_DOUBLE:
        write_double(w, *(const double *)member);
        break;
    case PROTOBUF_C_TYPE_BOOL:
        write_bool(w, *(const protobuf_c_boolean *)member != 0);
        break;
    case PROTOBUF_C_TYPE_ENUM:
        write_enum(w, field, info, *(const int32_t *)member);
        break;
    case PROTOBUF_C_TYPE_STRING:
        json_out_string(&w->out, proto_text(member));
        break;
    case PROTOBUF_C_TYPE_BYTES: {
        const ProtobufCBinaryData *bytes = member;
        json_out_base64(&w->out, slice_make(bytes->data, bytes->len));
        break;
    }
    case PROTOBUF_C_TYPE_MESSAGE:
        break;
    }
}

/* True where a sensitive value of that type keeps a place ("[redacted]") instead of vanishing. */
static bool is_redactable(ProtobufCType type) {
    return type == PROTOBUF_C_TYPE_STRING || type == PROTOBUF_C_TYPE_BYTES ||
           type == PROTOBUF_C_TYPE_MESSAGE;
}

static void write_element(struct json_writer *w, const ProtobufCFieldDescriptor *field,
                          const struct proto_field_info *info, const void *member,
                          bool is_sensitive) {
    if (field->type == PROTOBUF_C_TYPE_MESSAGE) {
        const ProtobufCMessage *message = *(ProtobufCMessage *const *)member;
        if (message == NULL) {
            json_out_raw(&w->out, SLICE("{}"));
        } else {
            write_message(w, info->message, message, is_sensitive);
        }
    } else if (!is_sensitive) {
        write_scalar(w, field, info, member);
    } else if (field->type == PROTOBUF_C_TYPE_BYTES) {
        json_out_base64(&w->out, slice_from_string(REDACTED));
    } else {
        json_out_string(&w->out, slice_from_string(REDACTED));
    }
}

static void write_map_key(struct json_writer *w, const ProtobufCMessage *entry) {
    const ProtobufCFieldDescriptor *key = entry->descriptor->fields;
    const void *member = proto_member(entry, key);
    char text[JSON_SCALAR_TEXT_BYTES];
    int len = 0;
    switch (key->type) {
    case PROTOBUF_C_TYPE_STRING:
        json_out_key(&w->out, proto_text(member));
        return;
    case PROTOBUF_C_TYPE_BOOL:
        len = snprintf(text, sizeof(text), "%s",
                       *(const protobuf_c_boolean *)member != 0 ? "true" : "false");
        break;
    case PROTOBUF_C_TYPE_UINT32:
    case PROTOBUF_C_TYPE_FIXED32:
        len = snprintf(text, sizeof(text), "%" PRIu32, *(const uint32_t *)member);
        break;
    case PROTOBUF_C_TYPE_UINT64:
    case PROTOBUF_C_TYPE_FIXED64:
        len = snprintf(text, sizeof(text), "%" PRIu64, *(const uint64_t *)member);
        break;
    case PROTOBUF_C_TYPE_INT64:
    case PROTOBUF_C_TYPE_SINT64:
    case PROTOBUF_C_TYPE_SFIXED64:
        len = snprintf(text, sizeof(text), "%" PRId64, *(const int64_t *)member);
        break;
    default: /* the other 32-bit types; the language allows no further ones as keys */
        len = snprintf(text, sizeof(text), "%" PRId32, *(const int32_t *)member);
        break;
    }
    json_out_key(&w->out, slice_make(text, (size_t)len));
}

static void write_map(struct json_writer *w, const ProtobufCFieldDescriptor *field,
                      const struct proto_field_info *info, const ProtobufCMessage *message,
                      bool is_sensitive) {
    const struct proto_field_info *value_info = &info->message->fields[1];
    const ProtobufCFieldDescriptor *value = &info->message->descriptor->fields[1];
    json_out_begin(&w->out, '{');
    for (size_t i = 0; i < proto_count(message, field); i++) {
        const ProtobufCMessage *entry = *(ProtobufCMessage **)proto_element(message, field, i);
        if (is_sensitive && !is_redactable(value->type)) {
            continue;
        }
        write_map_key(w, entry);
        write_element(w, value, value_info, proto_member(entry, value), is_sensitive);
    }
    json_out_end(&w->out, '}');
}

static void write_list(struct json_writer *w, const ProtobufCFieldDescriptor *field,
                       const struct proto_field_info *info, const ProtobufCMessage *message,
                       bool is_sensitive) {
    json_out_begin(&w->out, '[');
    for (size_t i = 0; i < proto_count(message, field); i++) {
        json_out_element(&w->out);
        write_element(w, field, info, proto_element(message, field, i), is_sensitive);
    }
    json_out_end(&w->out, ']');
}

/* The members of an object, without its braces. */
static void write_fields(struct json_writer *w, const struct proto_message_info *info,
                         const ProtobufCMessage *message, bool is_sensitive) {
    for (unsigned i = 0; i < info->descriptor->n_fields; i++) {
        const ProtobufCFieldDescriptor *field = &info->descriptor->fields[i];
        const struct proto_field_info *field_info = &info->fields[i];
        bool hidden =
            is_sensitive || (w->redact && (field_info->flags & PROTO_FIELD_SENSITIVE) != 0);
        if (!proto_has(message, field) || (hidden && !is_redactable(field->type))) {
            continue;
        }
        json_out_key(&w->out, slice_from_string(field_info->name));
        if ((field_info->flags & PROTO_FIELD_MAP) != 0) {
            write_map(w, field, field_info, message, hidden);
        } else if (field->label == PROTOBUF_C_LABEL_REPEATED) {
            write_list(w, field, field_info, message, hidden);
        } else {
            write_element(w, field, field_info, proto_member(message, field), hidden);
        }
    }
}

static void write_object(struct json_writer *w, const struct proto_message_info *info,
                         const ProtobufCMessage *message, bool is_sensitive) {
    json_out_begin(&w->out, '{');
    write_fields(w, info, message, is_sensitive);
    json_out_end(&w->out, '}');
}

/* The guide for a Struct's member: the field that it stands for, if the type has one. */
static struct struct_guide guide_of_member(const struct json_writer *w, struct struct_guide guide,
                                           struct slice key) {
    struct struct_guide inner = {.info = NULL, .is_sensitive = guide.is_sensitive};
    const struct proto_field_info *field =
        guide.info == NULL ? NULL : proto_field_find(guide.info, key);
    if (field != NULL) {
        bool is_marked = (field->flags & PROTO_FIELD_SENSITIVE) != 0;
        inner.info = field->message;
        inner.is_sensitive = guide.is_sensitive || (w->redact && is_marked);
    } else if (guide.info != NULL && (guide.info->flags & PROTO_MESSAGE_MAP_ENTRY) != 0) {
        inner.info = guide.info->fields[1].message;
    }
    return inner;
}

static const ProtobufCMessage *struct_member(const ProtobufCMessage *message, size_t index,
                                             struct slice *key) {
    const ProtobufCFieldDescriptor *fields = message->descriptor->fields;
    const ProtobufCMessage *entry = *(ProtobufCMessage **)proto_element(message, fields, index);
    *key = proto_text(proto_member_by_number(entry, FIRST));
    return *(ProtobufCMessage **)proto_member_by_number(entry, SECOND);
}

static const ProtobufCFieldDescriptor *value_kind(const ProtobufCMessage *value) {
    for (unsigned i = 0; value != NULL && i < value->descriptor->n_fields; i++) {
        if (proto_has(value, &value->descriptor->fields[i])) {
            return &value->descriptor->fields[i];
        }
    }
    return NULL;
}

/* An Any inside a TypedStruct names its own type. */
static struct struct_guide guide_of_struct(const ProtobufCMessage *message,
                                           struct struct_guide guide) {
    bool is_any = guide.info != NULL && proto_well_known_of(guide.info) == PROTO_WELL_KNOWN_ANY;
    for (size_t i = 0; is_any && i < proto_count(message, message->descriptor->fields); i++) {
        struct slice key;
        const ProtobufCMessage *value = struct_member(message, i, &key);
        const ProtobufCFieldDescriptor *kind = value_kind(value);
        if (slice_equal(key, SLICE("@type")) && kind != NULL &&
            kind->type == PROTOBUF_C_TYPE_STRING) {
            guide.info = proto_message_find_url(proto_text(proto_member(value, kind)));
            return guide;
        }
    }
    return guide;
}

static void write_struct_list(struct json_writer *w, const ProtobufCMessage *list,
                              struct struct_guide guide);

/* False where the value is to be left out. */
static bool is_shown(const ProtobufCMessage *value, struct struct_guide guide) {
    const ProtobufCFieldDescriptor *kind = value_kind(value);
    if (kind == NULL) {
        return false;
    }
    return !guide.is_sensitive || is_redactable(kind->type);
}

static void write_value(struct json_writer *w, const ProtobufCMessage *value,
                        struct struct_guide guide) {
    const ProtobufCFieldDescriptor *kind = value_kind(value);
    const struct proto_message_info *info = proto_message_of(value->descriptor);
    const struct proto_field_info *kind_info = &info->fields[kind - value->descriptor->fields];
    const void *member = proto_member(value, kind);
    if (kind->type != PROTOBUF_C_TYPE_MESSAGE) {
        write_element(w, kind, kind_info, member, guide.is_sensitive);
    } else if (proto_well_known_of(kind_info->message) == PROTO_WELL_KNOWN_STRUCT) {
        write_struct(w, *(ProtobufCMessage *const *)member, guide);
    } else {
        write_struct_list(w, *(ProtobufCMessage *const *)member, guide);
    }
}

static void write_struct_list(struct json_writer *w, const ProtobufCMessage *list,
                              struct struct_guide guide) {
    const ProtobufCFieldDescriptor *values = list->descriptor->fields;
    json_out_begin(&w->out, '[');
    for (size_t i = 0; i < proto_count(list, values); i++) {
        const ProtobufCMessage *value = *(ProtobufCMessage **)proto_element(list, values, i);
        json_out_element(&w->out);
        if (is_shown(value, guide)) {
            write_value(w, value, guide);
        } else {
            json_out_raw(&w->out, SLICE("null"));
        }
    }
    json_out_end(&w->out, ']');
}

static void write_struct(struct json_writer *w, const ProtobufCMessage *message,
                         struct struct_guide guide) {
    struct struct_guide own = guide_of_struct(message, guide);
    json_out_begin(&w->out, '{');
    for (size_t i = 0; i < proto_count(message, message->descriptor->fields); i++) {
        struct slice key;
        const ProtobufCMessage *value = struct_member(message, i, &key);
        struct struct_guide inner = guide_of_member(w, own, key);
        if (is_shown(value, inner)) {
            json_out_key(&w->out, key);
            write_value(w, value, inner);
        }
    }
    json_out_end(&w->out, '}');
}

static bool is_typed_struct(const struct proto_message_info *info) {
    return strcmp(info->name, "xds.type.v3.TypedStruct") == 0 ||
           strcmp(info->name, "udpa.type.v1.TypedStruct") == 0;
}

/* Its fields in order, the Struct read with the eyes of the type that it stands for. */
static void write_typed_struct_fields(struct json_writer *w, const struct proto_message_info *info,
                                      const ProtobufCMessage *message, bool is_sensitive) {
    struct slice type_url = proto_text(proto_member_by_number(message, FIRST));
    const ProtobufCMessage *value = *(ProtobufCMessage **)proto_member_by_number(message, SECOND);
    if (type_url.len > 0) {
        json_out_key(&w->out, slice_from_string(info->fields[0].name));
        json_out_string(&w->out, type_url);
    }
    if (value != NULL) {
        struct struct_guide guide = {.info = proto_message_find_url(type_url),
                                     .is_sensitive = is_sensitive};
        json_out_key(&w->out, slice_from_string(info->fields[1].name));
        write_struct(w, value, guide);
    }
}

static void write_any_content(struct json_writer *w, const struct proto_message_info *info,
                              const ProtobufCMessage *content, bool is_sensitive) {
    enum proto_well_known kind = proto_well_known_of(info);
    if (kind != PROTO_NOT_WELL_KNOWN && kind != PROTO_WELL_KNOWN_EMPTY) {
        json_out_key(&w->out, SLICE("value"));
        write_message(w, info, content, is_sensitive);
    } else if (is_typed_struct(info)) {
        write_typed_struct_fields(w, info, content, is_sensitive);
    } else {
        write_fields(w, info, content, is_sensitive);
    }
}

/* What cannot be read is shown as its bytes, unless something in it might be secret. */
static void write_any(struct json_writer *w, const ProtobufCMessage *any, bool is_sensitive) {
    struct proto_any view = proto_any_view(any);
    struct arena scratch;
    struct validation v;
    const struct proto_message_info *info;
    arena_init_heap(&scratch, 0);
    validation_init(&v, &scratch, SLICE(""));
    json_out_begin(&w->out, '{');
    if (view.type_url.len > 0) {
        json_out_key(&w->out, SLICE("@type"));
        json_out_string(&w->out, view.type_url);
    }
    const ProtobufCMessage *content = proto_any_unpack(any, &scratch, &info, &v);
    if (content != NULL) {
        write_any_content(w, info, content, is_sensitive);
    } else if (view.value.len > 0 && !is_sensitive && !w->redact) {
        json_out_key(&w->out, SLICE("value"));
        json_out_base64(&w->out, view.value);
    }
    json_out_end(&w->out, '}');
    arena_deinit(&scratch);
}

static void write_field_mask(struct json_writer *w, const ProtobufCMessage *message) {
    const ProtobufCFieldDescriptor *paths = message->descriptor->fields;
    struct arena scratch;
    arena_init_heap(&scratch, 0);
    json_out_raw(&w->out, SLICE("\""));
    for (size_t i = 0; i < proto_count(message, paths); i++) {
        struct slice path = proto_text(proto_element(message, paths, i));
        uint8_t *camel = arena_alloc_bytes(&scratch, path.len + 1);
        size_t len = 0;
        bool is_upper = false;
        for (size_t k = 0; k < path.len; k++) {
            uint8_t c = path.ptr[k];
            bool is_letter = c >= 'a' && c <= 'z';
            bool is_kept = (c >= '0' && c <= '9') || c == '.' || (c >= 'A' && c <= 'Z');
            if (is_letter || is_kept) {
                camel[len++] = is_upper && is_letter ? (uint8_t)(c - 0x20) : c;
            }
            is_upper = c == '_';
        }
        json_out_raw(&w->out, i > 0 ? SLICE(",") : SLICE(""));
        json_out_raw(&w->out, slice_make(camel, len));
    }
    json_out_raw(&w->out, SLICE("\""));
    arena_deinit(&scratch);
}

typedef size_t format_span_fn(int64_t seconds, int32_t nanos, char *out);

static void write_span(struct json_writer *w, const ProtobufCMessage *message,
                       format_span_fn *format) {
    char text[JSON_SCALAR_TEXT_BYTES];
    const int64_t *seconds = proto_member_by_number(message, FIRST);
    const int32_t *nanos = proto_member_by_number(message, SECOND);
    json_out_string(&w->out, slice_make(text, format(*seconds, *nanos, text)));
}

static void write_wrapper(struct json_writer *w, const struct proto_message_info *info,
                          const ProtobufCMessage *message, bool is_sensitive) {
    const ProtobufCFieldDescriptor *field = info->descriptor->fields;
    if (is_sensitive && !is_redactable(field->type)) {
        json_out_raw(&w->out, SLICE("null"));
    } else {
        write_element(w, field, info->fields, proto_member(message, field), is_sensitive);
    }
}

static void write_by_kind(struct json_writer *w, const struct proto_message_info *info,
                          const ProtobufCMessage *message, bool is_sensitive) {
    struct struct_guide guide = {.is_sensitive = is_sensitive};
    switch (proto_well_known_of(info)) {
    case PROTO_NOT_WELL_KNOWN:
    case PROTO_WELL_KNOWN_EMPTY:
        if (is_typed_struct(info)) {
            json_out_begin(&w->out, '{');
            write_typed_struct_fields(w, info, message, is_sensitive);
            json_out_end(&w->out, '}');
        } else {
            write_object(w, info, message, is_sensitive);
        }
        break;
    case PROTO_WELL_KNOWN_ANY:
        write_any(w, message, is_sensitive);
        break;
    case PROTO_WELL_KNOWN_DURATION:
        write_span(w, message, json_format_duration);
        break;
    case PROTO_WELL_KNOWN_TIMESTAMP:
        write_span(w, message, json_format_timestamp);
        break;
    case PROTO_WELL_KNOWN_STRUCT:
        write_struct(w, message, guide);
        break;
    case PROTO_WELL_KNOWN_VALUE:
        if (is_shown(message, guide)) {
            write_value(w, message, guide);
        } else {
            json_out_raw(&w->out, SLICE("null"));
        }
        break;
    case PROTO_WELL_KNOWN_LIST:
        write_struct_list(w, message, guide);
        break;
    case PROTO_WELL_KNOWN_FIELD_MASK:
        write_field_mask(w, message);
        break;
    case PROTO_WELL_KNOWN_WRAPPER:
        write_wrapper(w, info, message, is_sensitive);
        break;
    }
}

static void write_message(struct json_writer *w, const struct proto_message_info *info,
                          const ProtobufCMessage *message, bool is_sensitive) {
    if (w->depth >= MAX_WRITE_DEPTH) {
        json_out_raw(&w->out, SLICE("null"));
        return;
    }
    w->depth++;
    write_by_kind(w, info, message, is_sensitive);
    w->depth--;
}

void proto_json_write(const ProtobufCMessage *message,
                      const struct proto_json_write_options *options, proto_json_sink_fn *sink,
                      void *arg) {
    const struct proto_message_info *info = proto_message_of(message->descriptor);
    CHECK(info != NULL);
    struct json_writer writer;
    json_out_init(&writer.out, sink, arg, options->is_pretty);
    writer.redact = options->redact;
    writer.depth = 0;
    write_message(&writer, info, message, false);
    json_out_flush(&writer.out);
}

struct growing_text {
    char *text;
    size_t len, capacity;
};

static void growing_text_sink(void *arg, struct slice text) {
    struct growing_text *grown = arg;
    if (text.len > grown->capacity - grown->len) {
        while (text.len > grown->capacity - grown->len) {
            grown->capacity *= 2;
        }
        grown->text = mem_realloc(grown->text, grown->capacity);
    }
    memcpy(grown->text + grown->len, text.ptr, text.len);
    grown->len += text.len;
}

struct slice proto_json_text(const ProtobufCMessage *message,
                             const struct proto_json_write_options *options, struct arena *arena) {
    enum { FIRST_CAPACITY = 4096 };
    struct growing_text grown = {.text = mem_alloc(FIRST_CAPACITY), .capacity = FIRST_CAPACITY};
    proto_json_write(message, options, growing_text_sink, &grown);
    struct slice text = slice_make(grown.text, grown.len);
    struct slice copy = slice_make(arena_dup_string(arena, text), text.len);
    mem_free(grown.text);
    return copy;
}
