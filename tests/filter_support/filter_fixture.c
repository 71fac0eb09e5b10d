// SPDX-License-Identifier: Apache-2.0
#include "tests/filter_support/filter_fixture.h"

#include <check.h>
#include <stdlib.h>

#include "src/event/event_loop.h"
#include "xds/bootstrap/bootstrap_loader.h"
#include "xds/ledger_walk.h"
#include "xds/pgv_validate.h"

enum { FILTER_NAME_ID = 1, TERMINAL_NAME_ID = 2 };

/* ---- the terminal filter ---- */

static struct filter_fixture *fixture_of(struct http_filter *f) {
    return f->chain->host;
}

static enum http_filter_verdict
terminal_decode_headers(struct http_filter *f, struct header_map *headers, bool end_stream) {
    (void)headers;
    (void)end_stream;
    fixture_of(f)->reached_end = true;
    return HTTP_FILTER_CONTINUE;
}

static const struct http_filter_ops terminal_ops = {.decode_headers = terminal_decode_headers};

static struct http_filter *terminal_create(const void *config, struct arena *arena,
                                           struct io_context *io) {
    (void)config;
    (void)io;
    struct http_filter *filter = ARENA_NEW(arena, struct http_filter);
    filter->ops = &terminal_ops;
    return filter;
}

static const struct http_filter_factory terminal_factory = {
    .name = "terminal", .is_terminal = true, .create = terminal_create};

/* ---- the host ---- */

static void host_informational(void *host, struct header_map *headers) {
    (void)host;
    (void)headers;
}

