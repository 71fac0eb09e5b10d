// SPDX-License-Identifier: Apache-2.0
/* What becomes of a request's head, as measured of Envoy (identity, sanitising, ids, hop by hop). */
#include "src/stream/request_headers.h"

#include <check.h>
#include <stdlib.h>

#include "src/base/check.h"

enum { MAX_PAIRS = 8 };
struct pair {
    const char *name;
    const char *value; /* NULL in what is expected: absent */
};

static struct arena arena;
static struct header_map headers;
static struct connection_info connection;
static struct address local, remote;
static struct stream_info info;
static struct random rng;
static struct http_connection_manager_config config;
static struct request_head head;

static void set_up(void) {
    arena_init_heap(&arena, 0);
    header_map_init(&headers, &arena);
    random_init_seed(&rng, 3);
    ck_assert_int_eq(address_from_text(&local, SLICE("10.0.0.1:8080"), NULL), STATUS_OK);
    ck_assert_int_eq(address_from_text(&remote, SLICE("192.0.2.1:5000"), NULL), STATUS_OK);
    connection =
        (struct connection_info){.local = &local, .direct_remote = &remote, .remote = &remote};
    info = (struct stream_info){.arena = &arena, .connection = &connection};
    config = (struct http_connection_manager_config){.generate_request_id = true};
    head = (struct request_head){
        .config = &config, .headers = &headers, .info = &info, .random = &rng};
    header_map_append(&headers, HEADER_METHOD, SLICE("GET"));
    header_map_append(&headers, HEADER_AUTHORITY, SLICE("a.example"));
    header_map_append(&headers, HEADER_PATH, SLICE("/"));
    header_map_append(&headers, HEADER_SCHEME, SLICE("http"));
}

static void tear_down(void) {
    arena_deinit(&arena);
}

static void add(const char *name, const char *value) {
    ck_assert_int_eq(header_map_add(&headers, slice_from_string(name), slice_from_string(value)),
                     STATUS_OK);
}

static const char *get(const char *name) {
    struct slice value =
        header_map_get_joined(&headers, slice_from_string(name), SLICE("|"), &arena);
    return value.ptr == NULL ? NULL : arena_dup_string(&arena, value);
}

static void expect(const char *title, const char *name, const char *value) {
    const char *got = get(name);
    if (value == NULL) {
        ck_assert_msg(got == NULL, "%s: %s is there: '%s'", title, name, got);
    } else {
        ck_assert_msg(got != NULL && strcmp(got, value) == 0, "%s: %s is '%s', not '%s'", title,
                      name, got == NULL ? "(absent)" : got, value);
    }
}

/* ---- identity ---- */

