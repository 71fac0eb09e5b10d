// SPDX-License-Identifier: Apache-2.0
/* The transport against gRPC's own server in the same process. The server echoes each message behind
 * "echo:"; "end" makes it end the stream, with the first request metadata of name "token" as text. */
#include "xds/transport/grpc_transport.h"

#include <check.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <grpc/byte_buffer.h>
#include <grpc/byte_buffer_reader.h>
#include <grpc/grpc.h>
#include <grpc/grpc_security.h>
#include <grpc/slice.h>

#include "src/base/check.h"
#include "src/base/clock.h"
#include "src/event/event_loop.h"
#include "src/event/mailbox.h"
#include "src/tls/testing/test_certs.h"
#include "xds/transport/grpc_channel.h"

enum { TEXT_BYTES = 4096, PATIENCE_MS = 20000, TURN_MS = 50 };

/* ---- the server ---- */

enum server_step {
    SERVER_ACCEPTED = 1,
    SERVER_STARTED,
    SERVER_READ,
    SERVER_WROTE,
    SERVER_ENDED,
    SERVER_CLOSED
};

struct server {
    grpc_server *server;
    grpc_completion_queue *queue;
    pthread_t thread;
    int port;
    grpc_call *call;
    grpc_call_details details;
    grpc_metadata_array metadata;
    grpc_byte_buffer *received;
    int is_cancelled;
    char token[TEXT_BYTES];
    bool is_down, is_over; /* the thread's */
    unsigned pending;
};

static void *step_tag(enum server_step step) {
    return (void *)(uintptr_t)step;
}

static void server_accept(struct server *s) {
    grpc_metadata_array_init(&s->metadata);
    grpc_call_details_init(&s->details);
    ck_assert_int_eq(grpc_server_request_call(s->server, &s->call, &s->details, &s->metadata,
                                              s->queue, s->queue, step_tag(SERVER_ACCEPTED)),
                     GRPC_CALL_OK);
}

static void server_batch(struct server *s, enum server_step step, const grpc_op *ops,
                         size_t count) {
    ck_assert_int_eq(grpc_call_start_batch(s->call, ops, count, step_tag(step), NULL),
                     GRPC_CALL_OK);
    s->pending++;
}

static void server_begin(struct server *s) {
    s->token[0] = 0;
    for (size_t i = 0; i < s->metadata.count; i++) {
        grpc_metadata *item = &s->metadata.metadata[i];
        if (grpc_slice_str_cmp(item->key, "token") == 0) {
            snprintf(s->token, sizeof(s->token), "%.*s", (int)GRPC_SLICE_LENGTH(item->value),
                     (const char *)GRPC_SLICE_START_PTR(item->value));
        }
    }
    grpc_op closed = {.op = GRPC_OP_RECV_CLOSE_ON_SERVER};
    closed.data.recv_close_on_server.cancelled = &s->is_cancelled;
    server_batch(s, SERVER_CLOSED, &closed, 1);
    grpc_op headers = {.op = GRPC_OP_SEND_INITIAL_METADATA};
    server_batch(s, SERVER_STARTED, &headers, 1);
}

static void server_read(struct server *s) {
    grpc_op op = {.op = GRPC_OP_RECV_MESSAGE};
    op.data.recv_message.recv_message = &s->received;
    server_batch(s, SERVER_READ, &op, 1);
}

static void server_end(struct server *s) {
    grpc_slice details = grpc_slice_from_copied_string(s->token);
    grpc_op op = {.op = GRPC_OP_SEND_STATUS_FROM_SERVER};
    op.data.send_status_from_server.status = GRPC_STATUS_ABORTED;
    op.data.send_status_from_server.status_details = &details;
    server_batch(s, SERVER_ENDED, &op, 1);
    grpc_slice_unref(details);
}

static void server_echo(struct server *s, grpc_slice text) {
    grpc_slice prefix = grpc_slice_from_static_string("echo:");
    grpc_slice parts[2] = {prefix, text};
    grpc_byte_buffer *answer = grpc_raw_byte_buffer_create(parts, 2);
    grpc_op op = {.op = GRPC_OP_SEND_MESSAGE};
    op.data.send_message.send_message = answer;
    server_batch(s, SERVER_WROTE, &op, 1);
    grpc_byte_buffer_destroy(answer);
}

