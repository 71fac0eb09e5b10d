// SPDX-License-Identifier: Apache-2.0
/* When the service is asked, what it is told, and the life of the call. */
#include "filters/http/ext_authz/ext_authz_test_fixture_config.h"

/* ---- the check over gRPC ---- */

START_TEST(ext_authz_request_waits_until_answer_allows) {
    start(false);
    ck_assert_uint_eq(fx.grpc_count, 1);
    feed("body", true);
    ck_assert(!fx.reached);
    answer_ok(&(struct options){0});
    ck_assert(fx.reached);
    ck_assert_str_eq(fx.body, "body");
    ck_assert(fx.body_ended);
    ck_assert_uint_eq(fx.reply_status, 0);
}
END_TEST

START_TEST(ext_authz_check_holds_the_facts_of_the_request) {
    header_map_append_name(&fx.request, SLICE("x-raw"), SLICE("a\xff\xc3\xa9"));
    start(true);
    ck_assert_slice(fx.grpc.path, "/envoy.service.auth.v3.Authorization/Check");
    ck_assert_uint_eq(fx.grpc.cluster_slot, 3);
    ck_assert_uint_eq(fx.grpc.timeout_ms, 200);
    Envoy__Service__Auth__V3__CheckRequest *request = asked();
    Envoy__Service__Auth__V3__AttributeContext *attributes = request->attributes;
    Envoy__Service__Auth__V3__AttributeContext__HttpRequest *http = attributes->request->http;
    ck_assert_str_eq(attributes->source->address->socket_address->address, "10.0.0.2");
    ck_assert_uint_eq(attributes->destination->address->socket_address->port_value, 443);
    ck_assert_int_eq(attributes->request->time->seconds, 1700000000);
    ck_assert_int_eq(attributes->request->time->nanos, 123456000);
    ck_assert_str_eq(http->id, "42");
    ck_assert_str_eq(http->method, "POST");
    ck_assert_str_eq(http->path, "/a?x=1&y=2");
    ck_assert_str_eq(http->host, "foo.com");
    ck_assert_str_eq(http->scheme, "http");
    ck_assert_str_eq(http->protocol, "HTTP/1.1");
    ck_assert_uint_eq(http->n_headers, 6);
    ck_assert_str_eq(http->headers[4]->key, "x-dup");
    ck_assert_str_eq(http->headers[4]->value, "a,b");
    ck_assert_str_eq(http->headers[5]->value, "a!\xc3\xa9");
    ck_assert_ptr_nonnull(attributes->metadata_context);
    ck_assert_ptr_nonnull(attributes->route_metadata_context);
    ck_assert_ptr_null(attributes->tls_session);
    release(request);
}
END_TEST

static struct slice peer_pem(const struct transport_peer *peer, enum transport_fact fact) {
    ck_assert_ptr_eq(peer, fx.connection.peer);
    ck_assert_int_eq(fact, TRANSPORT_FACT_PEER_PEM);
    return SLICE("PEM");
}

START_TEST(ext_authz_check_names_the_peer_of_tls) {
    fx.config.include_peer_certificate = true;
    fx.config.include_tls_session = true;
    struct transport_peer peer = {.is_tls = true,
                                  .sni = SLICE("foo.com"),
                                  .peer_uri_sans = SLICE("spiffe://a,spiffe://b"),
                                  .fact = peer_pem,
                                  .local_dns_sans = SLICE("me")};
    fx.connection.peer = &peer;
    start(true);
    Envoy__Service__Auth__V3__CheckRequest *request = asked();
    ck_assert_str_eq(request->attributes->source->principal, "spiffe://a");
    ck_assert_str_eq(request->attributes->source->certificate, "PEM");
    ck_assert_str_eq(request->attributes->destination->principal, "me");
    ck_assert_str_eq(request->attributes->destination->certificate, "");
    ck_assert_str_eq(request->attributes->tls_session->sni, "foo.com");
    release(request);
}
END_TEST

START_TEST(ext_authz_allowed_and_disallowed_headers_limit_the_check) {
    struct string_matcher allowed = {.kind = STRING_MATCH_PREFIX, .text = SLICE("x-")};
    struct string_matcher disallowed = {.kind = STRING_MATCH_EXACT, .text = SLICE("x-dup")};
    header_map_append_name(&fx.request, SLICE("x-yes"), SLICE("1"));
    fx.config.allowed_headers = (struct authz_matchers){&allowed, 1, true};
    fx.config.disallowed_headers = (struct authz_matchers){&disallowed, 1, true};
    fx.config.encode_raw_headers = true;
    start(true);
    Envoy__Service__Auth__V3__CheckRequest *request = asked();
    Envoy__Config__Core__V3__HeaderMap *map = request->attributes->request->http->header_map;
    ck_assert_uint_eq(request->attributes->request->http->n_headers, 0);
    ck_assert_uint_eq(map->n_headers, 1);
    ck_assert_str_eq(map->headers[0]->key, "x-yes");
    ck_assert_uint_eq(map->headers[0]->raw_value.len, 1);
    release(request);
}
END_TEST

