// SPDX-License-Identifier: Apache-2.0
/* The YAML half of document.h, on libyaml's events. */
#include <errno.h>
#include <stdlib.h>
#include <yaml.h>

#include "src/base/check.h"
#include "src/base/hash_map.h"
#include "xds/bootstrap/document.h"

/* How many nodes aliases may add to a document in all (the "billion laughs" bound). */
enum { MAX_ALIASED_NODES = 1000 * 1000, MAX_INT_CHARS = 32 };

struct yaml_reader {
    yaml_parser_t parser;
    struct arena *arena;
    struct error *err;
    struct hash_map anchors;
    uint64_t aliased_nodes;
    uint32_t depth;
};

static enum status read_node(struct yaml_reader *r, yaml_event_t *event,
                             struct document_node **out);

static uint32_t event_line(const yaml_event_t *event) {
    return (uint32_t)event->start_mark.line + 1;
}

static enum status fail_at(struct yaml_reader *r, const yaml_event_t *event, const char *problem) {
    return error_set(r->err, STATUS_INVALID, "yaml: error at line %u, column %zu: %s",
                     event_line(event), event->start_mark.column + 1, problem);
}

static enum status next_event(struct yaml_reader *r, yaml_event_t *event) {
    if (yaml_parser_parse(&r->parser, event)) {
        return STATUS_OK;
    }
    const char *problem = r->parser.problem != NULL ? r->parser.problem : "malformed";
    return error_set(r->err, STATUS_INVALID, "yaml: error at line %zu, column %zu: %s",
                     r->parser.problem_mark.line + 1, r->parser.problem_mark.column + 1, problem);
}

static bool is_one_of(struct slice text, const char *const *words) {
    for (; *words != NULL; words++) {
        if (slice_equal(text, slice_from_string(*words))) {
            return true;
        }
    }
    return false;
}

static bool is_null_text(struct slice text) {
    static const char *const NULLS[] = {"", "~", "null", "Null", "NULL", NULL};
    return is_one_of(text, NULLS);
}

/* YAML 1.1 booleans: all lower, all upper or capitalised. */
static bool parse_bool(struct slice text, bool *value) {
    static const char *const TRUE_WORDS[] = {"y",    "Y",    "yes", "Yes", "YES", "true",
                                             "True", "TRUE", "on",  "On",  "ON",  NULL};
    static const char *const FALSE_WORDS[] = {"n",     "N",     "no",  "No",  "NO",  "false",
                                              "False", "FALSE", "off", "Off", "OFF", NULL};
    *value = is_one_of(text, TRUE_WORDS);
    return *value || is_one_of(text, FALSE_WORDS);
}

/* Decimal, 0x hexadecimal and 0 octal, with a sign. */
static bool parse_int(struct slice text, int64_t *value) {
    char copy[MAX_INT_CHARS];
    if (text.len == 0 || text.len >= sizeof(copy)) {
        return false;
    }
    bool has_sign = text.ptr[0] == '-' || text.ptr[0] == '+';
    if (text.len == (has_sign ? 1U : 0U)) {
        return false;
    }
    uint8_t first = text.ptr[has_sign ? 1 : 0];
    if (first < '0' || first > '9') {
        return false;
    }
    memcpy(copy, text.ptr, text.len);
    copy[text.len] = '\0';
    char *end;
    errno = 0;
    *value = strtoll(copy, &end, 0);
    return errno == 0 && end == copy + text.len;
}

static void resolve_plain(struct yaml_reader *r, struct document_node *node, bool has_tag) {
    int64_t number;
    if (!has_tag && is_null_text(node->text)) {
        node->kind = DOCUMENT_NULL;
    } else if (parse_bool(node->text, &node->boolean)) {
        node->kind = DOCUMENT_BOOL;
    } else if (parse_int(node->text, &number)) {
        /* A larger one would lose digits as a Struct's double, so Envoy hands it on as text. */
        bool is_small = number >= INT32_MIN && number <= INT32_MAX;
        node->kind = is_small ? DOCUMENT_NUMBER : DOCUMENT_STRING;
        node->text = arena_printf(r->arena, "%lld", (long long)number);
    }
}

