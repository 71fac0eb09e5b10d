// SPDX-License-Identifier: Apache-2.0
#include "src/tls/tls_transport.h"

#include <check.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "src/base/check.h"
#include "src/event/event_loop.h"
#include "src/stats/stats.h"
#include "src/tls/testing/test_certs.h"
#include "src/tls/testing/tls_pair.h"

static struct tls_pair pair;
static struct test_cert *ca, *server_cert, *client_cert;
static struct stats_registry *registry;
static struct stats_scope *client_stats, *server_stats;

static void setup(void) {
    tls_pair_init(&pair);
    registry = stats_registry_new(1);
    client_stats = stats_scope_get(registry, SLICE("cluster.x.ssl"), &tls_stat_table);
    server_stats = stats_scope_get(registry, SLICE("listener.x.ssl"), &tls_stat_table);
    ca = test_cert_ca("ca");
    server_cert = test_cert_leaf(ca, "server.test");
    client_cert = test_cert_leaf(ca, "client.test");
}

static void teardown(void) {
    tls_pair_deinit(&pair);
    stats_scope_unref(client_stats);
    stats_scope_unref(server_stats);
    stats_registry_free(registry);
    test_cert_free(ca);
    test_cert_free(server_cert);
    test_cert_free(client_cert);
}

static struct tls_context *context_of(struct tls_context_options options,
                                      const struct test_cert *cert, bool verifies) {
    struct tls_certificate_source source;
    struct tls_validation_source validation = {.trusted_ca_pem = test_cert_pem(ca)};
    struct error err;
    if (cert != NULL) {
        source = test_cert_source(cert, "own");
        options.certificates = &source;
        options.certificate_count = 1;
    }
    options.validation = verifies ? &validation : NULL;
    struct tls_context *context = tls_context_new(&options, &err);
    ck_assert_msg(context != NULL, "%s", err.message);
    return context;
}

static struct tls_pair_options plain_pair(void) {
    return (struct tls_pair_options){
        .client_context = context_of((struct tls_context_options){0}, NULL, true),
        .server_context =
            context_of((struct tls_context_options){.is_server = true}, server_cert, false),
        .client_stats = client_stats,
        .server_stats = server_stats,
    };
}

static void release(struct tls_pair_options *options) {
    tls_context_unref(options->client_context);
    tls_context_unref(options->server_context);
}

static const struct transport_peer *peer_of(const struct tls_end *end) {
    struct transport *transport = connection_transport(end->conn);
    return transport->ops->peer(transport, NULL);
}

#define fact_of(peer, name) transport_peer_fact(peer, TRANSPORT_FACT_##name)
#define PEM_BEGIN SLICE("-----BEGIN%20CERTIFICATE-----%0A")

static void expect_no_memory(void) {
    ck_assert_uint_eq(pair.io.buffers.chunks.live_count, 0);
    ck_assert_uint_eq(pair.io.buffers.fragments.live_count, 0);
}

START_TEST(tls_echo_leaves_no_buffers) {
    struct tls_pair_options options = plain_pair();
    ck_assert(tls_pair_handshake(&pair, &options));
    tls_pair_send(&pair, &pair.client, SLICE("ping"), false);
    tls_pair_settle(&pair);
    tls_pair_send(&pair, &pair.server, SLICE("pong!"), false);
    tls_pair_settle(&pair);
    ck_assert_uint_eq(pair.server.got, 4);
    ck_assert_mem_eq(pair.server.first, "ping", 4);
    ck_assert_uint_eq(pair.client.got, 5);
    ck_assert_uint_eq(connection_bytes_sent(pair.client.conn), 4);
    ck_assert_uint_eq(connection_bytes_received(pair.client.conn), 5);
    expect_no_memory();
    ck_assert_uint_eq(stats_value(server_stats, TLS_STAT_HANDSHAKE), 1);
    ck_assert_uint_eq(stats_value(server_stats, TLS_STAT_NO_CERTIFICATE), 1);
    ck_assert_uint_eq(stats_value(client_stats, TLS_STAT_NO_CERTIFICATE), 0);
    connection_close(pair.client.conn, CONNECTION_CLOSE_NOW);
    tls_pair_settle(&pair);
    ck_assert(pair.server.is_closed);
    ck_assert_uint_eq(connection_failure_reason(pair.server.conn).len, 0);
    ck_assert_uint_eq(stats_value(server_stats, TLS_STAT_CONNECTION_ERROR), 0);
    release(&options);
}
END_TEST