START_TEST(ext_authz_metadata_of_named_spaces_goes_along_as_structs) {
    static const struct slice spaces[] = {SLICE_INIT("jwt")};
    fx.config.metadata_namespaces = spaces;
    fx.config.metadata_namespace_count = 1;
    stream_info_set_metadata(&fx.info, SLICE("jwt"), SLICE("a.sub"), SLICE("me"), true);
    stream_info_set_metadata(&fx.info, SLICE("jwt"), SLICE("a.exp"), SLICE("12"), false);
    stream_info_set_metadata(&fx.info, SLICE("jwt"), SLICE("aud"), SLICE("[\"x\",true]"), false);
    stream_info_set_metadata(&fx.info, SLICE("other"), SLICE("k"), SLICE("v"), true);
    start(true);
    Envoy__Service__Auth__V3__CheckRequest *request = asked();
    Envoy__Config__Core__V3__Metadata *metadata = request->attributes->metadata_context;
    ck_assert_uint_eq(metadata->n_filter_metadata, 1);
    ck_assert_str_eq(metadata->filter_metadata[0]->key, "jwt");
    Google__Protobuf__Struct *fields = metadata->filter_metadata[0]->value;
    ck_assert_uint_eq(fields->n_fields, 2);
    for (size_t i = 0; i < 2; i++) {
        Google__Protobuf__Value *value = fields->fields[i]->value;
        if (strcmp(fields->fields[i]->key, "aud") == 0) {
            ck_assert_uint_eq(value->list_value->n_values, 2);
            ck_assert_str_eq(value->list_value->values[0]->string_value, "x");
            ck_assert(value->list_value->values[1]->bool_value);
        } else {
            ck_assert_str_eq(fields->fields[i]->key, "a");
            ck_assert_uint_eq(value->struct_value->n_fields, 2);
        }
    }
    release(request);
}
END_TEST

START_TEST(ext_authz_context_extensions_and_service_come_from_the_route) {
    static const struct authz_pair pairs[] = {{SLICE_INIT("r"), SLICE_INIT("1")}};
    struct authz_service other = {.cluster_slot = 9, .timeout_ms = 50};
    fx.has_override = true;
    fx.override = (struct ext_authz_route){
        .context_extensions = pairs, .context_extension_count = 1, .service = &other};
    start(true);
    ck_assert_uint_eq(fx.grpc.cluster_slot, 9);
    Envoy__Service__Auth__V3__CheckRequest *request = asked();
    ck_assert_uint_eq(request->attributes->n_context_extensions, 1);
    ck_assert_str_eq(request->attributes->context_extensions[0]->key, "r");
    release(request);
}
END_TEST

START_TEST(ext_authz_disabled_route_asks_nobody) {
    fx.has_override = true;
    fx.override.is_disabled = true;
    start(true);
    ck_assert_uint_eq(fx.grpc_count, 0);
    ck_assert(fx.reached);
}
END_TEST

START_TEST(ext_authz_not_enabled_denies_where_asked_to) {
    fx.config.has_filter_enabled = true;
    fx.config.deny_at_disable.value = true;
    fx.config.status_on_error = 401;
    start(true);
    ck_assert_uint_eq(fx.grpc_count, 0);
    ck_assert(!fx.reached);
    ck_assert_uint_eq(fx.reply_status, 401);
    ck_assert_slice(fx.reply_details, "ext_authz_error");
}
END_TEST

START_TEST(ext_authz_enabled_metadata_decides) {
    struct authz_metadata_matcher matcher = {
        .space = SLICE("rbac"),
        .path = SLICE("id"),
        .kind = AUTHZ_VALUE_STRING,
        .string = {.kind = STRING_MATCH_PREFIX, .text = SLICE("istio-")}};
    fx.config.filter_enabled_metadata = &matcher;
    if (_i == 1) {
        stream_info_set_metadata(&fx.info, SLICE("rbac"), SLICE("id"), SLICE("istio-x"), true);
    }
    start(true);
    ck_assert_uint_eq(fx.grpc_count, (unsigned)_i);
    ck_assert(fx.reached == (_i == 0));
}
END_TEST

/* ---- bodies ---- */

static Envoy__Service__Auth__V3__AttributeContext__HttpRequest *
http_of(const Envoy__Service__Auth__V3__CheckRequest *request) {
    return request->attributes->request->http;
}

START_TEST(ext_authz_body_is_sent_whole_before_the_request_goes_on) {
    fx.config.body = (struct authz_body_settings){.max_request_bytes = 10};
    start(false);
    feed("12345", false);
    ck_assert_uint_eq(fx.grpc_count, 0);
    feed("678", true);
    ck_assert_uint_eq(fx.grpc_count, 1);
    Envoy__Service__Auth__V3__CheckRequest *request = asked();
    ck_assert_str_eq(http_of(request)->body, "12345678");
    size_t last = http_of(request)->n_headers - 1;
    ck_assert_str_eq(http_of(request)->headers[last]->key, "x-envoy-auth-partial-body");
    ck_assert_str_eq(http_of(request)->headers[last]->value, "false");
    release(request);
    ck_assert(!fx.reached);
    answer_ok(&(struct options){0});
    ck_assert_str_eq(fx.body, "12345678");
    ck_assert(fx.body_ended);
}
END_TEST

