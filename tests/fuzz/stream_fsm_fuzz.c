// SPDX-License-Identifier: Apache-2.0
// Target functions: all of http_stream.h and http_filter_chain.h, and six filters (header_mutation, rbac,
// local_ratelimit, ext_authz, jwt_authn, grpc_web) beside one of the test's own, in random chains. The
// codec, the connection, the upstream's answers, other services and time are the input's.
// Oracle: a stream is answered once or reset once, each direction of each filter and of the codec goes in
// order with one end, nobody hears of anything after the end, what is held stays bounded, every call is
// answered or given up, nothing leaks, and where everybody lets go the stream comes to its end.
#include <stdlib.h>

#include "src/config/route_config.h"
#include "tests/fuzz/stream_fsm_calls.h"
#include "tests/fuzz/stream_fsm_terminal.h"

/* ---- the codec ---- */

static struct fuzz_client *client_of(struct http_codec_stream *s) {
    struct fuzz_client *client = (struct fuzz_client *)(void *)s;
    CHECK(!client->is_over);
    return client;
}

static void codec_closes(struct fuzz_client *client) {
    client->is_over = true;
    client->is_close_pending = false;
    client->sink.ops->on_stream_closed(client->sink.arg);
}

/* Both directions are done: HTTP/1.1 says so at once, HTTP/2 when it is its turn. */
static void close_if_done(struct fuzz_client *client) {
    bool is_request_done = client->request == FUZZ_END || client->is_request_given_up;
    if (client->is_over || client->response != FUZZ_END || !is_request_done) {
        return;
    }
    if (client->codec.codec->protocol == HTTP_2) {
        client->is_close_pending = true;
    } else {
        codec_closes(client);
    }
}

static void codec_informational(struct http_codec_stream *s, const struct header_map *headers) {
    struct fuzz_client *client = client_of(s);
    CHECK(client->response == FUZZ_NOTHING && http_status_of(headers) / 100 == 1);
}

static enum status codec_headers(struct http_codec_stream *s, const struct header_map *headers,
                                 bool end_stream) {
    struct fuzz_client *client = client_of(s);
    CHECK(client->response == FUZZ_NOTHING);
    if (http_status_of(headers) < 101) {
        return STATUS_INVALID;
    }
    fuzz_advance(&client->response, true, end_stream);
    close_if_done(client);
    return STATUS_OK;
}

static void codec_data(struct http_codec_stream *s, struct buffer *data, bool end_stream) {
    struct fuzz_client *client = client_of(s);
    buffer_clear(data);
    fuzz_advance(&client->response, false, end_stream);
    close_if_done(client);
}

static void codec_trailers(struct http_codec_stream *s, const struct header_map *trailers) {
    struct fuzz_client *client = client_of(s);
    (void)trailers;
    fuzz_advance(&client->response, false, true);
    close_if_done(client);
}

static void codec_reset(struct http_codec_stream *s, enum http_reset_reason reason) {
    struct fuzz_client *client = client_of(s);
    (void)reason;
    client->is_over = true;
}

static void codec_read_disable(struct http_codec_stream *s, bool disable) {
    struct fuzz_client *client = client_of(s);
    client->read_pauses += disable ? 1 : -1;
    CHECK(client->read_pauses >= 0);
}

static const struct http_codec_stream_ops codec_ops = {
    .encode_informational = codec_informational,
    .encode_headers = codec_headers,
    .encode_data = codec_data,
    .encode_trailers = codec_trailers,
    .reset = codec_reset,
    .read_disable = codec_read_disable,
};

/* ---- the connection: defined here, so that src/stream/http_connection.c is not linked ---- */

static struct fuzz_world *world_of(struct http_connection *conn) {
    return CONTAINER_OF(conn, struct fuzz_world, conn);
}

