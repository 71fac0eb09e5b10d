// SPDX-License-Identifier: Apache-2.0
#include "xds/warming.h"

#include "src/base/log.h"
#include "src/config/cluster_config.h"
#include "src/config/config_task.h"
#include "src/config/listener_config.h"
#include "src/event/io_context.h"
#include "xds/decode/tls_builder.h"

struct warm_use {
    struct resource_user user;
    struct warm_item *item;
    uint32_t slot;
    bool is_pending;
};

/* In the part's arena: finds the item when the part is freed. */
struct part_anchor {
    struct warm_item *item; /* NULL: freed before */
};

struct warm_item {
    struct list_node node;
    struct warm_context *context;
    struct decode_result result; /* part NULL: freed; the reference is given up when retired */
    struct extra_part *extra;    /* outlives the part */
    struct part_anchor *anchor;
    warm_ready_fn *on_ready; /* NULL: ready, or retired */
    void *arg;
    struct warm_use *uses;
    uint32_t use_count;
    uint32_t pending;
    uint32_t tasks_awaited; /* of `pending` */
    bool is_started;
    bool has_tasks_started;
    bool is_ready;
    bool is_retired;
    bool has_extras_put;
};

/* ---- what is put into the store ---- */

static struct config_store *store_of(const struct warm_item *item) {
    return item->context->decode->store;
}

static void build_tls(struct warm_item *item, const struct tls_need *need) {
    struct error err;
    if (tls_builder_put(store_of(item), need->slot, need->config, &err) != STATUS_OK) {
        LOG(CONFIG, WARN, "%.*s: TLS context: %s", SLICE_ARG(item->result.part->name), err.message);
    }
}

static void build_all_tls(struct warm_item *item) {
    for (uint32_t i = 0; i < item->result.tls_count; i++) {
        build_tls(item, &item->result.tls[i]);
    }
}

static void rebuild_tls(struct warm_item *item, uint32_t secret_slot) {
    for (uint32_t i = 0; i < item->result.tls_count; i++) {
        if (tls_builder_uses(item->result.tls[i].config, secret_slot)) {
            build_tls(item, &item->result.tls[i]);
        }
    }
}

void warm_item_put_extras(struct warm_item *item) {
    const struct xds_targets *targets = item->context->targets;
    item->has_extras_put = true;
    for (uint32_t i = 0; i < item->result.extra_count; i++) {
        const struct extra_part *extra = &item->extra[i];
        struct config_part *part = config_part_ref(extra->part);
        if (part->kind == CONFIG_ENDPOINT) {
            targets->endpoints_set(targets->arg, part->name, (struct endpoint_part *)(void *)part);
        } else {
            config_store_put(store_of(item), part->kind, extra->slot, part);
        }
    }
}

const struct endpoint_part *warm_item_assignment(const struct warm_item *item) {
    for (uint32_t i = 0; i < item->result.extra_count; i++) {
        if (item->extra[i].part->kind == CONFIG_ENDPOINT) {
            return (const struct endpoint_part *)(void *)item->extra[i].part;
        }
    }
    for (uint32_t i = 0; i < item->use_count; i++) {
        const struct resource_user *user = &item->uses[i].user;
        if (user->resource != NULL && resource_user_kind(user) == CONFIG_ENDPOINT) {
            return (const struct endpoint_part *)(const void *)resource_user_part(user);
        }
    }
    return NULL;
}

void warm_item_repeat_endpoints(struct warm_item *item) {
    for (uint32_t i = 0; i < item->use_count; i++) {
        if (item->uses[i].user.resource != NULL) {
            resource_user_repeat(&item->uses[i].user);
        }
    }
}

// A slot that a newer version has filled meanwhile is left alone.
static void take_extras_back(struct warm_item *item) {
    for (uint32_t i = 0; item->has_extras_put && i < item->result.extra_count; i++) {
        const struct extra_part *extra = &item->extra[i];
        if (extra->part->kind != CONFIG_ENDPOINT &&
            config_store_get(store_of(item), extra->part->kind, extra->slot) == extra->part) {
            config_store_put(store_of(item), extra->part->kind, extra->slot, NULL);
        }
    }
}

/* ---- waiting ---- */

// A cluster waits for its endpoints in the cluster manager.
static bool is_waited_for(const struct warm_use *use) {
    return resource_user_kind(&use->user) != CONFIG_ENDPOINT &&
           resource_user_state(&use->user) == RESOURCE_WAITING;
}

static void check_ready(struct warm_item *item) {
    if (!item->is_started || item->pending > 0 || item->is_ready || item->on_ready == NULL) {
        return;
    }
    warm_ready_fn *on_ready = item->on_ready;
    item->on_ready = NULL;
    item->is_ready = true;
    build_all_tls(item);
    on_ready(item->arg, item);
}

