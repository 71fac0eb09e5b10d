// SPDX-License-Identifier: Apache-2.0
#include "src/config/config_store.h"

#include "src/base/check.h"
#include "src/base/hash_map.h"
#include "src/config/config_internal.h"
#include "src/config/config_slots.h"
#include "src/event/event_loop.h"
#include "src/event/io_context.h"
#include "src/event/mailbox.h"
#include "src/runtime/runtime.h"

enum { CONFIG_STORE_MAGIC = 0x43534f52 };

struct interned_text {
    uint32_t id;
    uint32_t len;
    uint8_t text[];
};

struct swap_entry {
    config_swap_fn *fn;
    void *arg;
};

struct subscriber {
    struct config_store *store;
    struct io_context *io; /* NULL: none with this index */
    struct swap_entry *swaps;
    uint32_t swap_count;
};

/* A published snapshot. All members but `view` are the control thread's. */
struct snapshot {
    struct config_snapshot view;
    struct config_names names;
    struct config_change *changes;
    uint32_t change_count;
    uint32_t holders;   /* subscribers that have it or will, `unswapped`, and the store */
    uint32_t unswapped; /* subscribers that may still read the changes */
};

struct config_store {
    uint32_t magic;
    struct io_context *control;
    struct event_deferred publish_deferred;
    bool is_publishing;
    bool is_freed;      /* waits for mail that is on its way */
    uint32_t in_flight; /* mail that workers have not acknowledged */
    uint64_t generation;
    struct config_slots *slots;
    struct runtime *runtime;
    struct config_table tables[CONFIG_KIND_COUNT]; /* of the next snapshot */
    struct config_names names;
    struct config_change *changes;
    uint32_t change_count, change_capacity;
    struct snapshot *current;
    struct subscriber *subscribers; /* by io->index */
    uint32_t subscriber_count;
    struct hash_map interned; /* struct interned_text */
    struct interned_text **interned_list;
    uint32_t interned_count, interned_capacity;
};

/* To a worker. */
struct publish_mail {
    struct mail mail;
    struct subscriber *subscriber;
    struct snapshot *next;
};

/* Back to control: `from` has swapped; these parts it still holds. */
struct release_mail {
    struct mail mail;
    struct config_store *store;
    struct snapshot *previous; /* NULL: nothing to give back */
    struct snapshot *swapped;
    uint32_t retained_count;
    struct config_part *retained[];
};

static void snapshot_drop_changes(struct snapshot *snapshot) {
    for (uint32_t i = 0; i < snapshot->change_count; i++) {
        config_part_unref(snapshot->changes[i].before);
        config_part_unref(snapshot->changes[i].after);
    }
    mem_free(snapshot->changes);
    snapshot->changes = NULL;
    snapshot->change_count = 0;
    snapshot->view.changes = NULL;
    snapshot->view.change_count = 0;
}

static void snapshot_unref(struct snapshot *snapshot) {
    if (snapshot == NULL || --snapshot->holders > 0) {
        return;
    }
    snapshot_drop_changes(snapshot);
    for (size_t kind = 0; kind < CONFIG_KIND_COUNT; kind++) {
        config_table_free(&snapshot->view.tables[kind]);
    }
    config_names_free(&snapshot->names);
    runtime_table_unref(snapshot->view.runtime);
    mem_free(snapshot);
}

// All threads are past what the snapshot replaced.
static void retire_replaced(const struct config_store *store, const struct snapshot *snapshot) {
    for (uint32_t i = 0; i < snapshot->change_count; i++) {
        const struct config_change *change = &snapshot->changes[i];
        // Unless it was put in place again.
        if (change->before != NULL && config_table_get(&store->tables[change->kind],
                                                       change->before->slot) != change->before) {
            config_part_retire(change->before);
        }
    }
}

static void snapshot_swapped(const struct config_store *store, struct snapshot *snapshot) {
    if (--snapshot->unswapped == 0) {
        if (!store->is_freed) {
            retire_replaced(store, snapshot);
        }
        snapshot_drop_changes(snapshot);
    }
    snapshot_unref(snapshot);
}

