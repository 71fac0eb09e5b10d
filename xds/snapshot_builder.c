// SPDX-License-Identifier: Apache-2.0
#include "xds/snapshot_builder.h"

#include "src/base/hash_map.h"
#include "src/base/log.h"
#include "src/config/cluster_config.h"
#include "src/config/listener_config.h"
#include "src/event/event_loop.h"
#include "src/event/io_context.h"
#include "xds/warming.h"

/* One cluster or listener by name. */
/* Why a resource was not taken, and its bytes; texts are owned. */
struct record_failure {
    struct slice error, version, raw;
    uint64_t wall_us;
};

struct record {
    struct snapshot_builder *builder;
    const struct resource_type *type;
    struct slice name; /* lies behind */
    bool is_static;
    bool is_named;   /* in the response that is being applied */
    bool is_warming; /* cluster: not warm in the cluster manager; listener: `warming` is there */
    struct warm_item *active, *warming;
    uint64_t raw_hash; /* of the last received bytes */
    size_t raw_len;
    struct record_failure *failure; /* of the last update; NULL: it was taken */
    struct error *put_error; /* where an activation within begin() reports; NULL: outside of it */
    uint8_t text[];
};

struct snapshot_builder {
    struct snapshot_builder_options options;
    struct warm_context warm;
    struct hash_map clusters, listeners; /* struct record by name */
    uint32_t clusters_warming, listeners_warming;
    uint64_t changes;
};

/* ---- records ---- */

static void replace_text(struct slice *text, struct slice with) {
    mem_free((void *)(uintptr_t)text->ptr);
    text->ptr =
        with.len > 0 ? (const uint8_t *)mem_dup_string((const char *)with.ptr, with.len) : NULL;
    text->len = with.len;
}

static struct hash_map *map_of(struct snapshot_builder *builder, const struct resource_type *type) {
    return type->kind == CONFIG_CLUSTER ? &builder->clusters : &builder->listeners;
}

static struct record *obtain(struct snapshot_builder *builder, const struct resource_type *type,
                             struct slice name) {
    struct hash_map *map = map_of(builder, type);
    struct record *record = hash_map_get(map, name);
    if (record == NULL) {
        record = mem_calloc(1, sizeof(*record) + name.len);
        record->builder = builder;
        record->type = type;
        if (name.len > 0) {
            memcpy(record->text, name.ptr, name.len);
        }
        record->name = slice_make(record->text, name.len);
        hash_map_put(map, record->name, record);
    }
    return record;
}

static void forget_error(struct record *record) {
    if (record->failure == NULL) {
        return;
    }
    replace_text(&record->failure->error, SLICE(""));
    replace_text(&record->failure->version, SLICE(""));
    replace_text(&record->failure->raw, SLICE(""));
    mem_free(record->failure);
    record->failure = NULL;
}

static void free_record(struct record *record) {
    hash_map_remove(map_of(record->builder, record->type), record->name);
    warm_item_retire(record->warming);
    warm_item_retire(record->active);
    forget_error(record);
    mem_free(record);
}

static void set_warming(struct record *record, bool is_warming) {
    if (record->is_warming != is_warming) {
        struct snapshot_builder *builder = record->builder;
        uint32_t *count = record->type->kind == CONFIG_CLUSTER ? &builder->clusters_warming
                                                               : &builder->listeners_warming;
        record->is_warming = is_warming;
        *count = is_warming ? *count + 1 : *count - 1;
        if (record->type->kind == CONFIG_LISTENER) {
            const struct xds_targets *targets = builder->options.targets;
            targets->listeners_warming(targets->arg, *count);
        }
        record->builder->options.on_warming_changed(record->builder->options.arg);
    }
}

static void note_error(struct record *record, struct slice error, struct slice version) {
    if (record->failure == NULL) {
        record->failure = mem_calloc(1, sizeof(*record->failure));
    }
    replace_text(&record->failure->error, error);
    replace_text(&record->failure->version, version);
    record->failure->wall_us = event_loop_wall_us(record->builder->options.control->loop);
}

/* ---- activation ---- */

static void on_cluster_warm(void *arg, struct slice name) {
    struct snapshot_builder *builder = arg;
    struct record *record = hash_map_get(&builder->clusters, name);
    // A newer version may still wait for its secrets.
    if (record != NULL && record->warming == NULL) {
        set_warming(record, false);
    }
}