static void server_answer(struct server *s) {
    grpc_byte_buffer_reader reader;
    if (s->received == NULL) {
        return;
    }
    ck_assert(grpc_byte_buffer_reader_init(&reader, s->received));
    grpc_slice text = grpc_byte_buffer_reader_readall(&reader);
    grpc_byte_buffer_reader_destroy(&reader);
    grpc_byte_buffer_destroy(s->received);
    s->received = NULL;
    if (grpc_slice_str_cmp(text, "end") == 0) {
        server_end(s);
    } else {
        server_echo(s, text);
    }
    grpc_slice_unref(text);
}

static void server_forget_call(struct server *s) {
    if (s->call != NULL) {
        grpc_call_unref(s->call);
        s->call = NULL;
    }
    grpc_metadata_array_destroy(&s->metadata);
    grpc_call_details_destroy(&s->details);
}

/* The call is over once all that was begun on it has come back; only then is the next one taken. */
static void server_end_call(struct server *s) {
    if (s->received != NULL) {
        grpc_byte_buffer_destroy(s->received);
        s->received = NULL;
    }
    server_forget_call(s);
    s->is_over = false;
    if (!s->is_down) {
        server_accept(s);
    }
}

static void server_step_done(struct server *s, enum server_step step, bool is_ok) {
    if (step == SERVER_ACCEPTED) {
        if (is_ok && !s->is_down) {
            server_begin(s);
        } else {
            server_forget_call(s);
        }
        return;
    }
    s->pending--;
    s->is_over = s->is_over || step == SERVER_CLOSED;
    bool goes_on = !s->is_over && !s->is_down; // nothing is begun on a queue that is shut down
    // One message may be under way in each direction: the next is read when the echo is out.
    if (goes_on && (step == SERVER_STARTED || step == SERVER_WROTE)) {
        server_read(s);
    } else if (goes_on && step == SERVER_READ) {
        server_answer(s);
    }
    if (s->is_over && s->pending == 0) {
        server_end_call(s);
    }
}

static void *server_run(void *arg) {
    struct server *s = arg;
    for (;;) {
        grpc_event event =
            grpc_completion_queue_next(s->queue, gpr_inf_future(GPR_CLOCK_REALTIME), NULL);
        if (event.type == GRPC_QUEUE_SHUTDOWN) {
            return NULL;
        }
        if (event.tag == NULL) { // the server is down
            s->is_down = true;
            grpc_completion_queue_shutdown(s->queue);
            continue;
        }
        server_step_done(s, (enum server_step)(uintptr_t)event.tag, event.success != 0);
    }
}

static void server_start(struct server *s, const char *address,
                         grpc_server_credentials *credentials) {
    memset(s, 0, sizeof(*s));
    grpc_init();
    s->server = grpc_server_create(NULL, NULL);
    s->queue = grpc_completion_queue_create_for_next(NULL);
    grpc_server_register_completion_queue(s->server, s->queue, NULL);
    s->port = grpc_server_add_http2_port(s->server, address, credentials);
    ck_assert_int_gt(s->port, 0);
    grpc_server_credentials_release(credentials);
    grpc_server_start(s->server);
    server_accept(s);
    ck_assert_int_eq(pthread_create(&s->thread, NULL, server_run, s), 0);
}

static void server_stop(struct server *s) {
    grpc_server_shutdown_and_notify(s->server, s->queue, NULL);
    grpc_server_cancel_all_calls(s->server);
    pthread_join(s->thread, NULL);
    grpc_server_destroy(s->server);
    grpc_completion_queue_destroy(s->queue);
    grpc_shutdown_blocking();
}

/* ---- the client ---- */

struct client {
    struct event_loop *loop;
    struct mailbox *mailbox;
    struct xds_transport *transport;
    struct xds_channel *channel;
    struct xds_stream *stream;
    char received[TEXT_BYTES];
    size_t received_bytes;
    unsigned messages;
    bool is_closed;
    int code;
    char reason[TEXT_BYTES];
    unsigned released;
};