// A snapshot of what the store holds; takes the list of changes over.
static struct snapshot *snapshot_new(struct config_store *store) {
    struct snapshot *snapshot = mem_calloc(1, sizeof(*snapshot));
    for (size_t kind = 0; kind < CONFIG_KIND_COUNT; kind++) {
        config_table_share(&snapshot->view.tables[kind], &store->tables[kind]);
    }
    config_names_share(&snapshot->names, &store->names);
    snapshot->changes = store->changes;
    snapshot->change_count = store->change_count;
    snapshot->holders = 1;
    snapshot->view.generation = store->generation;
    snapshot->view.changes = snapshot->changes;
    snapshot->view.change_count = snapshot->change_count;
    snapshot->view.names = &snapshot->names;
    snapshot->view.runtime = runtime_table_ref(store->runtime);
    store->changes = NULL;
    store->change_count = 0;
    store->change_capacity = 0;
    return snapshot;
}

static struct snapshot *snapshot_of(const struct config_snapshot *view) {
    // The view is the first member of an object that the store made writable.
    return (struct snapshot *)(uintptr_t)view;
}

static void publish_deferred(void *arg) {
    struct config_store *store = arg;
    CHECK_MAGIC(store, CONFIG_STORE_MAGIC);
    config_store_publish(store);
}

static void publish_soon(void *arg) {
    struct config_store *store = arg;
    event_loop_defer(store->control->loop, &store->publish_deferred);
}

struct config_store *config_store_new(struct io_context *control) {
    struct config_store *store = mem_calloc(1, sizeof(*store));
    store->magic = CONFIG_STORE_MAGIC;
    store->control = control;
    event_deferred_init(&store->publish_deferred, publish_deferred, store);
    store->slots = config_slots_new(publish_soon, store);
    store->runtime = runtime_new(publish_soon, store);
    hash_map_init(&store->interned);
    store->subscriber_count = control->index + 1;
    store->subscribers = mem_calloc(store->subscriber_count, sizeof(struct subscriber));
    store->current = snapshot_new(store);
    return store;
}

static void store_release(struct config_store *store) {
    if (!store->is_freed || store->in_flight > 0) {
        return;
    }
    mem_free(store->subscribers);
    store->magic = 0;
    mem_free(store);
}

static void pending_changes_free(struct config_store *store) {
    for (uint32_t i = 0; i < store->change_count; i++) {
        config_part_unref(store->changes[i].before);
        config_part_unref(store->changes[i].after);
    }
    mem_free(store->changes);
}

void config_store_free(struct config_store *store) {
    if (store == NULL) {
        return;
    }
    CHECK_MAGIC(store, CONFIG_STORE_MAGIC);
    for (uint32_t i = 0; i < store->subscriber_count; i++) {
        if (store->subscribers[i].io != NULL) {
            config_store_unsubscribe(store, store->subscribers[i].io);
        }
    }
    pending_changes_free(store);
    snapshot_unref(store->current);
    for (size_t kind = 0; kind < CONFIG_KIND_COUNT; kind++) {
        config_table_free(&store->tables[kind]);
    }
    config_slots_close(store->slots);
    runtime_free(store->runtime);
    config_names_free(&store->names);
    for (uint32_t i = 0; i < store->interned_count; i++) {
        mem_free(store->interned_list[i]);
    }
    mem_free(store->interned_list);
    hash_map_deinit(&store->interned);
    // What the tables let go of left slots idle, which asks for a publication.
    event_loop_defer_cancel(&store->publish_deferred);
    store->is_freed = true;
    store_release(store);
}

static void run_swaps(const struct subscriber *subscriber, const struct config_snapshot *previous,
                      const struct config_snapshot *current) {
    for (uint32_t i = 0; i < subscriber->swap_count; i++) {
        subscriber->swaps[i].fn(subscriber->swaps[i].arg, previous, current);
    }
}

