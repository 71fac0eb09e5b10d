// SPDX-License-Identifier: Apache-2.0
/*
 * For the decoders' tests: a store, a registry of stand-in filters, and resources from YAML text. One
 * fixture per test; what it decoded last is released with it.
 */
#ifndef XDS_DECODE_DECODE_TEST_FIXTURE_H
#define XDS_DECODE_DECODE_TEST_FIXTURE_H

#include "xds/decode/decoder.h"

#include <check.h>
#include <stdlib.h>

#include "src/access_log/access_log.h"
#include "src/event/io_context.h"
#include "src/filter_chain/http_filter.h"
#include "src/filter_chain/listener_filter.h"
#include "src/filter_chain/network_filter.h"
#include "src/stats/stats.h"
#include "xds/bootstrap/proto_json.h"
#include "xds/decode/http_connection_manager.h"
#include "xds/proto_reflect.h"

static const struct http_filter_factory test_router_factory = {
    .name = "envoy.filters.http.router",
    .type_url = "envoy.extensions.filters.http.router.v3.Router",
    .is_terminal = true,
};
static inline const void *test_parse(struct filter_config_context *context,
                                     const struct ProtobufCMessage *message) {
    (void)message;
    return arena_dup_string(context->arena, SLICE("parsed"));
}
static const struct http_filter_factory test_cors_factory = {
    .name = "envoy.filters.http.cors",
    .type_url = "envoy.extensions.filters.http.cors.v3.Cors",
    .per_route_type_url = "envoy.extensions.filters.http.cors.v3.CorsPolicy",
    .parse = test_parse,
    .parse_route = test_parse,
};
static const struct http_filter_factory *const test_http_factories[] = {&test_router_factory,
                                                                        &test_cors_factory, NULL};
static const struct network_filter_factory test_hcm_factory = {
    .name = "envoy.filters.network.http_connection_manager",
    .type_url = "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
    .is_terminal = true,
    .parse = http_connection_manager_parse,
};
static const struct network_filter_factory test_tcp_proxy_factory = {
    .name = "envoy.filters.network.tcp_proxy",
    .type_url = "envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy",
    .is_terminal = true,
    .parse = test_parse,
};
static const struct network_filter_factory test_sni_cluster_factory = {
    .name = "envoy.filters.network.sni_cluster",
    .type_url = "envoy.extensions.filters.network.sni_cluster.v3.SniCluster",
    .parse = test_parse,
};
static const struct network_filter_factory *const test_network_factories[] = {
    &test_hcm_factory, &test_tcp_proxy_factory, &test_sni_cluster_factory, NULL};
static const struct listener_filter_factory test_inspector_factory = {
    .name = "envoy.filters.listener.tls_inspector",
    .type_url = "envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector",
    .parse = test_parse,
};
static const struct listener_filter_factory *const test_listener_factories[] = {
    &test_inspector_factory, NULL};

struct decode_fixture {
    struct io_context control;
    struct config_store *store;
    struct stats_registry *stats;
    struct file_writer *files;
    struct filter_registry registry;
    struct decode_context context;
    struct decode_options options;
    struct arena arena; /* of the findings */
    struct validation v;
    struct decode_result result;
    struct error err; /* what validation_result says */
};

static inline void decode_fixture_init(struct decode_fixture *f) {
    *f = (struct decode_fixture){0};
    ck_assert_int_eq(io_context_init(&f->control, 0, clock_system(), NULL), STATUS_OK);
    f->store = config_store_new(&f->control);
    f->stats = stats_registry_new(1);
    struct file_writer_options files = {.flush_interval_ms = 1000, .threads = 1};
    f->files = file_writer_new(&files, f->stats, NULL);
    f->registry = (struct filter_registry){.http = test_http_factories,
                                           .network = test_network_factories,
                                           .listener = test_listener_factories};
    f->context = (struct decode_context){
        .store = f->store, .stats = f->stats, .files = f->files, .registry = &f->registry};
    arena_init_heap(&f->arena, 0);
}

static inline void decode_fixture_deinit(struct decode_fixture *f) {
    decode_result_release(&f->result);
    config_store_free(f->store);
    io_context_deinit(&f->control);
    file_writer_free(f->files);
    stats_registry_free(f->stats);
    arena_deinit(&f->arena);
}

/* The message that `yaml` describes, in `arena`; the text must be right. */
static inline ProtobufCMessage *test_message(const char *type, const char *yaml,
                                             struct arena *arena) {
    const struct document_node *root = NULL;
    struct error err = {0};
    struct validation v;
    struct proto_json_read_options options = {.unknown_is_error = true};
    ck_assert_msg(document_parse_yaml(slice_from_string(yaml), arena, &root, &err) == STATUS_OK,
                  "%s", err.message);
    validation_init(&v, arena, SLICE("yaml"));
    ProtobufCMessage *message =
        proto_json_read(proto_message_find(slice_from_string(type)), root, &options, arena, &v);
    ck_assert_msg(validation_result(&v, &err) == STATUS_OK, "%s", err.message);
    return message;
}

/* Decodes; the outcome is in f->result, the errors' text in f->err. */
static inline enum status decode_yaml(struct decode_fixture *f, const struct resource_type *type,
                                      const char *yaml) {
    struct arena arena;
    arena_init_heap(&arena, 0);
    decode_result_release(&f->result);
    f->err = (struct error){0};
    struct slice raw = proto_pack(test_message(type->message, yaml, &arena), &arena);
    validation_init(&f->v, &f->arena, resource_name(type, raw));
    enum status status = resource_decode(type, &f->context, &f->options, raw, &f->v, &f->result);
    ck_assert_int_eq(status, validation_result(&f->v, &f->err));
    arena_deinit(&arena);
    return status;
}

static inline void decode_ok(struct decode_fixture *f, const struct resource_type *type,
                             const char *yaml) {
    enum status status = decode_yaml(f, type, yaml);
    ck_assert_msg(status == STATUS_OK, "%s", f->err.message);
}

/* Refused, and `text` is part of what is said. */
static inline void decode_refused(struct decode_fixture *f, const struct resource_type *type,
                                  const char *yaml, const char *text) {
    enum status status = decode_yaml(f, type, yaml);
    ck_assert_msg(status != STATUS_OK, "was taken");
    ck_assert_msg(strstr(f->err.message, text) != NULL, "'%s' is not in '%s'", text,
                  f->err.message);
    ck_assert_ptr_null(f->result.part);
}

static inline bool has_finding(const struct decode_fixture *f, enum finding_kind kind,
                               const char *path) {
    for (uint32_t i = 0; i < f->v.finding_count; i++) {
        const struct finding *finding = &f->v.findings[i];
        if (finding->kind == kind && slice_ends_with(finding->path, slice_from_string(path))) {
            return true;
        }
    }
    return false;
}

#define ck_assert_slice_eq(slice, text)                                                            \
    ck_assert_msg(slice_equal((slice), slice_from_string(text)), "'%.*s' is not '%s'",             \
                  SLICE_ARG(slice), (text))

static inline int run_suite(const char *name, TCase *tcase) {
    Suite *suite = suite_create(name);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

#endif
