// SPDX-License-Identifier: Apache-2.0
/*
 * What stands around the streams of stream_fsm_fuzz.c: the input's bytes, and the filters with their
 * configuration (decoded once, from YAML).
 */
#ifndef TESTS_FUZZ_STREAM_FSM_WORLD_H
#define TESTS_FUZZ_STREAM_FSM_WORLD_H

#include "src/base/check.h"
#include "src/config/config_store.h"
#include "src/event/io_context.h"
#include "src/stream/http_connection_stats.h"
#include "src/stream/http_stream.h"
#include "src/upstream/grpc_call.h"
#include "src/upstream/http_call.h"
#include "xds/bootstrap/bootstrap_loader.h"
#include "xds/decode/decoder.h"
#include "xds/ledger_walk.h"
#include "xds/pgv_validate.h"

enum {
    FUZZ_LIMIT_BYTES = 24,  /* of what a filter may hold */
    FUZZ_PIECE_BYTES = 40,  /* more than any data that is fed at once */
    FUZZ_REPLY_BYTES = 256, /* more than a local reply's body, or what gRPC-Web makes of a piece */
    FUZZ_MAX_FILTERS = 5,   /* before the terminal one */
    FUZZ_MAX_CALLS = 16,
    FUZZ_CLIENTS = 2,
};

/* How far one direction of a message has come, as one party saw it. */
enum fuzz_progress { FUZZ_NOTHING, FUZZ_HEADERS, FUZZ_END };

static inline void fuzz_advance(enum fuzz_progress *progress, bool is_headers, bool end_stream) {
    CHECK(*progress == (is_headers ? FUZZ_NOTHING : FUZZ_HEADERS));
    *progress = end_stream ? FUZZ_END : FUZZ_HEADERS;
}

struct fuzz_call {
    bool is_open, is_grpc;
    struct grpc_call_options grpc;
    struct http_call_options http;
};

/* One request, as the codec sees it. */
struct fuzz_client {
    struct http_codec_stream codec; /* first */
    struct fuzz_world *world;
    struct http_stream *stream; /* NULL: not yet or no more */
    struct http_stream_sink sink;
    enum fuzz_progress request, response;
    bool is_request_given_up; /* the codec reads no more of it */
    bool is_over;             /* the codec forgot the stream */
    bool is_close_pending;    /* HTTP/2: it will, at its next turn */
    bool is_slow;
    int read_pauses;
    uint32_t ends; /* of the stream, as its connection hears */
};

struct fuzz_world {
    const uint8_t *data;
    size_t size;
    struct virtual_clock clock;
    struct io_context io;
    struct config_store *store;
    struct connection_info connection;
    struct address local, remote;
    struct listener_part listener;
    struct http_connection_manager_config hcm;
    struct http_connection_shared shared;
    struct http_connection conn;
    struct http_codec codec;
    struct http_filter_config filters[FUZZ_MAX_FILTERS + 1];
    struct fuzz_call calls[FUZZ_MAX_CALLS];
    struct fuzz_client clients[FUZZ_CLIENTS];
    struct list_node alive; /* the test's own filters */
    size_t injected_bytes;
    int socket_pauses;
    bool is_finishing; /* everybody helps to bring the streams to their ends */
};

static inline uint8_t fuzz_take(struct fuzz_world *world) {
    if (world->size == 0) {
        return 0;
    }
    world->size--;
    return *world->data++;
}

/* One time in `n`, where the input says so; never when it is used up. */
static inline bool fuzz_chance(struct fuzz_world *world, uint8_t n) {
    return fuzz_take(world) % n == n - 1;
}

static inline void fuzz_fill(struct fuzz_world *world, struct buffer *data) {
    static const uint8_t bytes[FUZZ_PIECE_BYTES] = {0,   0,   0,   0,   3,   'a',
                                                    'b', 'c', 'A', 'A', '=', '='};
    buffer_init(data, &world->io.buffers);
    uint8_t choice = fuzz_take(world);
    size_t at = (choice & 64) != 0 ? 5 : 0;
    buffer_append(data, slice_make(bytes + at, choice % (sizeof(bytes) - at)));
}

