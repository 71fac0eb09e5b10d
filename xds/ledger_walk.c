// SPDX-License-Identifier: Apache-2.0
#include "xds/ledger_walk.h"

#include "src/base/check.h"
#include "xds/proto_reflect.h"
#include "xds/typed_config.h"

enum { MAX_DEPTH = 400 };

struct ledger_walker {
    ledger_lookup_fn *lookup;
    void *lookup_arg;
    struct validation *v;
    uint32_t depth;
};

static void walk_message(struct ledger_walker *w, const struct proto_message_info *info,
                         const ProtobufCMessage *message);

struct ledger_answer ledger_find(const struct ledger_message *table, const char *field) {
    struct ledger_answer answer = {.verdict = LEDGER_IGNORED, .note = NULL};
    for (uint32_t i = 0; table != NULL && i < table->field_count; i++) {
        const struct ledger_field *line = &table->fields[i];
        if (strcmp(line->name, field) == 0) {
            return (struct ledger_answer){.verdict = line->verdict, .note = line->note};
        }
        if (strcmp(line->name, "*") == 0) {
            answer = (struct ledger_answer){.verdict = line->verdict, .note = line->note};
        }
    }
    return answer;
}

/* Their content is plain values, wholly the business of the field that holds them. */
static bool is_value_type(const struct proto_message_info *info) {
    enum proto_well_known kind = proto_well_known_of(info);
    return kind != PROTO_NOT_WELL_KNOWN && kind != PROTO_WELL_KNOWN_ANY;
}

static void note_ignored(struct ledger_walker *w, const char *what, const char *note) {
    validation_note(w->v, FINDING_IGNORED, "%s%s%s", what, note == NULL ? "" : ": ",
                    note == NULL ? "" : note);
}

static void walk_any(struct ledger_walker *w, const ProtobufCMessage *any) {
    struct arena scratch;
    const struct proto_message_info *info;
    struct slice type_url;
    arena_init_heap(&scratch, 0);
    uint32_t errors_before = w->v->error_count;
    const ProtobufCMessage *content = typed_config_open(any, &scratch, &info, &type_url, w->v);
    if (content != NULL && !typed_config_is_typed_struct(info)) {
        walk_message(w, info, content);
    } else if (w->v->error_count == errors_before && type_url.len > 0) {
        validation_note(w->v, FINDING_IGNORED, "the type %.*s is not known", SLICE_ARG(type_url));
    }
    arena_deinit(&scratch);
}

static void walk_value(struct ledger_walker *w, const struct proto_message_info *info,
                       const ProtobufCMessage *message) {
    if (message == NULL || is_value_type(info)) {
        return;
    }
    if (proto_well_known_of(info) == PROTO_WELL_KNOWN_ANY) {
        walk_any(w, message);
    } else {
        walk_message(w, info, message);
    }
}

static void walk_map(struct ledger_walker *w, const struct proto_message_info *entry_info,
                     const ProtobufCFieldDescriptor *field, const ProtobufCMessage *message) {
    const ProtobufCFieldDescriptor *entry_fields = entry_info->descriptor->fields;
    const struct proto_message_info *value_info = entry_info->fields[1].message;
    for (size_t i = 0; value_info != NULL && i < proto_count(message, field); i++) {
        const ProtobufCMessage *entry = *(ProtobufCMessage **)proto_element(message, field, i);
        const void *key = proto_member(entry, &entry_fields[0]);
        bool is_text = entry_fields[0].type == PROTOBUF_C_TYPE_STRING;
        validation_push_key(w->v, is_text ? proto_text(key) : SLICE(""));
        walk_value(w, value_info, *(ProtobufCMessage **)proto_member(entry, &entry_fields[1]));
        validation_pop(w->v);
    }
}

static void walk_honoured(struct ledger_walker *w, const struct proto_field_info *info,
                          const ProtobufCFieldDescriptor *field, const ProtobufCMessage *message) {
    if (field->type != PROTOBUF_C_TYPE_MESSAGE) {
        return;
    }
    if ((info->flags & PROTO_FIELD_MAP) != 0) {
        walk_map(w, info->message, field, message);
    } else if (field->label == PROTOBUF_C_LABEL_REPEATED) {
        for (size_t i = 0; i < proto_count(message, field); i++) {
            validation_push_index(w->v, (uint32_t)i);
            walk_value(w, info->message, *(ProtobufCMessage **)proto_element(message, field, i));
            validation_pop(w->v);
        }
    } else {
        walk_value(w, info->message, *(ProtobufCMessage **)proto_member(message, field));
    }
}

