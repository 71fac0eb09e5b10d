// SPDX-License-Identifier: Apache-2.0
#include <stdio.h>
#include <stdlib.h>

#include "src/access_log/json_text.h"
#include "src/access_log/log_format_internal.h"
#include "src/base/check.h"

enum log_json_kind {
    LOG_JSON_LITERAL, /* `text` as it stands */
    LOG_JSON_NULL,
    LOG_JSON_VALUE,  /* one operator: typed */
    LOG_JSON_STRING, /* several: always a string */
    LOG_JSON_OBJECT,
    LOG_JSON_ARRAY,
};

struct log_json {
    enum log_json_kind kind;
    struct slice key;  /* of a member, quoted and with its colon */
    struct slice name; /* of a member, for the order */
    struct slice text;
    struct log_ops ops;
    struct log_json *children;
    uint32_t count;
};

static struct slice quoted(struct arena *arena, struct slice text, struct slice after) {
    uint8_t scratch[256];
    struct log_output out;
    log_output_init(&out, scratch, sizeof(scratch), NULL, arena);
    log_output_bytes(&out, SLICE("\""));
    log_output_json(&out, text);
    log_output_bytes(&out, SLICE("\""));
    log_output_bytes(&out, after);
    return arena_dup_slice(arena, slice_make(out.ptr, out.used));
}

// Numbers of a Struct are doubles; whole ones are printed without a point.
static struct slice number_text(struct slice text, struct arena *arena) {
    char copy[64];
    if (text.len >= sizeof(copy)) {
        return text;
    }
    memcpy(copy, text.ptr, text.len);
    copy[text.len] = '\0';
    double number = strtod(copy, NULL);
    if (number >= -9e15 && number <= 9e15 && (double)(int64_t)number == number) {
        return arena_printf(arena, "%lld", (long long)number);
    }
    for (int digits = 15; digits <= 17; digits++) {
        char shortest[64];
        snprintf(shortest, sizeof(shortest), "%.*g", digits, number);
        if (strtod(shortest, NULL) == number) {
            return arena_dup_slice(arena, slice_from_string(shortest));
        }
    }
    return text;
}

static int compare_names(const void *a, const void *b) {
    return slice_compare(((const struct log_json *)a)->name, ((const struct log_json *)b)->name);
}

static enum status compile_node(const struct json_text *from, bool sort, struct arena *arena,
                                struct log_json *node, struct error *err);

static enum status compile_children(const struct json_text *from, bool sort, struct arena *arena,
                                    struct log_json *node, struct error *err) {
    bool is_object = from->kind == JSON_OBJECT;
    node->kind = is_object ? LOG_JSON_OBJECT : LOG_JSON_ARRAY;
    node->children = ARENA_NEW_ARRAY(arena, from->count == 0 ? 1 : from->count, struct log_json);
    for (const struct json_text *item = from->first; item != NULL; item = item->next) {
        struct log_json *child = &node->children[node->count++];
        if (is_object) {
            child->name = arena_dup_slice(arena, item->key);
            child->key = quoted(arena, item->key, SLICE(":"));
        }
        TRY(compile_node(item, sort, arena, child, err));
    }
    if (is_object && sort && node->count > 1) {
        qsort(node->children, node->count, sizeof(node->children[0]), compare_names);
    }
    return STATUS_OK;
}

static enum status compile_string(const struct json_text *from, struct arena *arena,
                                  struct log_json *node, struct error *err) {
    TRY(log_ops_compile(from->text, arena, &node->ops, err));
    bool is_literal =
        node->ops.count == 0 || (node->ops.count == 1 && node->ops.items[0].get == NULL);
    if (is_literal) {
        node->kind = LOG_JSON_LITERAL;
        node->text =
            quoted(arena, node->ops.count == 0 ? SLICE("") : node->ops.items[0].text, SLICE(""));
        return STATUS_OK;
    }
    node->kind = node->ops.count == 1 ? LOG_JSON_VALUE : LOG_JSON_STRING;
    return STATUS_OK;
}

static enum status compile_node(const struct json_text *from, bool sort, struct arena *arena,
                                struct log_json *node, struct error *err) {
    node->kind = LOG_JSON_LITERAL;
    switch (from->kind) {
    case JSON_NULL:
        node->kind = LOG_JSON_NULL;
        return STATUS_OK;
    case JSON_FALSE:
        node->text = SLICE("false");
        return STATUS_OK;
    case JSON_TRUE:
        node->text = SLICE("true");
        return STATUS_OK;
    case JSON_NUMBER:
        node->text = number_text(arena_dup_slice(arena, from->text), arena);
        return STATUS_OK;
    case JSON_STRING:
        return compile_string(from, arena, node, err);
    case JSON_ARRAY:
    case JSON_OBJECT:
        return compile_children(from, sort, arena, node, err);
    }
    return STATUS_OK;
}