struct identity_row {
    const char *title;
    bool use_remote_address, skip_append, is_tls, internal_range;
    uint32_t hops;
    const char *xff;
    const char *proto;
    const char *client; /* expected */
    const char *out_xff;
    const char *out_proto;
    bool is_internal;
};
static const struct identity_row identities[] = {
    {"edge without xff", .use_remote_address = true, .client = "192.0.2.1", .out_xff = "192.0.2.1",
     .out_proto = "http"},
    {"edge appends", .use_remote_address = true, .xff = "1.2.3.4", .client = "192.0.2.1",
     .out_xff = "1.2.3.4,192.0.2.1", .out_proto = "http"},
    {"edge overwrites the proto", .use_remote_address = true, .proto = "https",
     .client = "192.0.2.1", .out_xff = "192.0.2.1", .out_proto = "http"},
    {"edge over TLS", .use_remote_address = true, .is_tls = true, .proto = "http",
     .client = "192.0.2.1", .out_xff = "192.0.2.1", .out_proto = "https"},
    {"edge with one trusted hop", .use_remote_address = true, .hops = 1, .xff = "9.9.9.9, 5.6.7.8",
     .proto = "https", .client = "5.6.7.8", .out_xff = "9.9.9.9, 5.6.7.8,192.0.2.1",
     .out_proto = "https"},
    {"edge with more hops than addresses", .use_remote_address = true, .hops = 3, .xff = "5.6.7.8",
     .client = "192.0.2.1", .out_xff = "5.6.7.8,192.0.2.1", .out_proto = "http"},
    {"edge that does not append", .use_remote_address = true, .skip_append = true, .xff = "1.2.3.4",
     .client = "192.0.2.1", .out_xff = "1.2.3.4", .out_proto = "http"},
    {"edge, remote internal, no xff", .use_remote_address = true, .internal_range = true,
     .client = "192.0.2.1", .out_xff = "192.0.2.1", .out_proto = "http", .is_internal = true},
    {"edge, remote internal, with xff", .use_remote_address = true, .internal_range = true,
     .xff = "1.2.3.4", .client = "192.0.2.1", .out_xff = "1.2.3.4,192.0.2.1", .out_proto = "http"},
    {"inside leaves xff", .xff = "1.2.3.4", .client = "1.2.3.4", .out_xff = "1.2.3.4",
     .out_proto = "http"},
    {"inside takes the last", .xff = "9.9.9.9,1.2.3.4", .client = "1.2.3.4",
     .out_xff = "9.9.9.9,1.2.3.4", .out_proto = "http"},
    {"inside with a hop", .hops = 1, .xff = "9.9.9.9,1.2.3.4", .client = "9.9.9.9",
     .out_xff = "9.9.9.9,1.2.3.4", .out_proto = "http"},
    {"inside keeps the proto", .proto = "https", .client = "192.0.2.1", .out_proto = "https"},
    {"inside, single internal", .internal_range = true, .xff = "192.0.2.77", .client = "192.0.2.77",
     .out_xff = "192.0.2.77", .out_proto = "http", .is_internal = true},
    {"inside, two addresses are never internal", .internal_range = true,
     .xff = "192.0.2.78,192.0.2.77", .client = "192.0.2.77", .out_xff = "192.0.2.78,192.0.2.77",
     .out_proto = "http"},
    {"garbage in xff", .xff = "not an address", .client = "192.0.2.1", .out_xff = "not an address",
     .out_proto = "http"},
};

START_TEST(request_headers_mutate_establishes_the_client) {
    const struct identity_row *row = &identities[_i];
    struct cidr range;
    ck_assert_int_eq(cidr_init(&range, SLICE("192.0.2.0"), 24, NULL), STATUS_OK);
    config.use_remote_address = row->use_remote_address;
    config.xff_num_trusted_hops = row->hops;
    config.skip_xff_append = row->skip_append;
    config.internal_cidrs = &range;
    config.internal_cidr_count = row->internal_range ? 1 : 0;
    head.is_tls = row->is_tls;
    if (row->xff != NULL) {
        add("x-forwarded-for", row->xff);
    }
    if (row->proto != NULL) {
        add("x-forwarded-proto", row->proto);
    }
    request_headers_mutate(&head);
    char text[ADDRESS_TEXT_BYTES];
    struct slice client = address_ip_text(info.downstream_remote, text);
    ck_assert_msg(slice_equal(client, slice_from_string(row->client)), "%s: client %.*s",
                  row->title, SLICE_ARG(client));
    expect(row->title, "x-forwarded-for", row->out_xff);
    expect(row->title, "x-forwarded-proto", row->out_proto);
    expect(row->title, "x-envoy-internal", row->is_internal ? "true" : NULL);
    bool is_external_edge = row->use_remote_address && !row->is_internal;
    expect(row->title, "x-envoy-external-address", is_external_edge ? row->client : NULL);
    ck_assert(head.is_internal == row->is_internal);
}
END_TEST

/* ---- sanitising ---- */

struct sanitise_row {
    const char *name;
    bool at_edge, inside; /* still there for an external request */
};
static const struct sanitise_row sanitised[] = {
    {"x-envoy-internal", false, false},
    {"x-envoy-retry-on", false, false},
    {"x-envoy-retry-grpc-on", false, false},
    {"x-envoy-max-retries", false, false},
    {"x-envoy-upstream-rq-timeout-ms", false, false},
    {"x-envoy-upstream-rq-per-try-timeout-ms", false, false},
    {"x-envoy-retriable-status-codes", false, false},
    {"x-envoy-retriable-header-names", false, false},
    {"x-envoy-hedge-on-per-try-timeout", false, false},
    {"x-envoy-force-trace", false, false},
    {"x-envoy-ip-tags", false, false},
    {"x-envoy-expected-rq-timeout-ms", false, false},
    {"x-envoy-upstream-alt-stat-name", false, false},
    {"x-envoy-decorator-operation", false, true},
    {"x-envoy-downstream-service-cluster", false, true},
    {"x-envoy-downstream-service-node", false, true},
    {"x-envoy-original-path", false, true},
    {"x-envoy-attempt-count", true, true},
    {"x-envoy-original-dst-host", true, true},
    {"x-forwarded-host", true, true},
    {"x-client-trace-id", true, true},
    {"x-custom", true, true},
};