static void send_many(struct tls_end *end, size_t len, size_t piece) {
    static uint8_t block[70000];
    struct buffer data;
    buffer_init(&data, &pair.io.buffers);
    while (data.len < len) {
        size_t part = len - data.len < piece ? len - data.len : piece;
        buffer_append(&data, slice_make(block, part));
    }
    connection_write(end->conn, &data, false);
    buffer_deinit(&data);
}

START_TEST(tls_bulk_arrives_whole_in_any_piece_size) {
    static const size_t pieces[] = {1, 100, 4095, 16384, 16385, 70000};
    struct tls_pair_options options = plain_pair();
    for (size_t i = 0; i < ARRAY_LEN(pieces); i++) {
        size_t total = pieces[i] < 100 ? 20000 : 3000000;
        ck_assert(tls_pair_handshake(&pair, &options));
        send_many(&pair.client, total, pieces[i]);
        send_many(&pair.server, total, pieces[i]);
        tls_pair_settle(&pair);
        ck_assert_uint_eq(pair.server.got, total);
        ck_assert_uint_eq(pair.client.got, total);
        expect_no_memory();
    }
    release(&options);
}
END_TEST

START_TEST(tls_reading_paused_holds_the_sender) {
    struct tls_pair_options options = plain_pair();
    options.buffer_limit_bytes = 50000;
    ck_assert(tls_pair_handshake(&pair, &options));
    connection_read_disable(pair.server.conn, true);
    send_many(&pair.client, 4000000, 70000);
    tls_pair_settle(&pair);
    ck_assert_uint_eq(pair.server.got, 0);
    ck_assert(connection_is_above_high_watermark(pair.client.conn));
    connection_read_disable(pair.server.conn, false);
    tls_pair_settle(&pair);
    ck_assert_uint_eq(pair.server.got, 4000000);
    ck_assert(!connection_is_above_high_watermark(pair.client.conn));
    release(&options);
}
END_TEST

/* Passes at most one byte from one fd to the other; true when one went. */
static bool relay_byte(int from, int to) {
    char byte;
    return read(from, &byte, 1) == 1 && write(to, &byte, 1) == 1;
}

static void check_split(enum tls_version version, bool verifies_client) {
    struct tls_pair_options options = plain_pair();
    int a[2], b[2];
    release(&options);
    options.client_context =
        context_of((struct tls_context_options){.max_version = version}, client_cert, true);
    options.server_context =
        context_of((struct tls_context_options){.is_server = true,
                                                .require_client_certificate = verifies_client},
                   server_cert, verifies_client);
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, a), 0);
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, b), 0);
    tls_pair_open_fds(&pair, &options, a[0], b[0]);
    tls_pair_send(&pair, &pair.client, SLICE("split"), false);
    for (int i = 0; i < 100000 && pair.server.got < 5; i++) {
        (void)relay_byte(a[1], b[1]);
        (void)relay_byte(b[1], a[1]);
        (void)event_loop_run_once(pair.io.loop, 0);
    }
    ck_assert_uint_eq(pair.server.got, 5);
    ck_assert_mem_eq(pair.server.first, "split", 5);
    ck_assert(peer_of(&pair.server)->peer_certificate_validated == verifies_client);
    close(a[1]);
    close(b[1]);
    release(&options);
}

START_TEST(tls_handshake_split_at_each_byte_works) {
    check_split(TLS_VERSION_1_3, false);
    check_split(TLS_VERSION_1_3, true);
    check_split(TLS_VERSION_1_2, false);
    check_split(TLS_VERSION_1_2, true);
}
END_TEST