static void on_message(void *arg, struct slice bytes) {
    struct client *c = arg;
    c->messages++;
    c->received_bytes = bytes.len;
    snprintf(c->received, sizeof(c->received), "%.*s", SLICE_ARG(bytes));
}

static void on_closed(void *arg, int code, struct slice message) {
    struct client *c = arg;
    c->is_closed = true;
    c->stream = NULL;
    c->code = code;
    snprintf(c->reason, sizeof(c->reason), "%.*s", SLICE_ARG(message));
}

static const struct xds_stream_handler handler = {on_message, on_closed};

static void release_matchers(void *arg) {
    ((struct client *)arg)->released++;
}

static void client_start(struct client *c) {
    struct error err;
    memset(c, 0, sizeof(*c));
    c->loop = event_loop_new(clock_system(), &err);
    c->mailbox = mailbox_new(c->loop, &err);
    c->transport = grpc_transport_new(c->mailbox, &err);
    ck_assert_ptr_nonnull(c->transport);
}

static void client_connect(struct client *c, const char *target,
                           const struct xds_channel_tls *tls) {
    struct error err = {0};
    static const struct xds_metadata metadata[] = {{SLICE_INIT("token"), SLICE_INIT("secret")},
                                                   {SLICE_INIT("x-empty"), SLICE_INIT("")}};
    struct xds_channel_config config = {.target = slice_from_string(target),
                                        .authority = SLICE("xds_cluster"),
                                        .tls = tls,
                                        .metadata = metadata,
                                        .metadata_count = ARRAY_LEN(metadata),
                                        .connect_timeout_ms = 5000,
                                        .keepalive_interval_ms = 30000,
                                        .keepalive_timeout_ms = 5000,
                                        .release_matchers = release_matchers,
                                        .matchers_owner = c};
    c->channel = c->transport->ops->channel_new(c->transport, &config, &err);
    ck_assert_msg(c->channel != NULL, "%s", err.message);
}

static void client_open(struct client *c) {
    c->is_closed = false;
    c->stream = c->transport->ops->stream_open(
        c->channel,
        SLICE("/envoy.service.discovery.v3.AggregatedDiscoveryService/StreamAggregatedResources"),
        &handler, c);
}

static void client_send(struct client *c, const char *text) {
    c->transport->ops->stream_send(c->stream, slice_from_string(text));
}

/* Until a message or the end of the stream. */
static void client_wait(struct client *c, unsigned messages) {
    uint64_t end = clock_system()->monotonic_us(clock_system()) + PATIENCE_MS * 1000ULL;
    while (c->messages < messages && !c->is_closed) {
        event_loop_run_once(c->loop, TURN_MS);
        ck_assert_msg(clock_system()->monotonic_us(clock_system()) < end, "nothing came");
    }
}

static void client_stop(struct client *c) {
    if (c->stream != NULL) {
        c->transport->ops->stream_close(c->stream);
    }
    if (c->channel != NULL) {
        c->transport->ops->channel_free(c->channel);
    }
    grpc_transport_free(c->transport);
    mailbox_free(c->mailbox);
    event_loop_free(c->loop);
}

static void target_of(const struct server *s, char *target) {
    snprintf(target, TEXT_BYTES, "ipv4:127.0.0.1:%d", s->port);
}

/* ---- plaintext ---- */

static void converse(struct client *c) {
    client_open(c);
    client_send(c, "one");
    client_send(c, "two");
    client_wait(c, 2);
    ck_assert_uint_eq(c->messages, 2);
    ck_assert_str_eq(c->received, "echo:two");
    client_send(c, "end");
    client_wait(c, 3);
    ck_assert(c->is_closed);
    ck_assert_int_eq(c->code, GRPC_STATUS_ABORTED);
    ck_assert_str_eq(c->reason, "secret");
}

START_TEST(grpc_transport_plaintext_carries_messages_metadata_and_status) {
    struct server s;
    struct client c;
    char target[TEXT_BYTES];
    server_start(&s, "127.0.0.1:0", grpc_insecure_server_credentials_create());
    target_of(&s, target);
    client_start(&c);
    client_connect(&c, target, NULL);
    converse(&c);
    client_stop(&c);
    server_stop(&s);
}
END_TEST