START_TEST(request_headers_mutate_sanitises_external_requests) {
    const struct sanitise_row *row = &sanitised[_i % (int)ARRAY_LEN(sanitised)];
    config.use_remote_address = _i < (int)ARRAY_LEN(sanitised);
    add(row->name, "1");
    request_headers_mutate(&head);
    bool stays = config.use_remote_address ? row->at_edge : row->inside;
    expect(config.use_remote_address ? "edge" : "inside", row->name, stays ? "1" : NULL);
}
END_TEST

START_TEST(request_headers_mutate_keeps_what_an_internal_client_says) {
    struct cidr range;
    ck_assert_int_eq(cidr_init(&range, SLICE("192.0.2.0"), 24, NULL), STATUS_OK);
    config.use_remote_address = true;
    config.internal_cidrs = &range;
    config.internal_cidr_count = 1;
    add("x-envoy-retry-on", "5xx");
    add("x-envoy-upstream-rq-timeout-ms", "7");
    request_headers_mutate(&head);
    expect("internal", "x-envoy-retry-on", "5xx");
    expect("internal", "x-envoy-upstream-rq-timeout-ms", "7");
}
END_TEST

START_TEST(request_headers_mutate_refuses_bad_referers_at_the_edge) {
    static const struct pair rows[] = {
        {"https://a.example/", "https://a.example/"},
        {"http://a.example/", "http://a.example/"},
        {"javascript:alert(1)", NULL},
        {"/relative", NULL},
    };
    config.use_remote_address = true;
    add("referer", rows[_i].name);
    request_headers_mutate(&head);
    expect("referer", "referer", rows[_i].value);
}
END_TEST

/* ---- hop by hop ---- */

struct hop_row {
    const char *title;
    struct pair in[4];
    struct pair out[MAX_PAIRS];
    bool is_upgrade;
};
static const struct hop_row hops[] = {
    {"nominated fields go",
     {{"connection", "close, X-Secret, x-two"}, {"x-secret", "1"}, {"x-two", "2"}, {"x-3", "3"}},
     {{"connection", NULL}, {"x-secret", NULL}, {"x-two", NULL}, {"x-3", "3"}},
     false},
    {"identity cannot be nominated",
     {{"connection", "x-forwarded-for, authorization, cookie, host"},
      {"authorization", "Basic x"},
      {"cookie", "a=b"},
      {"x-forwarded-for", "1.2.3.4"}},
     {{"authorization", "Basic x"}, {"cookie", "a=b"}, {"x-forwarded-for", "1.2.3.4"}},
     false},
    {"always removed",
     {{"keep-alive", "5"},
      {"proxy-connection", "x"},
      {"transfer-encoding", "chunked"},
      {"http2-settings", "x"}},
     {{"keep-alive", NULL},
      {"proxy-connection", NULL},
      {"transfer-encoding", NULL},
      {"http2-settings", NULL}},
     false},
    {"te other than trailers", {{"te", "gzip"}}, {{"te", NULL}}, false},
    {"te with trailers", {{"te", "gzip, trailers"}}, {{"te", "trailers"}}, false},
    {"upgrade that is none",
     {{"upgrade", "h2c"}, {"connection", "close"}},
     {{"upgrade", NULL}, {"connection", NULL}},
     false},
    {"upgrade stays",
     {{"upgrade", "websocket"}, {"connection", "Upgrade"}},
     {{"upgrade", "websocket"}, {"connection", "Upgrade"}},
     true},
};

START_TEST(request_headers_mutate_removes_hop_by_hop_fields) {
    const struct hop_row *row = &hops[_i];
    head.is_upgrade = row->is_upgrade;
    for (size_t i = 0; i < 4 && row->in[i].name != NULL; i++) {
        add(row->in[i].name, row->in[i].value);
    }
    request_headers_mutate(&head);
    for (size_t i = 0; i < MAX_PAIRS && row->out[i].name != NULL; i++) {
        expect(row->title, row->out[i].name, row->out[i].value);
    }
}
END_TEST