enum status log_format_compile_json(struct slice template_json, bool omit_empty_values,
                                    bool sort_properties, struct arena *arena,
                                    const struct log_format **format, struct error *err) {
    struct json_text *root;
    TRY(json_text_parse(template_json, arena, &root, err));
    if (root->kind != JSON_OBJECT) {
        return error_set(err, STATUS_INVALID, "a JSON format must be an object");
    }
    struct log_format *made = ARENA_NEW(arena, struct log_format);
    struct log_json *json = ARENA_NEW(arena, struct log_json);
    made->omit_empty = omit_empty_values;
    made->asks_route_time = log_text_asks_route_time(template_json);
    made->json = json;
    TRY(compile_node(root, sort_properties, arena, json, err));
    *format = made;
    return STATUS_OK;
}

static void put_typed(const struct log_value *value, struct log_output *out) {
    switch (value->kind) {
    case LOG_VALUE_NONE:
        log_output_bytes(out, SLICE("null"));
        return;
    case LOG_VALUE_NUMBER:
        log_output_number(out, value->number);
        return;
    case LOG_VALUE_JSON:
        log_output_document(out, value->text);
        return;
    case LOG_VALUE_TEXT:
    case LOG_VALUE_BLOCK:
        log_output_bytes(out, SLICE("\""));
        log_output_json(out, value->text);
        log_output_bytes(out, SLICE("\""));
        return;
    }
}

static void put_in_string(const struct log_value *value, struct log_output *out, bool omit_empty) {
    switch (value->kind) {
    case LOG_VALUE_NONE:
        log_output_bytes(out, omit_empty ? SLICE("") : SLICE("-"));
        return;
    case LOG_VALUE_NUMBER:
        log_output_number(out, value->number);
        return;
    case LOG_VALUE_TEXT:
    case LOG_VALUE_JSON:
    case LOG_VALUE_BLOCK:
        log_output_json(out, value->text);
        return;
    }
}

static void put_string(const struct log_json *node, const struct log_format_input *input,
                       struct log_output *out, bool omit_empty) {
    struct log_value value;
    log_output_bytes(out, SLICE("\""));
    for (uint32_t i = 0; i < node->ops.count; i++) {
        const struct log_op *op = &node->ops.items[i];
        if (op->get == NULL) {
            log_output_json(out, op->text);
            continue;
        }
        log_op_get(op, input, &value);
        put_in_string(&value, out, omit_empty);
    }
    log_output_bytes(out, SLICE("\""));
}

// Whether anything would be left of a node when what is missing is omitted. Arrays stay, empty or not.
static bool has_content(const struct log_json *node, const struct log_format_input *input) {
    struct log_value value;
    switch (node->kind) {
    case LOG_JSON_LITERAL:
    case LOG_JSON_STRING:
    case LOG_JSON_ARRAY:
        return true;
    case LOG_JSON_NULL:
        return false;
    case LOG_JSON_VALUE:
        log_op_get(node->ops.items, input, &value);
        return value.kind != LOG_VALUE_NONE;
    case LOG_JSON_OBJECT:
        for (uint32_t i = 0; i < node->count; i++) {
            if (has_content(&node->children[i], input)) {
                return true;
            }
        }
        return false;
    }
    return true;
}

static void put_children(const struct log_json *node, const struct log_format_input *input,
                         struct log_output *out, bool omit_empty) {
    bool is_object = node->kind == LOG_JSON_OBJECT;
    bool is_first = true;
    log_output_bytes(out, is_object ? SLICE("{") : SLICE("["));
    for (uint32_t i = 0; i < node->count; i++) {
        const struct log_json *child = &node->children[i];
        if (omit_empty && !has_content(child, input)) {
            continue;
        }
        log_output_bytes(out, is_first ? SLICE("") : SLICE(","));
        log_output_bytes(out, child->key);
        log_json_put(child, input, out, omit_empty);
        is_first = false;
    }
    log_output_bytes(out, is_object ? SLICE("}") : SLICE("]"));
}

void log_json_put(const struct log_json *node, const struct log_format_input *input,
                  struct log_output *out, bool omit_empty) {
    struct log_value value;
    switch (node->kind) {
    case LOG_JSON_LITERAL:
        log_output_bytes(out, node->text);
        return;
    case LOG_JSON_NULL:
        log_output_bytes(out, SLICE("null"));
        return;
    case LOG_JSON_VALUE:
        log_op_get(node->ops.items, input, &value);
        put_typed(&value, out);
        return;
    case LOG_JSON_STRING:
        put_string(node, input, out, omit_empty);
        return;
    case LOG_JSON_OBJECT:
    case LOG_JSON_ARRAY:
        put_children(node, input, out, omit_empty);
        return;
    }
}