/* Cuts the client's stream after `limit` bytes; neither side may crash or believe it is connected. */
START_TEST(tls_handshake_cut_at_any_byte_ends_in_order) {
    struct tls_pair_options options = plain_pair();
    for (size_t limit = 0; limit < 260; limit += 7) {
        int a[2], b[2];
        ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, a), 0);
        ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, b), 0);
        tls_pair_open_fds(&pair, &options, a[0], b[0]);
        tls_pair_settle(&pair);
        for (size_t i = 0; i < limit && relay_byte(a[1], b[1]); i++) {
        }
        tls_pair_settle(&pair);
        close(b[1]);
        close(a[1]);
        tls_pair_settle(&pair);
        ck_assert(pair.server.is_closed && !pair.server.is_connected);
        ck_assert(pair.client.is_closed && !pair.client.is_connected);
    }
    release(&options);
}
END_TEST

static void expect_server_failure(const char *bytes, size_t len, const char *reason) {
    struct tls_pair_options options = plain_pair();
    int a[2], b[2];
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, a), 0);
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, b), 0);
    tls_pair_open_fds(&pair, &options, a[0], b[0]);
    ck_assert_int_eq(write(b[1], bytes, len), (ssize_t)len);
    tls_pair_settle(&pair);
    ck_assert(pair.server.is_closed);
    struct slice got = connection_failure_reason(pair.server.conn);
    ck_assert_msg(slice_equal(got, slice_from_string(reason)), "%.*s", SLICE_ARG(got));
    close(a[1]);
    close(b[1]);
    release(&options);
}

START_TEST(tls_failure_reasons_are_envoys) {
    expect_server_failure("GET / HTTP/1.1\r\n\r\n", 18,
                          "TLS_error:|268435612:SSL routines:OPENSSL_internal:HTTP_REQUEST"
                          ":TLS_error_end");
    expect_server_failure("\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", 10,
                          "TLS_error:|268435703:SSL routines:OPENSSL_internal:"
                          "WRONG_VERSION_NUMBER:TLS_error_end");
    ck_assert_uint_eq(stats_value(server_stats, TLS_STAT_CONNECTION_ERROR), 2);
    ck_assert_uint_eq(stats_value(server_stats, TLS_STAT_HANDSHAKE), 0);
}
END_TEST

START_TEST(tls_version_limits_hold) {
    static const struct {
        enum tls_version client_max, server_min;
        const char *version; /* NULL: refused */
    } rows[] = {{TLS_VERSION_AUTO, TLS_VERSION_AUTO, "TLSv1.3"},
                {TLS_VERSION_1_2, TLS_VERSION_AUTO, "TLSv1.2"},
                {TLS_VERSION_1_2, TLS_VERSION_1_3, NULL}};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct tls_pair_options options = {
            .client_context = context_of(
                (struct tls_context_options){.max_version = rows[i].client_max}, NULL, true),
            .server_context = context_of(
                (struct tls_context_options){.is_server = true, .min_version = rows[i].server_min},
                server_cert, false)};
        ck_assert(tls_pair_handshake(&pair, &options) == (rows[i].version != NULL));
        if (rows[i].version != NULL) {
            ck_assert(slice_equal(peer_of(&pair.client)->tls_version,
                                  slice_from_string(rows[i].version)));
        }
        release(&options);
    }
}
END_TEST

START_TEST(tls_alpn_is_the_servers_preference) {
    static const struct slice h2_h1[] = {SLICE_INIT("h2"), SLICE_INIT("http/1.1")};
    static const struct slice h1_h2[] = {SLICE_INIT("http/1.1"), SLICE_INIT("h2")};
    static const struct slice other[] = {SLICE_INIT("foo")};
    const struct {
        const struct slice *client;
        uint32_t client_count;
        const char *chosen;
    } rows[] = {{h1_h2, 2, "h2"}, {h1_h2, 1, "http/1.1"}, {other, 1, ""}, {NULL, 0, ""}};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct tls_pair_options options = {
            .client_context =
                context_of((struct tls_context_options){.alpn = rows[i].client,
                                                        .alpn_count = rows[i].client_count},
                           NULL, true),
            .server_context = context_of(
                (struct tls_context_options){.is_server = true, .alpn = h2_h1, .alpn_count = 2},
                server_cert, false)};
        ck_assert(tls_pair_handshake(&pair, &options));
        ck_assert_msg(slice_equal(peer_of(&pair.server)->alpn, slice_from_string(rows[i].chosen)),
                      "row %zu", i);
        ck_assert(slice_equal(peer_of(&pair.client)->alpn, slice_from_string(rows[i].chosen)));
        release(&options);
    }
}
END_TEST