void http_connection_count(struct http_connection *conn, uint32_t stat) {
    stats_inc(conn->shared->stats, conn->io->index, stat);
}
void http_connection_stream_ended(struct http_connection *conn, bool request_was_complete) {
    (void)request_was_complete;
    for (uint32_t i = 0; i < FUZZ_CLIENTS; i++) {
        struct fuzz_client *client = &world_of(conn)->clients[i];
        if (client->stream != NULL && client->stream->is_finished) {
            client->stream = NULL;
            client->ends++;
            CHECK(client->ends == 1 && client->is_over);
        }
    }
}
void http_connection_close_now(struct http_connection *conn) {
    (void)conn;
}
void http_connection_begin_drain(struct http_connection *conn) {
    (void)conn;
}
bool http_connection_should_drain(struct http_connection *conn) {
    (void)conn;
    return false;
}
void http_connection_read_disable(struct http_connection *conn, bool disable) {
    struct fuzz_world *world = world_of(conn);
    world->socket_pauses += disable ? 1 : -1;
    CHECK(world->socket_pauses >= 0);
}
void http_connection_resume(struct http_connection *conn) {
    (void)conn;
}
bool http_connection_is_output_full(const struct http_connection *conn) {
    (void)conn;
    return false;
}
static struct fuzz_world *world_of_filter(const struct network_filter *f) {
    return CONTAINER_OF((uintptr_t)f, struct fuzz_world, conn.base);
}
struct connection_info *network_filter_connection_info(const struct network_filter *f) {
    return &world_of_filter(f)->connection;
}
const struct listener_part *network_filter_listener(const struct network_filter *f) {
    return &world_of_filter(f)->listener;
}

/* ---- what a client does ---- */

static void open_stream(struct fuzz_world *world, struct fuzz_client *client) {
    client->codec = (struct http_codec_stream){.ops = &codec_ops, .codec = &world->codec};
    client->world = world;
    client->stream = http_stream_new(&world->conn, &client->codec, &client->sink);
    list_push_back(&world->conn.streams, &client->stream->node);
}

static void append_choice(struct header_map *headers, uint8_t choice) {
    if ((choice & 3) != 0) {
        header_map_append(headers, HEADER_AUTHORIZATION,
                          (choice & 2) != 0 ? SLICE("Bearer " FUZZ_TOKEN)
                                            : SLICE("Bearer " FUZZ_BAD_TOKEN));
    }
    if ((choice & 12) != 0) {
        header_map_append(headers, HEADER_CONTENT_TYPE,
                          (choice & 8) != 0 ? SLICE("application/grpc-web-text")
                                            : SLICE("application/grpc-web+proto"));
        header_map_append(headers, HEADER_ACCEPT, SLICE("application/grpc-web-text"));
    }
    if ((choice & 16) != 0) {
        header_map_append_name(headers, SLICE("x-deny"), SLICE("1"));
    }
    if ((choice & 32) != 0) {
        header_map_append(headers, HEADER_EXPECT, SLICE("100-continue"));
    }
    if ((choice & 192) == 192) {
        header_map_append(headers, HEADER_UPGRADE, SLICE("websocket"));
        header_map_append(headers, HEADER_CONNECTION, SLICE("upgrade"));
    }
}

static void send_headers(struct fuzz_client *client, bool end_stream) {
    static const char *const methods[] = {"GET", "POST", "HEAD", "OPTIONS", "CONNECT"};
    static const char *const paths[] = {"/a/b?c=d", "/", "/svc.Name/Method", "/b%2f..", "*"};
    uint8_t choice = fuzz_take(client->world);
    struct header_map *headers = ARENA_NEW(client->sink.arena, struct header_map);
    header_map_init(headers, client->sink.arena);
    header_map_append(headers, HEADER_METHOD, slice_from_string(methods[choice / 5 % 5]));
    header_map_append(headers, HEADER_AUTHORITY, SLICE("host:1"));
    header_map_append(headers, HEADER_PATH, slice_from_string(paths[choice % 5]));
    append_choice(headers, fuzz_take(client->world));
    client->request = end_stream ? FUZZ_END : FUZZ_HEADERS;
    client->sink.ops->on_headers(client->sink.arg, headers, end_stream);
}

static void send_data(struct fuzz_client *client, bool end_stream) {
    struct buffer data;
    fuzz_fill(client->world, &data);
    client->request = end_stream ? FUZZ_END : FUZZ_HEADERS;
    client->sink.ops->on_data(client->sink.arg, &data, end_stream);
    CHECK(buffer_is_empty(&data));
    buffer_deinit(&data);
}

static void send_trailers(struct fuzz_client *client) {
    struct header_map *trailers = ARENA_NEW(client->sink.arena, struct header_map);
    header_map_init(trailers, client->sink.arena);
    header_map_append_name(trailers, SLICE("x-trailer"), SLICE("1"));
    client->request = FUZZ_END;
    client->sink.ops->on_trailers(client->sink.arg, trailers);
}

