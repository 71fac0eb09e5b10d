// SPDX-License-Identifier: Apache-2.0
#include "xds/pgv_validate.h"

#include <inttypes.h>

#include "src/base/check.h"
#include "xds/pgv_rules.h"
#include "xds/proto_reflect.h"
#include "xds/typed_config.h"

enum { MAX_DEPTH = 400, FIRST = 1, SECOND = 2 };

struct pgv_walk {
    struct pgv_context context;
    struct pgv_options options;
    uint32_t depth;
};

static void walk_message(struct pgv_walk *walk, const struct proto_message_info *info,
                         const ProtobufCMessage *message);

static const char *short_name(const char *full_name) {
    const char *dot = strrchr(full_name, '.');
    return dot == NULL ? full_name : dot + 1;
}

static void note_deprecated(struct pgv_walk *walk, bool is_disallowed, const char *what,
                            const char *owner, const char *name) {
    if (is_disallowed && !walk->options.allow_disallowed) {
        validation_error(walk->context.v,
                         "Using deprecated %s '%s.%s', which is disallowed by default and will be "
                         "removed soon",
                         what, owner, name);
    } else if (!walk->options.skip_deprecated_notes) {
        validation_note(walk->context.v, FINDING_DEPRECATED, "Using deprecated %s '%s.%s'", what,
                        owner, name);
    }
}

static void check_field_mark(struct pgv_walk *walk, const struct proto_message_info *info,
                             const struct proto_field_info *field) {
    bool is_disallowed = (field->flags & PROTO_FIELD_DISALLOWED_BY_DEFAULT) != 0;
    if (is_disallowed || (field->flags & PROTO_FIELD_DEPRECATED) != 0) {
        note_deprecated(walk, is_disallowed, "option", info->name, field->name);
    }
}

static void check_enum_mark(struct pgv_walk *walk, const struct proto_field_info *field,
                            int32_t number) {
    uint16_t flags = proto_enum_value_flags(field->enum_info, number);
    if (flags == 0) {
        return;
    }
    const ProtobufCEnumValue *value =
        protobuf_c_enum_descriptor_get_value(field->enum_info->descriptor, number);
    note_deprecated(walk, (flags & PROTO_ENUM_VALUE_DISALLOWED_BY_DEFAULT) != 0, "value",
                    field->enum_info->name, value == NULL ? "?" : value->name);
}

static void walk_any(struct pgv_walk *walk, const ProtobufCMessage *any) {
    if (walk->options.stay_out_of_any) {
        return;
    }
    struct arena scratch;
    const struct proto_message_info *info;
    arena_init_heap(&scratch, 0);
    const ProtobufCMessage *content =
        typed_config_open(any, &scratch, &info, NULL, walk->context.v);
    if (content != NULL) {
        walk_message(walk, info, content);
    }
    arena_deinit(&scratch);
}

static void check_well_known(struct pgv_walk *walk, const struct proto_field_rules *rules,
                             const struct proto_message_info *info,
                             const ProtobufCMessage *message) {
    const ProtobufCFieldDescriptor *first = info->descriptor->fields;
    if (rules->as.any == NULL) {
        return; /* `required` alone has no table */
    }
    switch (rules->kind) {
    case PROTO_RULES_DURATION:
    case PROTO_RULES_TIMESTAMP:
        pgv_check_span(&walk->context, rules,
                       (struct proto_span){
                           .seconds = *(const int64_t *)proto_member_by_number(message, FIRST),
                           .nanos = *(const int32_t *)proto_member_by_number(message, SECOND)});
        break;
    case PROTO_RULES_ANY:
        pgv_check_any(&walk->context, rules->as.any, proto_any_view(message).type_url);
        break;
    default:
        if (proto_well_known_of(info) == PROTO_WELL_KNOWN_WRAPPER) {
            pgv_check_scalar(&walk->context, rules, first, proto_member(message, first));
        }
        break;
    }
}

/* A present value: element, map value or singular field. */
static void check_value(struct pgv_walk *walk, const struct proto_field_rules *rules,
                        const struct proto_field_info *field_info,
                        const ProtobufCFieldDescriptor *field, const void *member) {
    if (field->type != PROTOBUF_C_TYPE_MESSAGE) {
        if (rules != NULL) {
            pgv_check_scalar(&walk->context, rules, field, member);
        }
        if (field->type == PROTOBUF_C_TYPE_ENUM && field_info->enum_info != NULL) {
            check_enum_mark(walk, field_info, *(const int32_t *)member);
        }
        return;
    }
    const ProtobufCMessage *message = *(ProtobufCMessage *const *)member;
    if (message == NULL) {
        return;
    }
    const struct proto_message_info *info = field_info->message;
    if (rules != NULL) {
        check_well_known(walk, rules, info, message);
    }
    if (proto_well_known_of(info) == PROTO_WELL_KNOWN_ANY) {
        walk_any(walk, message);
    } else if (rules == NULL || !rules->is_skipped) {
        walk_message(walk, info, message);
    }
}

