// SPDX-License-Identifier: Apache-2.0
#include <float.h>

#include "src/base/check.h"
#include "xds/bootstrap/json_scalar.h"
#include "xds/bootstrap/proto_json.h"
#include "xds/proto_reflect.h"

/* A level of a Struct is two messages, so this is a document's depth doubled and a little. */
enum { MAX_MESSAGE_DEPTH = 2 * DOCUMENT_MAX_DEPTH + 20, FIRST = 1, SECOND = 2 };

/* Members of google.protobuf.Value.kind. */
enum value_number {
    VALUE_NULL = 1,
    VALUE_NUMBER = 2,
    VALUE_STRING = 3,
    VALUE_BOOL = 4,
    VALUE_STRUCT = 5,
    VALUE_LIST = 6,
};

struct json_reader {
    const struct proto_json_read_options *options;
    struct arena *arena; /* of the message being built */
    struct validation *v;
    uint32_t depth;
    uint32_t unknown_names;
};

static void read_message(struct json_reader *r, const struct proto_message_info *info,
                         const struct document_node *node, ProtobufCMessage *message);

static const char *type_name(ProtobufCType type) {
    switch (type) {
    case PROTOBUF_C_TYPE_INT32:
    case PROTOBUF_C_TYPE_SINT32:
    case PROTOBUF_C_TYPE_SFIXED32:
        return "int32";
    case PROTOBUF_C_TYPE_INT64:
    case PROTOBUF_C_TYPE_SINT64:
    case PROTOBUF_C_TYPE_SFIXED64:
        return "int64";
    case PROTOBUF_C_TYPE_UINT32:
    case PROTOBUF_C_TYPE_FIXED32:
        return "uint32";
    case PROTOBUF_C_TYPE_UINT64:
    case PROTOBUF_C_TYPE_FIXED64:
        return "uint64";
    case PROTOBUF_C_TYPE_FLOAT:
        return "float";
    case PROTOBUF_C_TYPE_DOUBLE:
        return "double";
    case PROTOBUF_C_TYPE_BOOL:
        return "bool";
    case PROTOBUF_C_TYPE_ENUM:
        return "enum";
    case PROTOBUF_C_TYPE_STRING:
        return "string";
    case PROTOBUF_C_TYPE_BYTES:
        return "bytes";
    case PROTOBUF_C_TYPE_MESSAGE:
        return "message";
    }
    return "?";
}

static void fail_kind(struct json_reader *r, const char *expected,
                      const struct document_node *node) {
    enum { SHOWN = 64 };
    if (node->text.len > 0) {
        struct slice shown = slice_sub(node->text, 0, SHOWN);
        validation_error(r->v, "expected %s, found %s: '%.*s' (line %u)", expected,
                         document_kind_name(node->kind), SLICE_ARG(shown), node->line);
    } else {
        validation_error(r->v, "expected %s, found %s (line %u)", expected,
                         document_kind_name(node->kind), node->line);
    }
}

/* A name that the API lacks: refused, or counted. */
static void report_unknown(struct json_reader *r, const char *what, struct slice name) {
    enum { SHOWN = 256 };
    struct slice shown = slice_sub(name, 0, SHOWN);
    r->unknown_names++;
    if (r->options->unknown_is_error) {
        validation_error(r->v, "%s: '%.*s'", what, SLICE_ARG(shown));
    } else {
        validation_note(r->v, FINDING_UNKNOWN, "%s: '%.*s'", what, SLICE_ARG(shown));
    }
}

static bool check_parsed(struct json_reader *r, const char *problem, ProtobufCType type,
                         const struct document_node *node) {
    enum { SHOWN = 64 };
    if (problem == NULL) {
        return true;
    }
    struct slice shown = slice_sub(node->text, 0, SHOWN);
    validation_error(r->v, "%s: '%.*s' is no %s (line %u)", problem, SLICE_ARG(shown),
                     type_name(type), node->line);
    return false;
}

