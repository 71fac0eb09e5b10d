// SPDX-License-Identifier: Apache-2.0
/* Envoy's order of criteria, most specific at each step, and no way back. */
#include "src/listener/filter_chain_match.h"

#include <check.h>
#include <stdlib.h>

#include "src/base/check.h"

/* A chain's match in short; NULL: not asked. */
struct chain_row {
    const char *name;
    uint32_t port;
    const char *destination; /* "10.0.0.0/8" */
    const char *names[3];
    const char *transport;
    const char *alpn[3];
    const char *direct_source;
    int source_type;
    const char *source;
    uint32_t source_port;
};
struct connection_row {
    const char *local, *remote;
    const char *direct; /* NULL: as remote */
    const char *sni, *transport;
    const char *alpn;
    const char *expect; /* NULL: none */
};
enum { MAX_CHAINS = 6, MAX_CONNECTIONS = 8 };
struct match_case {
    const char *title;
    struct chain_row chains[MAX_CHAINS];
    struct connection_row connections[MAX_CONNECTIONS];
};

#define LOCAL "127.0.0.1:443"
#define REMOTE "192.0.2.9:5000"

static const struct match_case cases[] = {
    {"no criteria takes all", {{.name = "any"}}, {{LOCAL, REMOTE, .expect = "any"}}},
    {"port before everything",
     {{.name = "port", .port = 443}, {.name = "sni", .names = {"a.example"}}},
     {{LOCAL, REMOTE, .sni = "a.example", .expect = "port"},
      {"127.0.0.1:80", REMOTE, .sni = "a.example", .expect = "sni"},
      {"127.0.0.1:80", REMOTE, .expect = NULL}}},
    {"longest destination prefix",
     {{.name = "8", .destination = "10.0.0.0/8"},
      {.name = "24", .destination = "10.1.2.0/24"},
      {.name = "any"}},
     {{"10.1.2.3:1", REMOTE, .expect = "24"},
      {"10.9.2.3:1", REMOTE, .expect = "8"},
      {"11.0.0.1:1", REMOTE, .expect = "any"}}},
    {"exact name, longest suffix, then none",
     {{.name = "exact", .names = {"www.a.example"}},
      {.name = "short", .names = {".example"}},
      {.name = "long", .names = {".a.example"}},
      {.name = "any"}},
     {{LOCAL, REMOTE, .sni = "www.a.example", .expect = "exact"},
      {LOCAL, REMOTE, .sni = "x.a.example", .expect = "long"},
      {LOCAL, REMOTE, .sni = "y.x.a.example", .expect = "long"},
      {LOCAL, REMOTE, .sni = "a.example", .expect = "short"},
      {LOCAL, REMOTE, .sni = "example", .expect = "any"},
      {LOCAL, REMOTE, .expect = "any"}}},
    {"transport protocol",
     {{.name = "tls", .transport = "tls"}, {.name = "raw", .transport = "raw_buffer"}},
     {{LOCAL, REMOTE, .transport = "tls", .expect = "tls"},
      {LOCAL, REMOTE, .transport = "raw_buffer", .expect = "raw"},
      {LOCAL, REMOTE, .expect = "raw"}}},
    {"application protocols",
     {{.name = "h2", .alpn = {"h2"}}, {.name = "any"}},
     {{LOCAL, REMOTE, .alpn = "h2", .expect = "h2"},
      {LOCAL, REMOTE, .alpn = "http/1.1", .expect = "any"},
      {LOCAL, REMOTE, .expect = "any"}}},
    {"no way back from a better name",
     {{.name = "sni and h2", .names = {"a.example"}, .alpn = {"h2"}}, {.name = "any"}},
     {{LOCAL, REMOTE, .sni = "a.example", .alpn = "h2", .expect = "sni and h2"},
      {LOCAL, REMOTE, .sni = "a.example", .alpn = "http/1.1"},
      {LOCAL, REMOTE, .sni = "b.example", .expect = "any"}}},
    {"no way back from a better destination",
     {{.name = "24 and tls", .destination = "10.1.2.0/24", .transport = "tls"},
      {.name = "8", .destination = "10.0.0.0/8"}},
     {{"10.1.2.3:1", REMOTE, .expect = NULL}, {"10.1.3.3:1", REMOTE, .expect = "8"}}},
    {"direct source before source",
     {{.name = "direct", .direct_source = "192.0.2.0/24"},
      {.name = "source", .source = "198.51.100.7/32"}},
     {{LOCAL, "198.51.100.7:1", .direct = "192.0.2.1:1", .expect = "direct"},
      {LOCAL, "198.51.100.7:1", .direct = "203.0.113.1:1", .expect = "source"}}},
    {"source type",
     {{.name = "local", .source_type = SOURCE_SAME_IP_OR_LOOPBACK},
      {.name = "external", .source_type = SOURCE_EXTERNAL}},
     {{LOCAL, "127.0.0.9:1", .expect = "local"},
      {"10.0.0.1:1", "10.0.0.1:2", .expect = "local"},
      {"10.0.0.1:1", "10.0.0.2:2", .expect = "external"}}},
    {"source ranges and ports",
     {{.name = "range", .source = "192.0.2.0/24"},
      {.name = "port", .source = "192.0.2.0/24", .source_port = 5000},
      {.name = "any"}},
     {{LOCAL, "192.0.2.9:5000", .expect = "port"},
      {LOCAL, "192.0.2.9:5001", .expect = "range"},
      {LOCAL, "203.0.113.1:5000", .expect = "any"}}},
};

static struct arena arena;