/* ---- request id, via, port ---- */

START_TEST(request_headers_mutate_request_ids) {
    struct id_row {
        bool edge, preserve, generate;
        const char *in;
        int kept; /* 1: kept, 0: new, -1: absent */
    };
    static const struct id_row rows[] = {
        {true, false, true, NULL, 0},       {true, false, true, "theirs", 0},
        {true, true, true, "theirs", 1},    {false, false, true, "theirs", 1},
        {false, false, true, NULL, 0},      {false, false, false, NULL, -1},
        {false, false, false, "theirs", 1},
    };
    const struct id_row *row = &rows[_i];
    config.use_remote_address = row->edge;
    config.preserve_external_request_id = row->preserve;
    config.generate_request_id = row->generate;
    if (row->in != NULL) {
        add("x-request-id", row->in);
    }
    request_headers_mutate(&head);
    const char *id = get("x-request-id");
    if (row->kept < 0) {
        ck_assert_ptr_null(id);
    } else if (row->kept == 1) {
        ck_assert_str_eq(id, "theirs");
    } else {
        ck_assert_uint_eq(strlen(id), UUID_TEXT_LEN);
        ck_assert_int_eq(id[14], '4');
    }
}
END_TEST

START_TEST(request_headers_mutate_appends_via_and_port) {
    config.via = SLICE("1.1 proxy");
    config.append_x_forwarded_port = true;
    add("via", "1.0 before");
    request_headers_mutate(&head);
    expect("via", "via", "1.0 before, 1.1 proxy");
    expect("port", "x-forwarded-port", "8080");
}
END_TEST

START_TEST(request_headers_mutate_overwrites_the_scheme) {
    config.use_remote_address = true;
    config.scheme_to_overwrite = SLICE("https");
    request_headers_mutate(&head);
    expect("scheme", ":scheme", "https");
    expect("scheme", "x-forwarded-proto", "https");
}
END_TEST

/* ---- x-forwarded-client-cert ---- */

struct xfcc_row {
    const char *title;
    enum forward_client_cert mode;
    bool is_mtls;
    const char *expect;
};
#define OWN "By=spiffe://own;Hash=ab12;Subject=\"CN=client\";URI=spiffe://peer;DNS=d.example"
static const struct xfcc_row xfcc_rows[] = {
    {"sanitize", FORWARD_CLIENT_CERT_SANITIZE, true, NULL},
    {"sanitize, no mtls", FORWARD_CLIENT_CERT_SANITIZE, false, NULL},
    {"forward only", FORWARD_CLIENT_CERT_FORWARD_ONLY, true, "theirs"},
    {"forward only, no mtls", FORWARD_CLIENT_CERT_FORWARD_ONLY, false, NULL},
    {"append", FORWARD_CLIENT_CERT_APPEND_FORWARD, true, "theirs," OWN},
    {"append, no mtls", FORWARD_CLIENT_CERT_APPEND_FORWARD, false, NULL},
    {"set", FORWARD_CLIENT_CERT_SANITIZE_SET, true, OWN},
    {"set, no mtls", FORWARD_CLIENT_CERT_SANITIZE_SET, false, NULL},
    {"always forward", FORWARD_CLIENT_CERT_ALWAYS_FORWARD_ONLY, false, "theirs"},
};

START_TEST(request_headers_mutate_client_certificates) {
    const struct xfcc_row *row = &xfcc_rows[_i];
    config.forward_client_cert = row->mode;
    config.xfcc_subject = true;
    config.xfcc_uri = true;
    config.xfcc_dns = true;
    struct transport_peer peer = {
        .is_tls = true,
        .peer_certificate_presented = row->is_mtls,
        .peer_certificate_validated = row->is_mtls,
        .peer_fingerprint_sha256 = SLICE("ab12"),
        .peer_subject = SLICE("CN=client"),
        .peer_uri_sans = SLICE("spiffe://peer"),
        .peer_dns_sans = SLICE("d.example"),
        .local_uri_sans = SLICE("spiffe://own"),
    };
    connection.peer = &peer;
    add("x-forwarded-client-cert", "theirs");
    request_headers_mutate(&head);
    expect(row->title, "x-forwarded-client-cert", row->expect);
}
END_TEST