static void on_change(struct resource_user *user) {
    struct warm_use *use = CONTAINER_OF(user, struct warm_use, user);
    struct warm_item *item = use->item;
    if (item->is_ready && resource_user_kind(user) == CONFIG_SECRET) {
        // The slots of a retired version belong to its successor.
        if (!item->is_retired) {
            rebuild_tls(item, use->slot);
        }
        return;
    }
    if (use->is_pending && !is_waited_for(use)) {
        use->is_pending = false;
        item->pending--;
        check_ready(item);
    }
}

static struct slice stat_prefix_of(const struct warm_item *item,
                                   const struct resource_dependency *dependency,
                                   struct arena *arena) {
    switch (dependency->kind) {
    case CONFIG_ROUTE:
        return arena_printf(arena, "%.*srds.%.*s", SLICE_ARG(dependency->stat_prefix),
                            SLICE_ARG(dependency->name));
    case CONFIG_ENDPOINT:
        return arena_printf(
            arena, "cluster.%.*s",
            SLICE_ARG(((const struct cluster_part *)(void *)item->result.part)->stat_name));
    case CONFIG_SECRET:
        return arena_printf(arena, "sds.%.*s", SLICE_ARG(dependency->name));
    case CONFIG_LISTENER:
    case CONFIG_CLUSTER:
    case CONFIG_TLS:
    case CONFIG_RUNTIME:
    case CONFIG_KIND_COUNT:
        break;
    }
    return SLICE("");
}

static bool is_fetched(const struct resource_dependency *dependency) {
    return dependency->kind == CONFIG_ROUTE || dependency->kind == CONFIG_ENDPOINT ||
           dependency->kind == CONFIG_SECRET;
}

static enum status fetch(struct warm_item *item, const struct resource_dependency *dependency,
                         struct error *err) {
    struct warm_use *use = &item->uses[item->use_count];
    struct arena arena;
    arena_init_heap(&arena, 0);
    use->item = item;
    use->slot = dependency->slot;
    use->user.on_change = on_change;
    list_init(&use->user.node);
    enum status status =
        resource_store_want(item->context->resources, dependency,
                            stat_prefix_of(item, dependency, &arena), &use->user, err);
    arena_deinit(&arena);
    TRY(status);
    item->use_count++;
    if (is_waited_for(use)) {
        use->is_pending = true;
        item->pending++;
    }
    return STATUS_OK;
}

static void release_uses(struct warm_item *item) {
    for (uint32_t i = 0; i < item->use_count; i++) {
        if (item->uses[i].user.resource != NULL) {
            resource_store_release(&item->uses[i].user);
        }
    }
    item->use_count = 0;
}

/* ---- tasks ---- */

static struct config_task *tasks_of(const struct warm_item *item) {
    return item->result.part == NULL ? NULL : item->result.part->tasks;
}

// Within the task's own work: what follows from it is done later.
static void on_task_done(void *arg) {
    struct warm_context *context = arg;
    event_loop_defer(context->control->loop, &context->tasks);
}

static uint32_t count_awaited(const struct warm_item *item) {
    uint32_t count = 0;
    for (const struct config_task *task = tasks_of(item); task != NULL; task = task->next) {
        count += task->is_awaited && !task->is_done ? 1 : 0;
    }
    return count;
}

static void start_tasks(struct warm_item *item) {
    item->has_tasks_started = true;
    for (struct config_task *task = tasks_of(item); task != NULL; task = task->next) {
        task->on_done = on_task_done;
        task->arg = item->context;
        task->is_running = true;
        task->ops->start(task, item->context->control);
    }
}

static void stop_tasks(struct warm_item *item) {
    for (struct config_task *task = tasks_of(item); task != NULL; task = task->next) {
        if (task->is_running) {
            task->is_running = false;
            task->ops->stop(task);
        }
    }
}

static void await_tasks(struct warm_item *item) {
    uint32_t awaited = count_awaited(item);
    item->pending -= item->tasks_awaited - awaited;
    item->tasks_awaited = awaited;
    check_ready(item);
}

static void on_tasks(void *arg) {
    struct warm_context *context = arg;
    LIST_FOR_EACH_SAFE (node, &context->items) {
        struct warm_item *item = LIST_ENTRY(node, struct warm_item, node);
        bool has_tasks = tasks_of(item) != NULL && item->is_started && !item->is_retired;
        if (has_tasks && context->runs_tasks && !item->has_tasks_started) {
            start_tasks(item);
        }
        if (has_tasks) {
            await_tasks(item);
        }
    }
}

void warm_context_run_tasks(struct warm_context *context) {
    context->runs_tasks = true;
    event_loop_defer(context->control->loop, &context->tasks);
}