START_TEST(tls_half_close_and_unclean_end) {
    struct tls_pair_options options = plain_pair();
    options.enable_half_close = true;
    ck_assert(tls_pair_handshake(&pair, &options));
    tls_pair_send(&pair, &pair.client, SLICE("request"), true);
    tls_pair_settle(&pair);
    ck_assert_uint_eq(pair.server.got, 7);
    ck_assert(pair.server.has_ended && !pair.server.is_closed);
    tls_pair_send(&pair, &pair.server, SLICE("response"), true);
    tls_pair_settle(&pair);
    ck_assert_uint_eq(pair.client.got, 8);
    ck_assert(pair.client.is_closed && pair.server.is_closed);
    ck_assert(tls_pair_handshake(&pair, &options));
    // A FIN without close_notify.
    ck_assert_int_eq(shutdown(connection_fd(pair.client.conn), SHUT_WR), 0);
    tls_pair_settle(&pair);
    ck_assert(pair.server.has_ended && !pair.server.is_closed);
    tls_pair_send(&pair, &pair.server, SLICE("still"), false);
    tls_pair_settle(&pair);
    ck_assert_uint_eq(pair.client.got, 5);
    release(&options);
}
END_TEST

START_TEST(tls_close_flush_delivers_the_last_bytes) {
    struct tls_pair_options options = plain_pair();
    ck_assert(tls_pair_handshake(&pair, &options));
    send_many(&pair.server, 2000000, 70000);
    connection_close(pair.server.conn, CONNECTION_CLOSE_FLUSH);
    tls_pair_settle(&pair);
    ck_assert_uint_eq(pair.client.got, 2000000);
    ck_assert(pair.client.is_closed && pair.server.is_closed);
    release(&options);
}
END_TEST

START_TEST(tls_facts_tell_both_sides) {
    struct tls_pair_options options = {
        .client_context = context_of((struct tls_context_options){0}, client_cert, true),
        .server_context =
            context_of((struct tls_context_options){.is_server = true}, server_cert, true),
        .sni = SLICE("Server.TEST"),
    };
    ck_assert(tls_pair_handshake(&pair, &options));
    const struct transport_peer *peer = peer_of(&pair.server);
    ck_assert(peer->is_tls && peer->peer_certificate_presented && peer->peer_certificate_validated);
    ck_assert(slice_equal(peer->sni, SLICE("server.test")));
    ck_assert(slice_equal(peer->peer_subject, SLICE("CN=client.test")));
    ck_assert(slice_equal(fact_of(peer, PEER_ISSUER), SLICE("CN=ca")));
    ck_assert(slice_equal(peer->peer_dns_sans, SLICE("client.test")));
    ck_assert_uint_eq(peer->peer_name_count, 1);
    ck_assert(slice_equal(peer->peer_names[0], SLICE("client.test")));
    ck_assert(slice_equal(peer->local_subject, SLICE("CN=server.test")));
    ck_assert(slice_starts_with(peer->cipher, SLICE("TLS_")));
    ck_assert_uint_eq(peer->peer_fingerprint_sha256.len, 64);
    ck_assert(slice_starts_with(fact_of(peer, PEER_PEM), PEM_BEGIN));
    ck_assert(slice_equal(peer_of(&pair.client)->peer_dns_sans, SLICE("server.test")));
    ck_assert(slice_equal(peer_of(&pair.client)->local_subject, SLICE("CN=client.test")));
    release(&options);
}
END_TEST

