// SPDX-License-Identifier: Apache-2.0
#include "src/net/socket.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

static struct address loopback(const char *text) {
    struct address address;
    ck_assert_int_eq(address_from_text(&address, slice_from_string(text), NULL), STATUS_OK);
    return address;
}

static int listen_at(struct address *address, const struct socket_listen_options *options) {
    int fd = -1;
    struct error err;
    enum status status = socket_listen(address, options, &fd, &err);
    ck_assert_msg(status == STATUS_OK, "%s", err.message);
    ck_assert_int_eq(socket_local_address(fd, address, NULL), STATUS_OK);
    return fd;
}

static void wait_for(int fd, short events) {
    struct pollfd poll_fd = {.fd = fd, .events = events};
    ck_assert_int_eq(poll(&poll_fd, 1, 5000), 1);
}

START_TEST(socket_listen_connect_accept) {
    struct address address = loopback("127.0.0.1:0"), remote;
    struct socket_listen_options options = {.reuse_port = true};
    int listener = listen_at(&address, &options);
    int client = -1, accepted = -1;
    ck_assert_int_eq(socket_accept(listener, &accepted, &remote, NULL), STATUS_AGAIN);
    struct socket_connect_options connect_options = {.keepalive = true,
                                                     .keepalive_time_s = 33,
                                                     .keepalive_probes = 4,
                                                     .keepalive_interval_s = 5};
    ck_assert_int_eq(socket_connect(&address, &connect_options, &client, NULL), STATUS_OK);
    wait_for(client, POLLOUT);
    ck_assert_int_eq(socket_error(client), 0);
    wait_for(listener, POLLIN);
    ck_assert_int_eq(socket_accept(listener, &accepted, &remote, NULL), STATUS_OK);
    ck_assert(address_is_loopback(&remote));
    ck_assert_int_ne(fcntl(accepted, F_GETFL) & O_NONBLOCK, 0);
    ck_assert_int_ne(fcntl(accepted, F_GETFD) & FD_CLOEXEC, 0);
    int idle = 0;
    socklen_t len = sizeof(idle);
    ck_assert_int_eq(getsockopt(client, IPPROTO_TCP, TCP_KEEPIDLE, &idle, &len), 0);
    ck_assert_int_eq(idle, 33);
    struct address original;
    ck_assert_int_eq(socket_original_dst(accepted, &original), STATUS_NOT_FOUND);
    close(accepted);
    close(client);
    close(listener);
}
END_TEST

START_TEST(socket_dual_stack_shows_v4_peers_as_v4) {
    struct address address = loopback("[::]:0"), remote, local;
    struct socket_listen_options options = {.v6_only = false};
    int listener = -1, client = -1, accepted = -1;
    if (socket_listen(&address, &options, &listener, NULL) != STATUS_OK) {
        return; // a machine without IPv6
    }
    ck_assert_int_eq(socket_local_address(listener, &address, NULL), STATUS_OK);
    struct address to = loopback("127.0.0.1:1");
    address_set_port(&to, address_port(&address));
    ck_assert_int_eq(socket_connect(&to, NULL, &client, NULL), STATUS_OK);
    wait_for(listener, POLLIN);
    ck_assert_int_eq(socket_accept(listener, &accepted, &remote, NULL), STATUS_OK);
    ck_assert_int_eq(remote.any.sa_family, AF_INET);
    ck_assert_int_eq(socket_local_address(accepted, &local, NULL), STATUS_OK);
    ck_assert(address_equal(&local, &to));
    close(accepted);
    close(client);
    close(listener);
}
END_TEST

START_TEST(socket_busy_address_is_named) {
    struct address address = loopback("127.0.0.1:0");
    struct socket_listen_options options = {0};
    struct error err;
    int other = -1;
    int listener = listen_at(&address, &options);
    char expected[160], text[ADDRESS_TEXT_BYTES];
    ck_assert_int_eq(socket_listen(&address, &options, &other, &err), STATUS_IO);
    (void)snprintf(expected, sizeof(expected), "cannot bind '%.*s': Address already in use",
                   SLICE_ARG(address_to_text(&address, text)));
    ck_assert_str_eq(err.message, expected);
    close(listener);
}
END_TEST

