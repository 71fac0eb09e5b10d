// SPDX-License-Identifier: Apache-2.0
#include "xds/bootstrap/document.h"

#include "src/base/hash_map.h"

/* Up to this many members are compared pairwise, more go through a map. */
enum { PAIRWISE_MEMBERS = 12 };

struct document_node *document_new(struct arena *arena, enum document_kind kind, uint32_t line) {
    struct document_node *node = ARENA_NEW(arena, struct document_node);
    node->kind = kind;
    node->line = line;
    node->weight = 1;
    return node;
}

void document_add(struct document_node *parent, struct document_node *child) {
    if (parent->last == NULL) {
        parent->first = child;
    } else {
        parent->last->next = child;
    }
    parent->last = child;
    parent->count++;
    uint32_t room = UINT32_MAX - parent->weight;
    parent->weight += child->weight < room ? child->weight : room;
}

static void mark_pairwise(struct document_node *object) {
    for (struct document_node *node = object->first; node != NULL; node = node->next) {
        for (const struct document_node *later = node->next; later != NULL; later = later->next) {
            if (slice_equal(node->key, later->key)) {
                node->is_shadowed = true;
                break;
            }
        }
    }
}

static void mark_by_map(struct document_node *object) {
    struct hash_map seen;
    hash_map_init(&seen);
    for (struct document_node *node = object->first; node != NULL; node = node->next) {
        struct document_node *earlier = hash_map_put(&seen, node->key, node);
        if (earlier != NULL) {
            earlier->is_shadowed = true;
        }
    }
    hash_map_deinit(&seen);
}

void document_mark_shadowed(struct document_node *object) {
    if (object->count <= PAIRWISE_MEMBERS) {
        mark_pairwise(object);
    } else {
        mark_by_map(object);
    }
}

const char *document_kind_name(enum document_kind kind) {
    switch (kind) {
    case DOCUMENT_NULL:
        return "null";
    case DOCUMENT_BOOL:
        return "a boolean";
    case DOCUMENT_NUMBER:
        return "a number";
    case DOCUMENT_STRING:
        return "a string";
    case DOCUMENT_ARRAY:
        return "a list";
    case DOCUMENT_OBJECT:
        return "an object";
    }
    return "?";
}
