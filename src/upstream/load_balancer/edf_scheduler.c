// SPDX-License-Identifier: Apache-2.0
#include "src/upstream/load_balancer/edf_scheduler.h"

#include <stdbool.h>

#include "src/base/check.h"

struct edf_entry {
    double deadline;
    uint64_t order;
    uint32_t index;
};

void edf_scheduler_deinit(struct edf_scheduler *edf) {
    mem_free(edf->entries);
    *edf = (struct edf_scheduler){0};
}

void edf_scheduler_clear(struct edf_scheduler *edf) {
    edf->count = 0;
    edf->now = 0;
    edf->next_order = 0;
}

static bool is_before(const struct edf_entry *a, const struct edf_entry *b) {
    if (a->deadline < b->deadline) {
        return true;
    }
    return !(b->deadline < a->deadline) && a->order < b->order;
}

static void sift_down(struct edf_scheduler *edf) {
    struct edf_entry *heap = edf->entries;
    struct edf_entry moved = heap[0];
    uint32_t at = 0;
    for (;;) {
        uint32_t child = 2 * at + 1;
        if (child >= edf->count) {
            break;
        }
        if (child + 1 < edf->count && is_before(&heap[child + 1], &heap[child])) {
            child++;
        }
        if (!is_before(&heap[child], &moved)) {
            break;
        }
        heap[at] = heap[child];
        at = child;
    }
    heap[at] = moved;
}

void edf_scheduler_add(struct edf_scheduler *edf, uint32_t index, double weight) {
    ASSERT(weight > 0);
    if (edf->count == edf->capacity) {
        edf->capacity = edf->capacity == 0 ? 8 : edf->capacity * 2;
        edf->entries = mem_realloc(edf->entries, edf->capacity * sizeof(*edf->entries));
    }
    struct edf_entry entry = {edf->now + 1.0 / weight, edf->next_order++, index};
    uint32_t at = edf->count++;
    while (at > 0 && is_before(&entry, &edf->entries[(at - 1) / 2])) {
        edf->entries[at] = edf->entries[(at - 1) / 2];
        at = (at - 1) / 2;
    }
    edf->entries[at] = entry;
}

uint32_t edf_scheduler_next(const struct edf_scheduler *edf) {
    ASSERT(edf->count > 0);
    return edf->entries[0].index;
}

void edf_scheduler_put_back(struct edf_scheduler *edf, double weight) {
    ASSERT(edf->count > 0 && weight > 0);
    struct edf_entry *top = &edf->entries[0];
    edf->now = top->deadline;
    top->deadline = edf->now + 1.0 / weight;
    top->order = edf->next_order++;
    sift_down(edf);
}