static bool elements_equal(const ProtobufCFieldDescriptor *field, const void *left,
                           const void *right) {
    if (field->type == PROTOBUF_C_TYPE_STRING) {
        return slice_equal(proto_text(left), proto_text(right));
    }
    if (field->type == PROTOBUF_C_TYPE_BYTES) {
        const ProtobufCBinaryData *a = left;
        const ProtobufCBinaryData *b = right;
        return slice_equal(slice_make(a->data, a->len), slice_make(b->data, b->len));
    }
    return field->type != PROTOBUF_C_TYPE_MESSAGE &&
           memcmp(left, right, proto_element_size(field->type)) == 0;
}

/* Quadratic, so bounded: no list of the API that must be unique is long. */
static void check_unique(struct pgv_walk *walk, const ProtobufCFieldDescriptor *field,
                         const ProtobufCMessage *message) {
    enum { MAX_COMPARED = 4096 };
    size_t count = proto_count(message, field);
    if (count > MAX_COMPARED) {
        pgv_fail(&walk->context, "value must contain no more than %d items to be unique",
                 MAX_COMPARED);
        return;
    }
    for (size_t i = 1; i < count; i++) {
        for (size_t k = 0; k < i; k++) {
            if (elements_equal(field, proto_element(message, field, i),
                               proto_element(message, field, k))) {
                pgv_fail(&walk->context, "repeated value must contain unique items");
                return;
            }
        }
    }
}

struct count_rule {
    uint32_t present;
    uint64_t min, max;
    const char *unit;
};

static void check_count(struct pgv_walk *walk, struct count_rule rule, size_t count) {
    if ((rule.present & PROTO_RULE_MIN_ITEMS) != 0 && count < rule.min) {
        pgv_fail(&walk->context, "value must contain at least %" PRIu64 " %s", rule.min, rule.unit);
    }
    if ((rule.present & PROTO_RULE_MAX_ITEMS) != 0 && count > rule.max) {
        pgv_fail(&walk->context, "value must contain no more than %" PRIu64 " %s", rule.max,
                 rule.unit);
    }
}

static void check_repeated(struct pgv_walk *walk, const struct proto_field_rules *rules,
                           const struct proto_field_info *field_info,
                           const ProtobufCFieldDescriptor *field, const ProtobufCMessage *message) {
    const struct proto_repeated_rules *repeated =
        rules != NULL && rules->kind == PROTO_RULES_REPEATED ? rules->as.repeated : NULL;
    size_t count = proto_count(message, field);
    if (repeated != NULL && (count > 0 || (repeated->present & PROTO_RULE_IGNORE_EMPTY) == 0)) {
        struct count_rule rule = {.present = repeated->present,
                                  .min = repeated->min_items,
                                  .max = repeated->max_items,
                                  .unit = "item(s)"};
        check_count(walk, rule, count);
        if ((repeated->present & PROTO_RULE_UNIQUE) != 0) {
            check_unique(walk, field, message);
        }
    }
    const char *field_name = walk->context.field_name;
    const char *message_name = walk->context.message_name;
    for (size_t i = 0; i < count; i++) {
        validation_push_index(walk->context.v, (uint32_t)i);
        walk->context.message_name = message_name;
        walk->context.field_name = field_name;
        walk->context.index = (int64_t)i;
        check_value(walk, repeated == NULL ? NULL : repeated->items, field_info, field,
                    proto_element(message, field, i));
        validation_pop(walk->context.v);
    }
}

static void check_map(struct pgv_walk *walk, const struct proto_field_rules *rules,
                      const struct proto_field_info *field_info,
                      const ProtobufCFieldDescriptor *field, const ProtobufCMessage *message) {
    const struct proto_map_rules *map =
        rules != NULL && rules->kind == PROTO_RULES_MAP ? rules->as.map : NULL;
    const struct proto_message_info *entry_info = field_info->message;
    const ProtobufCFieldDescriptor *entry_fields = entry_info->descriptor->fields;
    size_t count = proto_count(message, field);
    if (map != NULL && (count > 0 || (map->present & PROTO_RULE_IGNORE_EMPTY) == 0)) {
        struct count_rule rule = {.present = map->present,
                                  .min = map->min_items,
                                  .max = map->max_items,
                                  .unit = "pair(s)"};
        check_count(walk, rule, count);
    }
    const char *field_name = walk->context.field_name;
    const char *message_name = walk->context.message_name;
    for (size_t i = 0; i < count; i++) {
        const ProtobufCMessage *entry = *(ProtobufCMessage **)proto_element(message, field, i);
        const void *key = proto_member(entry, &entry_fields[0]);
        struct slice key_text =
            entry_fields[0].type == PROTOBUF_C_TYPE_STRING ? proto_text(key) : SLICE("");
        validation_push_key(walk->context.v, key_text);
        walk->context.message_name = message_name;
        walk->context.field_name = field_name;
        walk->context.index = (int64_t)i;
        if (map != NULL && map->keys != NULL) {
            pgv_check_scalar(&walk->context, map->keys, &entry_fields[0], key);
        }
        check_value(walk, map == NULL ? NULL : map->values, &entry_info->fields[1],
                    &entry_fields[1], proto_member(entry, &entry_fields[1]));
        validation_pop(walk->context.v);
    }
}