static void activate_cluster(struct record *record, struct warm_item *item) {
    const struct xds_targets *targets = record->builder->options.targets;
    struct warm_item *before = record->active;
    struct cluster_part *part = (struct cluster_part *)(void *)warm_item_part(item);
    record->active = item;
    record->warming = NULL;
    LOG(UPSTREAM, DEBUG, "add/update cluster %.*s", SLICE_ARG(record->name));
    targets->cluster_add(targets->arg, part, on_cluster_warm, record->builder);
    warm_item_put_extras(item);
    warm_item_repeat_endpoints(item);
    warm_item_retire(before);
}

static void activate_listener(struct record *record, struct warm_item *item) {
    const struct xds_targets *targets = record->builder->options.targets;
    struct warm_item *before = record->active;
    struct listener_part *part = (struct listener_part *)(void *)warm_item_part(item);
    record->warming = NULL;
    warm_item_put_extras(item);
    struct error later;
    struct error *err = record->put_error != NULL ? record->put_error : &later;
    err->status = targets->listener_put(targets->arg, part, err);
    if (err->status != STATUS_OK) {
        LOG(CONFIG, WARN, "listener '%.*s': %s", SLICE_ARG(record->name), err->message);
        note_error(record, slice_from_string(err->message), warm_item_version(item));
        warm_item_retire(item);
    } else {
        record->active = item;
        warm_item_retire(before);
    }
    set_warming(record, false);
}

static void on_item_ready(void *arg, struct warm_item *item) {
    struct record *record = arg;
    if (record->type->kind == CONFIG_CLUSTER) {
        activate_cluster(record, item);
    } else {
        activate_listener(record, item);
    }
}

// Takes over the result; the error of a bind that failed at once, or of a source, goes to `err`.
static enum status begin(struct record *record, struct decode_result *result, struct error *err) {
    struct snapshot_builder *builder = record->builder;
    struct warm_item *item = warm_item_new(&builder->warm, result, on_item_ready, record);
    warm_item_retire(record->warming);
    record->warming = item;
    struct error put_error = {.status = STATUS_OK};
    record->put_error = &put_error;
    set_warming(record, true);
    enum status status = warm_item_start(item, err);
    record->put_error = NULL;
    if (status != STATUS_OK) {
        record->warming = NULL;
        warm_item_retire(item);
        set_warming(record, false);
        return status;
    }
    if (put_error.status != STATUS_OK) {
        return error_set(err, put_error.status, "%s", put_error.message);
    }
    return STATUS_OK;
}

/* ---- discovery ---- */

struct application {
    struct snapshot_builder *builder;
    const struct resource_type *type;
    const struct discovery_response *response;
    struct arena *arena;
    struct slice errors;
};

static void add_error(struct application *application, struct slice name, struct slice error) {
    bool is_cluster = application->type->kind == CONFIG_CLUSTER;
    if (application->errors.len > DISCOVERY_MAX_ERROR_BYTES) {
        return;
    }
    // Envoy ends each of a listener update's errors with a new line and joins clusters' by commas.
    const char *separator = is_cluster && application->errors.len > 0 ? ", " : "";
    application->errors =
        arena_printf(application->arena, "%.*s%s%.*s: %.*s%s", SLICE_ARG(application->errors),
                     separator, SLICE_ARG(name), SLICE_ARG(error), is_cluster ? "" : "\n");
}

static void count_unknown(struct snapshot_builder *builder, const struct validation *v,
                          bool is_static) {
    for (uint32_t i = 0; builder->options.on_unknown_field != NULL && i < v->finding_count; i++) {
        if (v->findings[i].kind == FINDING_UNKNOWN) {
            builder->options.on_unknown_field(builder->options.arg, is_static);
        }
    }
}

static void reject(struct application *application, struct record *record, struct slice raw,
                   struct slice version, struct slice error) {
    note_error(record, error, version);
    replace_text(&record->failure->raw, raw);
    add_error(application, record->name, error);
}