static enum status read_scalar(struct yaml_reader *r, const yaml_event_t *event,
                               struct document_node **out) {
    struct slice text = slice_make(event->data.scalar.value, event->data.scalar.length);
    if (slice_find_byte(text, 0) != SIZE_MAX) {
        return fail_at(r, event, "string holds a NUL character");
    }
    struct document_node *node = document_new(r->arena, DOCUMENT_STRING, event_line(event));
    node->text = arena_dup_slice(r->arena, text);
    const char *tag = (const char *)event->data.scalar.tag;
    bool is_quoted = event->data.scalar.style != YAML_PLAIN_SCALAR_STYLE;
    bool is_text = tag == NULL ? is_quoted : strcmp(tag, "!") == 0;
    if (!is_text) {
        resolve_plain(r, node, tag != NULL);
    }
    *out = node;
    return STATUS_OK;
}

static void remember_anchor(struct yaml_reader *r, const yaml_char_t *anchor,
                            struct document_node *node) {
    if (anchor != NULL) {
        struct slice name = slice_from_string((const char *)anchor);
        (void)hash_map_put(&r->anchors, arena_dup_slice(r->arena, name), node);
    }
}

/* The anchor is known only after its node is whole, so that a node cannot hold itself. */
static enum status read_alias(struct yaml_reader *r, const yaml_event_t *event,
                              struct document_node **out) {
    struct slice name = slice_from_string((const char *)event->data.alias.anchor);
    const struct document_node *target = hash_map_get(&r->anchors, name);
    if (target == NULL) {
        return fail_at(r, event, "the referenced anchor is not defined");
    }
    r->aliased_nodes += target->weight;
    if (r->aliased_nodes > MAX_ALIASED_NODES) {
        return fail_at(r, event, "aliases expand to too many nodes");
    }
    struct document_node *node = document_new(r->arena, target->kind, event_line(event));
    *node = *target;
    node->next = NULL;
    node->key = (struct slice){0};
    node->is_shadowed = false;
    *out = node;
    return STATUS_OK;
}

static bool is_ignored_key(const yaml_event_t *event) {
    return event->type == YAML_SCALAR_EVENT && event->data.scalar.tag != NULL &&
           strcmp((const char *)event->data.scalar.tag, "!ignore") == 0;
}

static enum status key_text(struct yaml_reader *r, const yaml_event_t *event,
                            const struct document_node *node, struct slice *text) {
    if (node->kind == DOCUMENT_ARRAY || node->kind == DOCUMENT_OBJECT) {
        return fail_at(r, event, "bad conversion of a key to a string");
    }
    /* As it was written (`1` and `yes` are keys of those letters), but any null is "null". */
    if (node->kind == DOCUMENT_NULL) {
        *text = SLICE("null");
    } else if (event->type == YAML_SCALAR_EVENT) {
        struct slice raw = slice_make(event->data.scalar.value, event->data.scalar.length);
        *text = arena_dup_slice(r->arena, raw);
    } else if (node->kind == DOCUMENT_BOOL) {
        *text = node->boolean ? SLICE("true") : SLICE("false");
    } else {
        *text = node->text;
    }
    return STATUS_OK;
}

static enum status read_next_node(struct yaml_reader *r, struct document_node **out) {
    yaml_event_t event;
    TRY(next_event(r, &event));
    enum status status = read_node(r, &event, out);
    yaml_event_delete(&event);
    return status;
}

static enum status read_member(struct yaml_reader *r, yaml_event_t *key_event,
                               struct document_node *object) {
    struct document_node *key;
    struct document_node *value;
    struct slice text = {0};
    TRY(read_node(r, key_event, &key));
    TRY(key_text(r, key_event, key, &text));
    TRY(read_next_node(r, &value));
    if (!is_ignored_key(key_event)) {
        value->key = text;
        document_add(object, value);
    }
    return STATUS_OK;
}

static enum status read_sequence(struct yaml_reader *r, struct document_node *array) {
    for (;;) {
        yaml_event_t event;
        TRY(next_event(r, &event));
        bool is_end = event.type == YAML_SEQUENCE_END_EVENT;
        struct document_node *child = NULL;
        enum status status = is_end ? STATUS_OK : read_node(r, &event, &child);
        yaml_event_delete(&event);
        if (is_end || status != STATUS_OK) {
            return status;
        }
        document_add(array, child);
    }
}

