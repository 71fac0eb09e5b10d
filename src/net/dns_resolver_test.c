// SPDX-License-Identifier: Apache-2.0
#include "src/net/dns_resolver.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "src/base/check.h"
#include "src/event/event_loop.h"

enum {
    MAX_TURNS = 500,
    TURN_MS = 20,
    TYPE_A = 1,
    TYPE_AAAA = 28,
    RCODE_SERVFAIL = 2,
    RCODE_NAME = 3
};

/* A name server on loopback that knows a few names by their first label:
 * both (A and AAAA), four (A only), six (AAAA only), none (no records), broken (SERVFAIL),
 * silent (no answer), garbage (bytes); any other: NXDOMAIN. */
struct name_server {
    struct event_watch watch;
    int fd;
    struct address address;
    unsigned queries;
};

static struct event_loop *loop;
static struct name_server server;
static struct dns_resolver *resolver;

struct result {
    unsigned calls;
    enum status status;
    uint32_t count;
    struct dns_answer answers[16];
    struct dns_resolver *frees; /* freed from within */
};

static size_t question_end(const uint8_t *query, size_t len) {
    size_t at = 12;
    while (at < len && query[at] != 0) {
        at += 1u + query[at];
    }
    return at + 5 <= len ? at + 5 : 0;
}

static size_t put_record(uint8_t *out, unsigned type, unsigned last) {
    static const uint8_t head[] = {0xc0, 12, 0, 0, 0, 1, 0, 0, 0, 60, 0, 0};
    size_t len = type == TYPE_A ? 4 : 16;
    memcpy(out, head, sizeof(head));
    out[3] = (uint8_t)type;
    out[11] = (uint8_t)len;
    memset(out + sizeof(head), 0, len);
    if (type == TYPE_A) {
        out[sizeof(head)] = 10;
    } else {
        out[sizeof(head)] = 0xfd;
    }
    out[sizeof(head) + len - 1] = (uint8_t)last;
    return sizeof(head) + len;
}

static bool label_is(const uint8_t *query, const char *label) {
    return query[12] == strlen(label) && memcmp(query + 13, label, query[12]) == 0;
}

/* Turns the query into its reply; 0: none. */
static size_t reply_to(uint8_t *bytes, size_t len) {
    size_t end = question_end(bytes, len);
    unsigned type = end == 0 ? 0 : (unsigned)bytes[end - 4] << 8 | bytes[end - 3];
    bool has_a = label_is(bytes, "both") || label_is(bytes, "four");
    bool has_aaaa = label_is(bytes, "both") || label_is(bytes, "six");
    size_t used = end;

    if (end == 0 || label_is(bytes, "silent")) {
        return 0;
    }
    if (label_is(bytes, "garbage")) {
        memset(bytes + 2, 0xff, 30);
        return 32;
    }
    memset(bytes + 6, 0, 6);
    bytes[2] = 0x84;
    bytes[3] = 0x80;
    if (label_is(bytes, "broken")) {
        bytes[3] = (uint8_t)(bytes[3] | RCODE_SERVFAIL);
    } else if ((type == TYPE_A && has_a) || (type == TYPE_AAAA && has_aaaa)) {
        bytes[7] = 2;
        used += put_record(bytes + used, type, 1);
        used += put_record(bytes + used, type, 2);
    } else if (!has_a && !has_aaaa && !label_is(bytes, "none")) {
        bytes[3] = (uint8_t)(bytes[3] | RCODE_NAME);
    }
    return used;
}

static void on_query(void *arg, unsigned flags) {
    struct name_server *self = arg;
    uint8_t bytes[1024];
    struct sockaddr_storage from;
    socklen_t from_len = sizeof(from);
    (void)flags;

    ssize_t n = recvfrom(self->fd, bytes, 512, 0, (struct sockaddr *)&from, &from_len);
    if (n <= 12) {
        return;
    }
    self->queries++;
    size_t len = reply_to(bytes, (size_t)n);
    if (len > 0) {
        (void)sendto(self->fd, bytes, len, 0, (struct sockaddr *)&from, from_len);
    }
}

static void setup(void) {
    loop = event_loop_new(clock_system(), NULL);
    ck_assert_int_eq(address_from_text(&server.address, SLICE("127.0.0.1:0"), NULL), STATUS_OK);
    server.fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    ck_assert_int_eq(bind(server.fd, &server.address.any, server.address.len), 0);
    ck_assert_int_eq(getsockname(server.fd, &server.address.any, &server.address.len), 0);
    ck_assert_int_eq(event_loop_watch_level(loop, &server.watch, server.fd, on_query, &server),
                     STATUS_OK);
    struct dns_options options = {
        .servers = &server.address, .server_count = 1, .timeout_ms = 50, .tries = 1};
    resolver = dns_resolver_new(loop, &options, NULL);
    ck_assert_ptr_nonnull(resolver);
}

static void teardown(void) {
    dns_resolver_free(resolver);
    event_loop_unwatch(loop, &server.watch);
    close(server.fd);
    event_loop_free(loop);
}

static void on_done(void *arg, enum status status, const struct dns_answer *answers,
                    uint32_t count) {
    struct result *result = arg;
    result->calls++;
    result->status = status;
    result->count = count;
    for (uint32_t i = 0; i < count && i < ARRAY_LEN(result->answers); i++) {
        result->answers[i] = answers[i];
    }
    if (result->frees != NULL) {
        dns_resolver_free(result->frees);
        resolver = NULL;
    }
}