static void host_headers(void *host, struct header_map *headers, bool end_stream) {
    struct filter_fixture *fx = host;
    (void)end_stream;
    fx->response_out = true;
    fx->out_headers = headers;
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

/* As the stream does it: past the filters once a response began. */
static void host_local_reply(void *host, const struct local_reply *reply) {
    struct filter_fixture *fx = host;
    if (fx->chain.is_local_reply) {
        return;
    }
    fx->replies++;
    fx->reply_status = reply->status;
    fx->reply_grpc_status = reply->grpc_status;
    fx->reply_flag = reply->flag;
    fx->reply_body = arena_dup_slice(&fx->arena, reply->body);
    fx->reply_details = reply->details;
    struct header_map *headers = ARENA_NEW(&fx->arena, struct header_map);
    header_map_init(headers, &fx->arena);
    header_map_set_uint(headers, HEADER_STATUS, reply->status);
    if (reply->modify != NULL) {
        reply->modify(reply->arg, headers);
    }
    if (fx->chain.response_started) {
        fx->chain.decode_aborted = true;
        fx->chain.encode_aborted = true;
        fx->chain.is_local_reply = true;
        host_headers(fx, headers, true);
        return;
    }
    struct buffer body;
    buffer_init(&body, &fx->io.buffers);
    http_filter_chain_local_reply(&fx->chain, reply, headers, &body);
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
    struct filter_fixture *fx = host;
    return fx->has_no_route ? NULL : &fx->route;
}
static const struct virtual_host *host_vhost(void *host) {
    struct filter_fixture *fx = host;
    return &fx->vhost;
}
static const struct route_part *host_route_part(void *host) {
    struct filter_fixture *fx = host;
    return &fx->route_part;
}
static const struct weighted_cluster *host_weighted(void *host) {
    struct filter_fixture *fx = host;
    return fx->has_no_route ? NULL : &fx->weighted;
}
static void host_clear_route(void *host) {
    (void)host;
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
static void host_log_input(const void *host, struct log_format_input *input) {
    const struct filter_fixture *fx = host;
    *input = (struct log_format_input){.info = &fx->info,
                                       .request_headers = &fx->request,
                                       .response_headers = fx->chain.response_headers,
                                       .node_cluster = SLICE("node-cluster")};
}

static const struct http_filter_chain_host_ops host_ops = {
    host_informational, host_headers,    host_data,      host_trailers,
    host_local_reply,   host_reset,      host_pause,     host_route,
    host_vhost,         host_route_part, host_weighted,  host_clear_route,
    host_set_cluster,   host_recreate,   host_log_input, NULL,
};

/* ---- configuration ---- */

void filter_fixture_init(struct filter_fixture *fx, const struct http_filter_factory *factory) {
    *fx = (struct filter_fixture){.factory = factory, .factories = {factory, NULL}};
    fx->registry.http = fx->factories;
    virtual_clock_init(&fx->clock, 1000000);
    ck_assert_int_eq(io_context_init(&fx->io, 0, &fx->clock.base, NULL), STATUS_OK);
    ck_assert_int_eq(io_context_init(&fx->control, 1, &fx->clock.base, NULL), STATUS_OK);
    random_init_seed(&fx->io.random, 1);
    fx->store = config_store_new(&fx->control);
    fx->stats = stats_registry_new(2);
    fx->part = config_part_new(CONFIG_LISTENER, sizeof(struct config_part), SLICE("test"));
    arena_init_heap(&fx->scratch, 0);
    fx->filters[0] = (struct http_filter_config){
        .name = SLICE("filter"), .name_id = FILTER_NAME_ID, .factory = factory};
    fx->filters[1] = (struct http_filter_config){
        .name = SLICE("terminal"), .name_id = TERMINAL_NAME_ID, .factory = &terminal_factory};
    fx->route = (struct route){.action = ROUTE_ACTION_CLUSTER, .cluster = &fx->route_action};
    fx->route_action.cluster_name = SLICE("backend");
}

void filter_fixture_deinit(struct filter_fixture *fx) {
    filter_fixture_close(fx);
    config_part_unref(fx->part);
    arena_deinit(&fx->scratch);
    config_store_free(fx->store);
    stats_registry_free(fx->stats);
    io_context_deinit(&fx->control);
    io_context_deinit(&fx->io);
}

typedef const void *parse_fn(struct filter_config_context *context,
                             const struct ProtobufCMessage *message);

static const void *parse(struct filter_fixture *fx, const char *type, parse_fn *parse_message,
                         const char *yaml) {
    struct validation *v = ARENA_NEW(&fx->scratch, struct validation);
    struct decode_context context = {
        .store = fx->store, .stats = fx->stats, .registry = &fx->registry};
    struct decode_options options = {.is_static = true};
    struct decoder decoder;
    ProtobufCMessage *message = NULL;
    const void *config = NULL;

    ck_assert_ptr_nonnull(type);
    validation_init(v, &fx->scratch, SLICE(""));
    struct config_document document = {
        .info = proto_message_find(slice_from_string(type)),
        .name = SLICE("test.yaml"),
        .content = slice_from_string(yaml),
        .unknown_is_error = true,
    };
    ck_assert_ptr_nonnull(document.info);
    decoder_init(&decoder, &context, &options, &fx->scratch, v);
    decoder_use_part(&decoder, fx->part);
    decoder.config.stat_prefix = SLICE("http.P.");
    if (config_document_parse(&document, &fx->scratch, &message, v, &fx->error) == STATUS_OK &&
        validation_ok(v)) {
        pgv_validate(message, NULL, v);
        ledger_walk(message, decode_ledger_find, &fx->registry, v);
        config = validation_ok(v) ? parse_message(&decoder.config, message) : NULL;
    }
    fx->ignored = 0;
    for (uint32_t i = 0; i < v->finding_count; i++) {
        fx->ignored += v->findings[i].kind == FINDING_IGNORED ? 1 : 0;
    }
    if (validation_result(v, &fx->error) != STATUS_OK) {
        config = NULL;
    }
    decoder_deinit(&decoder);
    return config;
}

const void *filter_fixture_parse(struct filter_fixture *fx, const char *yaml) {
    return parse(fx, fx->factory->type_url, fx->factory->parse, yaml);
}

const void *filter_fixture_parse_route(struct filter_fixture *fx, const char *yaml) {
    return parse(fx, fx->factory->per_route_type_url, fx->factory->parse_route, yaml);
}

void filter_fixture_use(struct filter_fixture *fx, const char *yaml) {
    const void *config = filter_fixture_parse(fx, yaml);
    ck_assert_msg(config != NULL, "%s", fx->error.message);
    fx->filters[0].config = config;
}

void filter_fixture_use_route(struct filter_fixture *fx, enum filter_level level,
                              const char *yaml) {
    const void *config = filter_fixture_parse_route(fx, yaml);
    ck_assert_msg(config != NULL, "%s", fx->error.message);
    fx->overrides[level] = (struct filter_override){
        .name_id = FILTER_NAME_ID, .factory = fx->factory, .config = config};
    struct filter_overrides overrides = {.items = &fx->overrides[level], .count = 1};
    switch (level) {
    case LEVEL_CONFIG:
        fx->route_part.filters = overrides;
        break;
    case LEVEL_VHOST:
        fx->vhost.filters = overrides;
        break;
    case LEVEL_ROUTE:
        fx->route.filters = overrides;
        break;
    case LEVEL_WEIGHTED:
        fx->weighted.filters = overrides;
        break;
    case LEVEL_COUNT:
        break;
    }
}

/* ---- streams ---- */

void filter_fixture_read_headers(struct header_map *map, const char *lines) {
    struct slice rest = arena_dup_slice(map->arena, slice_from_string(lines));
    struct slice line;
    while (slice_split(&rest, '\n', &line)) {
        size_t colon = slice_find(line, SLICE(": "));
        ck_assert_uint_ne(colon, SIZE_MAX);
        header_map_append_name(map, slice_sub(line, 0, colon),
                               slice_sub(line, colon + 2, line.len - colon - 2));
    }
}

void filter_fixture_open(struct filter_fixture *fx, const char *headers) {
    filter_fixture_close(fx);
    arena_init_heap(&fx->arena, 0);
    fx->info =
        (struct stream_info){.arena = &fx->arena, .connection = &fx->connection, .is_http = true};
    fx->reached_end = fx->response_out = false;
    fx->out_headers = NULL;
    fx->replies = 0;
    fx->reply_status = 0;
    fx->reply_details = fx->reply_body = SLICE("");
    header_map_init(&fx->request, &fx->arena);
    header_map_init(&fx->request_trailers, &fx->arena);
    header_map_init(&fx->response, &fx->arena);
    header_map_init(&fx->response_trailers, &fx->arena);
    filter_fixture_read_headers(&fx->request, headers);
    http_filter_chain_init(&fx->chain, &host_ops, fx, &fx->arena, &fx->io, &fx->info, 1024);
    http_filter_chain_create(&fx->chain, fx->filters, 2, NULL);
}

bool filter_fixture_send(struct filter_fixture *fx) {
    http_filter_chain_decode_headers(&fx->chain, &fx->request, true);
    return fx->reached_end;
}

void filter_fixture_answer(struct filter_fixture *fx, const char *headers) {
    filter_fixture_read_headers(&fx->response, headers);
    http_filter_encode_headers(fx->chain.slots[fx->chain.count - 1].filter, &fx->response, true);
}

void filter_fixture_close(struct filter_fixture *fx) {
    if (fx->chain.ops != NULL) {
        http_filter_chain_destroy(&fx->chain);
        arena_deinit(&fx->arena);
        fx->chain = (struct http_filter_chain){0};
    }
}

bool filter_fixture_request(struct filter_fixture *fx, const char *headers) {
    filter_fixture_open(fx, headers);
    return filter_fixture_send(fx);
}

const char *filter_fixture_text(struct filter_fixture *fx, const struct header_map *headers) {
    struct slice text = SLICE("");
    const struct header_entry *entry;
    for (uint32_t at = 0; (entry = header_map_next(headers, &at)) != NULL;) {
        text =
            arena_printf(&fx->arena, "%.*s%.*s: %.*s\n", SLICE_ARG(text),
                         SLICE_ARG(header_entry_name(entry)), SLICE_ARG(header_entry_value(entry)));
    }
    return arena_dup_string(&fx->arena, text);
}

void filter_fixture_advance_ms(struct filter_fixture *fx, uint64_t ms) {
    virtual_clock_advance(&fx->clock, ms * 1000);
    (void)event_loop_run_once(fx->io.loop, 0);
}

struct stat_search {
    struct slice name;
    uint64_t value;
};

static void visit_stat(void *arg, const struct stats_visit *visit) {
    struct stat_search *search = arg;
    if (slice_equal(visit->full_name, search->name)) {
        search->value = visit->value;
    }
}

uint64_t filter_fixture_stat(struct filter_fixture *fx, const char *name) {
    struct stat_search search = {.name = slice_from_string(name)};
    stats_visit_all(fx->stats, visit_stat, &search);
    return search.value;
}