void config_store_subscribe(struct config_store *store, struct io_context *io, config_swap_fn *swap,
                            void *arg) {
    CHECK(io->index < store->subscriber_count);
    struct subscriber *subscriber = &store->subscribers[io->index];
    if (subscriber->io == NULL) {
        subscriber->io = io;
        subscriber->store = store;
        store->current->holders++;
        io->snapshot = &store->current->view;
    }
    CHECK(subscriber->io == io);
    uint32_t count = subscriber->swap_count + 1;
    subscriber->swaps = mem_realloc(subscriber->swaps, count * sizeof(struct swap_entry));
    subscriber->swaps[count - 1] = (struct swap_entry){.fn = swap, .arg = arg};
    subscriber->swap_count = count;
    if (io->snapshot->generation > 0) {
        swap(arg, NULL, io->snapshot);
    }
}

void config_store_unsubscribe(struct config_store *store, struct io_context *io) {
    CHECK(io->index < store->subscriber_count);
    struct subscriber *subscriber = &store->subscribers[io->index];
    if (subscriber->io == NULL) {
        return;
    }
    // What has been posted since io's last swap gives itself back when it is delivered.
    snapshot_unref(snapshot_of(io->snapshot));
    io->snapshot = NULL;
    mem_free(subscriber->swaps);
    *subscriber = (struct subscriber){.store = store};
}

uint32_t config_store_slot(struct config_store *store, enum config_kind kind, struct slice name) {
    return config_slots_get(store->slots, kind, name)->number;
}

uint32_t config_store_slot_for(struct config_store *store, struct config_part *part,
                               enum config_kind kind, struct slice name) {
    struct config_slot *slot = config_slots_get(store->slots, kind, name);
    config_slot_hold_for(slot, part);
    return slot->number;
}

void config_store_hold_slot(struct config_store *store, enum config_kind kind, uint32_t slot) {
    config_slot_hold(config_slots_at(store->slots, kind, slot));
}

void config_store_release_slot(struct config_store *store, enum config_kind kind, uint32_t slot) {
    config_slot_release(config_slots_at(store->slots, kind, slot));
}

uint32_t config_store_find_slot(const struct config_store *store, enum config_kind kind,
                                struct slice name) {
    const struct config_slot *slot = config_slots_find(store->slots, kind, name);
    return slot == NULL ? CONFIG_SLOT_NONE : slot->number;
}

struct slice config_store_slot_name(const struct config_store *store, enum config_kind kind,
                                    uint32_t slot) {
    const struct config_slot *found = config_slots_at(store->slots, kind, slot);
    return found == NULL ? (struct slice){0} : config_slot_name(found);
}

static bool is_pinnable(enum config_kind kind) {
    return kind == CONFIG_LISTENER || kind == CONFIG_ROUTE;
}

// Notes what the slot's part becomes; several changes of one turn are one.
static void note_change(struct config_store *store, struct config_slot *slot,
                        struct config_part *before, struct config_part *after) {
    struct config_part *kept = after == NULL ? NULL : config_part_ref(after);
    if (slot->change != CONFIG_NO_CHANGE) {
        struct config_change *change = &store->changes[slot->change];
        config_part_unref(change->after);
        change->after = kept;
        return;
    }
    if (store->change_count == store->change_capacity) {
        store->change_capacity = store->change_capacity == 0 ? 16 : store->change_capacity * 2;
        store->changes =
            mem_realloc(store->changes, store->change_capacity * sizeof(struct config_change));
    }
    slot->change = store->change_count;
    store->changes[store->change_count++] =
        (struct config_change){.kind = slot->kind,
                               .slot = slot->number,
                               .before = before == NULL ? NULL : config_part_ref(before),
                               .after = kept};
}

