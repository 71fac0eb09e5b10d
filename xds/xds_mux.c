// SPDX-License-Identifier: Apache-2.0
#include "xds/xds_mux.h"

#include "src/base/check.h"
#include "src/base/log.h"
#include "src/base/random.h"
#include "src/event/event_loop.h"
#include "src/event/io_context.h"
#include "src/event/timer.h"
#include "xds/management_server.h"
#include "xds/xds_transport.h"

enum { MUX_MAGIC = 0x584d5558 };

struct xds_mux {
    uint32_t magic;
    struct xds_mux_options options;
    struct ads_session *session;
    struct server_stream *stream; /* NULL: none */
    struct event_deferred flush;
    struct timer retry;
    uint64_t backoff_ms; /* of the next retry, before jitter */
    bool is_started;
    bool is_closing; /* its stream broke the protocol: closed at the end of the turn */
};

static uint64_t backoff_base(const struct xds_mux *mux) {
    return management_server_backoff(mux->options.server).base_ms;
}

// Full jitter, as Envoy: anything below the current interval.
static void retry_later(struct xds_mux *mux) {
    uint64_t delay = random_below(&mux->options.control->random, mux->backoff_ms);
    uint64_t max = management_server_backoff(mux->options.server).max_ms;
    mux->backoff_ms = mux->backoff_ms * 2 < max ? mux->backoff_ms * 2 : max;
    timer_arm(mux->options.control->loop, &mux->retry, delay);
    mux->options.handler->on_failure(mux->options.arg);
}

static void lose_stream(struct xds_mux *mux) {
    mux->stream = NULL;
    ads_session_closed(mux->session);
    mux->options.handler->on_connected(mux->options.arg, false);
    retry_later(mux);
}

static void on_message(void *arg, struct slice bytes) {
    struct xds_mux *mux = arg;
    struct error err;
    CHECK_MAGIC(mux, MUX_MAGIC);
    mux->backoff_ms = backoff_base(mux);
    if (mux->is_closing) {
        return;
    }
    if (ads_session_receive(mux->session, bytes, &err) != STATUS_OK) {
        LOG(CONFIG, WARN, "gRPC config stream to %.*s: %s",
            SLICE_ARG(management_server_name(mux->options.server)), err.message);
        mux->is_closing = true;
        event_loop_defer(mux->options.control->loop, &mux->flush);
    }
}

static void on_closed(void *arg, int code, struct slice message) {
    struct xds_mux *mux = arg;
    CHECK_MAGIC(mux, MUX_MAGIC);
    LOG(CONFIG, WARN, "gRPC config stream to %.*s closed: %d, %.*s",
        SLICE_ARG(management_server_name(mux->options.server)), code, SLICE_ARG(message));
    mux->is_closing = false;
    lose_stream(mux);
}

static const struct xds_stream_handler stream_handler = {on_message, on_closed};

static void open_stream(struct xds_mux *mux) {
    struct error err;
    if (management_server_open(mux->options.server, mux->options.method, &stream_handler, mux,
                               &mux->stream, &err) != STATUS_OK) {
        LOG(CONFIG, WARN, "gRPC config stream to %.*s cannot be opened: %s",
            SLICE_ARG(management_server_name(mux->options.server)), err.message);
        retry_later(mux);
        return;
    }
    ads_session_opened(mux->session);
    mux->options.handler->on_connected(mux->options.arg, true);
    event_loop_defer(mux->options.control->loop, &mux->flush);
}

static void on_retry(void *arg) {
    struct xds_mux *mux = arg;
    CHECK_MAGIC(mux, MUX_MAGIC);
    open_stream(mux);
}

static void on_flush(void *arg) {
    struct xds_mux *mux = arg;
    CHECK_MAGIC(mux, MUX_MAGIC);
    if (mux->is_closing) {
        mux->is_closing = false;
        server_stream_close(mux->stream);
        lose_stream(mux);
        return;
    }
    if (mux->stream == NULL && mux->is_started && !timer_is_armed(&mux->retry)) {
        open_stream(mux);
    }
    ads_session_flush(mux->session);
}

static void session_send(void *arg, struct slice message) {
    struct xds_mux *mux = arg;
    server_stream_send(mux->stream, message);
}

static void session_response(void *arg, const struct discovery_response *response) {
    struct xds_mux *mux = arg;
    mux->options.handler->on_response(mux->options.arg, response);
}

static void session_pending(void *arg) {
    struct xds_mux *mux = arg;
    event_loop_defer(mux->options.control->loop, &mux->flush);
}

static const struct ads_session_handler session_handler = {session_send, session_response,
                                                           session_pending};

struct xds_mux *xds_mux_new(const struct xds_mux_options *options) {
    struct xds_mux *mux = mem_calloc(1, sizeof(*mux));
    mux->magic = MUX_MAGIC;
    mux->options = *options;
    struct ads_session_options session = {.variant = options->variant,
                                          .node = options->node,
                                          .node_on_first_message_only =
                                              options->node_on_first_message_only,
                                          .handler = &session_handler,
                                          .arg = mux};
    mux->session = ads_session_new(&session);
    mux->backoff_ms = backoff_base(mux);
    event_deferred_init(&mux->flush, on_flush, mux);
    timer_init(&mux->retry, on_retry, mux);
    return mux;
}

void xds_mux_free(struct xds_mux *mux) {
    if (mux == NULL) {
        return;
    }
    timer_cancel(&mux->retry);
    event_loop_defer_cancel(&mux->flush);
    if (mux->stream != NULL) {
        server_stream_close(mux->stream);
    }
    ads_session_free(mux->session);
    mux->magic = 0;
    mem_free(mux);
}

void xds_mux_start(struct xds_mux *mux) {
    mux->is_started = true;
    event_loop_defer(mux->options.control->loop, &mux->flush);
}

struct ads_session *xds_mux_session(struct xds_mux *mux) {
    return mux->session;
}