START_TEST(grpc_transport_unix_socket_by_relative_path) {
    struct server s;
    struct client c;
    char folder[] = "/tmp/sp_grpc_XXXXXX";
    char before[TEXT_BYTES];
    ck_assert_ptr_nonnull(mkdtemp(folder));
    ck_assert_ptr_nonnull(getcwd(before, sizeof(before)));
    ck_assert_int_eq(chdir(folder), 0);
    server_start(&s, "unix:xds.sock", grpc_insecure_server_credentials_create());
    client_start(&c);
    client_connect(&c, "unix:xds.sock", NULL);
    converse(&c);
    client_stop(&c);
    server_stop(&s);
    (void)unlink("xds.sock");
    ck_assert_int_eq(chdir(before), 0);
    ck_assert_int_eq(rmdir(folder), 0);
}
END_TEST

START_TEST(grpc_transport_takes_messages_over_four_megabytes) {
    enum { BIG = 6 * 1024 * 1024 };
    struct server s;
    struct client c;
    char target[TEXT_BYTES];
    server_start(&s, "127.0.0.1:0", grpc_insecure_server_credentials_create());
    target_of(&s, target);
    client_start(&c);
    client_connect(&c, target, NULL);
    client_open(&c);
    // The server's own limit is the default: three pieces go up, and each comes back whole.
    char *text = mem_calloc(1, BIG);
    memset(text, 'x', 3 * 1024 * 1024);
    client_send(&c, text);
    client_wait(&c, 1);
    ck_assert_uint_eq(c.messages, 1);
    ck_assert_uint_eq(c.received_bytes, 3U * 1024 * 1024 + 5);
    mem_free(text);
    client_stop(&c);
    server_stop(&s);
}
END_TEST

START_TEST(grpc_transport_reports_a_dead_server_and_comes_back) {
    struct server s;
    struct client c;
    char target[TEXT_BYTES];
    char address[TEXT_BYTES];
    server_start(&s, "127.0.0.1:0", grpc_insecure_server_credentials_create());
    target_of(&s, target);
    client_start(&c);
    client_connect(&c, target, NULL);
    client_open(&c);
    client_send(&c, "one");
    client_wait(&c, 1);
    int port = s.port;
    server_stop(&s);
    client_wait(&c, 2);
    ck_assert(c.is_closed);
    ck_assert_int_ne(c.code, GRPC_STATUS_OK);
    client_open(&c);
    client_send(&c, "lost");
    client_wait(&c, 2);
    ck_assert(c.is_closed);
    ck_assert_int_eq(c.code, GRPC_STATUS_UNAVAILABLE);
    snprintf(address, sizeof(address), "127.0.0.1:%d", port);
    server_start(&s, address, grpc_insecure_server_credentials_create());
    // As the client does: a channel that lost its server waits as it likes, a new one tries at once.
    uint64_t end = clock_system()->monotonic_us(clock_system()) + PATIENCE_MS * 1000ULL;
    while (c.messages < 2 && clock_system()->monotonic_us(clock_system()) < end) {
        c.transport->ops->channel_free(c.channel);
        client_connect(&c, target, NULL);
        client_open(&c);
        client_send(&c, "back");
        client_wait(&c, 2);
    }
    ck_assert_str_eq(c.received, "echo:back");
    client_stop(&c);
    server_stop(&s);
}
END_TEST

START_TEST(grpc_transport_close_with_operations_under_way) {
    struct server s;
    struct client c;
    char target[TEXT_BYTES];
    server_start(&s, "127.0.0.1:0", grpc_insecure_server_credentials_create());
    target_of(&s, target);
    client_start(&c);
    client_connect(&c, target, NULL);
    for (int i = 0; i < 20; i++) {
        client_open(&c);
        client_send(&c, "never read");
        c.transport->ops->stream_close(c.stream);
        c.stream = NULL;
    }
    client_open(&c);
    client_send(&c, "unread");
    client_stop(&c); // its stream is closed and the mail delivered by the mailbox's end
    server_stop(&s);
}
END_TEST

