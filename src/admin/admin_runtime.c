// SPDX-License-Identifier: Apache-2.0
/* /runtime: all keys of all layers, each with what every layer says of it; and overrides by hand. */
#include "src/admin/admin_request.h"
#include "src/admin/json_writer.h"
#include "src/base/check.h"
#include "src/config/config_store.h"
#include "src/runtime/runtime.h"

static void write_entry(struct json_writer *json, const struct runtime *runtime, struct slice key,
                        struct arena *arena) {
    struct slice last = {0};
    json_begin_object(json, arena_dup_string(arena, key));
    json_begin_array(json, "layer_values");
    for (uint32_t i = 0; i < runtime_layers(runtime); i++) {
        struct slice text = runtime_text(runtime, i, key);
        last = text.len > 0 ? text : last;
        json_string(json, NULL, text);
    }
    json_end_array(json);
    json_string(json, "final_value", last);
    json_end_object(json);
}

static void write_entries(struct json_writer *json, const struct runtime *runtime,
                          struct arena *arena) {
    uint32_t count;
    struct slice *keys = runtime_keys(runtime, &count);
    json_begin_object(json, "entries");
    for (uint32_t i = 0; i < count; i++) {
        write_entry(json, runtime, keys[i], arena);
    }
    json_end_object(json);
    mem_free(keys);
}

void admin_handle_runtime(struct admin_request *request) {
    request->content_type = admin_content_json;
    if (request->options->store == NULL) {
        admin_text(request->body, "{\n \"entries\": {},\n \"layers\": []\n}\n");
        return;
    }
    const struct runtime *runtime = config_store_runtime(request->options->store);
    struct json_writer json;
    json_init(&json, request->body, true);
    json_begin_object(&json, NULL);
    write_entries(&json, runtime, request->arena);
    json_begin_array(&json, "layers");
    for (uint32_t i = 0; i < runtime_layers(runtime); i++) {
        json_string(&json, NULL, runtime_layer_name(runtime, i));
    }
    json_end_array(&json);
    json_end_object(&json);
    admin_text(request->body, "\n");
}

void admin_handle_runtime_modify(struct admin_request *request) {
    const struct admin_options *options = request->options;
    const struct admin_params *params = &request->params;
    if (params->count == 0) {
        admin_answer(request, 400,
                     "usage: /runtime_modify?key1=value1&key2=value2&keyN=valueN\n"
                     "       or send the parameters as form values\n"
                     "use an empty value to remove a previously added override");
        return;
    }
    // Of a name that comes twice Envoy takes the first.
    struct admin_param *changes =
        ARENA_NEW_ARRAY(request->arena, params->count, struct admin_param);
    for (uint32_t i = 0; i < params->count; i++) {
        changes[i] = params->items[params->count - 1 - i];
    }
    if (options->callbacks->runtime_modify == NULL ||
        options->callbacks->runtime_modify(options->arg, changes, params->count) != STATUS_OK) {
        admin_answer(request, 503, "No admin layer specified");
        return;
    }
    admin_text(request->body, "OK\n");
}