enum status warm_item_start(struct warm_item *item, struct error *err) {
    for (uint32_t i = 0; i < item->result.dependency_count; i++) {
        const struct resource_dependency *dependency = &item->result.dependencies[i];
        if (!is_fetched(dependency)) {
            continue;
        }
        enum status status = fetch(item, dependency, err);
        if (status != STATUS_OK) {
            release_uses(item);
            return status;
        }
    }
    item->is_started = true;
    item->tasks_awaited = count_awaited(item);
    item->pending += item->tasks_awaited;
    if (tasks_of(item) != NULL) {
        // At the end of the turn: a cluster that came with it is published by then.
        event_loop_defer(item->context->control->loop, &item->context->tasks);
    }
    check_ready(item);
    return STATUS_OK;
}

/* ---- life ---- */

static void free_item(struct warm_item *item) {
    bool is_closed = item->context->is_closed;
    if (!is_closed) {
        take_extras_back(item);
    }
    release_uses(item);
    for (uint32_t i = 0; i < item->result.extra_count; i++) {
        config_part_unref(item->extra[i].part);
    }
    list_remove(&item->node);
    mem_free(item->extra);
    mem_free(item->uses);
    mem_free(item);
}

// In the middle of whatever lets go of the part: what is to be done to the store is done later.
static void on_part_freed(void *arg) {
    struct part_anchor *anchor = arg;
    if (anchor->item != NULL) {
        struct warm_item *item = anchor->item;
        stop_tasks(item);
        item->result.part = NULL;
        item->is_retired = true;
        event_loop_defer(item->context->control->loop, &item->context->reap);
    }
}

static void on_reap(void *arg) {
    struct warm_context *context = arg;
    LIST_FOR_EACH_SAFE (node, &context->items) {
        struct warm_item *item = LIST_ENTRY(node, struct warm_item, node);
        if (item->result.part == NULL) {
            free_item(item);
        }
    }
}

void warm_context_init(struct warm_context *context) {
    list_init(&context->items);
    event_deferred_init(&context->reap, on_reap, context);
    event_deferred_init(&context->tasks, on_tasks, context);
}

struct warm_item *warm_item_new(struct warm_context *context, struct decode_result *result,
                                warm_ready_fn *on_ready, void *arg) {
    struct warm_item *item = mem_calloc(1, sizeof(*item));
    item->context = context;
    item->result = *result;
    item->on_ready = on_ready;
    item->arg = arg;
    if (result->dependency_count > 0) {
        item->uses = mem_calloc(result->dependency_count, sizeof(*item->uses));
    }
    if (result->extra_count > 0) {
        item->extra = mem_calloc(result->extra_count, sizeof(*item->extra));
        memcpy(item->extra, result->extra, result->extra_count * sizeof(*item->extra));
    }
    item->anchor = ARENA_NEW(&result->part->arena, struct part_anchor);
    item->anchor->item = item;
    config_part_on_free(result->part, on_part_freed, item->anchor);
    list_push_back(&context->items, &item->node);
    *result = (struct decode_result){0};
    return item;
}

void warm_item_retire(struct warm_item *item) {
    if (item == NULL) {
        return;
    }
    item->on_ready = NULL;
    item->is_retired = true;
    // Draining connections of a listener still follow its routes; a cluster is looked up anew.
    if (item->result.part->kind == CONFIG_CLUSTER) {
        release_uses(item);
    }
    config_part_unref(item->result.part); // the item goes with the last reference
}

void warm_context_close(struct warm_context *context) {
    context->is_closed = true;
    while (!list_is_empty(&context->items)) {
        struct warm_item *item = LIST_ENTRY(context->items.next, struct warm_item, node);
        if (item->result.part != NULL) {
            stop_tasks(item);
            item->anchor->item = NULL;
            if (!item->is_retired) {
                config_part_unref(item->result.part);
            }
        }
        free_item(item);
    }
    event_loop_defer_cancel(&context->reap);
    event_loop_defer_cancel(&context->tasks);
}

bool warm_item_is_ready(const struct warm_item *item) {
    return item->is_ready;
}

struct config_part *warm_item_part(const struct warm_item *item) {
    return config_part_ref(item->result.part);
}

const struct config_part *warm_item_borrow(const struct warm_item *item) {
    return item->result.part;
}

struct slice warm_item_version(const struct warm_item *item) {
    return item->result.part->version;
}

bool warm_item_has_discovery(const struct warm_item *item) {
    for (uint32_t i = 0; i < item->result.dependency_count; i++) {
        const struct resource_dependency *dependency = &item->result.dependencies[i];
        bool is_fetched = dependency->config_source.len > 0; // else a static secret
        if (dependency->kind == CONFIG_ENDPOINT ||
            (dependency->kind == CONFIG_SECRET && is_fetched)) {
            return true;
        }
    }
    return false;
}

uint64_t warm_item_hash(const struct warm_item *item) {
    return item->result.hash;
}