START_TEST(grpc_transport_refuses_illegal_metadata) {
    struct client c;
    struct error err;
    client_start(&c);
    struct xds_metadata metadata = {SLICE("Bad Key"), SLICE("v")};
    struct xds_channel_config config = {
        .target = SLICE("ipv4:127.0.0.1:1"), .metadata = &metadata, .metadata_count = 1};
    ck_assert_ptr_null(c.transport->ops->channel_new(c.transport, &config, &err));
    ck_assert_str_eq(err.message, "illegal initial_metadata: 'Bad Key'");
    client_stop(&c);
}
END_TEST

/* ---- TLS ---- */

struct identities {
    struct test_cert *ca, *other_ca, *server, *client;
};

static void identities_init(struct identities *ids) {
    ids->ca = test_cert_ca("ca");
    ids->other_ca = test_cert_ca("other");
    ids->server = test_cert_leaf(ids->ca, "xds.example.com");
    ids->client = test_cert_leaf(ids->ca, "client.example.com");
}

static void identities_deinit(struct identities *ids) {
    test_cert_free(ids->client);
    test_cert_free(ids->server);
    test_cert_free(ids->other_ca);
    test_cert_free(ids->ca);
}

static char *text_of(struct slice s) {
    return mem_dup_string((const char *)s.ptr, s.len);
}

static grpc_server_credentials *tls_credentials(const struct identities *ids, bool is_mutual) {
    char *ca = text_of(test_cert_pem(ids->ca));
    char *chain = text_of(test_cert_chain_pem(ids->server));
    char *key = text_of(test_cert_key_pem(ids->server));
    grpc_ssl_pem_key_cert_pair pair = {.private_key = key, .cert_chain = chain};
    grpc_server_credentials *credentials = grpc_ssl_server_credentials_create_ex(
        is_mutual ? ca : NULL, &pair, 1,
        is_mutual ? GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY
                  : GRPC_SSL_DONT_REQUEST_CLIENT_CERTIFICATE,
        NULL);
    mem_free(ca);
    mem_free(chain);
    mem_free(key);
    return credentials;
}

static bool matches_never(const void *matcher, struct slice value) {
    (void)matcher;
    (void)value;
    return false;
}

/* One exchange; true where the server answered. */
static bool tls_exchange(const struct identities *ids, bool is_mutual, const struct test_cert *ca,
                         const struct test_cert *client, const struct tls_san_matcher *matcher) {
    struct server s;
    struct client c;
    char target[TEXT_BYTES];
    server_start(&s, "127.0.0.1:0", tls_credentials(ids, is_mutual));
    target_of(&s, target);
    client_start(&c);
    struct tls_validation_source validation = {.trusted_ca_pem =
                                                   ca != NULL ? test_cert_pem(ca) : SLICE(""),
                                               .san_matchers = matcher,
                                               .san_matcher_count = matcher != NULL ? 1 : 0};
    struct xds_channel_tls tls = {.validation = &validation, .sni = SLICE("xds.example.com")};
    if (client != NULL) {
        tls.chain_pem = test_cert_chain_pem(client);
        tls.private_key_pem = test_cert_key_pem(client);
    }
    client_connect(&c, target, &tls);
    client_open(&c);
    client_send(&c, "hello");
    client_wait(&c, 1);
    bool is_answered = c.messages == 1;
    struct mailbox *mailbox = c.mailbox;
    struct event_loop *loop = c.loop;
    if (c.stream != NULL) {
        c.transport->ops->stream_close(c.stream);
    }
    c.transport->ops->channel_free(c.channel);
    grpc_transport_free(c.transport);
    mailbox_free(mailbox);
    event_loop_free(loop);
    ck_assert_uint_eq(c.released, 1);
    server_stop(&s);
    return is_answered;
}

