// SPDX-License-Identifier: Apache-2.0
#include "xds/resource_store.h"

#include "src/base/hash_map.h"
#include "src/base/log.h"
#include "src/config/cluster_config.h"
#include "src/config/secret_config.h"
#include "src/event/event_loop.h"
#include "src/event/io_context.h"
#include "xds/file_watcher.h"
#include "xds/subscription.h"

/* A kind and a slot, as a map's key. */
struct resource_key {
    uint32_t kind;
    uint32_t slot;
};

struct watched_file {
    struct list_node node;
    struct file_watch *watch;
};

struct stored_resource {
    struct resource_store *store;
    struct resource_key key;
    const struct resource_type *type;
    struct slice name; /* owned */
    struct list_node users;
    struct xds_subscription *subscription; /* NULL: static */
    enum resource_state state;
    struct config_part *part; /* one reference; NULL: none accepted */
    /* The last received bytes: equal ones are not decoded again. */
    uint64_t raw_hash;
    size_t raw_len;
    struct slice raw; /* owned; of secrets that came from files, to be read again */
    struct slice error, error_version; /* owned */
    uint64_t error_wall_us;
    struct list_node watched;
    uint32_t busy; /* callbacks under way: not freed before they return */
};

struct resource_store {
    struct resource_store_options options;
    struct hash_map resources; /* by struct resource_key */
    bool is_closed;
};

/* ---- texts ---- */

static void replace_text(struct slice *text, struct slice with) {
    mem_free((void *)(uintptr_t)text->ptr);
    *text = with.len == 0 ? SLICE("")
                          : slice_make(mem_dup_string((const char *)with.ptr, with.len), with.len);
    if (with.len == 0) {
        text->ptr = NULL;
    }
}

enum status static_resource_error(const struct resource_type *type,
                                  const struct ProtobufCMessage *message,
                                  const struct validation *v, struct arena *arena,
                                  struct error *err) {
    const char *kind = type->kind == CONFIG_LISTENER  ? "listener"
                       : type->kind == CONFIG_CLUSTER ? "cluster"
                                                      : "secret";
    struct slice name = resource_message_name(type, message);
    struct slice text = validation_text(v, arena);
    return error_set(err, STATUS_INVALID, "%s '%.*s': %.*s", kind, SLICE_ARG(name),
                     SLICE_ARG(text));
}

void log_findings(const struct validation *v, const char *type, struct slice name) {
    for (uint32_t i = 0; i < v->finding_count; i++) {
        const struct finding *finding = &v->findings[i];
        if (finding->kind == FINDING_IGNORED) {
            LOG(CONFIG, WARN, "%s %.*s: ignored: %.*s", type, SLICE_ARG(name),
                SLICE_ARG(finding_text(v, finding, v->arena)));
        } else if (finding->kind != FINDING_ERROR) {
            LOG(CONFIG, DEBUG, "%s %.*s: %.*s: %.*s", type, SLICE_ARG(name),
                SLICE_ARG(finding->path), SLICE_ARG(finding->message));
        }
    }
}

static void free_resource(struct stored_resource *resource);

static void leave(struct stored_resource *resource) {
    if (--resource->busy == 0 && list_is_empty(&resource->users)) {
        free_resource(resource);
    }
}

/* ---- what is accepted ---- */

static void tell_users(struct stored_resource *resource) {
    // A user may release any other: the list is taken apart and built up again.
    struct list_node told;
    list_init(&told);
    list_splice(&told, &resource->users);
    while (!list_is_empty(&told)) {
        struct resource_user *user = LIST_ENTRY(told.next, struct resource_user, node);
        list_remove(&user->node);
        list_push_back(&resource->users, &user->node);
        user->on_change(user);
    }
}

static void publish(struct stored_resource *resource) {
    const struct resource_store_options *options = &resource->store->options;
    struct config_part *part = config_part_ref(resource->part);
    if (resource->type->kind == CONFIG_ENDPOINT) {
        options->targets->endpoints_set(options->targets->arg, resource->name,
                                        (struct endpoint_part *)(void *)part);
        return;
    }
    config_store_put(options->decode->store, resource->type->kind, resource->key.slot, part);
}