void config_store_put(struct config_store *store, enum config_kind kind, uint32_t slot,
                      struct config_part *part) {
    CHECK_MAGIC(store, CONFIG_STORE_MAGIC);
    struct config_slot *named = config_slots_at(store->slots, kind, slot);
    if (named == NULL && part == NULL) {
        return;
    }
    CHECK(named != NULL && (part == NULL || part->kind == kind));
    struct config_part *before = config_table_get(&store->tables[kind], slot);
    if (before == part) {
        config_part_unref(part);
        return;
    }
    if (part != NULL && part->pins == NULL && is_pinnable(kind)) {
        part->pins = config_pins_new(part, store->control->mailbox, store->subscriber_count);
    }
    if (part != NULL && kind == CONFIG_SECRET) {
        arena_exclude_from_core(&part->arena);
    }
    if (part != NULL && part->slot != slot) {
        // Threads compare it with the number that they look for: no part lies in two places.
        CHECK(config_table_get(&store->tables[kind], part->slot) != part);
        part->slot = slot;
    }
    struct slice name = config_slot_name(named);
    if (before == NULL) {
        config_names_add(&store->names, kind, name, slot);
    } else if (part == NULL) {
        config_names_remove(&store->names, kind, name, slot);
    }
    note_change(store, named, before, part);
    config_table_set(&store->tables[kind], slot, part);
    if (part == NULL && named->holders == 0) {
        config_slots_note_idle(named);
    }
    publish_soon(store);
}

struct config_part *config_store_get(const struct config_store *store, enum config_kind kind,
                                     uint32_t slot) {
    return config_table_get(&store->tables[kind], slot);
}

struct config_part *config_store_next(const struct config_store *store, enum config_kind kind,
                                      uint32_t *at) {
    while (*at < config_slots_places(store->slots, kind)) {
        struct config_part *part = config_table_at(&store->tables[kind], (*at)++);
        if (part != NULL) {
            return part;
        }
    }
    return NULL;
}

// Control thread: gives back what a subscriber has let go of.
static void release(struct config_store *store, struct snapshot *previous,
                    struct snapshot *swapped) {
    if (swapped != NULL) {
        snapshot_swapped(store, swapped);
    }
    snapshot_unref(previous);
    store_release(store);
}

static void deliver_release(struct mail *mail) {
    struct release_mail *done = CONTAINER_OF(mail, struct release_mail, mail);
    // Before the snapshot goes, since it may hold the last reference.
    for (uint32_t i = 0; i < done->retained_count; i++) {
        config_part_ref(done->retained[i]);
    }
    done->store->in_flight--;
    release(done->store, done->previous, done->swapped);
    mem_free(done);
}

// On the subscriber's thread. Retained: parts that left the snapshot while something here holds them.
static struct release_mail *release_mail_new(const struct subscriber *subscriber,
                                             struct snapshot *previous, struct snapshot *next) {
    const struct config_snapshot *view = &next->view;
    uint32_t index = subscriber->io == NULL ? CONFIG_SLOT_NONE : subscriber->io->index;
    size_t room = index == CONFIG_SLOT_NONE ? 0 : view->change_count;
    struct release_mail *done = mem_alloc(sizeof(*done) + room * sizeof(struct config_part *));
    *done = (struct release_mail){.mail.deliver = deliver_release,
                                  .store = subscriber->store,
                                  .previous = previous,
                                  .swapped = next};
    for (uint32_t i = 0; i < room; i++) {
        if (config_pin_retain(view->changes[i].before, index)) {
            done->retained[done->retained_count++] = view->changes[i].before;
        }
    }
    return done;
}

static struct snapshot *swap(const struct subscriber *subscriber, struct snapshot *next) {
    struct snapshot *previous = snapshot_of(subscriber->io->snapshot);
    subscriber->io->snapshot = &next->view;
    run_swaps(subscriber, &previous->view, &next->view);
    return previous;
}

static void deliver_publish(struct mail *mail) {
    struct publish_mail *publish = CONTAINER_OF(mail, struct publish_mail, mail);
    const struct subscriber *subscriber = publish->subscriber;
    struct snapshot *next = publish->next;
    mem_free(publish);
    // A thread that ended gives back the new one itself.
    struct snapshot *previous = subscriber->io == NULL ? next : swap(subscriber, next);
    struct release_mail *done = release_mail_new(subscriber, previous, next);
    mailbox_post(subscriber->store->control->mailbox, &done->mail);
}