/* Which certificate: of the client, whose leaf has all kinds of names, or of its issuer. */
struct fact_row {
    enum transport_fact fact;
    const char *text; /* NULL: `len` characters */
    size_t len;
};
static const struct fact_row late_facts[] = {
    {TRANSPORT_FACT_TLS_GROUP, "X25519", 0},
    {TRANSPORT_FACT_PEER_EMAIL_SANS, "a@client.test,b@client.test", 0},
    {TRANSPORT_FACT_PEER_IP_SANS, "192.0.2.1,2001:db8::1", 0},
    {TRANSPORT_FACT_PEER_OTHER_SANS, "", 0},
    {TRANSPORT_FACT_PEER_SHA1, NULL, 40},
    {TRANSPORT_FACT_PEER_CHAIN_SHA1, NULL, 40 + 1 + 40},
    {TRANSPORT_FACT_PEER_CHAIN_SHA256, NULL, 64 + 1 + 64},
    {TRANSPORT_FACT_LOCAL_IP_SANS, "", 0},
    {TRANSPORT_FACT_LOCAL_EMAIL_SANS, "", 0},
    {TRANSPORT_FACT_LOCAL_OTHER_SANS, "", 0},
};

/* A chain of two: CA, intermediate, a leaf with rare names. */
static struct test_cert *rare_leaf(struct test_cert *intermediate) {
    static const uint8_t v4[] = {192, 0, 2, 1};
    static const uint8_t v6[16] = {0x20, 0x01, 0x0d, 0xb8, [15] = 1};
    const struct test_san sans[] = {{TLS_SAN_EMAIL, SLICE("a@client.test")},
                                    {TLS_SAN_IP, slice_make(v4, sizeof(v4))},
                                    {TLS_SAN_EMAIL, SLICE("b@client.test")},
                                    {TLS_SAN_IP, slice_make(v6, sizeof(v6))}};
    return test_cert_new(&(struct test_cert_options){
        .common_name = "rare", .issuer = intermediate, .sans = sans, .san_count = 4});
}

START_TEST(tls_facts_that_few_ask_for_are_made_of_the_chain) {
    struct test_cert *intermediate = test_cert_new(
        &(struct test_cert_options){.common_name = "between", .issuer = ca, .is_ca = true});
    struct test_cert *leaf = rare_leaf(intermediate);
    struct tls_pair_options options = {
        .client_context = context_of((struct tls_context_options){0}, leaf, true),
        .server_context =
            context_of((struct tls_context_options){.is_server = true}, server_cert, true),
    };
    ck_assert(tls_pair_handshake(&pair, &options));
    const struct transport_peer *peer = peer_of(&pair.server);
    for (size_t i = 0; i < ARRAY_LEN(late_facts); i++) {
        const struct fact_row *row = &late_facts[i];
        struct slice got = transport_peer_fact(peer, row->fact);
        ck_assert_msg(row->text == NULL ? got.len == row->len
                                        : slice_equal(got, slice_from_string(row->text)),
                      "fact %d: %.*s", (int)row->fact, SLICE_ARG(got));
        ck_assert_ptr_eq(transport_peer_fact(peer, row->fact).ptr, got.ptr); /* made once */
    }
    struct slice chain = fact_of(peer, PEER_CHAIN_SHA256),
                 serials = fact_of(peer, PEER_CHAIN_SERIALS);
    ck_assert(slice_starts_with(chain, peer->peer_fingerprint_sha256));
    ck_assert(slice_ends_with(chain, fact_of(peer, PEER_ISSUER_SHA256)));
    ck_assert(slice_starts_with(serials, fact_of(peer, PEER_SERIAL)));
    ck_assert(slice_ends_with(serials, fact_of(peer, PEER_ISSUER_SERIAL)));
    ck_assert(fact_of(peer, PEER_ISSUER_SERIAL).len > 0);
    release(&options);
    test_cert_free(leaf);
    test_cert_free(intermediate);
}
END_TEST

START_TEST(tls_facts_outlive_the_connection_with_the_arena_that_holds_them) {
    struct tls_pair_options options = plain_pair();
    struct arena arena;
    arena_init_heap(&arena, 0);
    ck_assert(tls_pair_handshake(&pair, &options));
    struct transport *transport = connection_transport(pair.client.conn);
    const struct transport_peer *peer = transport->ops->peer(transport, &arena);
    ck_assert_ptr_eq(peer, transport->ops->peer(transport, NULL));
    tls_pair_close(&pair);
    release(&options);
    ck_assert(slice_equal(peer->peer_dns_sans, SLICE("server.test")));
    ck_assert(slice_starts_with(fact_of(peer, PEER_PEM), PEM_BEGIN));
    ck_assert_uint_eq(fact_of(peer, PEER_ISSUER_SHA256).len, 64);
    arena_deinit(&arena);
}
END_TEST