static bool read_signed(struct json_reader *r, ProtobufCType type, const struct document_node *node,
                        int64_t *value) {
    bool is_narrow = proto_element_size(type) == sizeof(int32_t);
    int64_t min = is_narrow ? INT32_MIN : INT64_MIN;
    int64_t max = is_narrow ? INT32_MAX : INT64_MAX;
    if (node->kind != DOCUMENT_NUMBER && node->kind != DOCUMENT_STRING) {
        fail_kind(r, type_name(type), node);
        return false;
    }
    return check_parsed(r, json_parse_signed(node->text, min, max, value), type, node);
}

static bool read_unsigned(struct json_reader *r, ProtobufCType type, uint64_t max,
                          const struct document_node *node, uint64_t *value) {
    if (node->kind != DOCUMENT_NUMBER && node->kind != DOCUMENT_STRING) {
        fail_kind(r, type_name(type), node);
        return false;
    }
    return check_parsed(r, json_parse_unsigned(node->text, max, value), type, node);
}

static bool read_real(struct json_reader *r, ProtobufCType type, const struct document_node *node,
                      double *value) {
    if (node->kind != DOCUMENT_NUMBER && node->kind != DOCUMENT_STRING) {
        fail_kind(r, type_name(type), node);
        return false;
    }
    const char *problem = json_parse_double(node->text, value);
    bool is_finite = *value >= -DBL_MAX && *value <= DBL_MAX;
    if (problem == NULL && type == PROTOBUF_C_TYPE_FLOAT && is_finite &&
        (*value > (double)FLT_MAX || *value < -(double)FLT_MAX)) {
        problem = "number is out of range";
    }
    return check_parsed(r, problem, type, node);
}

static bool read_bool(struct json_reader *r, const struct document_node *node, bool *value) {
    if (node->kind == DOCUMENT_BOOL) {
        *value = node->boolean;
        return true;
    }
    if (node->kind != DOCUMENT_STRING) {
        fail_kind(r, "bool ('true' or 'false')", node);
        return false;
    }
    return check_parsed(r, json_parse_bool_text(node->text, value), PROTOBUF_C_TYPE_BOOL, node);
}

static const ProtobufCEnumValue *find_enum_name(const ProtobufCEnumDescriptor *descriptor,
                                                struct slice name) {
    for (unsigned i = 0; i < descriptor->n_value_names; i++) {
        if (slice_equal(name, slice_from_string(descriptor->values_by_name[i].name))) {
            return &descriptor->values[descriptor->values_by_name[i].index];
        }
    }
    for (unsigned i = 0; i < descriptor->n_value_names; i++) {
        if (slice_equal_nocase(name, slice_from_string(descriptor->values_by_name[i].name))) {
            return &descriptor->values[descriptor->values_by_name[i].index];
        }
    }
    return NULL;
}

/* proto3 enums are open: a number without a name is taken (and left to the rules). */
static bool read_enum(struct json_reader *r, const ProtobufCFieldDescriptor *field,
                      const struct document_node *node, int32_t *value) {
    const ProtobufCEnumDescriptor *descriptor = field->descriptor;
    if (node->kind == DOCUMENT_NULL) {
        *value = 0;
        return true;
    }
    if (node->kind == DOCUMENT_STRING) {
        const ProtobufCEnumValue *named = find_enum_name(descriptor, node->text);
        if (named != NULL) {
            *value = named->value;
            return true;
        }
    }
    int64_t number = 0;
    bool is_textual = node->kind == DOCUMENT_STRING || node->kind == DOCUMENT_NUMBER;
    if (!is_textual) {
        fail_kind(r, "enum", node);
        return false;
    }
    if (json_parse_signed(node->text, INT32_MIN, INT32_MAX, &number) != NULL) {
        report_unknown(r, "unknown enum value", node->text);
        return false;
    }
    *value = (int32_t)number;
    return true;
}

static bool read_text(struct json_reader *r, const struct document_node *node, void *member) {
    if (node->kind != DOCUMENT_STRING) {
        fail_kind(r, "string", node);
        return false;
    }
    if (r->options->is_text_format &&
        (!slice_is_utf8(node->text) || slice_find_byte(node->text, 0) != SIZE_MAX)) {
        validation_error(r->v, "string is not UTF-8 without NUL (line %u)", node->line);
        return false;
    }
    *(char **)member = arena_dup_string(r->arena, node->text);
    return true;
}