static void unwatch(struct stored_resource *resource) {
    LIST_FOR_EACH_SAFE (node, &resource->watched) {
        struct watched_file *file = LIST_ENTRY(node, struct watched_file, node);
        list_remove(&file->node);
        file_watch_remove(file->watch);
        mem_free(file);
    }
}

static void on_file_changed(void *arg);

static void watch(struct stored_resource *resource, struct slice path) {
    struct error err;
    struct watched_file *file = mem_calloc(1, sizeof(*file));
    if (file_watcher_add(resource->store->options.files, path, false, on_file_changed, resource,
                         &file->watch, &err) != STATUS_OK) {
        LOG(CONFIG, WARN, "secret %.*s: %s", SLICE_ARG(resource->name), err.message);
        mem_free(file);
        return;
    }
    list_push_back(&resource->watched, &file->node);
}

static void watch_directory(struct stored_resource *resource, struct slice directory) {
    struct arena arena;
    arena_init_heap(&arena, 0);
    watch(resource, arena_printf(&arena, "%.*s/", SLICE_ARG(directory)));
    arena_deinit(&arena);
}

static void watch_files(struct stored_resource *resource, struct slice raw) {
    unwatch(resource);
    if (resource->type->kind != CONFIG_SECRET) {
        return;
    }
    const struct secret_part *secret = (const struct secret_part *)(void *)resource->part;
    if (secret->watched_file_count == 0 && secret->watched_directory.len == 0) {
        return;
    }
    if (raw.ptr != resource->raw.ptr) {
        replace_text(&resource->raw, raw);
    }
    if (secret->watched_directory.len > 0) {
        watch_directory(resource, secret->watched_directory);
        return;
    }
    for (uint32_t i = 0; i < secret->watched_file_count; i++) {
        watch(resource, secret->watched_files[i]);
    }
}

static void take(struct stored_resource *resource, struct decode_result *result, struct slice raw) {
    config_part_unref(resource->part);
    resource->part = config_part_ref(result->part);
    decode_result_release(result);
    resource->state = RESOURCE_READY;
    replace_text(&resource->error, SLICE(""));
    publish(resource);
    xds_subscription_count_reload(resource->subscription);
    watch_files(resource, raw);
    tell_users(resource);
}

static struct slice refuse(struct stored_resource *resource, struct slice error,
                           struct slice version) {
    replace_text(&resource->error, error);
    replace_text(&resource->error_version, version);
    resource->error_wall_us = event_loop_wall_us(resource->store->options.control->loop);
    return error;
}

static struct slice apply(struct stored_resource *resource, struct slice raw, struct slice version,
                          struct arena *arena) {
    const struct resource_store_options *options = &resource->store->options;
    struct validation v;
    struct decode_result result;
    struct decode_options decode = {.version = version,
                                    .wall_us = event_loop_wall_us(options->control->loop),
                                    .keep_raw = true};
    validation_init(&v, arena, SLICE(""));
    enum status status =
        resource_decode(resource->type, options->decode, &decode, raw, &v, &result);
    log_findings(&v, resource->type->short_name, resource->name);
    if (status != STATUS_OK) {
        return refuse(resource, validation_text(&v, arena), version);
    }
    take(resource, &result, raw);
    return SLICE("");
}

static void on_file_changed(void *arg) {
    struct stored_resource *resource = arg;
    struct arena arena;
    arena_init_heap(&arena, 0);
    struct slice raw = resource->raw;
    struct slice version = arena_dup_slice(&arena, resource->part->version);
    resource->busy++;
    struct slice error = apply(resource, raw, version, &arena);
    if (error.len > 0) {
        LOG(CONFIG, WARN, "secret %.*s: %.*s", SLICE_ARG(resource->name), SLICE_ARG(error));
    }
    leave(resource);
    arena_deinit(&arena);
}

/* ---- the subscription ---- */