/* ---- the filters' configuration ---- */

extern const struct http_filter_factory header_mutation_http_filter_factory;
extern const struct http_filter_factory rbac_http_filter_factory;
extern const struct http_filter_factory local_ratelimit_http_filter_factory;
extern const struct http_filter_factory ext_authz_http_filter_factory;
extern const struct http_filter_factory jwt_authn_http_filter_factory;
extern const struct http_filter_factory grpc_web_http_filter_factory;

/* Two tokens that say the same, the second with a wrong signature. */
#define FUZZ_TOKEN                                                                                 \
    "eyJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJpc3MifQ.F8X4uU3oZpfQw89NaH12hb7DcSjYA6kTXESbi5anJS4"
#define FUZZ_BAD_TOKEN "eyJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJpc3MifQ.AAAA"
#define FUZZ_KEYS "{\"keys\":[{\"kty\":\"oct\",\"k\":\"c2VjcmV0LXRoYXQtbm8tZnV6emVyLWtub3dz\"}]}"

static const struct fuzz_kind {
    const struct http_filter_factory *factory; /* NULL: the test's own */
    const char *yaml;
} fuzz_kinds[] = {
    {NULL, NULL},
    {&header_mutation_http_filter_factory,
     "mutations:\n"
     "  request_mutations: [{append: {header: {key: x-a, value: '%REQ(:path)%'}}}, {remove: x-b}]\n"
     "  response_mutations: [{append: {header: {key: x-c, value: d}}}, {remove: content-type}]\n"
     "  request_trailers_mutations: [{append: {header: {key: x-t, value: u}}}]\n"
     "  response_trailers_mutations: [{remove: grpc-status}]\n"},
    {&header_mutation_http_filter_factory,
     "mutations: {request_mutations: [{remove_on_match: {key_matcher: {prefix: x-deny}}}],"
     " response_mutations: [{remove: ':status'}]}"},
    {&rbac_http_filter_factory,
     "rules: {action: DENY, policies: {p: {permissions: [{header: {name: x-deny, present_match: "
     "true}}], principals: [{any: true}]}}}"},
    {&rbac_http_filter_factory,
     "rules: {action: ALLOW, policies: {p: {permissions: [{url_path: {path: {prefix: /a}}}], "
     "principals: [{any: true}]}}}\nshadow_rules: {action: DENY, policies: {}}"},
    {&local_ratelimit_http_filter_factory,
     "stat_prefix: sp\nfilter_enabled: {default_value: {numerator: 100}}\n"
     "filter_enforced: {default_value: {numerator: 100}}\n"
     "token_bucket: {max_tokens: 1, fill_interval: 100s}\n"
     "enable_x_ratelimit_headers: DRAFT_VERSION_03\n"
     "response_headers_to_add: [{header: {key: x-limited, value: '1'}}]\n"},
    {&ext_authz_http_filter_factory,
     "grpc_service: {envoy_grpc: {cluster_name: c}, timeout: 1s}\nclear_route_cache: true\n"
     "validate_mutations: true\n"},
    {&ext_authz_http_filter_factory,
     "grpc_service: {envoy_grpc: {cluster_name: c}}\nfailure_mode_allow: true\n"
     "with_request_body: {max_request_bytes: 30, allow_partial_message: true}\n"},
    {&ext_authz_http_filter_factory,
     "http_service: {server_uri: {uri: 'http://c', cluster: c, timeout: 1s}}\n"
     "with_request_body: {max_request_bytes: 60}\n"},
    {&jwt_authn_http_filter_factory,
     "providers:\n  p:\n    issuer: iss\n    forward: true\n    remote_jwks:\n"
     "      http_uri: {uri: 'http://idp/keys', cluster: c, timeout: 5s}\n"
     "      retry_policy: {num_retries: 1, retry_back_off: {base_interval: 0.01s}}\n"
     "rules: [{match: {prefix: /}, requires: {provider_name: p}}]\n"},
    {&jwt_authn_http_filter_factory,
     "providers:\n  p:\n    issuer: iss\n    clear_route_cache: true\n    remote_jwks:\n"
     "      http_uri: {uri: 'http://idp/keys', cluster: c, timeout: 5s}\n"
     "rules: [{match: {prefix: /}, requires: {requires_any: {requirements: "
     "[{provider_name: p}, {allow_missing: {}}]}}}]\n"},
    {&grpc_web_http_filter_factory, "{}"},
};
enum { FUZZ_KINDS = 12 };