static bool read_bytes(struct json_reader *r, const struct document_node *node, void *member) {
    struct slice bytes;
    if (node->kind != DOCUMENT_STRING) {
        fail_kind(r, "bytes as base64 text", node);
        return false;
    }
    const char *problem = NULL;
    if (r->options->is_text_format) {
        bytes = arena_dup_slice(r->arena, node->text);
    } else {
        problem = json_parse_base64(node->text, r->arena, &bytes);
    }
    if (problem != NULL) {
        validation_error(r->v, "%s (line %u)", problem, node->line);
        return false;
    }
    ProtobufCBinaryData *data = member;
    data->len = bytes.len;
    data->data = (uint8_t *)(uintptr_t)bytes.ptr;
    return true;
}

static bool read_scalar(struct json_reader *r, const ProtobufCFieldDescriptor *field,
                        const struct document_node *node, void *member) {
    int64_t number = 0;
    uint64_t natural = 0;
    double real = 0;
    bool boolean = false;
    bool ok = false;
    switch (field->type) {
    case PROTOBUF_C_TYPE_INT32:
    case PROTOBUF_C_TYPE_SINT32:
    case PROTOBUF_C_TYPE_SFIXED32:
        ok = read_signed(r, field->type, node, &number);
        *(int32_t *)member = (int32_t)number;
        return ok;
    case PROTOBUF_C_TYPE_INT64:
    case PROTOBUF_C_TYPE_SINT64:
    case PROTOBUF_C_TYPE_SFIXED64:
        ok = read_signed(r, field->type, node, &number);
        *(int64_t *)member = number;
        return ok;
    case PROTOBUF_C_TYPE_UINT32:
    case PROTOBUF_C_TYPE_FIXED32:
        ok = read_unsigned(r, field->type, UINT32_MAX, node, &natural);
        *(uint32_t *)member = (uint32_t)natural;
        return ok;
    case PROTOBUF_C_TYPE_UINT64:
    case PROTOBUF_C_TYPE_FIXED64:
        ok = read_unsigned(r, field->type, UINT64_MAX, node, &natural);
        *(uint64_t *)member = natural;
        return ok;
    case PROTOBUF_C_TYPE_FLOAT:
        ok = read_real(r, field->type, node, &real);
        *(float *)member = ok ? (float)real : 0;
        return ok;
    case PROTOBUF_C_TYPE_DOUBLE:
        ok = read_real(r, field->type, node, &real);
        *(double *)member = ok ? real : 0;
        return ok;
    case PROTOBUF_C_TYPE_BOOL:
        ok = read_bool(r, node, &boolean);
        *(protobuf_c_boolean *)member = boolean;
        return ok;
    case PROTOBUF_C_TYPE_ENUM:
        *(int32_t *)member = 0;
        return read_enum(r, field, node, member);
    case PROTOBUF_C_TYPE_STRING:
        return read_text(r, node, member);
    case PROTOBUF_C_TYPE_BYTES:
        return read_bytes(r, node, member);
    case PROTOBUF_C_TYPE_MESSAGE:
        break;
    }
    return false;
}

/* Repeated elements are zeroed; protobuf-c wants text there, never NULL. */
static void read_element(struct json_reader *r, const struct proto_field_info *info,
                         const ProtobufCFieldDescriptor *field, const struct document_node *node,
                         void *element) {
    if (field->type == PROTOBUF_C_TYPE_STRING) {
        *(char **)element = arena_dup_string(r->arena, SLICE(""));
    }
    if (field->type == PROTOBUF_C_TYPE_MESSAGE) {
        ProtobufCMessage *message = proto_new(info->message, r->arena);
        *(ProtobufCMessage **)element = message;
        bool is_absent = node->kind == DOCUMENT_NULL &&
                         proto_well_known_of(info->message) != PROTO_WELL_KNOWN_VALUE;
        if (!is_absent) {
            read_message(r, info->message, node, message);
        }
    } else if (node->kind != DOCUMENT_NULL || field->type == PROTOBUF_C_TYPE_ENUM) {
        (void)read_scalar(r, field, node, element);
    }
}

