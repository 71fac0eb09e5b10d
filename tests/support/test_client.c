// SPDX-License-Identifier: Apache-2.0
#include "tests/support/test_client.h"

#include <stdio.h>

#include "src/net/socket.h"
#include "src/tls/tls_transport.h"

/* ---- responses ---- */

static void on_headers(void *arg, struct header_map *headers, bool end_stream) {
    struct test_exchange *exchange = arg;
    ck_assert_uint_eq(exchange->status, 0);
    exchange->headers = headers;
    exchange->status = http_status_of(headers);
    exchange->has_ended = end_stream;
}

static void on_informational(void *arg, struct header_map *headers) {
    struct test_exchange *exchange = arg;
    exchange->informational_count++;
    exchange->last_informational = http_status_of(headers);
}

static void on_data(void *arg, struct buffer *data, bool end_stream) {
    struct test_exchange *exchange = arg;
    exchange->body_bytes += data->len;
    while (data->len > 0) {
        struct slice front = buffer_front(data);
        if (!exchange->drops_body) {
            test_text_add(&exchange->body, front.ptr, front.len);
        }
        buffer_drain(data, front.len);
    }
    exchange->has_ended = end_stream;
}

static void on_trailers(void *arg, struct header_map *trailers) {
    struct test_exchange *exchange = arg;
    exchange->trailers = trailers;
    exchange->has_ended = true;
}

static void on_reset(void *arg, enum http_reset_reason reason, const char *detail) {
    struct test_exchange *exchange = arg;
    (void)detail;
    exchange->stream = NULL;
    exchange->is_reset = true;
    exchange->reason = reason;
}

static void on_stream_closed(void *arg) {
    struct test_exchange *exchange = arg;
    exchange->stream = NULL;
    exchange->is_closed = true;
}

static void on_above(void *arg) {
    ((struct test_exchange *)arg)->is_backed_up = true;
}

static void on_below(void *arg) {
    ((struct test_exchange *)arg)->is_backed_up = false;
}

static const struct http_stream_sink_ops sink_ops = {
    .on_headers = on_headers,
    .on_informational = on_informational,
    .on_data = on_data,
    .on_trailers = on_trailers,
    .on_reset = on_reset,
    .on_stream_closed = on_stream_closed,
    .on_above_high_watermark = on_above,
    .on_below_low_watermark = on_below,
};

/* ---- the connection ---- */

static void on_goaway(void *arg, bool by_peer) {
    (void)by_peer;
    ((struct test_client *)arg)->has_goaway = true;
}

static void on_output(void *arg) {
    connection_output_added(((struct test_client *)arg)->connection);
}

static const struct http_codec_callbacks codec_callbacks = {
    .on_goaway = on_goaway,
    .on_output = on_output,
};

static void on_input(void *arg, struct buffer *input, bool end_stream) {
    struct test_client *client = arg;
    (void)end_stream;
    client->dispatch_status = http_codec_dispatch(client->codec, input, NULL);
    if (client->dispatch_status != STATUS_OK) {
        buffer_clear(input);
    }
}

static void on_event(void *arg, enum connection_event event) {
    struct test_client *client = arg;
    if (event == CONNECTION_CONNECTED) {
        client->is_connected = true;
        return;
    }
    if (!client->is_closed) {
        client->is_closed = true;
        http_codec_input_ended(client->codec);
        http_codec_connection_lost(client->codec, HTTP_RESET_CONNECTION_TERMINATION, "closed");
    }
}

static void on_bytes_sent(void *arg, size_t count) {
    struct test_client *client = arg;
    (void)count;
    http_codec_output_drained(client->codec);
}

static const struct connection_callbacks callbacks = {
    .on_data = on_input,
    .on_event = on_event,
    .on_bytes_sent = on_bytes_sent,
};

static struct transport *transport_for(struct tls_context *context, struct slice sni,
                                       bool is_http2) {
    if (context == NULL) {
        return raw_transport_new();
    }
    static const struct slice h2[] = {SLICE_INIT("h2")};
    static const struct slice http1[] = {SLICE_INIT("http/1.1")};
    struct tls_transport_options options = {
        .context = context,
        .sni = sni,
        .alpn = is_http2 ? h2 : http1,
        .alpn_count = 1,
    };
    return tls_transport_new(&options);
}

