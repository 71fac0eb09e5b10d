// SPDX-License-Identifier: Apache-2.0
#include "xds/runtime_loader.h"

#include "src/base/check.h"
#include "src/base/hash_map.h"
#include "src/base/log.h"
#include "src/runtime/disk_layer.h"
#include "src/runtime/runtime.h"
#include "src/runtime/runtime_unread.h"
#include "xds/file_watcher.h"
#include "xds/subscription.h"

struct loaded_layer {
    struct runtime_loader *loader;
    const struct runtime_layer_config *config;
    struct runtime_layer *layer;
    struct file_watch *watch;              /* DISK */
    struct xds_subscription *subscription; /* RTDS */
    bool is_settled;                       /* RTDS: need not be waited for */
};

struct runtime_loader {
    struct runtime_loader_options options;
    struct runtime *runtime;
    struct loaded_layer *layers;
    uint32_t count;
    struct hash_map told; /* keys that a warning was given for */
    struct arena told_names;
};

/* ---- loading ---- */

// Once for each key: a configuration's own keys come later and are not known yet.
static void tell_unread(struct runtime_loader *loader) {
    enum { TOLD_MAX = 1000 };
    uint32_t count;
    struct slice *keys = runtime_keys(loader->runtime, &count);
    for (uint32_t i = 0; i < count && loader->told.count < TOLD_MAX; i++) {
        const struct runtime_value *value = runtime_find(loader->runtime, keys[i]);
        const char *reason = runtime_unread_reason(keys[i], value);
        if (reason == NULL || hash_map_get(&loader->told, keys[i]) != NULL) {
            continue;
        }
        (void)hash_map_put(&loader->told, arena_dup_slice(&loader->told_names, keys[i]), loader);
        LOG(RUNTIME, WARN, "runtime key %.*s is ignored: %s", SLICE_ARG(keys[i]), reason);
    }
    mem_free(keys);
}

static void fill(struct runtime_layer *layer, const struct runtime_settings *settings) {
    runtime_layer_clear(layer);
    for (uint32_t i = 0; i < settings->count; i++) {
        const struct runtime_setting *setting = &settings->items[i];
        runtime_layer_set(layer, setting->key, setting->text, setting->value);
    }
}

static void load_disk(const struct loaded_layer *loaded, struct runtime_load *load) {
    struct error err;
    runtime_layer_clear(loaded->layer);
    enum status status = runtime_disk_read(loaded->config->path, loaded->layer, &err);
    runtime_layer_set_present(loaded->layer, status == STATUS_OK);
    if (status == STATUS_OK) {
        load->disk_layers++;
    } else if (status != STATUS_NOT_FOUND) {
        LOG(RUNTIME, WARN, "runtime layer %.*s is left out: %s", SLICE_ARG(loaded->config->name),
            err.message);
        load->has_error = true;
    }
}

// Folders are read each time, as in Envoy: whatever else changed.
static void load(struct runtime_loader *loader) {
    struct runtime_load load = {0};
    for (uint32_t i = 0; i < loader->count; i++) {
        if (loader->layers[i].config->kind == RUNTIME_LAYER_DISK) {
            load_disk(&loader->layers[i], &load);
        }
    }
    runtime_loaded(loader->runtime, &load);
    tell_unread(loader);
}

static void on_folder_replaced(void *arg) {
    const struct loaded_layer *loaded = arg;
    LOG(RUNTIME, INFO, "reloading runtime layer %.*s", SLICE_ARG(loaded->config->name));
    load(loaded->loader);
}

/* ---- RTDS ---- */

static void settle(struct loaded_layer *loaded) {
    if (!loaded->is_settled) {
        loaded->is_settled = true;
        loaded->loader->options.on_ready(loaded->loader->options.arg);
    }
}

static struct slice apply(struct loaded_layer *loaded, const struct discovery_resource *resource,
                          struct arena *arena) {
    struct validation v;
    struct decode_options options = {0};
    struct decode_result result;
    validation_init(&v, arena, SLICE(""));
    if (resource_decode(&resource_type_runtime, loaded->loader->options.decode, &options,
                        resource->value, &v, &result) != STATUS_OK) {
        return validation_text(&v, arena);
    }
    const struct runtime_part *part = (const struct runtime_part *)(void *)result.part;
    fill(loaded->layer, &part->settings);
    decode_result_release(&result);
    load(loaded->loader);
    return SLICE("");
}