START_TEST(ext_authz_body_over_the_limit_is_413_without_a_check) {
    fx.config.body = (struct authz_body_settings){.max_request_bytes = 4};
    fx.config.failure_mode_allow = true;
    start(false);
    feed("1234", false);
    feed("5", true);
    ck_assert_uint_eq(fx.grpc_count, 0);
    ck_assert_uint_eq(fx.reply_status, 413);
    ck_assert_slice(fx.reply_details, "request_payload_too_large");
    ck_assert(!fx.reached);
}
END_TEST

START_TEST(ext_authz_partial_body_is_sent_once_and_all_of_it_goes_on) {
    fx.config.body = (struct authz_body_settings){
        .max_request_bytes = 4, .allow_partial_message = true, .pack_as_bytes = true};
    start(false);
    feed("123", false);
    feed("456", false);
    feed("7", true);
    ck_assert_uint_eq(fx.grpc_count, 1);
    Envoy__Service__Auth__V3__CheckRequest *request = asked();
    ck_assert_uint_eq(http_of(request)->raw_body.len, 4);
    ck_assert_mem_eq(http_of(request)->raw_body.data, "1234", 4);
    size_t last = http_of(request)->n_headers - 1;
    ck_assert_str_eq(http_of(request)->headers[last]->value, "true");
    release(request);
    answer_ok(&(struct options){0});
    ck_assert_str_eq(fx.body, "1234567");
    ck_assert(fx.body_ended);
}
END_TEST

START_TEST(ext_authz_body_with_nul_arrives_whole) {
    fx.config.body = (struct authz_body_settings){.max_request_bytes = 10};
    start(false);
    struct buffer data;
    buffer_init(&data, &fx.io.buffers);
    buffer_append(&data, slice_make("a\0b", 3));
    http_filter_chain_decode_data(&fx.chain, &data, true);
    buffer_deinit(&data);
    ck_assert_uint_ne(slice_find(fx.grpc.message, slice_make("\x5a\x03"
                                                             "a\0b",
                                                             5)),
                      SIZE_MAX);
}
END_TEST

START_TEST(ext_authz_trailers_end_a_held_body) {
    fx.config.body = (struct authz_body_settings){.max_request_bytes = 10};
    start(false);
    feed("123", false);
    http_filter_chain_decode_trailers(&fx.chain, &fx.trailers);
    ck_assert_uint_eq(fx.grpc_count, 1);
    ck_assert(!fx.reached);
    answer_ok(&(struct options){0});
    ck_assert_str_eq(fx.body, "123");
    ck_assert(fx.body_ended);
}
END_TEST

/* ---- life ---- */

START_TEST(ext_authz_stream_that_dies_cancels_the_call) {
    start(false);
    http_filter_chain_destroy(&fx.chain);
    ck_assert_uint_eq(fx.cancel_count, 1);
}
END_TEST

START_TEST(ext_authz_anothers_reply_cancels_the_call) {
    struct local_reply reply = {.status = 408, .grpc_status = -1, .flag = RESPONSE_FLAG_COUNT};
    start(false);
    http_filter_local_reply(fx.chain.slots[1].filter, &reply);
    ck_assert_uint_eq(fx.cancel_count, 1);
    http_filter_chain_destroy(&fx.chain);
    ck_assert_uint_eq(fx.cancel_count, 1);
}
END_TEST

int main(void) {
    TCase *tcase = tcase_create("filter");
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, ext_authz_request_waits_until_answer_allows);
    tcase_add_test(tcase, ext_authz_check_holds_the_facts_of_the_request);
    tcase_add_test(tcase, ext_authz_check_names_the_peer_of_tls);
    tcase_add_test(tcase, ext_authz_allowed_and_disallowed_headers_limit_the_check);
    tcase_add_test(tcase, ext_authz_metadata_of_named_spaces_goes_along_as_structs);
    tcase_add_test(tcase, ext_authz_context_extensions_and_service_come_from_the_route);
    tcase_add_test(tcase, ext_authz_disabled_route_asks_nobody);
    tcase_add_test(tcase, ext_authz_not_enabled_denies_where_asked_to);
    tcase_add_loop_test(tcase, ext_authz_enabled_metadata_decides, 0, 2);
    tcase_add_test(tcase, ext_authz_body_is_sent_whole_before_the_request_goes_on);
    tcase_add_test(tcase, ext_authz_body_over_the_limit_is_413_without_a_check);
    tcase_add_test(tcase, ext_authz_partial_body_is_sent_once_and_all_of_it_goes_on);
    tcase_add_test(tcase, ext_authz_body_with_nul_arrives_whole);
    tcase_add_test(tcase, ext_authz_trailers_end_a_held_body);
    tcase_add_test(tcase, ext_authz_stream_that_dies_cancels_the_call);
    tcase_add_test(tcase, ext_authz_anothers_reply_cancels_the_call);
    return run_tests(tcase);
}
