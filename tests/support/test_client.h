// SPDX-License-Identifier: Apache-2.0
/*
 * A client connection on the stack's control loop that speaks with our own client codecs, plain or over
 * TLS, and its exchanges. For exact bytes use a raw_peer.
 */
#ifndef TESTS_SUPPORT_TEST_CLIENT_H
#define TESTS_SUPPORT_TEST_CLIENT_H

#include "src/http/codec.h"
#include "src/net/connection.h"
#include "src/tls/tls_context.h"
#include "tests/support/test_stack.h"

struct test_client {
    struct test_stack *stack;
    struct connection *connection;
    struct http_codec *codec;
    bool is_connected, is_closed, has_goaway, is_http2;
    enum status dispatch_status;
};

struct test_exchange {
    struct test_client *client;
    struct http_codec_stream *stream; /* NULL once the codec forgot it */
    struct arena arena;
    struct header_map *headers, *trailers;
    struct test_text body;
    uint64_t body_bytes;
    uint32_t status; /* 0: none yet */
    uint32_t informational_count, last_informational;
    bool drops_body;
    bool has_ended;
    bool is_reset;
    bool is_closed;
    bool is_backed_up;
    enum http_reset_reason reason;
};

void test_client_connect(struct test_client *client, struct test_stack *stack,
                         const struct address *address, bool is_http2);
/* With TLS: `sni` may be empty; `context` NULL: plain. */
void test_client_connect_tls(struct test_client *client, struct test_stack *stack,
                             const struct address *address, bool is_http2,
                             struct tls_context *context, struct slice sni);
/* Closes; exchanges still open are reset. Idempotent. */
void test_client_close(struct test_client *client);

void test_exchange_init(struct test_exchange *exchange, struct test_client *client);
/* Opens the stream and sends the head; `headers` of test_headers over exchange->arena. */
void test_exchange_headers(struct test_exchange *exchange, const struct header_map *headers,
                           bool end_stream);
/* GET without a body to host "test". */
void test_exchange_get(struct test_exchange *exchange, const char *path);
/* POST with its length, all at once. */
void test_exchange_post(struct test_exchange *exchange, const char *path, const char *body);
void test_exchange_data(struct test_exchange *exchange, const void *bytes, size_t len,
                        bool end_stream);
void test_exchange_trailers(struct test_exchange *exchange, const struct header_map *trailers);
void test_exchange_reset(struct test_exchange *exchange);
/* Ended, reset, or the connection is gone. */
bool test_exchange_is_over(const struct test_exchange *exchange);
void test_exchange_deinit(struct test_exchange *exchange);

/* Turns until it is over and fails unless the status is `status`. */
void test_exchange_expect(struct test_exchange *exchange, uint32_t status);

#endif