/* Envoy reads a mapping into a map: of equal keys only the last one is left. */
static void drop_shadowed(struct document_node *object) {
    struct document_node *node = object->first;
    object->first = NULL;
    object->last = NULL;
    object->count = 0;
    object->weight = 1;
    while (node != NULL) {
        struct document_node *next = node->next;
        node->next = NULL;
        if (!node->is_shadowed) {
            document_add(object, node);
        }
        node = next;
    }
}

static enum status read_mapping(struct yaml_reader *r, struct document_node *object) {
    for (;;) {
        yaml_event_t event;
        TRY(next_event(r, &event));
        bool is_end = event.type == YAML_MAPPING_END_EVENT;
        enum status status = is_end ? STATUS_OK : read_member(r, &event, object);
        yaml_event_delete(&event);
        if (status != STATUS_OK) {
            return status;
        }
        if (is_end) {
            document_mark_shadowed(object);
            drop_shadowed(object);
            return STATUS_OK;
        }
    }
}

static enum status read_collection(struct yaml_reader *r, const yaml_event_t *event,
                                   struct document_node **out) {
    if (r->depth >= DOCUMENT_MAX_DEPTH) {
        return fail_at(r, event, "nested too deep");
    }
    bool is_mapping = event->type == YAML_MAPPING_START_EVENT;
    enum document_kind kind = is_mapping ? DOCUMENT_OBJECT : DOCUMENT_ARRAY;
    struct document_node *node = document_new(r->arena, kind, event_line(event));
    r->depth++;
    TRY(is_mapping ? read_mapping(r, node) : read_sequence(r, node));
    r->depth--;
    *out = node;
    return STATUS_OK;
}

static enum status read_node(struct yaml_reader *r, yaml_event_t *event,
                             struct document_node **out) {
    const yaml_char_t *anchor = NULL;
    switch (event->type) {
    case YAML_ALIAS_EVENT:
        return read_alias(r, event, out);
    case YAML_SCALAR_EVENT:
        anchor = event->data.scalar.anchor;
        TRY(read_scalar(r, event, out));
        break;
    case YAML_SEQUENCE_START_EVENT:
        anchor = event->data.sequence_start.anchor;
        TRY(read_collection(r, event, out));
        break;
    case YAML_MAPPING_START_EVENT:
        anchor = event->data.mapping_start.anchor;
        TRY(read_collection(r, event, out));
        break;
    default:
        return fail_at(r, event, "unexpected event");
    }
    remember_anchor(r, anchor, *out);
    return STATUS_OK;
}

static enum status read_document(struct yaml_reader *r, struct document_node **out) {
    for (;;) {
        yaml_event_t event;
        TRY(next_event(r, &event));
        bool is_preamble =
            event.type == YAML_STREAM_START_EVENT || event.type == YAML_DOCUMENT_START_EVENT;
        enum status status = STATUS_OK;
        if (event.type == YAML_STREAM_END_EVENT) {
            *out = document_new(r->arena, DOCUMENT_NULL, 1);
        } else if (!is_preamble) {
            status = read_node(r, &event, out);
        }
        yaml_event_delete(&event);
        if (!is_preamble) {
            return status;
        }
    }
}

enum status document_parse_yaml(struct slice text, struct arena *arena,
                                const struct document_node **root, struct error *err) {
    struct yaml_reader reader = {.arena = arena, .err = err};
    if (!yaml_parser_initialize(&reader.parser)) {
        return error_set(err, STATUS_INTERNAL, "yaml: out of memory");
    }
    hash_map_init(&reader.anchors);
    yaml_parser_set_input_string(&reader.parser, text.len > 0 ? text.ptr : (const uint8_t *)"",
                                 text.len);
    struct document_node *node = NULL;
    enum status status = read_document(&reader, &node);
    if (status == STATUS_OK) {
        *root = node;
    }
    hash_map_deinit(&reader.anchors);
    yaml_parser_delete(&reader.parser);
    return status;
}