START_TEST(grpc_transport_tls_verifies_chain_and_names) {
    struct identities ids;
    identities_init(&ids);
    struct tls_san_matcher exact = {.type = TLS_SAN_DNS,
                                    .matches = matches_never,
                                    .is_exact_dns = true,
                                    .exact = SLICE("xds.example.com")};
    struct tls_san_matcher wrong = {.type = TLS_SAN_DNS, .matches = matches_never};
    struct tls_san_matcher other_type = exact;
    other_type.type = TLS_SAN_URI;
    ck_assert(tls_exchange(&ids, false, ids.ca, NULL, NULL));
    ck_assert(tls_exchange(&ids, false, ids.ca, NULL, &exact));
    ck_assert(!tls_exchange(&ids, false, ids.ca, NULL, &wrong));
    ck_assert(!tls_exchange(&ids, false, ids.ca, NULL, &other_type));
    ck_assert(!tls_exchange(&ids, false, ids.other_ca, NULL, NULL));
    ck_assert(tls_exchange(&ids, false, NULL, NULL, NULL)); // no CA: not verified, as Envoy
    identities_deinit(&ids);
}
END_TEST

START_TEST(grpc_transport_mutual_tls_needs_the_client_certificate) {
    struct identities ids;
    identities_init(&ids);
    ck_assert(tls_exchange(&ids, true, ids.ca, ids.client, NULL));
    ck_assert(!tls_exchange(&ids, true, ids.ca, NULL, NULL));
    identities_deinit(&ids);
}
END_TEST

START_TEST(grpc_transport_refuses_what_it_cannot_verify) {
    struct client c;
    struct error err;
    static const struct slice hash = SLICE_INIT("01234567890123456789012345678901");
    struct tls_validation_source validation = {.certificate_hashes = &hash,
                                               .certificate_hash_count = 1};
    struct xds_channel_tls tls = {.validation = &validation};
    struct xds_channel_config config = {.target = SLICE("ipv4:127.0.0.1:1"), .tls = &tls};
    client_start(&c);
    ck_assert_ptr_null(c.transport->ops->channel_new(c.transport, &config, &err));
    ck_assert_str_eq(err.message,
                     "verify_certificate_hash is not supported for a management server");
    client_stop(&c);
}
END_TEST

START_TEST(grpc_channel_wildcard_names_stand_for_one_label) {
    static const struct {
        const char *presented, *wanted;
        bool matches;
    } cases[] = {
        {"*.example.com", "a.example.com", true},    {"*.example.com", "a.b.example.com", false},
        {"*.example.com", "example.com", false},     {"A.example.com", "a.EXAMPLE.com", true},
        {"a*.example.com", "ab.example.com", false}, {"*.example.com", ".example.com", false},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct tls_san_matcher matcher = {.type = TLS_SAN_ANY,
                                          .matches = matches_never,
                                          .is_exact_dns = true,
                                          .exact = slice_from_string(cases[i].wanted)};
        char *names[] = {(char *)(uintptr_t)cases[i].presented};
        grpc_tls_custom_verification_check_request request = {0};
        request.peer_info.san_names.dns_names = names;
        request.peer_info.san_names.dns_names_size = 1;
        ck_assert_msg(grpc_peer_matches(&matcher, 1, &request) == cases[i].matches, "%s / %s",
                      cases[i].presented, cases[i].wanted);
    }
}
END_TEST

int main(void) {
    Suite *suite = suite_create("grpc_transport");
    TCase *tcase = tcase_create("all");
    tcase_set_timeout(tcase, 50);
    tcase_add_test(tcase, grpc_transport_plaintext_carries_messages_metadata_and_status);
    tcase_add_test(tcase, grpc_transport_unix_socket_by_relative_path);
    tcase_add_test(tcase, grpc_transport_takes_messages_over_four_megabytes);
    tcase_add_test(tcase, grpc_transport_reports_a_dead_server_and_comes_back);
    tcase_add_test(tcase, grpc_transport_close_with_operations_under_way);
    tcase_add_test(tcase, grpc_transport_refuses_illegal_metadata);
    tcase_add_test(tcase, grpc_transport_tls_verifies_chain_and_names);
    tcase_add_test(tcase, grpc_transport_mutual_tls_needs_the_client_certificate);
    tcase_add_test(tcase, grpc_transport_refuses_what_it_cannot_verify);
    tcase_add_test(tcase, grpc_channel_wildcard_names_stand_for_one_label);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
