// SPDX-License-Identifier: Apache-2.0
/*
 * An upstream server on the stack's control loop that speaks with our own server codecs. It keeps every
 * request; by default each complete one is answered "200 ok", a test may answer by hand instead, or
 * reset, or never. For exact or broken bytes use a raw_listener.
 */
#ifndef TESTS_SUPPORT_FAKE_UPSTREAM_H
#define TESTS_SUPPORT_FAKE_UPSTREAM_H

#include "src/http/codec.h"
#include "src/net/connection.h"
#include "tests/support/test_stack.h"

enum { FAKE_MAX_REQUESTS = 512 };

struct fake_upstream;
struct fake_request;
typedef void fake_request_fn(struct fake_request *request);

struct fake_connection {
    struct fake_upstream *server;
    struct connection *connection;
    struct http_codec *codec;
    bool is_closed;
};

struct fake_request {
    struct fake_upstream *server;
    struct fake_connection *connection;
    struct http_codec_stream *stream; /* NULL once the codec forgot it */
    struct arena arena;
    struct header_map *headers, *trailers;
    struct test_text body;
    uint64_t body_bytes;
    bool is_complete;
    bool is_reset;
    bool is_backed_up; /* our response is above the high mark */
    enum http_reset_reason reason;
};

struct fake_upstream {
    struct test_stack *stack;
    int fd;
    struct address address;
    struct event_watch watch;
    bool is_http2;
    bool drops_body;              /* counts bytes only */
    fake_request_fn *on_headers;  /* NULL: nothing */
    fake_request_fn *on_complete; /* default: fake_request_ok */
    struct http1_options http1;
    struct http2_options http2;
    struct fake_connection *connections[FAKE_MAX_REQUESTS];
    uint32_t connection_count;
    struct fake_request *requests[FAKE_MAX_REQUESTS];
    uint32_t request_count, complete_count;
};

void fake_upstream_init(struct fake_upstream *server, struct test_stack *stack, bool is_http2);
/* Closes all. */
void fake_upstream_deinit(struct fake_upstream *server);
/* The newest request. */
struct fake_request *fake_upstream_last(const struct fake_upstream *server);
uint32_t fake_upstream_open_count(const struct fake_upstream *server);

/* 200, content-length, body "ok". */
void fake_request_ok(struct fake_request *request);
/* Does nothing: the test answers. */
void fake_request_wait(struct fake_request *request);
/* Status and body with content-length; no body where `body` is NULL. */
void fake_request_answer(struct fake_request *request, uint32_t status, const char *body);
/* `more`: name and value pairs in a map of test_headers; NULL: none. */
void fake_request_headers(struct fake_request *request, uint32_t status,
                          const struct header_map *more, bool end_stream);
void fake_request_data(struct fake_request *request, const void *bytes, size_t len,
                       bool end_stream);
void fake_request_trailers(struct fake_request *request, const struct header_map *trailers);
void fake_request_informational(struct fake_request *request, uint32_t status);
void fake_request_reset(struct fake_request *request, enum http_reset_reason reason);
void fake_request_close_connection(struct fake_request *request);

#endif
