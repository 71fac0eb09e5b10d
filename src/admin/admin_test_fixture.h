// SPDX-License-Identifier: Apache-2.0
/*
 * For the tests of this folder: an admin server on a loopback port over the upstream tests' contexts, with
 * callbacks that note what they were told, and a plain client that asks one thing per connection.
 */
#ifndef SRC_ADMIN_ADMIN_TEST_FIXTURE_H
#define SRC_ADMIN_ADMIN_TEST_FIXTURE_H

#include <errno.h>
#include <stdio.h>

#include "src/admin/admin_server.h"
#include "src/upstream/upstream_test_fixture.h"

enum { REPLY_BYTES = 1 << 20 };

struct admin_fixture {
    struct fixture base;
    struct admin *admin;
    struct admin_options options;
    struct admin_server_facts facts;
    enum admin_state state;
    unsigned quits, drains, health_calls, reopens, dumps;
    struct admin_drain drain;
    bool health_failed;
    struct config_dump_query query;
    char query_resource[64];
    bool regex_given;
    enum status dump_status;
    char reply[REPLY_BYTES]; /* as received, NUL-terminated */
    char body[REPLY_BYTES];  /* without chunk framing */
    size_t reply_len;
    int status;
};

static inline enum admin_state fake_state(void *arg) {
    return ((struct admin_fixture *)arg)->state;
}
static inline void fake_quit(void *arg) {
    ((struct admin_fixture *)arg)->quits++;
}
static inline void fake_drain(void *arg, const struct admin_drain *drain) {
    struct admin_fixture *f = arg;
    f->drains++;
    f->drain = *drain;
}
static inline void fake_health(void *arg, bool failed) {
    struct admin_fixture *f = arg;
    f->health_calls++;
    f->health_failed = failed;
}
static inline void fake_reopen(void *arg) {
    ((struct admin_fixture *)arg)->reopens++;
}
static inline enum status fake_dump(void *arg, const struct config_dump_query *query,
                                    struct buffer *out) {
    struct admin_fixture *f = arg;
    f->dumps++;
    f->query = *query;
    f->regex_given = query->name_regex != NULL;
    (void)snprintf(f->query_resource, sizeof(f->query_resource), "%.*s",
                   SLICE_ARG(query->resource));
    buffer_append(out, f->dump_status == STATUS_OK ? SLICE("{\"configs\":[]}") : SLICE("refused"));
    return f->dump_status;
}

static const struct admin_callbacks fake_callbacks = {
    .state = fake_state,
    .quit = fake_quit,
    .drain_listeners = fake_drain,
    .set_health_failed = fake_health,
    .reopen_logs = fake_reopen,
    .config_dump = fake_dump,
};

static inline void admin_fixture_start(struct admin_fixture *f) {
    struct error err = {0};
    f->admin = admin_new(&f->options, &err);
    ck_assert_msg(f->admin != NULL, "%s", err.message);
}

static inline void admin_fixture_init(struct admin_fixture *f) {
    memset(f, 0, sizeof(*f));
    fixture_init(&f->base);
    f->facts = (struct admin_server_facts){
        .version = "abc/1.40.0/Clean/RELEASE/BoringSSL",
        .hot_restart_version = "11.104",
        .command_line_json = "{\n \"base_id\": \"0\"\n}",
        .node_json = "{\n \"id\": \"n1\"\n}\n",
        .start_us = f->base.clock.monotonic_now_us,
        .first_epoch_start_us = f->base.clock.monotonic_now_us,
    };
    f->options = (struct admin_options){
        .control = &f->base.control,
        .stats = f->base.stats,
        .clusters = f->base.clusters,
        .store = f->base.store,
        .facts = &f->facts,
        .callbacks = &fake_callbacks,
        .arg = f,
    };
    ck_assert_int_eq(address_from_text(&f->options.address, SLICE("127.0.0.1:0"), NULL), STATUS_OK);
}

static inline void admin_fixture_deinit(struct admin_fixture *f) {
    admin_free(f->admin);
    fixture_deinit(&f->base);
}

/* ---- client ---- */

static inline int client_connect(struct admin_fixture *f) {
    const struct address *address = admin_address(f->admin);
    int fd = socket(address->any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(connect(fd, &address->any, address->len), 0);
    return fd;
}

/* Takes off the chunk framing, where there is one. */
static inline void client_decode(struct admin_fixture *f) {
    const char *head_end = strstr(f->reply, "\r\n\r\n");
    ck_assert_msg(head_end != NULL, "no head in '%s'", f->reply);
    const char *at = head_end + 4;
    size_t len = 0;
    bool is_chunked = strstr(f->reply, "transfer-encoding: chunked") != NULL;
    f->status = (int)strtol(f->reply + sizeof("HTTP/1.1 ") - 1, NULL, 10);
    if (!is_chunked) {
        len = f->reply_len - (size_t)(at - f->reply);
        memcpy(f->body, at, len);
    }
    while (is_chunked) {
        char *end;
        size_t chunk = strtoul(at, &end, 16);
        ck_assert_ptr_ne(end, at);
        if (chunk == 0) {
            break;
        }
        memcpy(f->body + len, end + 2, chunk);
        len += chunk;
        at = end + 2 + chunk + 2;
    }
    f->body[len] = '\0';
}

/* Sends bytes and reads until the server closes. */
static inline void client_exchange(struct admin_fixture *f, const char *bytes, size_t len) {
    int fd = client_connect(f);
    ck_assert_int_eq(send(fd, bytes, len, MSG_NOSIGNAL), (ssize_t)len);
    f->reply_len = 0;
    for (int turns = MAX_TURNS;; turns--) {
        ck_assert_msg(turns > 0, "no end after %zu bytes", f->reply_len);
        fixture_turn(&f->base);
        ssize_t got =
            recv(fd, f->reply + f->reply_len, REPLY_BYTES - 1 - f->reply_len, MSG_DONTWAIT);
        if (got == 0) {
            break;
        }
        ck_assert(got > 0 || errno == EAGAIN);
        f->reply_len += got > 0 ? (size_t)got : 0;
    }
    f->reply[f->reply_len] = '\0';
    close(fd);
    fixture_turns(&f->base, 3);
    client_decode(f);
}

static inline void ask_with(struct admin_fixture *f, const char *method, const char *target,
                            const char *headers, const char *body) {
    char *text = malloc(REPLY_BYTES);
    int len = snprintf(text, REPLY_BYTES,
                       "%s %s HTTP/1.1\r\nconnection: close\r\ncontent-length: %zu\r\n%s\r\n%s",
                       method, target, strlen(body), headers, body);
    client_exchange(f, text, (size_t)len);
    free(text);
}

static inline void ask(struct admin_fixture *f, const char *method, const char *target) {
    ask_with(f, method, target, "host: localhost\r\n", "");
}

static inline void get(struct admin_fixture *f, const char *target) {
    ask(f, "GET", target);
}

static inline bool body_has(const struct admin_fixture *f, const char *text) {
    return strstr(f->body, text) != NULL;
}

#endif