/* A BoolValue that says "no": what is not supported is not asked for. */
static bool is_switched_off(const struct proto_field_info *info,
                            const ProtobufCFieldDescriptor *field,
                            const ProtobufCMessage *message) {
    if (field->type != PROTOBUF_C_TYPE_MESSAGE || field->label == PROTOBUF_C_LABEL_REPEATED ||
        proto_well_known_of(info->message) != PROTO_WELL_KNOWN_WRAPPER) {
        return false;
    }
    const ProtobufCMessage *wrapper = *(ProtobufCMessage **)proto_member(message, field);
    const ProtobufCFieldDescriptor *value = &wrapper->descriptor->fields[0];
    return value->type == PROTOBUF_C_TYPE_BOOL && !proto_has(wrapper, value);
}

static void walk_field(struct ledger_walker *w, const struct ledger_message *table,
                       const struct proto_field_info *info, const ProtobufCFieldDescriptor *field,
                       const ProtobufCMessage *message) {
    struct ledger_answer answer = ledger_find(table, info->name);
    validation_push(w->v, info->name);
    switch (answer.verdict) {
    case LEDGER_HONOURED:
        walk_honoured(w, info, field, message);
        break;
    case LEDGER_HARMLESS:
        break;
    case LEDGER_IGNORED:
        note_ignored(w, "not honoured", answer.note);
        break;
    case LEDGER_REFUSED:
        if (!is_switched_off(info, field, message)) {
            validation_error(w->v, "not supported%s%s", answer.note == NULL ? "" : ": ",
                             answer.note == NULL ? "" : answer.note);
        }
        break;
    }
    validation_pop(w->v);
}

static void walk_fields(struct ledger_walker *w, const struct ledger_message *table,
                        const struct proto_message_info *info, const ProtobufCMessage *message) {
    for (unsigned i = 0; i < info->descriptor->n_fields; i++) {
        const ProtobufCFieldDescriptor *field = &info->descriptor->fields[i];
        if (proto_has(message, field)) {
            walk_field(w, table, &info->fields[i], field, message);
        }
    }
}

static void walk_message(struct ledger_walker *w, const struct proto_message_info *info,
                         const ProtobufCMessage *message) {
    const struct ledger_message *table = w->lookup(w->lookup_arg, info->name);
    if (w->depth >= MAX_DEPTH) {
        validation_error(w->v, "nested too deep");
        return;
    }
    if (table == NULL) {
        note_ignored(w, "no field is honoured of", info->name);
        return;
    }
    w->depth++;
    walk_fields(w, table, info, message);
    w->depth--;
}

void ledger_walk(const ProtobufCMessage *message, ledger_lookup_fn *lookup, void *arg,
                 struct validation *v) {
    const struct proto_message_info *info = proto_message_of(message->descriptor);
    CHECK(info != NULL);
    struct ledger_walker walker = {.lookup = lookup, .lookup_arg = arg, .v = v};
    walk_value(&walker, info, message);
}

void ledger_visit_all(ledger_lookup_fn *lookup, void *lookup_arg, ledger_visit_fn *visit,
                      void *visit_arg) {
    for (size_t i = 0; i < proto_message_count(); i++) {
        const struct proto_message_info *info = proto_message_at(i);
        bool is_skipped =
            (info->flags & PROTO_MESSAGE_MAP_ENTRY) != 0 ||
            slice_starts_with(slice_from_string(info->name), SLICE("google.protobuf."));
        if (is_skipped) {
            continue;
        }
        const struct ledger_message *table = lookup(lookup_arg, info->name);
        for (unsigned k = 0; k < info->descriptor->n_fields; k++) {
            visit(visit_arg, info, &info->fields[k], table != NULL,
                  ledger_find(table, info->fields[k].name));
        }
    }
}