/* Made once per process. Between runs an hour of their clock passes, after which neither buckets nor
 * key sets remember the run before. */
struct fuzz_setup {
    struct virtual_clock clock;
    struct io_context control;
    struct config_store *store;
    struct stats_registry *stats;
    struct stats_scope *hcm_stats, *listener_stats;
    struct config_part *part; /* what is parsed lies here */
    const void *configs[FUZZ_KINDS];
    uint64_t runs;
};

/* Through the real decoders, rules and ledger. */
static inline const void *fuzz_parse(struct fuzz_setup *setup, const struct fuzz_kind *kind) {
    const struct http_filter_factory *factories[] = {kind->factory, NULL};
    struct filter_registry registry = {.http = factories};
    struct decode_context context = {
        .store = setup->store, .stats = setup->stats, .registry = &registry};
    struct decode_options options = {.is_static = true};
    struct config_document document = {
        .info = proto_message_find(slice_from_string(kind->factory->type_url)),
        .name = SLICE("fuzz.yaml"),
        .content = slice_from_string(kind->yaml),
        .unknown_is_error = true,
    };
    struct arena scratch;
    struct validation v;
    struct decoder decoder;
    struct error err;
    ProtobufCMessage *message = NULL;
    arena_init_heap(&scratch, 0);
    validation_init(&v, &scratch, SLICE(""));
    decoder_init(&decoder, &context, &options, &scratch, &v);
    decoder_use_part(&decoder, setup->part);
    decoder.config.stat_prefix = SLICE("http.fuzz.");
    CHECK(config_document_parse(&document, &scratch, &message, &v, &err) == STATUS_OK);
    pgv_validate(message, NULL, &v);
    ledger_walk(message, decode_ledger_find, &registry, &v);
    const void *config = kind->factory->parse(&decoder.config, message);
    CHECK(validation_ok(&v) && config != NULL);
    decoder_deinit(&decoder);
    arena_deinit(&scratch);
    return config;
}

static inline void fuzz_setup_init(struct fuzz_setup *setup) {
    _Static_assert(ARRAY_LEN(fuzz_kinds) == FUZZ_KINDS, "one configuration for each kind");
    virtual_clock_init(&setup->clock, 1000000);
    CHECK(io_context_init(&setup->control, 0, &setup->clock.base, NULL) == STATUS_OK);
    setup->store = config_store_new(&setup->control);
    setup->stats = stats_registry_new(1);
    setup->part = config_part_new(CONFIG_LISTENER, sizeof(struct config_part), SLICE("fuzz"));
    for (uint32_t i = 0; i < FUZZ_KINDS; i++) {
        if (fuzz_kinds[i].factory != NULL) {
            setup->configs[i] = fuzz_parse(setup, &fuzz_kinds[i]);
        }
    }
    setup->hcm_stats = stats_scope_get(setup->stats, SLICE("http.fuzz"), &hcm_stat_table);
    setup->listener_stats =
        stats_scope_get(setup->stats, SLICE("listener.fuzz"), &hcm_listener_stat_table);
}

#endif
