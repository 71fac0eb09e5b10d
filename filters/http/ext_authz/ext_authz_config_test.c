// SPDX-License-Identifier: Apache-2.0
/* What the factory makes of messages; the decoders of shared messages are stand-ins. */
#include <check.h>
#include <stdlib.h>

#include "envoy/extensions/filters/http/ext_authz/v3/ext_authz.pb-c.h"
#include "filters/http/ext_authz/ext_authz.h"
#include "src/base/check.h"
#include "src/filter_chain/filter_config.h"

typedef Envoy__Extensions__Filters__Http__ExtAuthz__V3__ExtAuthz Message;
typedef Envoy__Extensions__Filters__Http__ExtAuthz__V3__HttpService HttpService;

extern const struct http_filter_factory ext_authz_http_filter_factory;

static struct io_context io;
static struct arena arena;
static struct validation validation;
static struct filter_config_context context;
static struct filter_decoders decoders;
static Message message;
static Envoy__Config__Core__V3__GrpcService grpc;
static Envoy__Config__Core__V3__GrpcService__EnvoyGrpc envoy_grpc;
static HttpService http;
static Envoy__Config__Core__V3__HttpUri uri;
static char name[] = "authz", prefix[] = "/pre", bad_prefix[] = "pre x", waf[] = "waf";

static bool read_duration(struct filter_config_context *c, const struct ProtobufCMessage *base,
                          uint32_t *out) {
    (void)c;
    *out = (uint32_t)((const Google__Protobuf__Duration *)(const void *)base)->seconds * 1000;
    return true;
}

static void setup(void) {
    ck_assert_int_eq(io_context_init(&io, 0, clock_system(), NULL), STATUS_OK);
    arena_init_heap(&arena, 0);
    validation_init(&validation, &arena, SLICE("test"));
    decoders = (struct filter_decoders){.duration_ms = read_duration};
    context = (struct filter_config_context){
        .arena = &arena,
        .part = config_part_new(CONFIG_LISTENER, sizeof(struct config_part), SLICE("l")),
        .validation = &validation,
        .store = config_store_new(&io),
        .decoders = &decoders};
    envoy__extensions__filters__http__ext_authz__v3__ext_authz__init(&message);
    envoy__config__core__v3__grpc_service__init(&grpc);
    envoy__config__core__v3__grpc_service__envoy_grpc__init(&envoy_grpc);
    envoy__extensions__filters__http__ext_authz__v3__http_service__init(&http);
    envoy__config__core__v3__http_uri__init(&uri);
    envoy_grpc.cluster_name = name;
    grpc.target_specifier_case = ENVOY__CONFIG__CORE__V3__GRPC_SERVICE__TARGET_SPECIFIER_ENVOY_GRPC;
    grpc.envoy_grpc = &envoy_grpc;
    uri.http_upstream_type_case = ENVOY__CONFIG__CORE__V3__HTTP_URI__HTTP_UPSTREAM_TYPE_CLUSTER;
    uri.cluster = name;
    http.server_uri = &uri;
}

static void teardown(void) {
    config_part_unref(context.part);
    config_store_free(context.store);
    arena_deinit(&arena);
    io_context_deinit(&io);
}

static void use_grpc(void) {
    message.services_case =
        ENVOY__EXTENSIONS__FILTERS__HTTP__EXT_AUTHZ__V3__EXT_AUTHZ__SERVICES_GRPC_SERVICE;
    message.grpc_service = &grpc;
}

static void use_http(void) {
    message.services_case =
        ENVOY__EXTENSIONS__FILTERS__HTTP__EXT_AUTHZ__V3__EXT_AUTHZ__SERVICES_HTTP_SERVICE;
    message.http_service = &http;
}

static const struct ext_authz_config *parse(void) {
    return ext_authz_http_filter_factory.parse(&context, &message.base);
}

static bool says(const char *text) {
    struct error err = {0};
    return validation_result(&validation, &err) == STATUS_INVALID &&
           strstr(err.message, text) != NULL;
}

START_TEST(ext_authz_config_defaults_are_envoys) {
    use_grpc();
    const struct ext_authz_config *config = parse();
    ck_assert(validation_ok(&validation));
    ck_assert(!config->service->is_http);
    ck_assert_uint_eq(config->service->timeout_ms, 200);
    ck_assert_uint_eq(config->status_on_error, 403);
    ck_assert_uint_eq(config->body.max_request_bytes, 0);
    ck_assert(!config->failure_mode_allow && !config->ignores_dynamic_metadata);
    ck_assert(!config->allowed_headers.is_set);
    ck_assert(slice_equal(config->cluster_stat_prefix, SLICE("ext_authz.")));
}
END_TEST