void test_client_connect_tls(struct test_client *client, struct test_stack *stack,
                             const struct address *address, bool is_http2,
                             struct tls_context *context, struct slice sni) {
    *client = (struct test_client){.stack = stack, .is_http2 = is_http2};
    struct error err = {0};
    int fd = -1;
    ck_assert_int_eq(socket_connect(address, &(struct socket_connect_options){0}, &fd, &err),
                     STATUS_OK);
    struct connection_options options = {
        .io = &stack->control,
        .transport = transport_for(context, sni, is_http2),
        .callbacks = &callbacks,
        .arg = client,
    };
    client->connection = connection_new_client(&options, fd, address, &err);
    ck_assert_msg(client->connection != NULL, "%s", err.message);
    struct http_codec_options codec = {
        .io = &stack->control,
        .callbacks = &codec_callbacks,
        .arg = client,
        .output = connection_output(client->connection),
    };
    client->codec =
        is_http2 ? http2_client_codec_new(&codec, &(struct http2_options){.allow_connect = true})
                 : http1_client_codec_new(&codec, &(struct http1_options){.enable_trailers = true});
}

void test_client_connect(struct test_client *client, struct test_stack *stack,
                         const struct address *address, bool is_http2) {
    test_client_connect_tls(client, stack, address, is_http2, NULL, (struct slice){NULL, 0});
}

void test_client_close(struct test_client *client) {
    if (client->connection == NULL) {
        return;
    }
    client->is_closed = true;
    http_codec_connection_lost(client->codec, HTTP_RESET_CONNECTION_TERMINATION, "test");
    http_codec_free(client->codec);
    connection_free(client->connection);
    client->connection = NULL;
    client->codec = NULL;
}

/* ---- exchanges ---- */

void test_exchange_init(struct test_exchange *exchange, struct test_client *client) {
    *exchange = (struct test_exchange){.client = client};
    arena_init_heap(&exchange->arena, 0);
}

void test_exchange_headers(struct test_exchange *exchange, const struct header_map *headers,
                           bool end_stream) {
    struct http_stream_sink sink = {.ops = &sink_ops, .arg = exchange, .arena = &exchange->arena};
    exchange->stream = http_codec_new_stream(exchange->client->codec, &sink);
    ck_assert_int_eq(http_stream_encode_headers(exchange->stream, headers, end_stream), STATUS_OK);
}

void test_exchange_get(struct test_exchange *exchange, const char *path) {
    test_exchange_headers(exchange,
                          test_headers(&exchange->arena, ":method", "GET", ":scheme", "http",
                                       ":authority", "test", ":path", path, NULL),
                          true);
}

void test_exchange_post(struct test_exchange *exchange, const char *path, const char *body) {
    char len[24];
    (void)snprintf(len, sizeof(len), "%zu", strlen(body));
    test_exchange_headers(exchange,
                          test_headers(&exchange->arena, ":method", "POST", ":scheme", "http",
                                       ":authority", "test", ":path", path, "content-length", len,
                                       NULL),
                          false);
    test_exchange_data(exchange, body, strlen(body), true);
}

void test_exchange_data(struct test_exchange *exchange, const void *bytes, size_t len,
                        bool end_stream) {
    struct buffer data;
    buffer_init(&data, &exchange->client->stack->control.buffers);
    buffer_append(&data, slice_make(bytes, len));
    ck_assert_ptr_nonnull(exchange->stream);
    http_stream_encode_data(exchange->stream, &data, end_stream);
    buffer_deinit(&data);
}

void test_exchange_trailers(struct test_exchange *exchange, const struct header_map *trailers) {
    http_stream_encode_trailers(exchange->stream, trailers);
}

void test_exchange_reset(struct test_exchange *exchange) {
    struct http_codec_stream *stream = exchange->stream;
    exchange->stream = NULL;
    exchange->is_reset = true;
    http_stream_reset(stream, HTTP_RESET_LOCAL);
}

bool test_exchange_is_over(const struct test_exchange *exchange) {
    return exchange->has_ended || exchange->is_reset;
}

void test_exchange_deinit(struct test_exchange *exchange) {
    if (exchange->stream != NULL) {
        test_exchange_reset(exchange);
    }
    arena_deinit(&exchange->arena);
    test_text_free(&exchange->body);
}

void test_exchange_expect(struct test_exchange *exchange, uint32_t status) {
    RUN_UNTIL(exchange->client->stack, test_exchange_is_over(exchange));
    ck_assert_msg(exchange->status == status, "status %u, not %u; reset %d reason %d; %s",
                  exchange->status, status, exchange->is_reset, (int)exchange->reason,
                  test_text_get(&exchange->body));
}