START_TEST(socket_unix_stale_file_is_replaced_and_a_live_one_is_not) {
    char folder[] = "/tmp/sp_socket_XXXXXX", path[64];
    struct address address;
    struct socket_listen_options options = {.unix_mode = 0600};
    struct stat info;
    int fd = -1;
    ck_assert_ptr_nonnull(mkdtemp(folder));
    (void)snprintf(path, sizeof(path), "%s/s", folder);
    ck_assert_int_eq(address_from_unix_path(&address, slice_from_string(path), NULL), STATUS_OK);
    ck_assert_int_eq(socket_listen(&address, &options, &fd, NULL), STATUS_OK);
    ck_assert_int_eq(stat(path, &info), 0);
    ck_assert_uint_eq(info.st_mode & 0777, 0600);
    int second = -1;
    ck_assert_int_eq(socket_listen(&address, &options, &second, NULL), STATUS_IO);
    close(fd);
    ck_assert_int_eq(socket_listen(&address, &options, &second, NULL), STATUS_OK);
    close(second);
    ck_assert_int_eq(unlink(path), 0);
    // Something that is no socket is never removed.
    fd = open(path, O_CREAT | O_WRONLY, 0600);
    close(fd);
    ck_assert_int_eq(socket_listen(&address, &options, &second, NULL), STATUS_IO);
    ck_assert_int_eq(unlink(path), 0);
    ck_assert_int_eq(rmdir(folder), 0);
}
END_TEST

START_TEST(socket_options_apply_and_failures_close) {
    struct address address = loopback("127.0.0.1:0");
    struct socket_option good = {.level = SOL_SOCKET,
                                 .name = SO_RCVBUF,
                                 .state = SOCKET_OPTION_PREBIND,
                                 .is_int = true,
                                 .int_value = 50000};
    struct socket_option bad = {
        .level = 9999, .name = 1, .state = SOCKET_OPTION_LISTENING, .is_int = true};
    struct socket_listen_options options = {.options = &good, .option_count = 1};
    int size = 0, fd = -1;
    socklen_t len = sizeof(size);
    int listener = listen_at(&address, &options);
    ck_assert_int_eq(getsockopt(listener, SOL_SOCKET, SO_RCVBUF, &size, &len), 0);
    ck_assert_int_ge(size, 50000);
    close(listener);
    options.options = &bad;
    ck_assert_int_eq(socket_listen(&address, &options, &fd, NULL), STATUS_IO);
    ck_assert_int_eq(fd, -1);
}
END_TEST

START_TEST(socket_accept_out_of_descriptors_is_limit) {
    struct address address = loopback("127.0.0.1:0"), remote;
    struct socket_listen_options options = {0};
    struct rlimit old, few;
    int listener = listen_at(&address, &options);
    int client = -1, accepted = -1;
    ck_assert_int_eq(socket_connect(&address, NULL, &client, NULL), STATUS_OK);
    wait_for(listener, POLLIN);
    ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &old), 0);
    few = old;
    few.rlim_cur = 0;
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &few), 0);
    enum status status = socket_accept(listener, &accepted, &remote, NULL);
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &old), 0);
    ck_assert_int_eq(status, STATUS_LIMIT);
    close(client);
    close(listener);
}
END_TEST

START_TEST(socket_accept_of_a_shut_down_socket_is_closed) {
    struct address address = loopback("127.0.0.1:0"), remote;
    struct socket_listen_options options = {0};
    int listener = listen_at(&address, &options), accepted = -1;
    ck_assert_int_eq(shutdown(listener, SHUT_RD), 0);
    ck_assert_int_eq(socket_accept(listener, &accepted, &remote, NULL), STATUS_CLOSED);
    close(listener);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("socket");
    TCase *tests = tcase_create("socket");
    tcase_add_test(tests, socket_listen_connect_accept);
    tcase_add_test(tests, socket_dual_stack_shows_v4_peers_as_v4);
    tcase_add_test(tests, socket_busy_address_is_named);
    tcase_add_test(tests, socket_unix_stale_file_is_replaced_and_a_live_one_is_not);
    tcase_add_test(tests, socket_options_apply_and_failures_close);
    tcase_add_test(tests, socket_accept_out_of_descriptors_is_limit);
    tcase_add_test(tests, socket_accept_of_a_shut_down_socket_is_closed);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