static void send_more(struct fuzz_client *client) {
    struct fuzz_world *world = client->world;
    if (client->stream == NULL || client->is_over || client->request == FUZZ_END ||
        client->is_request_given_up || client->read_pauses > 0) {
        return;
    }
    uint8_t choice = fuzz_take(world);
    bool end = world->is_finishing || (choice & 1) != 0;
    if (client->request == FUZZ_NOTHING) {
        send_headers(client, end);
    } else if ((choice & 6) == 6) {
        send_trailers(client);
    } else {
        send_data(client, end);
    }
    close_if_done(client);
}

/* The codec finds fault with the request: in place of its headers or, in HTTP/1.1, with its body. */
static void malformed(struct fuzz_client *client) {
    bool is_late = client->request == FUZZ_HEADERS && client->response == FUZZ_NOTHING &&
                   client->world->codec.protocol != HTTP_2;
    if (client->stream == NULL || client->is_over || client->is_request_given_up ||
        (client->request != FUZZ_NOTHING && !is_late)) {
        return;
    }
    client->is_request_given_up = true;
    http_stream_bad_request(client->stream, is_late ? 400 : 431, "fuzz");
}

static void reset(struct fuzz_client *client, enum http_reset_reason reason) {
    if (client->stream != NULL && !client->is_over) {
        client->is_over = true;
        client->sink.ops->on_reset(client->sink.arg, reason, "fuzz");
        CHECK(client->stream == NULL);
    }
}

static void set_slow(struct fuzz_client *client, bool is_slow) {
    if (client->stream == NULL || client->is_over || client->is_slow == is_slow) {
        return;
    }
    client->is_slow = is_slow;
    if (is_slow) {
        client->sink.ops->on_above_high_watermark(client->sink.arg);
    } else {
        client->sink.ops->on_below_low_watermark(client->sink.arg);
    }
}

/* ---- the world ---- */

static struct route_part *make_routes(void) {
    static const struct slice any = SLICE_INIT("*");
    struct route_part *part = config_part_new(CONFIG_ROUTE, sizeof(*part), SLICE("routes"));
    struct arena *arena = &part->part.arena;
    struct virtual_host *vhost = ARENA_NEW(arena, struct virtual_host);
    const struct virtual_host **vhosts = ARENA_NEW_ARRAY(arena, 1, const struct virtual_host *);
    struct route *route = ARENA_NEW(arena, struct route);
    struct route_action *action = ARENA_NEW(arena, struct route_action);
    *action = (struct route_action){.cluster_name = SLICE("c"),
                                    .idle_timeout_ms = CONFIG_TIMEOUT_UNSET,
                                    .request_body_buffer_limit = UINT32_MAX};
    *route = (struct route){.match = {.kind = ROUTE_MATCH_PREFIX,
                                      .path = SLICE("/"),
                                      .tls_presented = -1,
                                      .tls_validated = -1},
                            .action = ROUTE_ACTION_CLUSTER,
                            .cluster = action};
    *vhost = (struct virtual_host){.name = SLICE("all"),
                                   .domains = &any,
                                   .domain_count = 1,
                                   .routes = route,
                                   .route_count = 1,
                                   .request_body_buffer_limit = UINT32_MAX};
    vhosts[0] = vhost;
    part->vhosts = vhosts;
    part->vhost_count = 1;
    vhost->route_index = route_index_new(vhost, arena);
    part->hosts = host_index_new(part, arena);
    return part;
}

static void choose_filters(struct fuzz_world *world, const struct fuzz_setup *setup) {
    uint32_t count = fuzz_take(world) % (FUZZ_MAX_FILTERS + 1);
    for (uint32_t i = 0; i < count; i++) {
        uint32_t kind = fuzz_take(world) % FUZZ_KINDS;
        const struct fuzz_kind *chosen = &fuzz_kinds[kind];
        world->filters[i] = (struct http_filter_config){
            .name_id = i,
            .factory = chosen->factory != NULL ? chosen->factory : &fuzz_filter_factory,
            .config = setup->configs[kind]};
    }
    world->filters[count] =
        (struct http_filter_config){.name_id = count, .factory = &fuzz_terminal_factory};
    world->hcm.filters = world->filters;
    world->hcm.filter_count = count + 1;
}

