// SPDX-License-Identifier: Apache-2.0
#include "filters/http/jwt_authn/jwks_fetch.h"

#include "src/base/check.h"
#include "src/event/event_loop.h"
#include "src/event/io_context.h"
#include "src/stats/stats.h"
#include "src/upstream/http_call.h"

enum { JWKS_REQUEST_MAGIC = 0x4a4b5251 };

struct jwks_request {
    uint32_t magic;
    const struct jwks_remote *remote;
    struct io_context *io;
    struct http_call *call;
    jwks_done_fn *done;
    void *arg;
};

static void finish(struct jwks_request *request, struct jwks *jwks) {
    const struct jwks_remote *remote = request->remote;
    stats_inc(remote->stats, request->io->index,
              jwks == NULL ? remote->stat_failed : remote->stat_success);
    jwks_done_fn *done = request->done;
    void *arg = request->arg;
    uint64_t now_ms = event_loop_now_ms(request->io->loop);
    request->magic = 0;
    mem_free(request);
    done(arg, jwks, now_ms);
    jwks_unref(jwks);
}

static void on_done(void *arg, const struct http_call_result *result) {
    struct jwks_request *request = arg;
    CHECK_MAGIC(request, JWKS_REQUEST_MAGIC);
    struct jwks *jwks = NULL;
    if (result->outcome == HTTP_CALL_RESPONSE && http_status_of(result->headers) == 200) {
        struct slice body = buffer_linearize(result->body, result->body->len);
        jwks = jwks_parse(body, &jwks) == JWT_OK ? jwks : NULL;
    }
    finish(request, jwks);
}

/* What the host is told of how long it has: of one attempt. */
static uint32_t expected_ms(const struct jwks_remote *remote) {
    bool is_shorter = remote->retry.is_set && remote->retry.max_ms != 0 &&
                      (remote->timeout_ms == 0 || remote->retry.max_ms < remote->timeout_ms);
    return is_shorter ? remote->retry.max_ms : remote->timeout_ms;
}

static void start_call(struct jwks_request *request) {
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
    if (expected_ms(remote) > 0) {
        header_map_set_uint(&headers, HEADER_X_ENVOY_EXPECTED_RQ_TIMEOUT_MS, expected_ms(remote));
    }
    request->call = http_call_start(&(struct http_call_options){
        .io = request->io,
        .cluster_slot = remote->cluster_slot,
        .headers = &headers,
        .timeout_ms = remote->timeout_ms,
        .max_body_bytes = JWKS_MAX_BYTES,
        .retry = remote->retry,
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
    start_call(request);
    return request;
}

void jwks_request_cancel(struct jwks_request *request) {
    CHECK_MAGIC(request, JWKS_REQUEST_MAGIC);
    http_call_cancel(request->call);
    request->magic = 0;
    mem_free(request);
}