/* ---- resumption ---- */

static struct tls_context *resuming_client(void) {
    return context_of((struct tls_context_options){.max_session_keys = 4}, client_cert, true);
}

static uint64_t reused(void) {
    return stats_value(server_stats, TLS_STAT_SESSION_REUSED);
}

/* One handshake with a byte each way, so that tickets have come. */
static bool exchange(struct tls_context *client, struct tls_context *server, const char *sni) {
    struct tls_pair_options options = {.client_context = client,
                                       .server_context = server,
                                       .sni = slice_from_string(sni),
                                       .server_stats = server_stats};
    bool is_good = tls_pair_handshake(&pair, &options);
    if (is_good) {
        tls_pair_send(&pair, &pair.server, SLICE("x"), false);
        tls_pair_settle(&pair);
    }
    return is_good;
}

START_TEST(tls_resumption_never_crosses_configurations) {
    static const uint8_t key_bytes[2][80] = {{1}, {2}};
    struct slice key = slice_make(key_bytes[0], 80), other_key = slice_make(key_bytes[1], 80);
    const struct {
        struct slice *first_key, *second_key;
        const char *first_id, *second_id;
        bool is_reused;
    } rows[] = {{&key, &key, "A", "A", true},
                {&key, &key, "A", "B", false},
                {&key, &other_key, "A", "A", false},
                {NULL, NULL, "A", "A", false},
                {&key, &key, "", "", false}};
    for (int version = TLS_VERSION_1_2; version <= TLS_VERSION_1_3; version++) {
        for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
            struct tls_context_options options = {.is_server = true,
                                                  .max_version = (enum tls_version)version,
                                                  .ticket_keys = rows[i].first_key,
                                                  .ticket_key_count = rows[i].first_key != NULL,
                                                  .session_id_context =
                                                      slice_from_string(rows[i].first_id)};
            struct tls_context *first = context_of(options, server_cert, false);
            options.ticket_keys = rows[i].second_key;
            options.session_id_context = slice_from_string(rows[i].second_id);
            // The second asks for a client certificate, as a stricter virtual host does.
            options.require_client_certificate = true;
            struct tls_context *second = context_of(options, server_cert, true);
            struct tls_context *client = resuming_client();
            uint64_t before = reused();
            ck_assert(exchange(client, first, "a"));
            ck_assert_uint_eq(reused(), before);
            ck_assert(exchange(client, second, "a"));
            ck_assert_msg((reused() != before) == rows[i].is_reused, "version %d row %zu", version,
                          i);
            tls_context_unref(first);
            tls_context_unref(second);
            tls_context_unref(client);
        }
    }
}
END_TEST

START_TEST(tls_same_context_resumes_by_name_and_while_allowed) {
    static const struct {
        int version;
        bool no_tickets, no_stateful;
        const char *second_name;
        bool is_reused;
    } rows[] = {
        {TLS_VERSION_1_3, false, false, "a", true}, {TLS_VERSION_1_3, false, false, "b", false},
        {TLS_VERSION_1_2, false, false, "a", true}, {TLS_VERSION_1_2, false, false, "b", false},
        {TLS_VERSION_1_2, true, false, "a", true},  {TLS_VERSION_1_2, true, true, "a", false},
        {TLS_VERSION_1_3, true, true, "a", false},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct tls_context *server = context_of(
            (struct tls_context_options){.is_server = true,
                                         .max_version = (enum tls_version)rows[i].version,
                                         .disable_session_tickets = rows[i].no_tickets,
                                         .disable_stateful_resumption = rows[i].no_stateful},
            server_cert, true);
        struct tls_context *client = resuming_client();
        uint64_t before = reused();
        ck_assert(exchange(client, server, "a"));
        ck_assert(exchange(client, server, rows[i].second_name));
        ck_assert_msg((reused() != before) == rows[i].is_reused, "row %zu", i);
        // The facts of a resumed session are the first one's.
        ck_assert(peer_of(&pair.server)->peer_certificate_validated);
        ck_assert(slice_equal(peer_of(&pair.server)->peer_subject, SLICE("CN=client.test")));
        tls_context_unref(server);
        tls_context_unref(client);
    }
}
END_TEST