static bool has_presence(const ProtobufCFieldDescriptor *field) {
    return field->label == PROTOBUF_C_LABEL_OPTIONAL ||
           (field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) != 0;
}

static void check_singular(struct pgv_walk *walk, const struct proto_field_rules *rules,
                           const struct proto_field_info *field_info,
                           const ProtobufCFieldDescriptor *field, const ProtobufCMessage *message) {
    bool is_set = proto_has(message, field);
    if (field->type == PROTOBUF_C_TYPE_MESSAGE && !is_set) {
        bool is_in_oneof = (field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) != 0;
        if (rules != NULL && rules->is_required && !is_in_oneof) {
            pgv_fail(&walk->context, "value is required");
        }
        return;
    }
    if (is_set || !has_presence(field)) {
        check_value(walk, rules, field_info, field, proto_member(message, field));
    }
}

static void check_oneofs(struct pgv_walk *walk, const struct proto_message_info *info,
                         const ProtobufCMessage *message) {
    for (int16_t i = 0; i < (int16_t)info->oneof_count; i++) {
        bool is_set = !info->oneofs[i].is_required;
        for (unsigned k = 0; k < info->descriptor->n_fields && !is_set; k++) {
            is_set = info->fields[k].oneof_index == i &&
                     proto_has(message, &info->descriptor->fields[k]);
        }
        if (!is_set) {
            validation_error(walk->context.v,
                             "Proto constraint validation failed (field: \"%s\", reason: is "
                             "required)",
                             info->oneofs[i].name);
        }
    }
}

static void walk_fields(struct pgv_walk *walk, const struct proto_message_info *info,
                        const ProtobufCMessage *message) {
    bool has_rules =
        (info->flags & (PROTO_MESSAGE_RULES_DISABLED | PROTO_MESSAGE_RULES_IGNORED)) == 0;
    for (unsigned i = 0; i < info->descriptor->n_fields; i++) {
        const ProtobufCFieldDescriptor *field = &info->descriptor->fields[i];
        const struct proto_field_info *field_info = &info->fields[i];
        const struct proto_field_rules *rules = has_rules ? field_info->rules : NULL;
        bool is_set = proto_has(message, field);
        if (!is_set && rules == NULL) {
            continue;
        }
        walk->context.message_name = short_name(info->name);
        walk->context.field_name = field_info->name;
        walk->context.index = -1;
        validation_push(walk->context.v, field_info->name);
        if (is_set) {
            check_field_mark(walk, info, field_info);
        }
        if ((field_info->flags & PROTO_FIELD_MAP) != 0) {
            check_map(walk, rules, field_info, field, message);
        } else if (field->label == PROTOBUF_C_LABEL_REPEATED) {
            check_repeated(walk, rules, field_info, field, message);
        } else {
            check_singular(walk, rules, field_info, field, message);
        }
        validation_pop(walk->context.v);
    }
    if (has_rules) {
        check_oneofs(walk, info, message);
    }
}

static void walk_message(struct pgv_walk *walk, const struct proto_message_info *info,
                         const ProtobufCMessage *message) {
    if (walk->depth >= MAX_DEPTH) {
        validation_error(walk->context.v, "nested too deep");
        return;
    }
    walk->depth++;
    walk_fields(walk, info, message);
    walk->depth--;
}

void pgv_validate(const ProtobufCMessage *message, const struct pgv_options *options,
                  struct validation *v) {
    const struct proto_message_info *info = proto_message_of(message->descriptor);
    CHECK(info != NULL);
    struct pgv_walk walk = {.context = {.v = v, .index = -1}};
    if (options != NULL) {
        walk.options = *options;
    }
    if (proto_well_known_of(info) == PROTO_WELL_KNOWN_ANY) {
        walk_any(&walk, message);
    } else {
        walk_message(&walk, info, message);
    }
    pgv_context_deinit(&walk.context);
}