static void read_repeated(struct json_reader *r, const struct proto_field_info *info,
                          const ProtobufCFieldDescriptor *field, const struct document_node *node,
                          ProtobufCMessage *message) {
    bool is_list = node->kind == DOCUMENT_ARRAY;
    size_t count = is_list ? node->count : 1;
    if (count == 0) {
        return;
    }
    uint8_t *element = proto_append(message, field, count, r->arena);
    const struct document_node *child = is_list ? node->first : node;
    for (uint32_t i = 0; i < count; i++) {
        validation_push_index(r->v, i);
        read_element(r, info, field, child, element);
        validation_pop(r->v);
        element += proto_element_size(field->type);
        child = child->next;
    }
}

static void read_singular(struct json_reader *r, const struct proto_field_info *info,
                          const ProtobufCFieldDescriptor *field, const struct document_node *node,
                          ProtobufCMessage *message) {
    void *member = proto_member(message, field);
    if (proto_oneof_is_set(message, field)) {
        validation_error(r->v, "'%s' has already been set (either directly or as part of a oneof)",
                         info->name);
        return;
    }
    if (field->type != PROTOBUF_C_TYPE_MESSAGE) {
        if (read_scalar(r, field, node, member)) {
            proto_mark_set(message, field);
        }
        return;
    }
    if (!proto_has(message, field)) {
        *(ProtobufCMessage **)member = proto_new(info->message, r->arena);
        proto_mark_set(message, field);
    }
    read_message(r, info->message, node, *(ProtobufCMessage **)member);
}

static void read_map_entry(struct json_reader *r, const struct proto_message_info *entry_info,
                           const struct document_node *node, ProtobufCMessage *entry) {
    const ProtobufCFieldDescriptor *fields = entry_info->descriptor->fields;
    struct document_node key = {.kind = DOCUMENT_STRING, .text = node->key, .line = node->line};
    if (read_scalar(r, &fields[0], &key, proto_member(entry, &fields[0]))) {
        proto_mark_set(entry, &fields[0]);
    }
    void *value = proto_member(entry, &fields[1]);
    read_element(r, &entry_info->fields[1], &fields[1], node, value);
    proto_mark_set(entry, &fields[1]);
}

static void read_map(struct json_reader *r, const struct proto_field_info *info,
                     const ProtobufCFieldDescriptor *field, const struct document_node *node,
                     ProtobufCMessage *message) {
    if (node->kind != DOCUMENT_OBJECT) {
        fail_kind(r, "an object", node);
        return;
    }
    size_t count = 0;
    for (const struct document_node *child = node->first; child != NULL; child = child->next) {
        count += child->is_shadowed ? 0 : 1;
    }
    if (count == 0) {
        return;
    }
    ProtobufCMessage **entry = proto_append(message, field, count, r->arena);
    for (const struct document_node *child = node->first; child != NULL; child = child->next) {
        if (child->is_shadowed) {
            continue;
        }
        *entry = proto_new(info->message, r->arena);
        validation_push_key(r->v, child->key);
        read_map_entry(r, info->message, child, *entry);
        validation_pop(r->v);
        entry++;
    }
}

static bool takes_null(const struct proto_field_info *info, const ProtobufCFieldDescriptor *field) {
    if (field->type == PROTOBUF_C_TYPE_MESSAGE) {
        return proto_well_known_of(info->message) == PROTO_WELL_KNOWN_VALUE;
    }
    return field->type == PROTOBUF_C_TYPE_ENUM && info->enum_info != NULL &&
           strcmp(info->enum_info->name, "google.protobuf.NullValue") == 0;
}