START_TEST(ext_authz_config_takes_what_is_set) {
    Google__Protobuf__Duration timeout = GOOGLE__PROTOBUF__DURATION__INIT;
    Envoy__Type__V3__HttpStatus status = ENVOY__TYPE__V3__HTTP_STATUS__INIT;
    timeout.seconds = 2;
    status.code = (Envoy__Type__V3__StatusCode)503;
    uri.timeout = &timeout;
    http.path_prefix = prefix;
    message.status_on_error = &status;
    message.stat_prefix = waf;
    use_http();
    const struct ext_authz_config *config = parse();
    ck_assert(validation_ok(&validation));
    ck_assert(config->service->is_http);
    ck_assert_uint_eq(config->service->timeout_ms, 2000);
    ck_assert(slice_equal(config->service->path_prefix, SLICE("/pre")));
    ck_assert_uint_eq(config->status_on_error, 503);
    ck_assert(slice_equal(config->cluster_stat_prefix, SLICE("ext_authz.waf.")));
}
END_TEST

START_TEST(ext_authz_config_without_a_service_is_refused) {
    (void)parse();
    ck_assert(says("services"));
}
END_TEST

START_TEST(ext_authz_config_with_google_grpc_is_refused) {
    grpc.target_specifier_case =
        ENVOY__CONFIG__CORE__V3__GRPC_SERVICE__TARGET_SPECIFIER_GOOGLE_GRPC;
    use_grpc();
    (void)parse();
    ck_assert(says("grpc_service.target_specifier"));
}
END_TEST

START_TEST(ext_authz_config_of_http_needs_a_cluster_and_one_path) {
    use_http();
    switch (_i) {
    case 0:
        http.server_uri = NULL;
        break;
    case 1:
        http.path_prefix = prefix;
        http.path_override = prefix;
        break;
    default:
        http.path_prefix = bad_prefix;
        break;
    }
    (void)parse();
    ck_assert(says(_i == 0 ? "server_uri" : _i == 1 ? "path_override" : "path_prefix"));
}
END_TEST

START_TEST(ext_authz_config_allowed_headers_twice_is_refused) {
    Envoy__Extensions__Filters__Http__ExtAuthz__V3__AuthorizationRequest request =
        ENVOY__EXTENSIONS__FILTERS__HTTP__EXT_AUTHZ__V3__AUTHORIZATION_REQUEST__INIT;
    Envoy__Type__Matcher__V3__ListStringMatcher list =
        ENVOY__TYPE__MATCHER__V3__LIST_STRING_MATCHER__INIT;
    request.allowed_headers = &list;
    http.authorization_request = &request;
    message.allowed_headers = &list;
    use_http();
    (void)parse();
    ck_assert(says("allowed_headers"));
}
END_TEST

START_TEST(ext_authz_config_of_a_route_disables_or_is_refused) {
    Envoy__Extensions__Filters__Http__ExtAuthz__V3__ExtAuthzPerRoute route =
        ENVOY__EXTENSIONS__FILTERS__HTTP__EXT_AUTHZ__V3__EXT_AUTHZ_PER_ROUTE__INIT;
    if (_i == 1) {
        route.override_case =
            ENVOY__EXTENSIONS__FILTERS__HTTP__EXT_AUTHZ__V3__EXT_AUTHZ_PER_ROUTE__OVERRIDE_DISABLED;
        route.disabled = true;
    }
    const struct ext_authz_route *parsed =
        ext_authz_http_filter_factory.parse_route(&context, &route.base);
    ck_assert(parsed->is_disabled == (_i == 1));
    ck_assert(validation_ok(&validation) == (_i == 1));
}
END_TEST

int main(void) {
    Suite *suite = suite_create("ext_authz_config");
    TCase *tcase = tcase_create("config");
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, ext_authz_config_defaults_are_envoys);
    tcase_add_test(tcase, ext_authz_config_takes_what_is_set);
    tcase_add_test(tcase, ext_authz_config_without_a_service_is_refused);
    tcase_add_test(tcase, ext_authz_config_with_google_grpc_is_refused);
    tcase_add_loop_test(tcase, ext_authz_config_of_http_needs_a_cluster_and_one_path, 0, 3);
    tcase_add_test(tcase, ext_authz_config_allowed_headers_twice_is_refused);
    tcase_add_loop_test(tcase, ext_authz_config_of_a_route_disables_or_is_refused, 0, 2);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
