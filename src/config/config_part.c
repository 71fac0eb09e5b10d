// SPDX-License-Identifier: Apache-2.0
#include "src/config/config_part.h"

#include "src/base/check.h"
#include "src/config/config_internal.h"
#include "src/config/config_slots.h"
#include "src/config/config_task.h"

struct config_cleanup {
    struct config_cleanup *next;
    void (*fn)(void *object);
    void *object;
    bool is_at_retirement;
};

/* A configuration has ten thousands of parts, most of them small: the first block holds the part itself
 * and little more. */
enum { PART_SPARE_BYTES = 272, PART_SECOND_BLOCK_BYTES = 256, PART_MAX_BLOCK_BYTES = 8192 };

void *config_part_new(enum config_kind kind, size_t size, struct slice name) {
    return config_part_new_sized(kind, size, name, PART_SPARE_BYTES);
}

void *config_part_new_sized(enum config_kind kind, size_t size, struct slice name, size_t more) {
    CHECK(size >= sizeof(struct config_part));
    struct arena arena;
    size_t first_bytes = arena_block_overhead() + size + name.len + more;
    arena_init_growing(&arena, first_bytes, PART_MAX_BLOCK_BYTES);
    struct config_part *part = arena_calloc(&arena, 1, size);
    arena.block_bytes = PART_SECOND_BLOCK_BYTES;
    part->name = arena_dup_slice(&arena, name);
    part->kind = kind;
    part->refs = 1;
    part->slot = CONFIG_SLOT_NONE;
    part->owner.text = SLICE("unknown");
    part->arena = arena;
    return part;
}

struct config_part *config_part_ref(struct config_part *part) {
    ASSERT(part->refs > 0);
    part->refs++;
    return part;
}

void config_part_retire(struct config_part *part) {
    for (struct config_cleanup **at = &part->cleanups; *at != NULL;) {
        struct config_cleanup *cleanup = *at;
        if (!cleanup->is_at_retirement) {
            at = &cleanup->next;
            continue;
        }
        *at = cleanup->next;
        cleanup->fn(cleanup->object);
    }
}

static void part_free(struct config_part *part) {
    for (struct config_cleanup *at = part->cleanups; at != NULL; at = at->next) {
        at->fn(at->object);
    }
    config_slots_release_of(part);
    config_pins_free(part->pins);
    struct arena arena = part->arena;
    if (part->kind == CONFIG_SECRET) {
        arena_wipe(&arena);
    }
    arena_deinit(&arena);
}

void config_part_unref(struct config_part *part) {
    if (part == NULL) {
        return;
    }
    CHECK(part->refs > 0);
    if (--part->refs == 0) {
        part_free(part);
    }
}

static void add_cleanup(struct config_part *part, void (*fn)(void *object), void *object,
                        bool is_at_retirement) {
    struct config_cleanup *cleanup = ARENA_NEW(&part->arena, struct config_cleanup);
    *cleanup = (struct config_cleanup){
        .next = part->cleanups, .fn = fn, .object = object, .is_at_retirement = is_at_retirement};
    part->cleanups = cleanup;
}

void config_part_on_free(struct config_part *part, void (*fn)(void *object), void *object) {
    add_cleanup(part, fn, object, false);
}

void config_part_on_retire(struct config_part *part, void (*fn)(void *object), void *object) {
    add_cleanup(part, fn, object, true);
}

void config_part_add_task(struct config_part *part, struct config_task *task) {
    CHECK(part->kind == CONFIG_LISTENER);
    task->next = part->tasks;
    part->tasks = task;
}

void config_task_done(struct config_task *task) {
    if (!task->is_done) {
        task->is_done = true;
        task->on_done(task->arg);
    }
}