static struct result resolve(const char *name, enum dns_family family) {
    struct result result = {0};
    (void)dns_resolve(resolver, slice_from_string(name), family, on_done, &result);
    ck_assert_uint_eq(result.calls, 0);
    for (int i = 0; i < MAX_TURNS && result.calls == 0; i++) {
        (void)event_loop_run_once(loop, TURN_MS);
    }
    ck_assert_uint_eq(result.calls, 1);
    return result;
}

START_TEST(dns_answers_by_family) {
    static const struct {
        const char *name;
        enum dns_family family;
        enum status status;
        unsigned v4, v6;
    } rows[] = {
        {"both.test.", DNS_ALL, STATUS_OK, 2, 2},
        {"both.test.", DNS_AUTO, STATUS_OK, 0, 2},
        {"both.test.", DNS_V4_PREFERRED, STATUS_OK, 2, 0},
        {"both.test.", DNS_V4_ONLY, STATUS_OK, 2, 0},
        {"both.test.", DNS_V6_ONLY, STATUS_OK, 0, 2},
        {"four.test.", DNS_AUTO, STATUS_OK, 2, 0},
        {"four.test.", DNS_V6_ONLY, STATUS_OK, 0, 0},
        {"four.test.", DNS_ALL, STATUS_OK, 2, 0},
        {"six.test.", DNS_V4_PREFERRED, STATUS_OK, 0, 2},
        {"six.test.", DNS_V4_ONLY, STATUS_OK, 0, 0},
        {"none.test.", DNS_ALL, STATUS_OK, 0, 0},
        {"unknown.test.", DNS_ALL, STATUS_NOT_FOUND, 0, 0},
        {"unknown.test.", DNS_AUTO, STATUS_NOT_FOUND, 0, 0},
        {"broken.test.", DNS_V4_ONLY, STATUS_IO, 0, 0},
        {"silent.test.", DNS_V4_ONLY, STATUS_IO, 0, 0},
        {"garbage.test.", DNS_V4_ONLY, STATUS_IO, 0, 0},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct result result = resolve(rows[i].name, rows[i].family);
        unsigned v4 = 0, v6 = 0;
        for (uint32_t k = 0; k < result.count; k++) {
            v4 += result.answers[k].address.any.sa_family == AF_INET;
            v6 += result.answers[k].address.any.sa_family == AF_INET6;
            ck_assert_uint_eq(result.answers[k].ttl_s, 60);
            ck_assert_uint_eq(address_port(&result.answers[k].address), 0);
        }
        ck_assert_msg(result.status == rows[i].status, "row %zu: %s", i,
                      status_name(result.status));
        ck_assert_msg(v4 == rows[i].v4 && v6 == rows[i].v6, "row %zu: %u %u", i, v4, v6);
    }
    ck_assert_uint_gt(server.queries, 10);
}
END_TEST

START_TEST(dns_literals_and_bad_names_ask_nobody) {
    struct result result = resolve("10.1.2.3", DNS_V6_ONLY);
    ck_assert_int_eq(result.status, STATUS_OK);
    ck_assert_uint_eq(result.count, 1);
    result = resolve("fd00::1", DNS_AUTO);
    ck_assert_uint_eq(result.count, 1);
    result = resolve("", DNS_AUTO);
    ck_assert_int_eq(result.status, STATUS_NOT_FOUND);
    ck_assert_uint_eq(server.queries, 0);
}
END_TEST

START_TEST(dns_cancelled_query_stays_silent) {
    struct result result = {0}, literal = {0};
    struct dns_query *query = dns_resolve(resolver, SLICE("both.test."), DNS_ALL, on_done, &result);
    dns_query_cancel(query);
    query = dns_resolve(resolver, SLICE("1.2.3.4"), DNS_ALL, on_done, &literal);
    dns_query_cancel(query);
    struct result other = resolve("both.test.", DNS_ALL);
    ck_assert_uint_eq(other.count, 4);
    ck_assert_uint_eq(result.calls + literal.calls, 0);
}
END_TEST

START_TEST(dns_resolver_can_be_freed_with_queries_and_from_an_answer) {
    struct result pending = {0}, result = {.frees = resolver};
    (void)dns_resolve(resolver, SLICE("silent.test."), DNS_ALL, on_done, &pending);
    (void)dns_resolve(resolver, SLICE("both.test."), DNS_ALL, on_done, &result);
    for (int i = 0; i < MAX_TURNS && result.calls == 0; i++) {
        (void)event_loop_run_once(loop, TURN_MS);
    }
    ck_assert_uint_eq(result.calls, 1);
    for (int i = 0; i < 5; i++) {
        (void)event_loop_run_once(loop, 0);
    }
    ck_assert_uint_eq(pending.calls, 0);
}
END_TEST

START_TEST(dns_bad_servers_are_refused) {
    struct address path;
    struct error err;
    ck_assert_int_eq(address_from_unix_path(&path, SLICE("/x"), NULL), STATUS_OK);
    struct dns_options options = {.servers = &path, .server_count = 1};
    ck_assert_ptr_null(dns_resolver_new(loop, &options, &err));
    ck_assert_int_eq(err.status, STATUS_INVALID);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("dns_resolver");
    TCase *tests = tcase_create("dns_resolver");
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, dns_answers_by_family);
    tcase_add_test(tests, dns_literals_and_bad_names_ask_nobody);
    tcase_add_test(tests, dns_cancelled_query_stays_silent);
    tcase_add_test(tests, dns_resolver_can_be_freed_with_queries_and_from_an_answer);
    tcase_add_test(tests, dns_bad_servers_are_refused);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