static struct slice update(struct stored_resource *resource,
                           const struct discovery_response *response, struct arena *arena) {
    // Envoy ignores the removal of what was asked for by name; so does it stay here.
    if (response->resource_count == 0 || !response->resources[0].has_body) {
        return SLICE("");
    }
    const struct discovery_resource *from = &response->resources[0];
    if (!slice_equal(from->type_url, slice_from_string(resource->type->type_url))) {
        return refuse(resource,
                      arena_printf(arena, "%.*s: unexpected type %.*s", SLICE_ARG(resource->name),
                                   SLICE_ARG(from->type_url)),
                      response->version);
    }
    uint64_t hash = slice_xxhash64(from->value, 0);
    bool is_same = hash == resource->raw_hash && from->value.len == resource->raw_len;
    if (is_same && resource->state == RESOURCE_READY && resource->error.len == 0) {
        return SLICE("");
    }
    resource->raw_hash = hash;
    resource->raw_len = from->value.len;
    struct slice version = from->version.len > 0 ? from->version : response->version;
    return apply(resource, from->value, version, arena);
}

static struct slice on_update(void *arg, const struct discovery_response *response,
                              struct arena *arena) {
    struct stored_resource *resource = arg;
    resource->busy++;
    struct slice error = update(resource, response, arena);
    leave(resource);
    return error;
}

static void on_given_up(void *arg) {
    struct stored_resource *resource = arg;
    const struct xds_targets *targets = resource->store->options.targets;
    if (resource->state != RESOURCE_WAITING) {
        return;
    }
    resource->state = RESOURCE_MISSING;
    if (resource->type->kind == CONFIG_ENDPOINT) {
        targets->endpoints_set(targets->arg, resource->name, NULL);
    }
    resource->busy++;
    tell_users(resource);
    leave(resource);
}

static const struct xds_subscription_handler subscription_handler = {on_update, on_given_up};

/* ---- users ---- */

static struct slice key_slice(const struct resource_key *key) {
    return slice_make(key, sizeof(*key));
}

static const struct resource_type *type_of(enum config_kind kind) {
    switch (kind) {
    case CONFIG_ROUTE:
        return &resource_type_route;
    case CONFIG_ENDPOINT:
        return &resource_type_endpoint;
    case CONFIG_SECRET:
        return &resource_type_secret;
    case CONFIG_LISTENER:
    case CONFIG_CLUSTER:
    case CONFIG_TLS:
    case CONFIG_RUNTIME:
    case CONFIG_KIND_COUNT:
        break;
    }
    return NULL;
}

static void free_resource(struct stored_resource *resource) {
    struct resource_store *store = resource->store;
    xds_subscription_free(resource->subscription);
    unwatch(resource);
    hash_map_remove(&store->resources, key_slice(&resource->key));
    if (!store->is_closed && resource->part != NULL && resource->type->kind != CONFIG_ENDPOINT) {
        config_store_put(store->options.decode->store, resource->type->kind, resource->key.slot,
                         NULL);
    }
    config_store_release_slot(store->options.decode->store, resource->key.kind, resource->key.slot);
    config_part_unref(resource->part);
    if (resource->raw.len > 0) {
        explicit_bzero((void *)(uintptr_t)resource->raw.ptr, resource->raw.len);
    }
    replace_text(&resource->raw, SLICE(""));
    replace_text(&resource->error, SLICE(""));
    replace_text(&resource->error_version, SLICE(""));
    mem_free((void *)(uintptr_t)resource->name.ptr);
    mem_free(resource);
}

static enum status subscribe(struct stored_resource *resource,
                             const struct resource_dependency *dependency, struct slice stat_prefix,
                             struct error *err) {
    const struct resource_store_options *options = &resource->store->options;
    if (dependency->config_source.len == 0) {
        bool is_there =
            config_store_get(options->decode->store, resource->type->kind, dependency->slot);
        resource->state = is_there ? RESOURCE_READY : RESOURCE_MISSING;
        return STATUS_OK;
    }
    struct xds_subscription_options subscription = {.type = resource->type,
                                                    .name = dependency->name,
                                                    .config_source = dependency->config_source,
                                                    .stat_prefix = stat_prefix,
                                                    .handler = &subscription_handler,
                                                    .arg = resource};
    return xds_subscribe(options->client, &subscription, &resource->subscription, err);
}

