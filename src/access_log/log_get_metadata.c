// SPDX-License-Identifier: Apache-2.0
/* Operators about metadata and filter state. Both are kept flat, as dotted paths with scalars or JSON
 * documents; an operator that names an inner node gets the object that the paths below it describe. */
#include "src/access_log/json_text.h"
#include "src/access_log/log_operator.h"
#include "src/access_log/log_output.h"
#include "src/base/check.h"
#include "src/config/common_config.h"

enum { MAX_OBJECT_DEPTH = 32 };

/* One of the two forms in which metadata is kept; the other pointer is NULL. */
struct meta_source {
    const struct metadata *configured;
    const struct info_entry *dynamic;
    struct slice space;
};

struct meta_item {
    struct slice path;
    struct slice value;
    bool is_string;
};

struct meta_cursor {
    uint32_t at;
    const struct info_entry *entry;
};

static struct meta_cursor cursor_of(const struct meta_source *source) {
    return (struct meta_cursor){0, source->dynamic};
}

static bool next_configured(const struct meta_source *source, struct meta_cursor *cursor,
                            struct meta_item *item) {
    while (cursor->at < source->configured->count) {
        const struct metadata_entry *entry = &source->configured->entries[cursor->at++];
        if (slice_equal(entry->filter, source->space)) {
            *item = (struct meta_item){entry->path, entry->value, entry->is_string};
            return true;
        }
    }
    return false;
}

static bool next_item(const struct meta_source *source, struct meta_cursor *cursor,
                      struct meta_item *item) {
    if (source->configured != NULL) {
        return next_configured(source, cursor, item);
    }
    while (cursor->entry != NULL) {
        const struct info_entry *entry = cursor->entry;
        cursor->entry = entry->next;
        if (slice_equal(entry->space, source->space)) {
            *item = (struct meta_item){entry->key, entry->value, entry->is_string};
            return true;
        }
    }
    return false;
}

// The part of `path` behind `prefix` and its dot; false where it is not below it.
static bool is_below(struct slice path, struct slice prefix, struct slice *rest) {
    if (prefix.len == 0) {
        *rest = path;
        return path.len > 0;
    }
    if (path.len <= prefix.len + 1 || !slice_starts_with(path, prefix) ||
        path.ptr[prefix.len] != '.') {
        return false;
    }
    *rest = slice_sub(path, prefix.len + 1, SIZE_MAX);
    return true;
}

static bool find_exact(const struct meta_source *source, struct slice path,
                       struct meta_item *found) {
    struct meta_cursor cursor = cursor_of(source);
    while (next_item(source, &cursor, found)) {
        if (slice_equal(found->path, path)) {
            return true;
        }
    }
    return false;
}

// The least member name below `prefix` that comes after `*name`; names are met in order without a list.
static bool next_member(const struct meta_source *source, struct slice prefix, struct slice *name) {
    struct meta_cursor cursor = cursor_of(source);
    struct meta_item item;
    struct slice best = {NULL, 0};
    while (next_item(source, &cursor, &item)) {
        struct slice rest;
        if (!is_below(item.path, prefix, &rest)) {
            continue;
        }
        struct slice member = slice_sub(rest, 0, slice_find_byte(rest, '.'));
        bool is_after = name->ptr == NULL || slice_compare(member, *name) > 0;
        if (is_after && (best.ptr == NULL || slice_compare(member, best) < 0)) {
            best = member;
        }
    }
    *name = best;
    return best.ptr != NULL;
}

static void put_item(struct log_output *out, const struct meta_item *item) {
    if (!item->is_string) {
        log_output_bytes(out, item->value);
        return;
    }
    log_output_bytes(out, SLICE("\""));
    log_output_json(out, item->value);
    log_output_bytes(out, SLICE("\""));
}

