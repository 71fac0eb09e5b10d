// SPDX-License-Identifier: Apache-2.0
/* Endpoints that change the server's course, and those that only have an answer to give. */
#include "src/admin/admin_request.h"
#include "src/stats/stats.h"

void admin_handle_quit(struct admin_request *request) {
    request->quits = true;
    admin_text(request->body, "OK\n");
}

void admin_handle_drain_listeners(struct admin_request *request) {
    const struct admin_options *options = request->options;
    const struct admin_drain drain = {
        .graceful = admin_params_has(&request->params, "graceful"),
        .inbound_only = admin_params_has(&request->params, "inboundonly"),
        .skip_exit = admin_params_has(&request->params, "skip_exit"),
    };
    if (options->callbacks->drain_listeners != NULL) {
        options->callbacks->drain_listeners(options->arg, &drain);
    }
    admin_text(request->body, "OK\n");
}

static void set_health_failed(struct admin_request *request, bool failed) {
    const struct admin_options *options = request->options;
    if (options->callbacks->set_health_failed != NULL) {
        options->callbacks->set_health_failed(options->arg, failed);
    }
    admin_text(request->body, "OK\n");
}

void admin_handle_health_fail(struct admin_request *request) {
    set_health_failed(request, true);
}

void admin_handle_health_ok(struct admin_request *request) {
    set_health_failed(request, false);
}

void admin_handle_reopen_logs(struct admin_request *request) {
    const struct admin_options *options = request->options;
    if (options->callbacks->reopen_logs != NULL) {
        options->callbacks->reopen_logs(options->arg);
    }
    admin_text(request->body, "OK\n");
}

void admin_handle_reset_counters(struct admin_request *request) {
    if (request->options->stats != NULL) {
        stats_reset(request->options->stats);
    }
    admin_text(request->body, "OK\n");
}

/* ---- what is tied to Envoy's own implementation ---- */

void admin_handle_contention(struct admin_request *request) {
    admin_text(request->body, "Mutex contention tracing is not enabled. To enable, run Envoy with "
                              "flag --enable-mutex-tracing.");
}

void admin_handle_profiler(struct admin_request *request) {
    struct slice enable = {NULL, 0};
    (void)admin_params_get(&request->params, "enable", &enable);
    if (!slice_equal(enable, SLICE("y")) && !slice_equal(enable, SLICE("n"))) {
        admin_answer(request, 400, "?enable=<y|n>\n");
        return;
    }
    admin_answer(request, 501, "The current build does not support ");
    admin_slice(request->body, slice_sub(request->path, 1, SIZE_MAX));
    admin_text(request->body, "\n");
}

void admin_handle_heap_dump(struct admin_request *request) {
    admin_answer(request, 501, "The current build does not support ");
    admin_slice(request->body, slice_sub(request->path, 1, SIZE_MAX));
    admin_text(request->body, "\n");
}

void admin_handle_recent_lookups(struct admin_request *request) {
    admin_text(request->body, "Lookup tracking is not enabled. Use /stats/recentlookups/enable to "
                              "enable.\n\ntotal: 0\n");
}

void admin_handle_recent_lookups_change(struct admin_request *request) {
    admin_text(request->body, "OK\n");
}