static void configure(struct fuzz_world *world, const struct fuzz_setup *setup) {
    static const struct upgrade_config upgrades[] = {
        {.type = SLICE_INIT("websocket"), .enabled = true},
        {.type = SLICE_INIT("connect"), .enabled = true}};
    uint8_t choice = fuzz_take(world);
    world->codec.protocol = (choice & 1) != 0 ? HTTP_2 : HTTP_1_1;
    world->listener.per_connection_buffer_limit_bytes = FUZZ_LIMIT_BYTES;
    world->hcm = (struct http_connection_manager_config){
        .stream_idle_timeout_ms = (choice & 2) != 0 ? 5000 : 0,
        .request_timeout_ms = (choice & 4) != 0 ? 7000 : 0,
        .request_headers_timeout_ms = (choice & 8) != 0 ? 2000 : 0,
        .max_stream_duration_ms = (choice & 16) != 0 ? 20000 : 0,
        .proxy_100_continue = (choice & 32) != 0,
        .path = {.normalize = (choice & 64) != 0},
        .use_remote_address = (choice & 128) != 0,
        .upgrades = upgrades,
        .upgrade_count = ARRAY_LEN(upgrades),
        .generate_request_id = true,
        .server_name = SLICE("envoy"),
    };
    choose_filters(world, setup);
    world->shared = (struct http_connection_shared){
        .config = &world->hcm, .stats = setup->hcm_stats, .listener_stats = setup->listener_stats};
}

static void on_swap(void *arg, const struct config_snapshot *previous,
                    const struct config_snapshot *current) {
    (void)arg;
    (void)previous;
    (void)current;
}

static void world_init(struct fuzz_world *world, struct fuzz_setup *setup) {
    virtual_clock_init(&world->clock, UINT64_C(1700000000000000));
    virtual_clock_advance(&world->clock, setup->runs++ * UINT64_C(3600000000));
    CHECK(io_context_init(&world->io, 0, &world->clock.base, NULL) == STATUS_OK);
    random_init_seed(&world->io.random, 1);
    world->store = config_store_new(&world->io);
    config_store_subscribe(world->store, &world->io, on_swap, NULL);
    uint32_t slot = config_store_slot(world->store, CONFIG_ROUTE, SLICE("routes"));
    config_store_put(world->store, CONFIG_ROUTE, slot, &make_routes()->part);
    config_store_publish(world->store);
    CHECK(address_from_text(&world->local, SLICE("10.0.0.1:443"), NULL) == STATUS_OK);
    CHECK(address_from_text(&world->remote, SLICE("10.0.0.2:5555"), NULL) == STATUS_OK);
    world->connection = (struct connection_info){
        .id = 1, .local = &world->local, .remote = &world->remote, .direct_remote = &world->remote};
    configure(world, setup);
    world->hcm.route_slot = slot;
    world->conn.shared = &world->shared;
    world->conn.config = &world->hcm;
    world->conn.io = &world->io;
    world->conn.codec = &world->codec;
    list_init(&world->conn.streams);
    list_init(&world->alive);
}

static void turn(struct fuzz_world *world, uint32_t ms) {
    for (uint32_t i = 0; i < FUZZ_CLIENTS; i++) {
        struct fuzz_client *client = &world->clients[i];
        if (client->is_close_pending && !client->is_over) {
            codec_closes(client);
        }
    }
    virtual_clock_advance(&world->clock, ms * UINT64_C(1000));
    (void)event_loop_run_once(world->io.loop, 0);
}

static void world_deinit(struct fuzz_world *world) {
    turn(world, 0);
    CHECK(list_is_empty(&world->alive) && list_is_empty(&world->conn.streams));
    CHECK(world->socket_pauses == 0);
    for (uint32_t i = 0; i < FUZZ_MAX_CALLS; i++) {
        CHECK(!world->calls[i].is_open);
    }
    config_store_unsubscribe(world->store, &world->io);
    turn(world, 0);
    config_store_free(world->store);
    CHECK(world->io.arena_blocks.live_count == 0);
    CHECK(world->io.buffers.chunks.live_count == 0 && world->io.buffers.fragments.live_count == 0);
    io_context_deinit(&world->io);
}

/* ---- steps ---- */

static struct fuzz_filter *pick_filter(struct fuzz_world *world, uint32_t index) {
    uint32_t count = 0;
    LIST_FOR_EACH (node, &world->alive) {
        count++;
    }
    index = count == 0 ? 0 : index % count;
    LIST_FOR_EACH (node, &world->alive) {
        if (index-- == 0) {
            return LIST_ENTRY(node, struct fuzz_filter, node);
        }
    }
    return NULL;
}

static size_t held_bytes(const struct filter_direction *state) {
    return state->held == NULL ? 0 : state->held->len;
}