static void put_object(struct log_output *out, const struct meta_source *source,
                       struct slice prefix, int depth) {
    struct slice name = {NULL, 0};
    bool is_first = true;
    log_output_bytes(out, SLICE("{"));
    while (depth < MAX_OBJECT_DEPTH && next_member(source, prefix, &name)) {
        log_output_bytes(out, is_first ? SLICE("\"") : SLICE(",\""));
        is_first = false;
        log_output_json(out, name);
        log_output_bytes(out, SLICE("\":"));
        struct slice path = name;
        if (prefix.len > 0) {
            path = arena_printf(out->arena, "%.*s.%.*s", SLICE_ARG(prefix), SLICE_ARG(name));
        }
        struct meta_item item;
        if (find_exact(source, path, &item)) {
            put_item(out, &item);
        } else {
            put_object(out, source, path, depth + 1);
        }
    }
    log_output_bytes(out, SLICE("}"));
}

static void set_json_value(struct log_value *value, const struct json_text *found) {
    if (found == NULL || found->kind == JSON_NULL) {
        log_value_none(value);
        return;
    }
    value->kind = found->kind == JSON_STRING ? LOG_VALUE_TEXT : LOG_VALUE_JSON;
    value->text = found->kind == JSON_STRING ? found->text : found->raw;
}

// `path` inside a document that was stored as one value.
static void set_from_document(struct log_value *value, struct slice document, struct slice path,
                              struct arena *arena) {
    struct json_text *root;
    log_value_none(value);
    if (json_text_parse(document, arena, &root, NULL) != STATUS_OK) {
        return;
    }
    const struct json_text *at = root;
    struct slice name;
    while (at != NULL && slice_split(&path, '.', &name)) {
        at = json_text_member(at, name);
    }
    set_json_value(value, at);
}

static bool find_document(const struct meta_source *source, struct slice path,
                          struct meta_item *found, struct slice *rest) {
    struct meta_cursor cursor = cursor_of(source);
    while (next_item(source, &cursor, found)) {
        bool is_document = !found->is_string && found->value.len > 0 && found->value.ptr[0] == '{';
        if (is_document && is_below(path, found->path, rest)) {
            return true;
        }
    }
    return false;
}

static void set_from_source(struct log_value *value, const struct meta_source *source,
                            struct slice path, const struct log_format_input *input) {
    struct arena *arena = log_info(input)->arena;
    struct meta_item item;
    struct slice rest;
    log_value_none(value);
    if (find_exact(source, path, &item)) {
        bool is_null = !item.is_string && slice_equal(item.value, SLICE("null"));
        value->kind = item.is_string ? LOG_VALUE_TEXT : LOG_VALUE_JSON;
        value->kind = is_null ? LOG_VALUE_NONE : value->kind;
        value->text = item.value;
        return;
    }
    struct slice first = {NULL, 0};
    if (arena == NULL) {
        return;
    }
    if (next_member(source, path, &first)) {
        struct log_output out;
        log_output_init(&out, (uint8_t *)value->scratch, sizeof(value->scratch), NULL, arena);
        put_object(&out, source, path, 0);
        value->kind = LOG_VALUE_JSON;
        value->text = slice_make(out.ptr, out.used);
    } else if (find_document(source, path, &item, &rest)) {
        set_from_document(value, item.value, rest, arena);
    }
}

void log_get_dynamic_metadata(const struct log_op *op, const struct log_format_input *input,
                              struct log_value *value) {
    struct meta_source source = {.dynamic = log_info(input)->dynamic_metadata, .space = op->text};
    set_from_source(value, &source, op->alt, input);
}

enum metadata_owner { METADATA_ROUTE, METADATA_VIRTUAL_HOST };

void log_get_route_metadata(const struct log_op *op, const struct log_format_input *input,
                            struct log_value *value) {
    const struct stream_info *info = log_info(input);
    const struct metadata *metadata =
        op->param == METADATA_ROUTE ? info->route_metadata : info->vhost_metadata;
    if (metadata == NULL) {
        log_value_none(value);
        return;
    }
    struct meta_source source = {.configured = metadata, .space = op->text};
    set_from_source(value, &source, op->alt, input);
}

// "ns:a:b" is the namespace and the dotted path.
enum status log_compile_metadata_path(struct log_op *op, struct slice args, struct arena *arena,
                                      struct error *err) {
    (void)err;
    struct slice space = SLICE("");
    (void)slice_split(&args, ':', &space);
    op->text = arena_dup_slice(arena, space);
    uint8_t *path = arena_alloc_bytes(arena, args.len);
    for (size_t i = 0; i < args.len; i++) {
        path[i] = args.ptr[i] == ':' ? '.' : args.ptr[i];
    }
    op->alt = slice_make(path, args.len);
    return STATUS_OK;
}