static const struct cidr *make_cidr(const char *text, uint32_t *count) {
    if (text == NULL) {
        return NULL;
    }
    struct cidr *cidr = ARENA_NEW(&arena, struct cidr);
    struct slice all = slice_from_string(text);
    size_t slash = slice_find_byte(all, '/');
    uint64_t bits = 0;
    ck_assert_int_eq(slice_parse_uint64(slice_sub(all, slash + 1, SIZE_MAX), &bits), STATUS_OK);
    ck_assert_int_eq(cidr_init(cidr, slice_sub(all, 0, slash), (uint32_t)bits, NULL), STATUS_OK);
    *count = 1;
    return cidr;
}

static const struct slice *make_texts(const char *const *texts, uint32_t *count) {
    struct slice *slices = ARENA_NEW_ARRAY(&arena, 3, struct slice);
    for (*count = 0; *count < 3 && texts[*count] != NULL; (*count)++) {
        slices[*count] = slice_from_string(texts[*count]);
    }
    return slices;
}

static struct filter_chain_config *make_chain(const struct chain_row *row) {
    struct filter_chain_config *chain = ARENA_NEW(&arena, struct filter_chain_config);
    struct filter_chain_match *match = &chain->match;
    uint32_t *port = ARENA_NEW(&arena, uint32_t);
    chain->name = slice_from_string(row->name);
    match->destination_port = row->port;
    match->destination_ranges = make_cidr(row->destination, &match->destination_range_count);
    match->server_names = make_texts(row->names, &match->server_name_count);
    match->transport_protocol = slice_from_string(row->transport);
    match->application_protocols = make_texts(row->alpn, &match->application_protocol_count);
    match->direct_source_ranges = make_cidr(row->direct_source, &match->direct_source_range_count);
    match->source_type = row->source_type == SOURCE_EXTERNAL ? SOURCE_EXTERNAL
                         : row->source_type == SOURCE_SAME_IP_OR_LOOPBACK
                             ? SOURCE_SAME_IP_OR_LOOPBACK
                             : SOURCE_ANY;
    match->source_ranges = make_cidr(row->source, &match->source_range_count);
    *port = row->source_port;
    match->source_ports = port;
    match->source_port_count = row->source_port == 0 ? 0 : 1;
    return chain;
}

static void set_address(struct address *address, const char *text) {
    ck_assert_int_eq(address_from_text(address, slice_from_string(text), NULL), STATUS_OK);
}

static void check_connection(const struct match_case *match, const struct listener_part *listener,
                             const struct connection_row *row) {
    struct accepted_socket socket = {.arena = &arena, .fd = -1};
    struct slice alpn = slice_from_string(row->alpn);
    set_address(&socket.local, row->local);
    set_address(&socket.remote, row->remote);
    set_address(&socket.direct_remote, row->direct == NULL ? row->remote : row->direct);
    socket.server_name = slice_from_string(row->sni);
    socket.transport_protocol = slice_from_string(row->transport);
    socket.application_protocols = &alpn;
    socket.application_protocol_count = row->alpn == NULL ? 0 : 1;
    const struct filter_chain_config *found = filter_chain_find(listener, &socket, NULL);
    struct slice name = found == NULL ? (struct slice){NULL, 0} : found->name;
    ck_assert_msg(slice_equal(name, slice_from_string(row->expect)), "%s: %s from %s: got '%.*s'",
                  match->title, row->local, row->remote, SLICE_ARG(name));
}

START_TEST(filter_chain_find_takes_the_most_specific) {
    const struct match_case *match = &cases[_i];
    arena_init_heap(&arena, 0);
    const struct filter_chain_config *chains[MAX_CHAINS];
    struct listener_part listener = {.chains = chains};
    for (uint32_t i = 0; i < MAX_CHAINS && match->chains[i].name != NULL; i++) {
        chains[listener.chain_count++] = make_chain(&match->chains[i]);
    }
    for (uint32_t i = 0; i < MAX_CONNECTIONS && match->connections[i].local != NULL; i++) {
        check_connection(match, &listener, &match->connections[i]);
    }
    arena_deinit(&arena);
}
END_TEST

START_TEST(filter_chain_find_falls_back_on_the_default) {
    arena_init_heap(&arena, 0);
    const struct filter_chain_config *chains[1] = {
        make_chain(&(struct chain_row){.name = "tls", .transport = "tls"})};
    struct filter_chain_config *other = make_chain(&(struct chain_row){.name = "default"});
    struct listener_part listener = {.chains = chains, .chain_count = 1, .default_chain = other};
    struct accepted_socket socket = {.arena = &arena, .fd = -1};
    set_address(&socket.local, LOCAL);
    set_address(&socket.remote, REMOTE);
    set_address(&socket.direct_remote, REMOTE);
    ck_assert_ptr_eq(filter_chain_find(&listener, &socket, NULL), other);
    listener.chain_count = 0;
    ck_assert_ptr_eq(filter_chain_find(&listener, &socket, NULL), other);
    listener.default_chain = NULL;
    ck_assert_ptr_null(filter_chain_find(&listener, &socket, NULL));
    arena_deinit(&arena);
}
END_TEST

int main(void) {
    Suite *s = suite_create("filter_chain_match");
    TCase *t = tcase_create("match");
    tcase_add_loop_test(t, filter_chain_find_takes_the_most_specific, 0, (int)ARRAY_LEN(cases));
    tcase_add_test(t, filter_chain_find_falls_back_on_the_default);
    suite_add_tcase(s, t);
    SRunner *runner = srunner_create(s);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