static void read_field(struct json_reader *r, const struct proto_field_info *info,
                       const ProtobufCFieldDescriptor *field, const struct document_node *node,
                       ProtobufCMessage *message) {
    if (node->kind == DOCUMENT_NULL && !takes_null(info, field)) {
        return;
    }
    validation_push(r->v, info->name);
    if ((info->flags & PROTO_FIELD_MAP) != 0 && !r->options->is_text_format) {
        read_map(r, info, field, node, message);
    } else if (field->label == PROTOBUF_C_LABEL_REPEATED) {
        read_repeated(r, info, field, node, message);
        if ((info->flags & PROTO_FIELD_MAP) != 0) {
            proto_map_keep_last(message, field);
        }
    } else {
        read_singular(r, info, field, node, message);
    }
    validation_pop(r->v);
}

static void read_fields(struct json_reader *r, const struct proto_message_info *info,
                        const struct document_node *node, ProtobufCMessage *message, bool is_any) {
    if (node->kind != DOCUMENT_OBJECT) {
        fail_kind(r, info->name, node);
        return;
    }
    for (const struct document_node *child = node->first; child != NULL; child = child->next) {
        if (is_any && slice_equal(child->key, SLICE("@type"))) {
            continue;
        }
        const struct proto_field_info *field = proto_field_find(info, child->key);
        if (field == NULL) {
            report_unknown(r, "no such field", child->key);
        } else {
            read_field(r, field, proto_field_descriptor(info, field), child, message);
        }
    }
}

static const struct document_node *find_member(const struct document_node *object,
                                               struct slice key) {
    for (const struct document_node *child = object->first; child != NULL; child = child->next) {
        if (!child->is_shadowed && slice_equal(child->key, key)) {
            return child;
        }
    }
    return NULL;
}

/* Types that JSON does not write as an object of their fields stand in an Any's "value". */
static bool has_any_value_member(enum proto_well_known kind) {
    return kind != PROTO_NOT_WELL_KNOWN && kind != PROTO_WELL_KNOWN_EMPTY;
}

static void read_any_content(struct json_reader *r, const struct proto_message_info *info,
                             const struct document_node *node, ProtobufCMessage *content) {
    if (!has_any_value_member(proto_well_known_of(info))) {
        read_fields(r, info, node, content, true);
        return;
    }
    for (const struct document_node *child = node->first; child != NULL; child = child->next) {
        if (slice_equal(child->key, SLICE("value"))) {
            read_message(r, info, child, content);
        } else if (!slice_equal(child->key, SLICE("@type"))) {
            report_unknown(r, "no such field", child->key);
        }
    }
}

static const struct proto_message_info *
find_any_type(struct json_reader *r, const struct document_node *node, struct slice *type_url) {
    const struct document_node *type = find_member(node, SLICE("@type"));
    if (type == NULL) {
        if (node->count > 0) {
            validation_error(r->v, "missing @type in Any is only allowed for an empty object");
        }
        return NULL;
    }
    if (type->kind != DOCUMENT_STRING) {
        fail_kind(r, "@type as a string", type);
        return NULL;
    }
    size_t slash = slice_rfind_byte(type->text, '/');
    if (slash == SIZE_MAX || slash == 0) {
        validation_error(r->v, "@type must contain at least one / and a nonempty host; got: %.*s",
                         SLICE_ARG(type->text));
        return NULL;
    }
    const struct proto_message_info *info = proto_message_find_url(type->text);
    if (info == NULL) {
        validation_error(r->v, "could not find @type '%.*s'", SLICE_ARG(type->text));
    }
    *type_url = type->text;
    return info;
}

typedef void read_content_fn(struct json_reader *r, const struct proto_message_info *info,
                             const struct document_node *node, ProtobufCMessage *content);

/* The content is built in memory of its own and only its bytes are kept. */
static void pack_any(struct json_reader *r, ProtobufCMessage *any, struct slice type_url,
                     const struct document_node *node, read_content_fn *read_content) {
    const struct proto_message_info *info = proto_message_find_url(type_url);
    struct arena scratch;
    struct arena *outer = r->arena;
    arena_init_heap(&scratch, 0);
    r->arena = &scratch;
    ProtobufCMessage *content = proto_new(info, &scratch);
    read_content(r, info, node, content);
    r->arena = outer;
    struct slice packed = proto_pack(content, outer);
    *(char **)proto_member_by_number(any, FIRST) = arena_dup_string(outer, type_url);
    ProtobufCBinaryData *value = proto_member_by_number(any, SECOND);
    value->data = (uint8_t *)(uintptr_t)packed.ptr;
    value->len = packed.len;
    arena_deinit(&scratch);
}

