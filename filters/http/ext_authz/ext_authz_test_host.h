// SPDX-License-Identifier: Apache-2.0
/*
 * What stands around the filter in the tests of this folder: its state, the terminal filter behind it and
 * the host of the chain, which only write down what they are asked.
 */
#ifndef FILTERS_HTTP_EXT_AUTHZ_EXT_AUTHZ_TEST_HOST_H
#define FILTERS_HTTP_EXT_AUTHZ_EXT_AUTHZ_TEST_HOST_H

#include <check.h>
#include <stdlib.h>

#include "filters/http/ext_authz/ext_authz.h"
#include "src/base/check.h"
#include "src/config/listener_config.h"
#include "src/config/route_config.h"
#include "src/filter_chain/http_filter_chain.h"

struct fixture {
    struct io_context io;
    struct virtual_clock clock;
    struct arena arena;
    struct stream_info info;
    struct connection_info connection;
    struct address local, remote;
    struct http_filter_chain chain;
    struct http_filter_config configs[2];
    struct header_map request, trailers, response;
    struct ext_authz_config config;
    struct authz_service service;
    struct ext_authz_route override;
    struct filter_override override_item;
    struct route route;
    struct route_action action;
    bool has_override;
    /* what was asked */
    struct grpc_call_options grpc;
    struct http_call_options http;
    struct header_map http_headers;
    char http_body[64];
    uint32_t grpc_count, http_count, cancel_count;
    /* what came of it */
    bool reached;
    char body[256];
    bool body_ended;
    uint32_t reply_status;
    struct slice reply_body, reply_details;
    enum response_flag reply_flag;
    struct header_map reply_headers;
    uint32_t clear_count;
};
static struct fixture fx;
static char fake_call;

/* ---- the terminal filter ---- */

static enum http_filter_verdict server_headers(struct http_filter *f, struct header_map *headers,
                                               bool end_stream) {
    (void)f;
    (void)headers;
    fx.reached = true;
    fx.body_ended = end_stream;
    return HTTP_FILTER_CONTINUE;
}

static enum http_filter_verdict server_data(struct http_filter *f, struct buffer *data,
                                            bool end_stream) {
    (void)f;
    size_t used = strlen(fx.body);
    ck_assert_uint_lt(used + data->len, sizeof(fx.body));
    buffer_copy_out(data, 0, fx.body + used, data->len);
    fx.body_ended = end_stream;
    buffer_clear(data);
    return HTTP_FILTER_CONTINUE;
}

static enum http_filter_verdict server_trailers(struct http_filter *f,
                                                struct header_map *trailers) {
    (void)f;
    (void)trailers;
    fx.body_ended = true;
    return HTTP_FILTER_CONTINUE;
}

static const struct http_filter_ops server_ops = {.decode_headers = server_headers,
                                                  .decode_data = server_data,
                                                  .decode_trailers = server_trailers};

static struct http_filter *server_create(const void *config, struct arena *arena,
                                         struct io_context *io) {
    (void)config;
    (void)io;
    struct http_filter *filter = ARENA_NEW(arena, struct http_filter);
    filter->ops = &server_ops;
    return filter;
}
static const struct http_filter_factory server_factory = {.name = "server",
                                                          .create = server_create};

/* ---- the host ---- */

static void host_informational(void *host, struct header_map *headers) {
    (void)host;
    (void)headers;
}
static void host_headers(void *host, struct header_map *headers, bool end_stream) {
    (void)host;
    (void)headers;
    (void)end_stream;
}
static void host_data(void *host, struct buffer *data, bool end_stream) {
    (void)host;
    (void)end_stream;
    buffer_clear(data);
}
static void host_trailers(void *host, struct header_map *trailers) {
    (void)host;
    (void)trailers;
}
static void host_local_reply(void *host, const struct local_reply *reply) {
    (void)host;
    ck_assert_uint_eq(fx.reply_status, 0);
    fx.reply_status = reply->status;
    fx.reply_body = arena_dup_slice(&fx.arena, reply->body);
    fx.reply_details = reply->details;
    fx.reply_flag = reply->flag;
    header_map_init(&fx.reply_headers, &fx.arena);
    if (reply->modify != NULL) {
        reply->modify(reply->arg, &fx.reply_headers);
    }
    struct buffer body;
    buffer_init(&body, &fx.io.buffers);
    http_filter_chain_local_reply(&fx.chain, reply, &fx.reply_headers, &body);
    buffer_deinit(&body);
}
static void host_reset(void *host, enum http_reset_reason reason, struct slice details) {
    (void)host;
    (void)reason;
    (void)details;
}
static void host_pause(void *host, bool pause) {
    (void)host;
    (void)pause;
}
static const struct route *host_route(void *host) {
    (void)host;
    return &fx.route;
}
static const struct virtual_host *host_vhost(void *host) {
    (void)host;
    return NULL;
}
static const struct route_part *host_config(void *host) {
    (void)host;
    return NULL;
}
static const struct weighted_cluster *host_weighted(void *host) {
    (void)host;
    return NULL;
}
static void host_clear(void *host) {
    (void)host;
    fx.clear_count++;
}
static void host_set_cluster(void *host, uint32_t slot, struct slice name) {
    (void)host;
    (void)slot;
    (void)name;
}
static bool host_recreate(void *host) {
    (void)host;
    return false;
}
static void host_input(const void *host, struct log_format_input *input) {
    (void)host;
    *input = (struct log_format_input){.info = &fx.info, .request_headers = &fx.request};
}
static const struct http_filter_chain_host_ops host_ops = {
    host_informational, host_headers,  host_data,  host_trailers, host_local_reply, host_reset,
    host_pause,         host_route,    host_vhost, host_config,   host_weighted,    host_clear,
    host_set_cluster,   host_recreate, host_input, NULL,
};

#endif