static struct slice on_update(void *arg, const struct discovery_response *response,
                              struct arena *arena) {
    struct loaded_layer *loaded = arg;
    if (response->resource_count + response->removed_count != 1) {
        return arena_printf(arena,
                            "Unexpected RTDS resource length, number of added resources %u, "
                            "number of removed resources %u",
                            response->resource_count, response->removed_count);
    }
    struct slice error = SLICE("");
    if (response->removed_count == 1) {
        runtime_layer_clear(loaded->layer);
        load(loaded->loader);
    } else if (response->resources[0].has_body) {
        error = apply(loaded, &response->resources[0], arena);
    }
    settle(loaded);
    return error;
}

static void on_given_up(void *arg) {
    settle(arg);
}

static const struct xds_subscription_handler rtds_handler = {on_update, on_given_up};

static enum status subscribe(struct loaded_layer *loaded, struct error *err) {
    struct xds_subscription_options options = {.type = &resource_type_runtime,
                                               .name = loaded->config->resource,
                                               .config_source = loaded->config->config_source,
                                               .stat_prefix = SLICE("runtime"),
                                               .handler = &rtds_handler,
                                               .arg = loaded};
    return xds_subscribe(loaded->loader->options.client, &options, &loaded->subscription, err);
}

enum status runtime_loader_start(struct runtime_loader *loader, struct error *err) {
    load(loader);
    for (uint32_t i = 0; i < loader->count; i++) {
        if (loader->layers[i].config->kind == RUNTIME_LAYER_RTDS) {
            TRY(subscribe(&loader->layers[i], err));
        }
    }
    return STATUS_OK;
}

bool runtime_loader_is_ready(const struct runtime_loader *loader) {
    for (uint32_t i = 0; i < loader->count; i++) {
        if (!loader->layers[i].is_settled) {
            return false;
        }
    }
    return true;
}

/* ---- the admin layer ---- */

enum status runtime_loader_modify(struct runtime_loader *loader,
                                  const struct runtime_change *changes, uint32_t count) {
    for (uint32_t i = 0; i < loader->count; i++) {
        if (loader->layers[i].config->kind != RUNTIME_LAYER_ADMIN) {
            continue;
        }
        struct runtime_layer *layer = loader->layers[i].layer;
        for (uint32_t at = 0; at < count; at++) {
            if (changes[at].text.len == 0) {
                runtime_layer_remove(layer, changes[at].key);
            } else {
                runtime_layer_set(layer, changes[at].key, changes[at].text,
                                  runtime_value_of_text(changes[at].text));
            }
        }
        runtime_set_admin_active(loader->runtime, runtime_layer_count(layer) > 0);
        load(loader);
        return STATUS_OK;
    }
    return STATUS_NOT_FOUND;
}

/* ---- life ---- */

static enum status make_layer(struct loaded_layer *loaded, struct error *err) {
    struct runtime_loader *loader = loaded->loader;
    loaded->layer = runtime_add_layer(loader->runtime, loaded->config->name);
    loaded->is_settled = loaded->config->kind != RUNTIME_LAYER_RTDS;
    if (loaded->config->kind == RUNTIME_LAYER_STATIC) {
        fill(loaded->layer, &loaded->config->settings);
    }
    if (loaded->config->kind != RUNTIME_LAYER_DISK) {
        return STATUS_OK;
    }
    return file_watcher_add(loader->options.files, loaded->config->symlink_root, false,
                            on_folder_replaced, loaded, &loaded->watch, err);
}

struct runtime_loader *runtime_loader_new(const struct runtime_loader_options *options,
                                          struct error *err) {
    struct runtime_loader *loader = mem_calloc(1, sizeof(*loader));
    loader->options = *options;
    loader->runtime = config_store_runtime(options->decode->store);
    hash_map_init(&loader->told);
    arena_init_heap(&loader->told_names, 0);
    loader->layers = mem_calloc(options->config->count, sizeof(*loader->layers));
    for (; loader->count < options->config->count; loader->count++) {
        struct loaded_layer *loaded = &loader->layers[loader->count];
        *loaded = (struct loaded_layer){.loader = loader,
                                        .config = &options->config->layers[loader->count]};
        if (make_layer(loaded, err) != STATUS_OK) {
            runtime_loader_free(loader);
            return NULL;
        }
    }
    load(loader);
    return loader;
}

void runtime_loader_free(struct runtime_loader *loader) {
    if (loader == NULL) {
        return;
    }
    for (uint32_t i = 0; i < loader->count; i++) {
        xds_subscription_free(loader->layers[i].subscription);
        file_watch_remove(loader->layers[i].watch);
    }
    hash_map_deinit(&loader->told);
    arena_deinit(&loader->told_names);
    mem_free(loader->layers);
    mem_free(loader);
}