START_TEST(tls_resumed_client_is_verified_again) {
    static const uint8_t key_bytes[80] = {7};
    struct slice key = slice_make(key_bytes, 80);
    char *crl = test_crl_pem(ca, client_cert);
    struct tls_certificate_source source = test_cert_source(server_cert, "own");
    struct tls_validation_source validation = {.trusted_ca_pem = test_cert_pem(ca)};
    struct tls_context_options options = {.is_server = true,
                                          .certificates = &source,
                                          .certificate_count = 1,
                                          .validation = &validation,
                                          .require_client_certificate = true,
                                          .ticket_keys = &key,
                                          .ticket_key_count = 1,
                                          .session_id_context = SLICE("same")};
    struct tls_context *before = tls_context_new(&options, NULL);
    // The caller forgot to change the configuration's identity with its revocation list.
    validation.crl_pem = slice_from_string(crl);
    struct tls_context *after = tls_context_new(&options, NULL);
    struct tls_context *client = resuming_client();
    ck_assert(exchange(client, before, "a"));
    (void)exchange(client, after, "a");
    ck_assert(pair.server.is_closed && !pair.server.is_connected);
    ck_assert_uint_eq(stats_value(server_stats, TLS_STAT_FAIL_VERIFY_ERROR), 1);
    ck_assert(slice_find(connection_failure_reason(pair.server.conn),
                         SLICE("certificate revoked:TLS_error_end")) != SIZE_MAX);
    tls_context_unref(before);
    tls_context_unref(after);
    tls_context_unref(client);
    mem_free(crl);
}
END_TEST

/* ---- choice of the certificate ---- */