// Control's own turn comes first: what it derives from the change must be there for the workers.
static void swap_control(struct config_store *store, struct snapshot *next) {
    const struct subscriber *subscriber = &store->subscribers[store->control->index];
    if (subscriber->io == NULL) {
        return;
    }
    struct snapshot *previous = swap(subscriber, next);
    struct release_mail *done = release_mail_new(subscriber, previous, next);
    store->in_flight++;
    deliver_release(&done->mail);
}

static void post_to_workers(struct config_store *store, struct snapshot *next) {
    for (uint32_t i = 0; i < store->subscriber_count; i++) {
        struct subscriber *subscriber = &store->subscribers[i];
        if (subscriber->io == NULL || subscriber->io == store->control) {
            continue;
        }
        struct publish_mail *publish = mem_alloc(sizeof(*publish));
        *publish = (struct publish_mail){
            .mail.deliver = deliver_publish, .subscriber = subscriber, .next = next};
        store->in_flight++;
        mailbox_post(subscriber->io->mailbox, &publish->mail);
    }
}

static uint32_t count_subscribers(const struct config_store *store) {
    uint32_t count = 0;
    for (uint32_t i = 0; i < store->subscriber_count; i++) {
        count += store->subscribers[i].io != NULL;
    }
    return count;
}

// Changes that came to nothing are left out.
static void settle_changes(struct config_store *store) {
    uint32_t kept = 0;
    for (uint32_t i = 0; i < store->change_count; i++) {
        struct config_change change = store->changes[i];
        config_slots_at(store->slots, change.kind, change.slot)->change = CONFIG_NO_CHANGE;
        if (change.before != change.after) {
            store->changes[kept++] = change;
            continue;
        }
        config_part_unref(change.before);
        config_part_unref(change.after);
    }
    store->change_count = kept;
}

/* A TLS context serves those that name its slot, and nobody removes it by name. */
static void empty_unnamed_contexts(struct config_store *store) {
    for (uint32_t i = 0; i < config_slots_idle_count(store->slots); i++) {
        const struct config_slot *slot = config_slots_idle(store->slots, i);
        if (slot != NULL && slot->kind == CONFIG_TLS &&
            config_store_get(store, CONFIG_TLS, slot->number) != NULL) {
            config_store_put(store, CONFIG_TLS, slot->number, NULL);
        }
    }
}

/* Names that nothing has or names. What is still in a thread's snapshot has the old number. */
static void free_idle_slots(struct config_store *store) {
    for (uint32_t i = 0; i < config_slots_idle_count(store->slots); i++) {
        struct config_slot *slot = config_slots_idle(store->slots, i);
        if (slot != NULL && config_store_get(store, slot->kind, slot->number) == NULL) {
            config_slot_free(slot);
        }
    }
    config_slots_forget_idle(store->slots);
}

void config_store_publish(struct config_store *store) {
    CHECK_MAGIC(store, CONFIG_STORE_MAGIC);
    if (store->is_publishing) {
        event_loop_defer(store->control->loop, &store->publish_deferred);
        return;
    }
    empty_unnamed_contexts(store);
    event_loop_defer_cancel(&store->publish_deferred);
    settle_changes(store);
    free_idle_slots(store);
    if (store->change_count == 0 &&
        runtime_is_current(store->runtime, store->current->view.runtime)) {
        return;
    }
    store->is_publishing = true;
    store->generation++;
    struct snapshot *next = snapshot_new(store);
    uint32_t subscribers = count_subscribers(store);
    next->unswapped = subscribers + 1; // the one more is this function's
    next->holders += subscribers + next->unswapped;
    struct snapshot *before = store->current;
    store->current = next;
    swap_control(store, next);
    post_to_workers(store, next);
    snapshot_swapped(store, next);
    snapshot_unref(before);
    store->is_publishing = false;
}