static void check_bounds(const struct fuzz_world *world) {
    for (uint32_t i = 0; i < FUZZ_CLIENTS; i++) {
        const struct http_stream *stream = world->clients[i].stream;
        if (stream == NULL || stream->chain.is_destroyed) {
            continue;
        }
        const struct http_filter_chain *chain = &stream->chain;
        // What the filters before it held may come to a filter all at once.
        for (uint32_t k = 0; k < chain->count; k++) {
            size_t more = FUZZ_PIECE_BYTES + world->injected_bytes;
            CHECK(held_bytes(&chain->slots[k].decode) <=
                  (size_t)chain->decode_limit_bytes * (k + 1) + more);
            CHECK(held_bytes(&chain->slots[k].encode) <=
                  (size_t)chain->encode_limit_bytes * (chain->count - k) + more + FUZZ_REPLY_BYTES);
        }
    }
}

static void client_step(struct fuzz_world *world, struct fuzz_client *client) {
    uint8_t choice = fuzz_take(world);
    if (client->codec.ops == NULL &&
        (world->codec.protocol == HTTP_2 || world->conn.streams.next == &world->conn.streams)) {
        open_stream(world, client);
    }
    switch (choice % 16) {
    case 0:
        set_slow(client, !client->is_slow);
        break;
    case 1:
        if ((choice & 64) != 0) {
            reset(client, (choice & 32) != 0 ? HTTP_RESET_REMOTE : HTTP_RESET_PROTOCOL_ERROR);
        }
        break;
    case 2:
        malformed(client);
        break;
    case 3:
        if ((choice & 64) != 0 && client->stream != NULL && !client->is_over) {
            http_stream_overload_reset(client->stream);
        } else {
            send_more(client);
        }
        break;
    default:
        send_more(client);
        break;
    }
}

static void step(struct fuzz_world *world) {
    uint8_t choice = fuzz_take(world);
    struct fuzz_filter *filter;
    switch (choice & 7) {
    case 0:
    case 1:
    case 2:
        client_step(world, &world->clients[(choice >> 3) % FUZZ_CLIENTS]);
        break;
    case 3:
        fuzz_answer_call(world, choice >> 3);
        break;
    case 4:
        turn(world, (choice & 8) == 0 ? 0 : 100U << (choice >> 4)); /* to 55 minutes */
        break;
    default:
        filter = pick_filter(world, choice >> 3);
        if (filter != NULL) {
            fuzz_wake(filter);
        }
        break;
    }
    check_bounds(world);
}

/* ---- the end ---- */

static bool is_all_over(const struct fuzz_world *world) {
    return world->conn.streams.next == &world->conn.streams;
}

static void let_go(struct fuzz_filter *filter) {
    while (filter->request_pauses > 0 && !filter->is_destroyed) {
        fuzz_terminal_pause(filter, false);
    }
    fuzz_continue(filter, true);
    fuzz_continue(filter, false);
    if (filter->is_terminal && !filter->is_destroyed) {
        fuzz_answer(filter);
    }
}

/* Everybody sends the rest, answers, lets go; the streams must come to their ends before any of their
 * timers (all together 640 ms pass, which a retried fetch of keys needs). */
static void finish(struct fuzz_world *world) {
    world->is_finishing = true;
    for (int round = 0; round < 64 && !is_all_over(world); round++) {
        for (uint32_t i = 0; i < FUZZ_CLIENTS; i++) {
            set_slow(&world->clients[i], false);
            send_more(&world->clients[i]);
        }
        for (uint32_t i = 0; i < FUZZ_MAX_CALLS; i++) {
            fuzz_answer_call(world, i);
        }
        for (uint32_t i = 0; i < 2 * (FUZZ_MAX_FILTERS + 1); i++) {
            struct fuzz_filter *filter = pick_filter(world, i);
            if (filter != NULL) {
                let_go(filter);
            }
        }
        turn(world, 10);
    }
    CHECK(is_all_over(world));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static struct fuzz_setup setup;
    if (size > 1024) {
        return 0;
    }
    if (setup.stats == NULL) {
        fuzz_setup_init(&setup);
    }
    struct fuzz_world *world = calloc(1, sizeof(*world));
    CHECK(world != NULL);
    world->data = data;
    world->size = size;
    world_init(world, &setup);
    bool is_orderly = fuzz_chance(world, 2);
    for (uint32_t i = 0; i < 400 && world->size > 0; i++) {
        step(world);
    }
    if (is_orderly) {
        finish(world);
    }
    for (uint32_t i = 0; i < FUZZ_CLIENTS; i++) {
        reset(&world->clients[i], HTTP_RESET_CONNECTION_TERMINATION);
    }
    world_deinit(world);
    free(world);
    return 0;
}
