// SPDX-License-Identifier: Apache-2.0
#include "filters/http/jwt_authn/jwks_fetch.h"

#include "src/base/check.h"
#include "src/event/event_loop.h"
#include "src/event/io_context.h"
#include "src/event/timer.h"
#include "src/stats/stats.h"
#include "src/upstream/http_call.h"

enum { JWKS_REQUEST_MAGIC = 0x4a4b5251, MAX_BACKOFF_SHIFT = 16 };

struct jwks_request {
    uint32_t magic;
    const struct jwks_remote *remote;
    struct io_context *io;
    struct http_call *call; /* NULL between attempts */
    struct timer retry;
    uint32_t retries;
    jwks_done_fn *done;
    void *arg;
};

static void request_free(struct jwks_request *request) {
    timer_cancel(&request->retry);
    request->magic = 0;
    mem_free(request);
}

static void finish(struct jwks_request *request, struct jwks *jwks) {
    const struct jwks_remote *remote = request->remote;
    stats_inc(remote->stats, request->io->index,
              jwks == NULL ? remote->stat_failed : remote->stat_success);
    jwks_done_fn *done = request->done;
    void *arg = request->arg;
    uint64_t now_ms = event_loop_now_ms(request->io->loop);
    request_free(request);
    done(arg, jwks, now_ms);
    jwks_unref(jwks);
}

/* Full jitter, as retries of requests have. */
static uint64_t backoff_ms(struct jwks_request *request) {
    uint32_t shift = request->retries < MAX_BACKOFF_SHIFT ? request->retries : MAX_BACKOFF_SHIFT;
    uint64_t ceiling = (uint64_t)request->remote->retry_base_ms << shift;
    if (ceiling > request->remote->retry_max_ms) {
        ceiling = request->remote->retry_max_ms;
    }
    return random_below(&request->io->random, ceiling + 1);
}

static void on_done(void *arg, const struct http_call_result *result) {
    struct jwks_request *request = arg;
    CHECK_MAGIC(request, JWKS_REQUEST_MAGIC);
    request->call = NULL;
    uint32_t status = result->outcome == HTTP_CALL_RESPONSE ? http_status_of(result->headers) : 503;
    struct jwks *jwks = NULL;
    if (status == 200) {
        struct slice body = buffer_linearize(result->body, result->body->len);
        jwks = jwks_parse(body, &jwks) == JWT_OK ? jwks : NULL;
    } else if (status >= 500 && request->retries < request->remote->max_retries) {
        timer_arm(request->io->loop, &request->retry, backoff_ms(request));
        request->retries++;
        return;
    }
    finish(request, jwks);
}

static void start_call(void *arg) {
    struct jwks_request *request = arg;
    CHECK_MAGIC(request, JWKS_REQUEST_MAGIC);
    const struct jwks_remote *remote = request->remote;
    struct arena arena;
    struct header_map headers;
    arena_init(&arena, &request->io->arena_blocks);
    header_map_init(&headers, &arena);
    header_map_append(&headers, HEADER_METHOD, SLICE("GET"));
    header_map_append(&headers, HEADER_PATH, remote->path);
    header_map_append(&headers, HEADER_AUTHORITY, remote->authority);
    header_map_append(&headers, HEADER_SCHEME, remote->scheme);
    /* Some hosts of key sets refuse requests without one; this is what they are used to. */
    header_map_append(&headers, HEADER_USER_AGENT, SLICE("Go-browser"));
    header_map_append(&headers, HEADER_X_ENVOY_INTERNAL, SLICE("true"));
    if (remote->timeout_ms > 0) {
        header_map_set_uint(&headers, HEADER_X_ENVOY_EXPECTED_RQ_TIMEOUT_MS, remote->timeout_ms);
    }
    request->call = http_call_start(&(struct http_call_options){
        .io = request->io,
        .cluster_slot = remote->cluster_slot,
        .headers = &headers,
        .timeout_ms = remote->timeout_ms,
        .max_body_bytes = JWKS_MAX_BYTES,
        .done = on_done,
        .arg = request,
    });
    arena_deinit(&arena);
}

struct jwks_request *jwks_request_start(const struct jwks_remote *remote, struct io_context *io,
                                        jwks_done_fn *done, void *arg) {
    struct jwks_request *request = mem_calloc(1, sizeof(*request));
    *request = (struct jwks_request){
        .magic = JWKS_REQUEST_MAGIC, .remote = remote, .io = io, .done = done, .arg = arg};
    timer_init(&request->retry, start_call, request);
    start_call(request);
    return request;
}

void jwks_request_cancel(struct jwks_request *request) {
    CHECK_MAGIC(request, JWKS_REQUEST_MAGIC);
    if (request->call != NULL) {
        http_call_cancel(request->call);
    }
    request_free(request);
}