/* ---- telling ---- */

struct telling {
    struct config_store *store;
    struct config_part *part;
    config_tell_fn *fn;
    void (*done)(void *arg);
    void *arg;
    uint32_t left; /* threads that have not been told, and the teller; control's */
};

/* To a subscriber and back. */
struct tell_mail {
    struct mail mail;
    const struct subscriber *subscriber;
    struct telling *telling;
};

static void told(struct telling *telling) {
    if (--telling->left > 0) {
        return;
    }
    telling->done(telling->arg);
    config_part_unref(telling->part);
    mem_free(telling);
}

static void deliver_told(struct mail *mail) {
    struct tell_mail *tell = CONTAINER_OF(mail, struct tell_mail, mail);
    struct config_store *store = tell->telling->store;
    told(tell->telling);
    mem_free(tell);
    store->in_flight--;
    store_release(store);
}

static void deliver_tell(struct mail *mail) {
    struct tell_mail *tell = CONTAINER_OF(mail, struct tell_mail, mail);
    struct io_context *io = tell->subscriber->io;
    if (io != NULL) {
        tell->telling->fn(tell->telling->arg, io);
    }
    tell->mail.deliver = deliver_told;
    mailbox_post(tell->telling->store->control->mailbox, &tell->mail);
}

static void tell_subscriber(struct telling *telling, const struct subscriber *subscriber) {
    if (subscriber->io == NULL) {
        return;
    }
    if (subscriber->io == telling->store->control) {
        telling->fn(telling->arg, subscriber->io);
        return;
    }
    struct tell_mail *tell = mem_alloc(sizeof(*tell));
    *tell = (struct tell_mail){
        .mail = {.deliver = deliver_tell}, .subscriber = subscriber, .telling = telling};
    telling->left++;
    telling->store->in_flight++;
    mailbox_post(subscriber->io->mailbox, &tell->mail);
}

uint32_t config_store_threads(const struct config_store *store) {
    return store->subscriber_count;
}

void config_store_tell(struct config_store *store, struct config_part *part, config_tell_fn *fn,
                       void (*done)(void *arg), void *arg) {
    CHECK_MAGIC(store, CONFIG_STORE_MAGIC);
    struct telling *telling = mem_alloc(sizeof(*telling));
    *telling = (struct telling){.store = store,
                                .part = config_part_ref(part),
                                .fn = fn,
                                .done = done,
                                .arg = arg,
                                .left = 1};
    for (uint32_t i = 0; i < store->subscriber_count; i++) {
        tell_subscriber(telling, &store->subscribers[i]);
    }
    told(telling);
}

const struct config_snapshot *config_store_current(const struct config_store *store) {
    return &store->current->view;
}

struct runtime *config_store_runtime(const struct config_store *store) {
    return store->runtime;
}

uint32_t config_store_intern(struct config_store *store, struct slice text) {
    struct interned_text *found = hash_map_get(&store->interned, text);
    if (found != NULL) {
        return found->id;
    }
    if (store->interned_count == store->interned_capacity) {
        store->interned_capacity =
            store->interned_capacity == 0 ? 16 : store->interned_capacity * 2;
        store->interned_list = mem_realloc(
            store->interned_list, store->interned_capacity * sizeof(struct interned_text *));
    }
    struct interned_text *made = mem_alloc(sizeof(*made) + text.len);
    *made = (struct interned_text){.id = store->interned_count, .len = (uint32_t)text.len};
    if (text.len > 0) {
        memcpy(made->text, text.ptr, text.len);
    }
    store->interned_list[store->interned_count++] = made;
    hash_map_put(&store->interned, slice_make(made->text, made->len), made);
    return made->id;
}
struct slice config_store_interned(const struct config_store *store, uint32_t id) {
    if (id >= store->interned_count) {
        return (struct slice){0};
    }
    const struct interned_text *found = store->interned_list[id];
    return slice_make(found->text, found->len);
}
