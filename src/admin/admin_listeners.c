// SPDX-License-Identifier: Apache-2.0
#include "src/admin/admin_address.h"
#include "src/admin/admin_request.h"
#include "src/base/check.h"
#include "src/config/config_store.h"
#include "src/config/listener_config.h"
#include "src/listener/listener_manager.h"

static uint32_t address_count(const struct listener_part *listener) {
    return listener->sockets == NULL ? listener->address_count : listener->sockets->address_count;
}

static const struct address *address_at(const struct listener_part *listener, uint32_t i) {
    return listener->sockets == NULL ? &listener->addresses[i] : &listener->sockets->bound[i];
}

static void write_text(const struct listener_part *listener, struct buffer *out) {
    for (uint32_t i = 0; i < address_count(listener); i++) {
        char text[ADDRESS_TEXT_BYTES];
        struct slice address = address_to_text(address_at(listener, i), text);
        buffer_append_printf(out, "%.*s::%.*s\n", SLICE_ARG(listener->part.name),
                             SLICE_ARG(address));
    }
}

static void write_json(const struct listener_part *listener, struct json_writer *json) {
    json_begin_object(json, NULL);
    json_string(json, "name", listener->part.name);
    uint32_t count = address_count(listener);
    if (count > 0) {
        admin_write_address(json, "local_address", address_at(listener, 0));
    }
    if (count > 1) {
        json_begin_array(json, "additional_local_addresses");
        for (uint32_t i = 1; i < count; i++) {
            admin_write_address(json, NULL, address_at(listener, i));
        }
        json_end_array(json);
    }
    json_end_object(json);
}

static struct config_part *next_listener(const struct admin_request *request, uint32_t *slot) {
    struct config_store *store = request->options->store;
    return store == NULL ? NULL : config_store_next(store, CONFIG_LISTENER, slot);
}

void admin_handle_listeners(struct admin_request *request) {
    struct slice format = {NULL, 0};
    uint32_t slot = 0;
    struct config_part *part = next_listener(request, &slot);
    (void)admin_params_get(&request->params, "format", &format);
    if (!slice_equal(format, SLICE("json"))) {
        for (; part != NULL; part = next_listener(request, &slot)) {
            write_text(CONTAINER_OF(part, struct listener_part, part), request->body);
        }
        return;
    }
    struct json_writer json;
    request->content_type = admin_content_json;
    json_init(&json, request->body, true);
    json_begin_object(&json, NULL);
    if (part != NULL) {
        json_begin_array(&json, "listener_statuses");
        for (; part != NULL; part = next_listener(request, &slot)) {
            write_json(CONTAINER_OF(part, struct listener_part, part), &json);
        }
        json_end_array(&json);
    }
    json_end_object(&json);
    admin_text(request->body, "\n");
}
