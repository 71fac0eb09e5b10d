// SPDX-License-Identifier: Apache-2.0
#include <inttypes.h>
#include <malloc.h>
#include <stdio.h>

#include "src/admin/admin_request.h"
#include "src/admin/json_writer.h"
#include "src/base/process_memory.h"
#include "src/event/event_loop.h"
#include "src/event/io_context.h"

static enum admin_state state_of(const struct admin_request *request) {
    const struct admin_options *options = request->options;
    return options->callbacks->state == NULL ? ADMIN_STATE_LIVE
                                             : options->callbacks->state(options->arg);
}

static const char *state_name(enum admin_state state) {
    static const char *const names[] = {
        [ADMIN_STATE_LIVE] = "LIVE",
        [ADMIN_STATE_DRAINING] = "DRAINING",
        [ADMIN_STATE_PRE_INITIALIZING] = "PRE_INITIALIZING",
        [ADMIN_STATE_INITIALIZING] = "INITIALIZING",
    };
    return names[state];
}

void admin_handle_ready(struct admin_request *request) {
    enum admin_state state = state_of(request);
    request->status = state == ADMIN_STATE_LIVE ? 200 : 503;
    buffer_append_printf(request->body, "%s\n", state_name(state));
}

static void write_uptime(struct json_writer *json, const char *key, uint64_t start_us,
                         uint64_t now_us) {
    char text[32];
    uint64_t seconds = now_us > start_us ? (now_us - start_us) / 1000000 : 0;
    int len = snprintf(text, sizeof(text), "%" PRIu64 "s", seconds);
    json_string(json, key, slice_make(text, (size_t)len));
}

static const char *hot_restart_version(const struct admin_request *request) {
    const char *version = request->options->facts->hot_restart_version;
    return version == NULL ? "disabled" : version;
}

void admin_handle_server_info(struct admin_request *request) {
    const struct admin_server_facts *facts = request->options->facts;
    uint64_t now_us = event_loop_now_us(request->options->control->loop);
    struct json_writer json;
    request->content_type = admin_content_json;
    json_init(&json, request->body, true);
    json_begin_object(&json, NULL);
    json_string(&json, "version", slice_from_string(facts->version));
    json_string(&json, "state", slice_from_string(state_name(state_of(request))));
    write_uptime(&json, "uptime_current_epoch", facts->start_us, now_us);
    write_uptime(&json, "uptime_all_epochs", facts->first_epoch_start_us, now_us);
    json_string(&json, "hot_restart_version", slice_from_string(hot_restart_version(request)));
    json_document(&json, "command_line_options",
                  facts->command_line_json == NULL ? "{}" : facts->command_line_json);
    json_document(&json, "node", facts->node_json == NULL ? "{}" : facts->node_json);
    json_end_object(&json);
    admin_text(request->body, "\n");
}

void admin_handle_hot_restart_version(struct admin_request *request) {
    admin_text(request->body, hot_restart_version(request));
}

void admin_handle_memory(struct admin_request *request) {
    struct mallinfo2 info = mallinfo2();
    struct json_writer json;
    request->content_type = admin_content_json;
    json_init(&json, request->body, true);
    json_begin_object(&json, NULL);
    json_uint_text(&json, "allocated", info.uordblks + info.hblkhd);
    json_uint_text(&json, "heap_size", info.arena + info.hblkhd);
    json_uint_text(&json, "pageheap_unmapped", 0);
    json_uint_text(&json, "pageheap_free", info.fordblks);
    json_uint_text(&json, "total_thread_cache", info.fsmblks);
    json_uint_text(&json, "total_physical_bytes", process_memory_read().resident_bytes);
    json_end_object(&json);
    admin_text(request->body, "\n");
}

void admin_handle_init_dump(struct admin_request *request) {
    const struct admin_options *options = request->options;
    struct slice mask = {NULL, 0};
    request->content_type = admin_content_json;
    (void)admin_params_get(&request->params, "mask", &mask);
    if (options->callbacks->init_dump == NULL) {
        admin_text(request->body, "{}\n");
        return;
    }
    options->callbacks->init_dump(options->arg, mask, request->body);
}