static void apply_decoded(struct application *application, struct record *record, struct slice raw,
                          struct slice version, struct decode_result *result) {
    struct error err;
    const struct warm_item *newest = record->warming != NULL ? record->warming : record->active;
    if (newest != NULL && warm_item_hash(newest) == result->hash) {
        decode_result_release(result);
        forget_error(record);
        return;
    }
    forget_error(record);
    application->builder->changes++;
    if (begin(record, result, &err) != STATUS_OK) {
        reject(application, record, raw, version, slice_from_string(err.message));
    }
}

static void apply_body(struct application *application, struct record *record,
                       const struct discovery_resource *resource) {
    struct snapshot_builder *builder = application->builder;
    struct validation v;
    struct decode_result result;
    struct slice version =
        resource->version.len > 0 ? resource->version : application->response->version;
    struct decode_options options = {.version = version,
                                     .wall_us = event_loop_wall_us(builder->options.control->loop),
                                     .keep_raw = true};
    validation_init(&v, application->arena, SLICE(""));
    enum status status = resource_decode(application->type, builder->options.decode, &options,
                                         resource->value, &v, &result);
    log_findings(&v, application->type->short_name, record->name);
    count_unknown(builder, &v, false);
    if (status != STATUS_OK) {
        reject(application, record, resource->value, version,
               validation_text(&v, application->arena));
        return;
    }
    apply_decoded(application, record, resource->value, version, &result);
}

static bool is_unchanged(const struct record *record, const struct discovery_resource *resource) {
    bool has_version = record->active != NULL || record->warming != NULL;
    return has_version && record->failure == NULL && record->raw_len == resource->value.len &&
           record->raw_hash == slice_xxhash64(resource->value, 0);
}

static struct slice name_of(const struct resource_type *type,
                            const struct discovery_resource *resource) {
    return resource->name.len > 0 ? resource->name : resource_name(type, resource->value);
}

static void apply_resource(struct application *application,
                           const struct discovery_resource *resource) {
    const struct resource_type *type = application->type;
    struct slice name = name_of(type, resource);
    if (resource->has_body && !slice_equal(resource->type_url, slice_from_string(type->type_url))) {
        add_error(application, name,
                  arena_printf(application->arena, "unexpected resource type %.*s",
                               SLICE_ARG(resource->type_url)));
        return;
    }
    struct record *record = obtain(application->builder, type, name);
    if (record->is_named) {
        add_error(application, name,
                  arena_printf(application->arena, "duplicate %s %.*s found",
                               type->kind == CONFIG_CLUSTER ? "cluster" : "listener",
                               SLICE_ARG(name)));
        return;
    }
    record->is_named = true;
    // What the bootstrap defines is not for the management server to change.
    if (record->is_static || !resource->has_body || is_unchanged(record, resource)) {
        return;
    }
    record->raw_hash = slice_xxhash64(resource->value, 0);
    record->raw_len = resource->value.len;
    apply_body(application, record, resource);
}

static void remove_record(struct record *record) {
    const struct xds_targets *targets = record->builder->options.targets;
    LOG(CONFIG, DEBUG, "remove %s '%.*s'", record->type->short_name, SLICE_ARG(record->name));
    bool is_active = record->active != NULL;
    if (is_active && record->type->kind == CONFIG_CLUSTER) {
        targets->cluster_remove(targets->arg, record->name);
    } else if (is_active) {
        targets->listener_remove(targets->arg, record->name);
    }
    set_warming(record, false);
    free_record(record);
}

static bool is_in_response(struct application *application, struct slice name) {
    const struct record *record =
        hash_map_get(map_of(application->builder, application->type), name);
    return record != NULL && record->is_named;
}

// Which one it was is not known: it might be any of those that seem to be left out.
static bool has_nameless(const struct application *application) {
    for (uint32_t i = 0; i < application->response->resource_count; i++) {
        if (name_of(application->type, &application->response->resources[i]).len == 0) {
            return true;
        }
    }
    return false;
}

static void remove_absent(struct application *application) {
    struct hash_map *map = map_of(application->builder, application->type);
    struct hash_map named;
    size_t at = 0;
    struct slice key;
    void *value;
    hash_map_init(&named);
    for (uint32_t i = 0; i < application->response->resource_count; i++) {
        const struct discovery_resource *resource = &application->response->resources[i];
        hash_map_put(&named, name_of(application->type, resource), application);
    }
    while (hash_map_next(map, &at, &key, &value)) {
        struct record *record = value;
        if (!record->is_static && hash_map_get(&named, key) == NULL) {
            remove_record(record);
        }
    }
    hash_map_deinit(&named);
}