struct metadata_type {
    struct slice name;
    log_get_fn *get;
    uint32_t param;
};

/* What the facts of a stream do not reach is accepted and absent. */
static const struct metadata_type metadata_types[] = {
    {SLICE_INIT("DYNAMIC"), log_get_dynamic_metadata, 0},
    {SLICE_INIT("ROUTE"), log_get_route_metadata, METADATA_ROUTE},
    {SLICE_INIT("VIRTUAL_HOST"), log_get_route_metadata, METADATA_VIRTUAL_HOST},
    {SLICE_INIT("CLUSTER"), log_get_absent, 0},
    {SLICE_INIT("UPSTREAM_HOST"), log_get_absent, 0},
    {SLICE_INIT("LISTENER"), log_get_absent, 0},
    {SLICE_INIT("LISTENER_FILTER_CHAIN"), log_get_absent, 0},
};

enum status log_compile_metadata(struct log_op *op, struct slice args, struct arena *arena,
                                 struct error *err) {
    struct slice type = SLICE("");
    (void)slice_split(&args, ':', &type);
    for (size_t i = 0; i < ARRAY_LEN(metadata_types); i++) {
        if (slice_equal(metadata_types[i].name, type)) {
            op->get = metadata_types[i].get;
            op->param = metadata_types[i].param;
            return log_compile_metadata_path(op, args, arena, err);
        }
    }
    return error_set(err, STATUS_INVALID, "%.*s is not supported type of metadata",
                     SLICE_ARG(type));
}

enum state_form { STATE_TYPED, STATE_PLAIN, STATE_FIELD };

static void set_quoted(struct log_value *value, struct slice text, struct arena *arena) {
    struct log_output out;
    log_output_init(&out, (uint8_t *)value->scratch, sizeof(value->scratch), NULL, arena);
    log_output_bytes(&out, SLICE("\""));
    log_output_json(&out, text);
    log_output_bytes(&out, SLICE("\""));
    value->kind = LOG_VALUE_JSON;
    value->text = slice_make(out.ptr, out.used);
}

// param: enum state_form; alt: the field.
void log_get_filter_state(const struct log_op *op, const struct log_format_input *input,
                          struct log_value *value) {
    const struct stream_info *info = log_info(input);
    const struct info_entry *entry = stream_info_state(info, op->text);
    log_value_none(value);
    if (entry == NULL) {
        return;
    }
    if (op->param == STATE_PLAIN) {
        value->kind = LOG_VALUE_TEXT;
        value->text = entry->value;
    } else if (info->arena == NULL) {
        return;
    } else if (op->param == STATE_FIELD) {
        set_from_document(value, entry->value, op->alt, info->arena);
    } else if (entry->is_string) {
        set_quoted(value, entry->value, info->arena);
    } else {
        value->kind = LOG_VALUE_JSON;
        value->text = entry->value;
    }
}

enum status log_compile_state(struct log_op *op, struct slice args, struct arena *arena,
                              struct error *err) {
    struct slice key = SLICE("");
    struct slice form = SLICE("");
    (void)slice_split(&args, ':', &key);
    (void)slice_split(&args, ':', &form);
    if (key.len == 0) {
        return error_set(err, STATUS_INVALID,
                         "Invalid filter state configuration, key cannot be empty.");
    }
    op->text = arena_dup_slice(arena, key);
    if (form.len == 0 || slice_equal(form, SLICE("TYPED"))) {
        op->param = STATE_TYPED;
    } else if (slice_equal(form, SLICE("PLAIN"))) {
        op->param = STATE_PLAIN;
    } else if (slice_equal(form, SLICE("FIELD"))) {
        op->param = STATE_FIELD;
        op->alt = arena_dup_slice(arena, args);
        if (args.len == 0) {
            return error_set(err, STATUS_INVALID,
                             "Invalid filter state serialize type, FIELD should be used with the "
                             "field name.");
        }
    } else {
        return error_set(err, STATUS_INVALID,
                         "Invalid filter state serialize type, only support PLAIN/TYPED/FIELD.");
    }
    return STATUS_OK;
}