START_TEST(tls_certificate_is_chosen_by_name_and_key_type) {
    struct test_san wildcard = {TLS_SAN_DNS, SLICE_INIT("*.w.test")};
    struct test_cert_options rsa_options = {.common_name = "rsa",
                                            .issuer = ca,
                                            .key = TEST_KEY_RSA_2048,
                                            .sans = &wildcard,
                                            .san_count = 1};
    struct test_cert_options ec_options = {
        .common_name = "ec", .issuer = ca, .sans = &wildcard, .san_count = 1};
    struct test_cert_options named_options = {.common_name = "Named.Test", .issuer = ca};
    struct test_cert *first = test_cert_leaf(ca, "first.test");
    struct test_cert *rsa = test_cert_new(&rsa_options), *ec = test_cert_new(&ec_options);
    struct test_cert *named = test_cert_new(&named_options);
    struct tls_certificate_source sources[] = {
        test_cert_source(first, "1"), test_cert_source(rsa, "2"), test_cert_source(ec, "3"),
        test_cert_source(named, "4")};
    struct tls_context_options server = {
        .is_server = true, .certificates = sources, .certificate_count = 4};
    static const struct {
        const char *sni, *ciphers, *subject;
    } rows[] = {
        {"first.test", NULL, "CN=first.test"},
        {"unknown.test", NULL, "CN=first.test"},
        {NULL, NULL, "CN=first.test"},
        {"a.w.test", NULL, "CN=ec"},
        {"A.W.Test", NULL, "CN=ec"},
        {"a.w.test", "ECDHE-RSA-AES128-GCM-SHA256", "CN=rsa"},
        {"a.b.w.test", NULL, "CN=first.test"},
        {"w.test", NULL, "CN=first.test"},
        {"named.test", NULL, "CN=Named.Test"},
        {NULL, "ECDHE-RSA-AES128-GCM-SHA256", "CN=rsa"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct tls_context_options client = {.cipher_suites = rows[i].ciphers};
        if (rows[i].ciphers != NULL) {
            client.max_version = TLS_VERSION_1_2;
        }
        struct tls_pair_options options = {.client_context = context_of(client, NULL, true),
                                           .server_context = tls_context_new(&server, NULL),
                                           .sni = slice_from_string(rows[i].sni)};
        ck_assert_msg(tls_pair_handshake(&pair, &options), "row %zu", i);
        struct slice subject = peer_of(&pair.client)->peer_subject;
        ck_assert_msg(slice_equal(subject, slice_from_string(rows[i].subject)), "row %zu: %.*s", i,
                      SLICE_ARG(subject));
        ck_assert(slice_equal(peer_of(&pair.server)->local_subject, subject));
        release(&options);
    }
    test_cert_free(first);
    test_cert_free(rsa);
    test_cert_free(ec);
    test_cert_free(named);
}
END_TEST

START_TEST(tls_staple_is_sent_to_those_who_ask) {
    struct tls_certificate_source source = test_cert_source(server_cert, "own");
    source.ocsp_staple = SLICE("\x30\x03\x0a\x01\x00");
    struct tls_context_options server = {
        .is_server = true, .certificates = &source, .certificate_count = 1};
    struct tls_pair_options options = {.client_context =
                                           context_of((struct tls_context_options){0}, NULL, true),
                                       .server_context = tls_context_new(&server, NULL),
                                       .server_stats = server_stats};
    ck_assert(tls_pair_handshake(&pair, &options));
    // Our own client does not ask.
    ck_assert_uint_eq(stats_value(server_stats, TLS_STAT_OCSP_STAPLING_REQUESTS), 0);
    ck_assert_uint_eq(stats_value(server_stats, TLS_STAT_OCSP_STAPLING_RESPONSES), 0);
    release(&options);
}
END_TEST

START_TEST(tls_early_bytes_are_the_hello) {
    struct tls_pair_options options = plain_pair();
    int fds[2];
    uint8_t bytes[4096];
    struct buffer early;
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
    tls_pair_open_client(&pair, &options, fds[0]);
    tls_pair_send(&pair, &pair.client, SLICE("hello"), false);
    tls_pair_settle(&pair);
    // An inspector read the first part of the hello; the rest waits in the socket.
    ssize_t n = read(fds[1], bytes, 50);
    ck_assert_int_eq(n, 50);
    buffer_init(&early, &pair.io.buffers);
    buffer_append(&early, slice_make(bytes, (size_t)n));
    tls_pair_open_server(&pair, &options, fds[1], &early);
    tls_pair_settle(&pair);
    ck_assert_uint_eq(pair.server.got, 5);
    ck_assert_mem_eq(pair.server.first, "hello", 5);
    expect_no_memory();
    release(&options);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("tls_transport");
    TCase *tests = tcase_create("tls_transport");
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, tls_echo_leaves_no_buffers);
    tcase_add_test(tests, tls_bulk_arrives_whole_in_any_piece_size);
    tcase_add_test(tests, tls_reading_paused_holds_the_sender);
    tcase_add_test(tests, tls_handshake_split_at_each_byte_works);
    tcase_add_test(tests, tls_handshake_cut_at_any_byte_ends_in_order);
    tcase_add_test(tests, tls_failure_reasons_are_envoys);
    tcase_add_test(tests, tls_version_limits_hold);
    tcase_add_test(tests, tls_alpn_is_the_servers_preference);
    tcase_add_test(tests, tls_half_close_and_unclean_end);
    tcase_add_test(tests, tls_close_flush_delivers_the_last_bytes);
    tcase_add_test(tests, tls_facts_tell_both_sides);
    tcase_add_test(tests, tls_facts_that_few_ask_for_are_made_of_the_chain);
    tcase_add_test(tests, tls_facts_outlive_the_connection_with_the_arena_that_holds_them);
    tcase_add_test(tests, tls_resumption_never_crosses_configurations);
    tcase_add_test(tests, tls_same_context_resumes_by_name_and_while_allowed);
    tcase_add_test(tests, tls_resumed_client_is_verified_again);
    tcase_add_test(tests, tls_certificate_is_chosen_by_name_and_key_type);
    tcase_add_test(tests, tls_staple_is_sent_to_those_who_ask);
    tcase_add_test(tests, tls_early_bytes_are_the_hello);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
