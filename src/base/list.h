// SPDX-License-Identifier: Apache-2.0
/*
 * Intrusive doubly linked circular list. A `struct list_node` is a member of the listed object; the
 * head is a node too. An unlinked node points to itself, so list_remove on it is a no-op.
 */
#ifndef SRC_BASE_LIST_H
#define SRC_BASE_LIST_H

#include <stdbool.h>

#include "src/base/check.h"

struct list_node {
    struct list_node *next;
    struct list_node *prev;
};

static inline void list_init(struct list_node *node) {
    node->next = node;
    node->prev = node;
}
static inline bool list_is_empty(const struct list_node *head) {
    return head->next == head;
}
static inline bool list_is_linked(const struct list_node *node) {
    return node->next != node;
}
static inline void list_insert_before(struct list_node *position, struct list_node *node) {
    node->prev = position->prev;
    node->next = position;
    position->prev->next = node;
    position->prev = node;
}
static inline void list_push_back(struct list_node *head, struct list_node *node) {
    list_insert_before(head, node);
}
static inline void list_push_front(struct list_node *head, struct list_node *node) {
    list_insert_before(head->next, node);
}
static inline void list_remove(struct list_node *node) {
    node->prev->next = node->next;
    node->next->prev = node->prev;
    list_init(node);
}
/* Moves all of `from` to the end of `head`; `from` is empty afterwards. */
static inline void list_splice(struct list_node *head, struct list_node *from) {
    if (list_is_empty(from)) {
        return;
    }
    from->next->prev = head->prev;
    head->prev->next = from->next;
    from->prev->next = head;
    head->prev = from->prev;
    list_init(from);
}

#define LIST_ENTRY(node, type, member) CONTAINER_OF(node, type, member)
#define LIST_FOR_EACH(node, head)                                                                  \
    for (struct list_node *node = (head)->next; node != (head); node = node->next)
/* Safe when the loop body removes `node`. */
#define LIST_FOR_EACH_SAFE(node, head)                                                             \
    for (struct list_node *node = (head)->next, *node##_next = node->next; node != (head);         \
         node = node##_next, node##_next = node->next)

#endif
