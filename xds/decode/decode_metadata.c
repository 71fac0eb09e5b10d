// SPDX-License-Identifier: Apache-2.0
#include "xds/bootstrap/proto_json.h"
#include "xds/decode/decode_common.h"

enum { METADATA_MAX_ENTRIES = 4096 };

/* Entries are counted first, then written: one array for all. */
struct flattening {
    struct decoder *d;
    struct slice filter;
    struct metadata_entry *entries; /* NULL while counting */
    uint32_t count;
};

static void flatten_struct(struct flattening *f, struct slice path,
                           const Google__Protobuf__Struct *from);

static struct slice scalar_text(struct flattening *f, const Google__Protobuf__Value *value) {
    struct arena *arena = f->d->config.arena;
    switch ((int)value->kind_case) {
    case GOOGLE__PROTOBUF__VALUE__KIND_STRING_VALUE:
        return decoder_text(f->d, value->string_value);
    case GOOGLE__PROTOBUF__VALUE__KIND_BOOL_VALUE:
        return value->bool_value ? SLICE("true") : SLICE("false");
    case GOOGLE__PROTOBUF__VALUE__KIND_NUMBER_VALUE:
    case GOOGLE__PROTOBUF__VALUE__KIND_LIST_VALUE: {
        struct proto_json_write_options options = {0};
        return proto_json_text(&value->base, &options, arena);
    }
    default:
        return SLICE("null");
    }
}

static void flatten_value(struct flattening *f, struct slice path,
                          const Google__Protobuf__Value *value) {
    if (value == NULL) {
        return;
    }
    if (value->kind_case == GOOGLE__PROTOBUF__VALUE__KIND_STRUCT_VALUE) {
        flatten_struct(f, path, value->struct_value);
        return;
    }
    uint32_t at = f->count++;
    if (f->entries == NULL) {
        return;
    }
    f->entries[at] = (struct metadata_entry){
        .filter = f->filter,
        .path = path,
        .value = scalar_text(f, value),
        .is_string = value->kind_case == GOOGLE__PROTOBUF__VALUE__KIND_STRING_VALUE};
}

// As deep as wire_check lets messages nest.
static void flatten_struct(struct flattening *f, struct slice path,
                           const Google__Protobuf__Struct *from) {
    for (size_t i = 0; from != NULL && i < from->n_fields; i++) {
        struct slice key = slice_from_string(from->fields[i]->key);
        struct slice at = {0};
        if (f->entries != NULL) {
            struct arena *arena = f->d->config.arena;
            at = path.len == 0 ? arena_dup_slice(arena, key)
                               : arena_printf(arena, "%.*s.%.*s", SLICE_ARG(path), SLICE_ARG(key));
        }
        flatten_value(f, at, from->fields[i]->value);
    }
}

static void flatten_metadata(struct flattening *f, const CORE(Metadata) *from) {
    f->count = 0;
    for (size_t i = 0; i < from->n_filter_metadata; i++) {
        if (f->entries != NULL) {
            f->filter = decoder_text(f->d, from->filter_metadata[i]->key);
        }
        flatten_struct(f, SLICE(""), from->filter_metadata[i]->value);
    }
}

static bool has_room(struct flattening *f) {
    if (f->count > METADATA_MAX_ENTRIES) {
        return decoder_error(f->d, "metadata has more than %d values", METADATA_MAX_ENTRIES);
    }
    f->entries = ARENA_NEW_ARRAY(f->d->config.arena, f->count, struct metadata_entry);
    return true;
}

bool decode_metadata(struct decoder *d, const CORE(Metadata) *from, struct metadata *out) {
    *out = (struct metadata){0};
    if (from == NULL) {
        return true;
    }
    struct flattening f = {.d = d};
    flatten_metadata(&f, from);
    if (f.count == 0) {
        return true;
    }
    if (!has_room(&f)) {
        return false;
    }
    flatten_metadata(&f, from);
    *out = (struct metadata){.entries = f.entries, .count = f.count};
    return true;
}

bool decode_metadata_struct(struct decoder *d, const char *filter,
                            const Google__Protobuf__Struct *from, struct metadata *out) {
    *out = (struct metadata){0};
    struct flattening f = {.d = d, .filter = decoder_text(d, filter)};
    flatten_struct(&f, SLICE(""), from);
    if (f.count == 0) {
        return true;
    }
    if (!has_room(&f)) {
        return false;
    }
    f.count = 0;
    flatten_struct(&f, SLICE(""), from);
    *out = (struct metadata){.entries = f.entries, .count = f.count};
    return true;
}

bool decode_any_metadata(struct decoder *d, const ProtobufCMessage *message, struct metadata *out) {
    if (message->descriptor == &google__protobuf__struct__descriptor) {
        return decode_metadata_struct(d, "", (const Google__Protobuf__Struct *)message, out);
    }
    return decode_metadata(d, (const CORE(Metadata) *)message, out);
}