/* ---- checks ---- */

struct check_row {
    const char *title, *host, *path;
    uint32_t status;
    const char *details;
};
static const struct check_row checks[] = {
    {"plain", "a.example", "/x?y", 0, NULL},
    {"no host", NULL, "/", 400, "missing_host_header"},
    {"fragment", "a.example", "/a#b", 400, "path_normalization_failed"},
    {"asterisk", "a.example", "*", 404, "absolute_path_rejected"},
    {"no path", "a.example", NULL, 404, "missing_path_rejected"},
};

START_TEST(request_headers_validate_refuses) {
    const struct check_row *row = &checks[_i];
    header_map_remove(&headers, HEADER_AUTHORITY);
    header_map_remove(&headers, HEADER_PATH);
    if (row->host != NULL) {
        header_map_append(&headers, HEADER_AUTHORITY, slice_from_string(row->host));
    }
    if (row->path != NULL) {
        header_map_append(&headers, HEADER_PATH, slice_from_string(row->path));
    }
    request_headers_validate(&head);
    ck_assert_msg(head.failed_status == row->status, "%s: %u", row->title, head.failed_status);
    if (row->details != NULL) {
        ck_assert_str_eq(head.failed_details, row->details);
    }
}
END_TEST

struct host_row {
    const char *host;
    bool any, matching, dot, is_tls;
    const char *expect;
};
static const struct host_row host_rows[] = {
    {"a.example:8443", true, false, false, false, "a.example"},
    {"a.example:80", false, true, false, false, "a.example"},
    {"a.example:80", false, true, false, true, "a.example:80"},
    {"a.example:443", false, true, false, true, "a.example"},
    {"a.example:8443", false, true, false, true, "a.example:8443"},
    {"[::1]:8443", true, false, false, false, "[::1]"},
    {"[::1]", true, false, false, false, "[::1]"},
    {"a.example.", false, false, true, false, "a.example"},
    {"a.example.:8080", false, false, true, false, "a.example:8080"},
    {"a.example.:8080", true, false, true, false, "a.example"},
};

START_TEST(request_headers_validate_strips_ports_and_dots) {
    const struct host_row *row = &host_rows[_i];
    config.strip_any_host_port = row->any;
    config.strip_matching_host_port = row->matching;
    config.strip_trailing_host_dot = row->dot;
    head.is_tls = row->is_tls;
    header_map_set(&headers, HEADER_AUTHORITY, slice_from_string(row->host));
    request_headers_validate(&head);
    expect(row->host, ":authority", row->expect);
}
END_TEST

int main(void) {
    Suite *s = suite_create("request_headers");
    TCase *t = tcase_create("request_headers");
    tcase_add_checked_fixture(t, set_up, tear_down);
    tcase_add_loop_test(t, request_headers_mutate_establishes_the_client, 0,
                        (int)ARRAY_LEN(identities));
    tcase_add_loop_test(t, request_headers_mutate_sanitises_external_requests, 0,
                        2 * (int)ARRAY_LEN(sanitised));
    tcase_add_test(t, request_headers_mutate_keeps_what_an_internal_client_says);
    tcase_add_loop_test(t, request_headers_mutate_refuses_bad_referers_at_the_edge, 0, 4);
    tcase_add_loop_test(t, request_headers_mutate_removes_hop_by_hop_fields, 0,
                        (int)ARRAY_LEN(hops));
    tcase_add_loop_test(t, request_headers_mutate_request_ids, 0, 7);
    tcase_add_test(t, request_headers_mutate_appends_via_and_port);
    tcase_add_test(t, request_headers_mutate_overwrites_the_scheme);
    tcase_add_loop_test(t, request_headers_mutate_client_certificates, 0,
                        (int)ARRAY_LEN(xfcc_rows));
    tcase_add_loop_test(t, request_headers_validate_refuses, 0, (int)ARRAY_LEN(checks));
    tcase_add_loop_test(t, request_headers_validate_strips_ports_and_dots, 0,
                        (int)ARRAY_LEN(host_rows));
    suite_add_tcase(s, t);
    SRunner *runner = srunner_create(s);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