static void remove_named(struct application *application) {
    for (uint32_t i = 0; i < application->response->removed_count; i++) {
        struct slice name = application->response->removed[i];
        struct record *record = hash_map_get(map_of(application->builder, application->type), name);
        if (record != NULL && !record->is_static && !is_in_response(application, name)) {
            remove_record(record);
        }
    }
}

static void apply_removals(struct application *application) {
    if (application->response->variant != DISCOVERY_SOTW) {
        remove_named(application);
    } else if (!has_nameless(application)) {
        remove_absent(application);
    }
}

static void clear_marks(struct application *application) {
    struct hash_map *map = map_of(application->builder, application->type);
    for (uint32_t i = 0; i < application->response->resource_count; i++) {
        struct record *record =
            hash_map_get(map, name_of(application->type, &application->response->resources[i]));
        if (record != NULL) {
            record->is_named = false;
        }
    }
}

static struct slice with_headline(struct application *application) {
    if (application->errors.len == 0) {
        return SLICE("");
    }
    return arena_printf(application->arena, "Error adding/updating %s(s) %.*s",
                        application->type->kind == CONFIG_CLUSTER ? "cluster" : "listener",
                        SLICE_ARG(application->errors));
}

struct slice snapshot_builder_apply(struct snapshot_builder *builder,
                                    const struct resource_type *type,
                                    const struct discovery_response *response,
                                    struct arena *arena) {
    struct application application = {.builder = builder,
                                      .type = type,
                                      .response = response,
                                      .arena = arena,
                                      .errors = SLICE("")};
    // A listener may take the address of one that goes; a cluster goes when others can take over.
    if (type->kind == CONFIG_LISTENER) {
        apply_removals(&application);
    }
    for (uint32_t i = 0; i < response->resource_count; i++) {
        apply_resource(&application, &response->resources[i]);
    }
    if (type->kind == CONFIG_CLUSTER) {
        apply_removals(&application);
    }
    clear_marks(&application);
    return with_headline(&application);
}

uint64_t snapshot_builder_changes(const struct snapshot_builder *builder) {
    return builder->changes;
}

/* ---- the bootstrap ---- */

static enum status add_static_secret(struct snapshot_builder *builder, struct slice name,
                                     struct decode_result *result, struct error *err) {
    struct config_store *store = builder->options.decode->store;
    uint32_t slot = config_store_slot(store, CONFIG_SECRET, name);
    if (config_store_get(store, CONFIG_SECRET, slot) != NULL) {
        error_set(err, STATUS_INVALID, "duplicate static secret %.*s", SLICE_ARG(name));
        decode_result_release(result);
        return STATUS_INVALID;
    }
    config_store_put(store, CONFIG_SECRET, slot, config_part_ref(result->part));
    decode_result_release(result);
    return STATUS_OK;
}

static enum status add_static_record(struct snapshot_builder *builder,
                                     const struct resource_type *type, struct slice name,
                                     struct decode_result *result, struct error *err) {
    if (hash_map_get(map_of(builder, type), name) != NULL) {
        error_set(err, STATUS_INVALID, "%s: duplicate %s '%.*s'",
                  type->kind == CONFIG_CLUSTER ? "cluster manager" : "listener manager",
                  type->kind == CONFIG_CLUSTER ? "cluster" : "listener", SLICE_ARG(name));
        decode_result_release(result);
        return STATUS_INVALID;
    }
    struct record *record = obtain(builder, type, name);
    record->is_static = true;
    return begin(record, result, err);
}