static void read_any(struct json_reader *r, const struct document_node *node,
                     ProtobufCMessage *any) {
    if (node->kind != DOCUMENT_OBJECT) {
        fail_kind(r, "google.protobuf.Any", node);
        return;
    }
    struct slice type_url;
    if (find_any_type(r, node, &type_url) != NULL) {
        pack_any(r, any, type_url, node, read_any_content);
    }
}

/* Text format: "[type URL] { fields }", or the two fields of Any itself. */
static void read_text_any(struct json_reader *r, const struct proto_message_info *info,
                          const struct document_node *node, ProtobufCMessage *any) {
    const struct document_node *first = node->kind == DOCUMENT_OBJECT ? node->first : NULL;
    if (first == NULL || first->key.ptr[0] != '[') {
        read_fields(r, info, node, any, false);
        return;
    }
    struct slice type_url = slice_sub(first->key, 1, first->key.len - 2);
    if (node->count > 1 || proto_message_find_url(type_url) == NULL) {
        validation_error(r->v, "could not find type '%.*s'", SLICE_ARG(type_url));
        return;
    }
    pack_any(r, any, type_url, first, read_message);
}

typedef const char *parse_span_fn(struct slice text, int64_t *seconds, int32_t *nanos);

/* Duration and Timestamp: text, or an object of their fields. */
static void read_span(struct json_reader *r, const struct proto_message_info *info,
                      const struct document_node *node, ProtobufCMessage *message,
                      parse_span_fn *parse) {
    if (node->kind == DOCUMENT_OBJECT) {
        read_fields(r, info, node, message, false);
        return;
    }
    if (node->kind != DOCUMENT_STRING) {
        fail_kind(r, info->name, node);
        return;
    }
    const char *problem = parse(node->text, proto_member_by_number(message, FIRST),
                                proto_member_by_number(message, SECOND));
    if (problem != NULL) {
        validation_error(r->v, "%s: '%.*s' (line %u)", problem,
                         SLICE_ARG(slice_sub(node->text, 0, 64)), node->line);
    }
}

static char *snake_case(struct json_reader *r, struct slice camel) {
    char *out = (char *)arena_alloc_bytes(r->arena, camel.len * 2 + 1);
    size_t len = 0;
    for (size_t i = 0; i < camel.len; i++) {
        uint8_t c = camel.ptr[i];
        if (c >= 'A' && c <= 'Z') {
            out[len++] = '_';
        }
        out[len++] = (char)ascii_lower(c);
    }
    out[len] = '\0';
    return out;
}

static void read_field_mask(struct json_reader *r, const struct proto_message_info *info,
                            const struct document_node *node, ProtobufCMessage *message) {
    if (node->kind == DOCUMENT_OBJECT) {
        read_fields(r, info, node, message, false);
        return;
    }
    if (node->kind != DOCUMENT_STRING) {
        fail_kind(r, info->name, node);
        return;
    }
    struct slice rest = node->text;
    struct slice path;
    while (slice_split(&rest, ',', &path)) {
        char **element = proto_append(message, &info->descriptor->fields[0], 1, r->arena);
        *element = snake_case(r, path);
    }
}

static enum value_number value_member(enum document_kind kind) {
    switch (kind) {
    case DOCUMENT_NULL:
        return VALUE_NULL;
    case DOCUMENT_BOOL:
        return VALUE_BOOL;
    case DOCUMENT_NUMBER:
        return VALUE_NUMBER;
    case DOCUMENT_STRING:
        return VALUE_STRING;
    case DOCUMENT_ARRAY:
        return VALUE_LIST;
    case DOCUMENT_OBJECT:
        return VALUE_STRUCT;
    }
    return VALUE_NULL;
}