static struct stored_resource *make_resource(struct resource_store *store,
                                             const struct resource_dependency *dependency) {
    struct stored_resource *resource = mem_calloc(1, sizeof(*resource));
    resource->store = store;
    resource->key = (struct resource_key){dependency->kind, dependency->slot};
    resource->type = type_of(dependency->kind);
    CHECK(resource->type != NULL);
    config_store_hold_slot(store->options.decode->store, dependency->kind, dependency->slot);
    resource->name =
        slice_make(mem_dup_string((const char *)dependency->name.ptr, dependency->name.len),
                   dependency->name.len);
    list_init(&resource->users);
    list_init(&resource->watched);
    hash_map_put(&store->resources, key_slice(&resource->key), resource);
    return resource;
}

enum status resource_store_want(struct resource_store *store,
                                const struct resource_dependency *dependency,
                                struct slice stat_prefix, struct resource_user *user,
                                struct error *err) {
    struct resource_key key = {dependency->kind, dependency->slot};
    struct stored_resource *resource = hash_map_get(&store->resources, key_slice(&key));
    bool is_new = resource == NULL;
    if (is_new) {
        resource = make_resource(store, dependency);
    }
    user->resource = resource;
    list_push_back(&resource->users, &user->node);
    if (!is_new) {
        if (dependency->kind == CONFIG_ENDPOINT && resource->subscription != NULL) {
            xds_subscription_renew(resource->subscription);
        }
        return STATUS_OK;
    }
    resource->busy++;
    enum status status = subscribe(resource, dependency, stat_prefix, err);
    if (status != STATUS_OK) {
        list_remove(&user->node);
        user->resource = NULL;
    }
    leave(resource);
    return status;
}

void resource_store_release(struct resource_user *user) {
    struct stored_resource *resource = user->resource;
    list_remove(&user->node);
    user->resource = NULL;
    if (resource != NULL && resource->busy == 0 && list_is_empty(&resource->users)) {
        free_resource(resource);
    }
}

enum resource_state resource_user_state(const struct resource_user *user) {
    return user->resource->state;
}

enum config_kind resource_user_kind(const struct resource_user *user) {
    return user->resource->type->kind;
}

const struct config_part *resource_user_part(const struct resource_user *user) {
    return user->resource->part;
}

void resource_user_repeat(const struct resource_user *user) {
    struct stored_resource *resource = user->resource;
    const struct xds_targets *targets = resource->store->options.targets;
    if (resource->type->kind != CONFIG_ENDPOINT) {
        return;
    }
    if (resource->state == RESOURCE_READY) {
        publish(resource);
    } else if (resource->state == RESOURCE_MISSING) {
        targets->endpoints_set(targets->arg, resource->name, NULL);
    }
}

void resource_store_visit(const struct resource_store *store, resource_visit_fn *fn, void *arg) {
    size_t at = 0;
    struct slice key;
    void *value;
    while (hash_map_next(&store->resources, &at, &key, &value)) {
        const struct stored_resource *resource = value;
        struct resource_view view = {.type = resource->type,
                                     .name = resource->name,
                                     .state = resource->state,
                                     .part = resource->part,
                                     .error = resource->error,
                                     .error_version = resource->error_version,
                                     .error_wall_us = resource->error_wall_us};
        if (resource->subscription != NULL) {
            fn(arg, &view);
        }
    }
}

struct resource_store *resource_store_new(const struct resource_store_options *options) {
    struct resource_store *store = mem_calloc(1, sizeof(*store));
    store->options = *options;
    hash_map_init(&store->resources);
    return store;
}

void resource_store_close(struct resource_store *store) {
    store->is_closed = true;
}

void resource_store_free(struct resource_store *store) {
    if (store == NULL) {
        return;
    }
    ASSERT(store->resources.count == 0);
    hash_map_deinit(&store->resources);
    mem_free(store);
}