enum status snapshot_builder_add_static(struct snapshot_builder *builder,
                                        const struct resource_type *type,
                                        const struct ProtobufCMessage *message, struct error *err) {
    struct arena arena;
    struct validation v;
    struct decode_result result;
    // Without its bytes: the bootstrap's are kept as a whole.
    struct decode_options options = {.is_static = true,
                                     .wall_us = event_loop_wall_us(builder->options.control->loop)};
    arena_init_heap(&arena, 0);
    validation_init(&v, &arena, SLICE(""));
    enum status status =
        resource_decode_message(type, builder->options.decode, &options, message, &v, &result);
    log_findings(&v, type->short_name,
                 status == STATUS_OK ? result.part->name : SLICE("of the bootstrap"));
    count_unknown(builder, &v, true);
    if (status != STATUS_OK) {
        status = static_resource_error(type, message, &v, &arena, err);
    } else {
        struct slice name = arena_dup_slice(&arena, result.part->name);
        status = type->kind == CONFIG_SECRET ? add_static_secret(builder, name, &result, err)
                                             : add_static_record(builder, type, name, &result, err);
    }
    arena_deinit(&arena);
    return status;
}

void snapshot_builder_run_tasks(struct snapshot_builder *builder) {
    warm_context_run_tasks(&builder->warm);
}

/* ---- looking at it ---- */

uint32_t snapshot_builder_warming(const struct snapshot_builder *builder,
                                  const struct resource_type *type) {
    return type->kind == CONFIG_CLUSTER ? builder->clusters_warming : builder->listeners_warming;
}

static bool is_primary(const struct record *record) {
    const struct warm_item *item = record->warming != NULL ? record->warming : record->active;
    return record->is_static && item != NULL && !warm_item_has_discovery(item);
}

uint32_t snapshot_builder_primary_warming(const struct snapshot_builder *builder) {
    uint32_t count = 0;
    size_t at = 0;
    struct slice key;
    void *value;
    while (hash_map_next(&builder->clusters, &at, &key, &value)) {
        const struct record *record = value;
        count += record->is_warming && is_primary(record) ? 1 : 0;
    }
    return count;
}

const struct endpoint_part *snapshot_builder_assignment(const struct snapshot_builder *builder,
                                                        struct slice cluster) {
    const struct record *record = hash_map_get(&builder->clusters, cluster);
    return record == NULL || record->active == NULL ? NULL : warm_item_assignment(record->active);
}

void snapshot_builder_visit(const struct snapshot_builder *builder,
                            const struct resource_type *type, record_visit_fn *fn, void *arg) {
    const struct hash_map *map =
        type->kind == CONFIG_CLUSTER ? &builder->clusters : &builder->listeners;
    size_t at = 0;
    struct slice key;
    void *value;
    while (hash_map_next(map, &at, &key, &value)) {
        const struct record *record = value;
        struct record_view view = {
            .type = type, .name = record->name, .is_static = record->is_static};
        if (record->failure != NULL) {
            view.error = record->failure->error;
            view.error_version = record->failure->version;
            view.error_wall_us = record->failure->wall_us;
            view.failed_raw = record->failure->raw;
        }
        view.active = record->active != NULL ? warm_item_borrow(record->active) : NULL;
        view.warming = record->warming != NULL ? warm_item_borrow(record->warming) : NULL;
        // A cluster that was handed over is active to us, but not yet to the cluster manager.
        if (type->kind == CONFIG_CLUSTER && record->is_warming && view.warming == NULL) {
            view.warming = view.active;
            view.active = NULL;
        }
        fn(arg, &view);
    }
}

struct snapshot_builder *snapshot_builder_new(const struct snapshot_builder_options *options) {
    struct snapshot_builder *builder = mem_calloc(1, sizeof(*builder));
    builder->options = *options;
    builder->warm = (struct warm_context){.resources = options->resources,
                                          .decode = options->decode,
                                          .targets = options->targets,
                                          .control = options->control};
    warm_context_init(&builder->warm);
    hash_map_init(&builder->clusters);
    hash_map_init(&builder->listeners);
    return builder;
}

static void free_records(struct hash_map *map) {
    size_t at = 0;
    struct slice key;
    void *value;
    while (hash_map_next(map, &at, &key, &value)) {
        free_record(value);
    }
    hash_map_deinit(map);
}

void snapshot_builder_free(struct snapshot_builder *builder) {
    if (builder == NULL) {
        return;
    }
    resource_store_close(builder->options.resources);
    builder->warm.is_closed = true;
    free_records(&builder->listeners);
    free_records(&builder->clusters);
    warm_context_close(&builder->warm);
    mem_free(builder);
}