static void read_value(struct json_reader *r, const struct proto_message_info *info,
                       const struct document_node *node, ProtobufCMessage *message) {
    /* The members are numbered from 1 without gaps. */
    size_t index = (size_t)value_member(node->kind) - 1;
    read_singular(r, &info->fields[index], &info->descriptor->fields[index], node, message);
}

static void read_list(struct json_reader *r, const struct proto_message_info *info,
                      const struct document_node *node, ProtobufCMessage *message) {
    if (node->kind != DOCUMENT_ARRAY) {
        fail_kind(r, "a list", node);
        return;
    }
    read_repeated(r, &info->fields[0], &info->descriptor->fields[0], node, message);
}

static void read_by_kind(struct json_reader *r, const struct proto_message_info *info,
                         const struct document_node *node, ProtobufCMessage *message) {
    const ProtobufCFieldDescriptor *first = info->descriptor->fields;
    switch (proto_well_known_of(info)) {
    case PROTO_NOT_WELL_KNOWN:
    case PROTO_WELL_KNOWN_EMPTY:
        read_fields(r, info, node, message, false);
        break;
    case PROTO_WELL_KNOWN_ANY:
        read_any(r, node, message);
        break;
    case PROTO_WELL_KNOWN_DURATION:
        read_span(r, info, node, message, json_parse_duration);
        break;
    case PROTO_WELL_KNOWN_TIMESTAMP:
        read_span(r, info, node, message, json_parse_timestamp);
        break;
    case PROTO_WELL_KNOWN_STRUCT:
        read_map(r, info->fields, first, node, message);
        break;
    case PROTO_WELL_KNOWN_VALUE:
        read_value(r, info, node, message);
        break;
    case PROTO_WELL_KNOWN_LIST:
        read_list(r, info, node, message);
        break;
    case PROTO_WELL_KNOWN_FIELD_MASK:
        read_field_mask(r, info, node, message);
        break;
    case PROTO_WELL_KNOWN_WRAPPER:
        if (node->kind == DOCUMENT_OBJECT) {
            read_fields(r, info, node, message, false);
        } else {
            (void)read_scalar(r, first, node, proto_member(message, first));
        }
        break;
    }
}

/* A map entry of the text format may lack its value; readers of the map rely on it. */
static void fill_map_value(struct json_reader *r, const struct proto_message_info *info,
                           ProtobufCMessage *entry) {
    if ((info->flags & PROTO_MESSAGE_MAP_ENTRY) == 0 || info->fields[1].message == NULL) {
        return;
    }
    ProtobufCMessage **value = proto_member(entry, &info->descriptor->fields[1]);
    if (*value == NULL) {
        *value = proto_new(info->fields[1].message, r->arena);
    }
}

static void read_message(struct json_reader *r, const struct proto_message_info *info,
                         const struct document_node *node, ProtobufCMessage *message) {
    if (r->depth >= MAX_MESSAGE_DEPTH) {
        validation_error(r->v, "nested too deep");
        return;
    }
    r->depth++;
    if (!r->options->is_text_format) {
        read_by_kind(r, info, node, message);
    } else if (proto_well_known_of(info) == PROTO_WELL_KNOWN_ANY) {
        read_text_any(r, info, node, message);
    } else {
        read_fields(r, info, node, message, false);
        fill_map_value(r, info, message);
    }
    r->depth--;
}

ProtobufCMessage *proto_json_read(const struct proto_message_info *info,
                                  const struct document_node *root,
                                  const struct proto_json_read_options *options,
                                  struct arena *arena, struct validation *v) {
    struct json_reader reader = {.options = options, .arena = arena, .v = v};
    uint32_t errors_before = v->error_count;
    ProtobufCMessage *message = proto_new(info, arena);
    read_message(&reader, info, root, message);
    if (options->report != NULL) {
        uint32_t errors = v->error_count - errors_before;
        uint32_t counted = options->unknown_is_error ? reader.unknown_names : 0;
        *options->report = (struct proto_json_report){.unknown_names = reader.unknown_names,
                                                      .other_errors = errors - counted};
    }
    return message;
}
