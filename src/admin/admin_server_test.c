// SPDX-License-Identifier: Apache-2.0
#include "src/admin/admin_server.h"

#include <sys/stat.h>

#include "src/access_log/access_log.h"
#include "src/admin/admin_test_fixture.h"
#include "src/base/log.h"
#include "src/matcher/string_matcher.h"

static struct admin_fixture f;

static void setup(void) {
    admin_fixture_init(&f);
}
static void teardown(void) {
    admin_fixture_deinit(&f);
}

START_TEST(ready_answers_as_envoy_to_the_byte) {
    admin_fixture_start(&f);
    get(&f, "/ready");
    ck_assert_str_eq(f.reply, "HTTP/1.1 200 OK\r\n"
                              "content-type: text/plain; charset=UTF-8\r\n"
                              "cache-control: no-cache, max-age=0\r\n"
                              "x-content-type-options: nosniff\r\n"
                              "date: Tue, 14 Nov 2023 22:13:20 GMT\r\n"
                              "server: envoy\r\n"
                              "connection: close\r\n"
                              "transfer-encoding: chunked\r\n\r\n"
                              "5\r\nLIVE\n\r\n0\r\n\r\n");
}
END_TEST

START_TEST(ready_follows_the_state) {
    static const struct {
        enum admin_state state;
        int status;
        const char *body;
    } cases[] = {
        {ADMIN_STATE_LIVE, 200, "LIVE\n"},
        {ADMIN_STATE_DRAINING, 503, "DRAINING\n"},
        {ADMIN_STATE_PRE_INITIALIZING, 503, "PRE_INITIALIZING\n"},
        {ADMIN_STATE_INITIALIZING, 503, "INITIALIZING\n"},
    };
    admin_fixture_start(&f);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        f.state = cases[i].state;
        get(&f, "/ready");
        ck_assert_int_eq(f.status, cases[i].status);
        ck_assert_str_eq(f.body, cases[i].body);
    }
}
END_TEST

/* Bodies as the real Envoy gives them. */
static const struct {
    const char *method, *target;
    int status;
    const char *body; /* its beginning */
} route_cases[] = {
    {"GET", "//ready", 200, "LIVE\n"},
    {"GET", "///ready", 200, "LIVE\n"},
    {"GET", "/%72eady", 200, "LIVE\n"},
    {"GET", "/ready?x=1", 200, "LIVE\n"},
    {"PUT", "/ready", 200, "LIVE\n"},
    {"GET", "/ready/", 404, "invalid path. admin commands are:\n  /: "},
    {"GET", "/nope", 404, "invalid path. admin commands are:\n  /: "},
    {"GET", "/stats%3Fusedonly", 404, "invalid path. "},
    {"GET", "/help", 200, "admin commands are:\n  /: "},
    {"GET", "/quitquitquit", 405, "Method GET not allowed, POST required."},
    {"DELETE", "/logging", 405, "Method DELETE not allowed, POST required."},
    {"GET", "/hot_restart_version", 200, "11.104"},
    {"GET", "/init_dump", 200, "{}\n"},
    {"GET", "/contention", 200, "Mutex contention tracing is not enabled. "},
    {"GET", "/runtime", 200, "{\n \"entries\": {},\n \"layers\": []\n}\n"},
    {"POST", "/runtime_modify", 400,
     "usage: /runtime_modify?key1=value1&key2=value2&keyN=valueN\n"},
    {"POST", "/runtime_modify?a=b", 503, "No admin layer specified"},
    {"GET", "/certs", 200, "{\n \"certificates\": []\n}\n"},
    {"GET", "/listeners?format=json", 200, "{}\n"},
    {"GET", "/clusters?format=json", 200, "{}\n"},
    {"GET", "/clusters?filter=(", 400, "Invalid re2 regex"},
    {"POST", "/cpuprofiler", 400, "?enable=<y|n>\n"},
    {"POST", "/heapprofiler?enable=y", 501, "The current build does not support heapprofiler\n"},
    {"GET", "/config_dump?name_regex=(", 400,
     "INVALID_ARGUMENT: Error while parsing name_regex from (: missing ): ("},
    {"GET", "/config_dump", 200, "{\"configs\":[]}"},
};

START_TEST(request_is_routed) {
    admin_fixture_start(&f);
    ask(&f, route_cases[_i].method, route_cases[_i].target);
    ck_assert_int_eq(f.status, route_cases[_i].status);
    ck_assert_msg(strncmp(f.body, route_cases[_i].body, strlen(route_cases[_i].body)) == 0, "%s",
                  f.body);
}
END_TEST

START_TEST(changes_reach_the_callbacks) {
    admin_fixture_start(&f);
    ask(&f, "POST", "/healthcheck/fail");
    ck_assert_str_eq(f.body, "OK\n");
    ck_assert(f.health_failed && f.health_calls == 1);
    ask(&f, "POST", "/healthcheck/ok");
    ck_assert(!f.health_failed && f.health_calls == 2);
    ask(&f, "POST", "/drain_listeners?graceful&skip_exit");
    ck_assert(f.drain.graceful && f.drain.skip_exit && !f.drain.inbound_only);
    ask(&f, "POST", "/drain_listeners?inboundonly");
    ck_assert(!f.drain.graceful && !f.drain.skip_exit && f.drain.inbound_only);
    ask(&f, "POST", "/reopen_logs");
    ck_assert_uint_eq(f.reopens, 1);
    ask(&f, "GET", "/drain_listeners");
    ck_assert_uint_eq(f.drains, 2);
}
END_TEST

START_TEST(quit_comes_after_the_answer) {
    admin_fixture_start(&f);
    ask(&f, "POST", "/quitquitquit");
    ck_assert_str_eq(f.body, "OK\n");
    fixture_advance(&f.base, 5);
    ck_assert_uint_eq(f.quits, 1);
}
END_TEST

START_TEST(config_dump_passes_the_query_on) {
    admin_fixture_start(&f);
    get(&f, "/config_dump?include_eds&resource=dynamic%5Flisteners&name_regex=a.*");
    ck_assert(f.query.include_eds && f.regex_given);
    ck_assert_str_eq(f.query_resource, "dynamic_listeners");
    ck_assert_ptr_nonnull(strstr(f.reply, "content-type: application/json\r\n"));
    f.dump_status = STATUS_NOT_FOUND;
    get(&f, "/config_dump?resource=x");
    ck_assert_int_eq(f.status, 404);
    ck_assert_str_eq(f.body, "refused");
    ck_assert_ptr_nonnull(strstr(f.reply, "content-type: text/plain\r\n"));
    f.dump_status = STATUS_INVALID;
    get(&f, "/config_dump?mask=x");
    ck_assert_int_eq(f.status, 400);
}
END_TEST

START_TEST(server_info_embeds_options_and_node) {
    admin_fixture_start(&f);
    fixture_advance(&f.base, 4200);
    get(&f, "/server_info");
    ck_assert_str_eq(f.body, "{\n \"version\": \"abc/1.40.0/Clean/RELEASE/BoringSSL\",\n"
                             " \"state\": \"LIVE\",\n \"uptime_current_epoch\": \"4s\",\n"
                             " \"uptime_all_epochs\": \"4s\",\n"
                             " \"hot_restart_version\": \"11.104\",\n"
                             " \"command_line_options\": {\n  \"base_id\": \"0\"\n },\n"
                             " \"node\": {\n  \"id\": \"n1\"\n }\n}\n");
}
END_TEST

START_TEST(home_page_lists_commands_and_escapes) {
    f.facts.version = "<script>";
    admin_fixture_start(&f);
    get(&f, "/");
    ck_assert(body_has(&f, "&lt;script&gt;") && !body_has(&f, "<script>"));
    ck_assert(body_has(&f, "<form action='quitquitquit' method='post'"));
    ck_assert(body_has(&f, "<a href='certs'>certs</a>"));
}
END_TEST

START_TEST(memory_gives_numbers_as_text) {
    admin_fixture_start(&f);
    get(&f, "/memory");
    ck_assert_int_eq(strncmp(f.body, "{\n \"allocated\": \"", 17), 0);
    ck_assert(body_has(&f, " \"total_physical_bytes\": \""));
    ck_assert(!body_has(&f, " \"total_physical_bytes\": \"0\""));
}
END_TEST

/* ---- logging ---- */

static enum log_level level_of(enum log_component component) {
    return log_get_level(component);
}

START_TEST(logging_changes_levels) {
    admin_fixture_start(&f);
    ask(&f, "POST", "/logging?http=debug");
    ck_assert_int_eq(f.status, 200);
    ck_assert(body_has(&f, "active loggers:\n") && body_has(&f, "  http: debug\n"));
    ck_assert_int_eq(level_of(LOG_HTTP), LOG_DEBUG);
    ask(&f, "POST", "/logging?paths=http:info,pool:error");
    ck_assert(level_of(LOG_HTTP) == LOG_INFO && level_of(LOG_POOL) == LOG_ERROR);
    ask_with(&f, "POST", "/logging",
             "host: x\r\ncontent-type: application/x-www-form-urlencoded\r\n", "level=warning");
    ck_assert(level_of(LOG_HTTP) == LOG_WARN && level_of(LOG_POOL) == LOG_WARN);
    log_set_level(LOG_INFO);
}
END_TEST

START_TEST(logging_refuses_what_it_does_not_know) {
    static const struct {
        const char *query, *reason;
    } cases[] = {
        {"level=foo", "error: unknown logger level\n\nusage: /logging?<name>=<level> "},
        {"nosuch=debug", "error: unknown logger name\n\n"},
        {"paths=zz:debug", "error: unknown logger name\n\n"},
        {"paths=http:trace,zz:debug", "error: unknown logger name\n\n"},
        {"paths=a", "error: empty logger name or empty logger level\n\n"},
        {"a=b&c=d", "error: invalid number of parameters\n\n"},
        {"group=x:debug", "error: group parameter requires fine-grain logging to be enabled\n\n"},
    };
    admin_fixture_start(&f);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char target[128];
        (void)snprintf(target, sizeof(target), "/logging?%s", cases[i].query);
        ask(&f, "POST", target);
        ck_assert_int_eq(f.status, 400);
        ck_assert_int_eq(strncmp(f.body, cases[i].reason, strlen(cases[i].reason)), 0);
        ck_assert_int_eq(level_of(LOG_HTTP), LOG_INFO);
    }
}
END_TEST

/* ---- who may ask ---- */

START_TEST(allow_paths_limits_what_is_served) {
    const struct string_matcher allowed[] = {
        {.kind = STRING_MATCH_PREFIX, .text = SLICE_INIT("/ready")},
        {.kind = STRING_MATCH_EXACT, .text = SLICE_INIT("/certs")},
    };
    f.options.allow_paths = allowed;
    f.options.allow_path_count = ARRAY_LEN(allowed);
    admin_fixture_start(&f);
    get(&f, "//ready");
    ck_assert_int_eq(f.status, 200);
    get(&f, "/help");
    ck_assert_int_eq(f.status, 403);
    ck_assert_str_eq(f.body, "request to path /help not allowed");
    get(&f, "/certs?x");
    ck_assert_str_eq(f.body, "request to path /certs?x not allowed");
    ask(&f, "POST", "/quitquitquit");
    ck_assert_int_eq(f.status, 403);
    fixture_advance(&f.base, 5);
    ck_assert_uint_eq(f.quits, 0);
}
END_TEST

static const struct {
    const char *headers;
    int edge_status;
} guard_cases[] = {
    {"host: localhost:9901\r\n", 200},
    {"host: LOCALHOST\r\n", 200},
    {"host: a.localhost\r\n", 200},
    {"host: 127.0.0.1:9901\r\n", 200},
    {"host: [::1]:9901\r\n", 200},
    {"host: 10.1.2.3\r\n", 200},
    {"host: evil.example\r\n", 403},
    {"host: localhost.evil.example\r\n", 403},
    {"host: 127.0.0.1.evil.example\r\n", 403},
    {"host: localhost\r\norigin: http://localhost\r\n", 200},
    {"host: localhost:1\r\norigin: http://localhost:2\r\n", 403},
    {"host: localhost\r\norigin: http://evil.example\r\n", 403},
    {"host: localhost\r\norigin: https://localhost\r\n", 403},
    {"host: localhost\r\norigin: null\r\n", 403},
};

START_TEST(edge_refuses_foreign_names_and_origins) {
    f.options.is_edge = true;
    admin_fixture_start(&f);
    ask_with(&f, "POST", "/healthcheck/fail", guard_cases[_i].headers, "");
    ck_assert_int_eq(f.status, guard_cases[_i].edge_status);
    ck_assert_int_eq(f.health_failed, guard_cases[_i].edge_status == 200);
}
END_TEST

START_TEST(envoy_defaults_refuse_no_name) {
    admin_fixture_start(&f);
    ask_with(&f, "GET", "/ready", guard_cases[_i].headers, "");
    ck_assert_int_eq(f.status, 200);
}
END_TEST

START_TEST(unix_socket_gets_its_mode_and_is_removed) {
    char path[64];
    struct stat info;
    (void)snprintf(path, sizeof(path), "/tmp/sallyport_admin_%d.sock", (int)getpid());
    ck_assert_int_eq(address_from_unix_path(&f.options.address, slice_from_string(path), NULL),
                     STATUS_OK);
    f.options.unix_mode = 0600;
    f.options.is_edge = true;
    admin_fixture_start(&f);
    ck_assert_int_eq(stat(path, &info), 0);
    ck_assert_uint_eq(info.st_mode & 0777, 0600);
    ask_with(&f, "GET", "/ready", "host: any.name\r\n", "");
    ck_assert_int_eq(f.status, 200);
    admin_free(f.admin);
    f.admin = NULL;
    ck_assert_int_ne(stat(path, &info), 0);
}
END_TEST

/* ---- protocol ---- */

START_TEST(pipelined_requests_are_answered_in_order) {
    static const char bytes[] = "GET /ready HTTP/1.1\r\nhost: x\r\n\r\n"
                                "GET /hot_restart_version HTTP/1.1\r\nhost: x\r\n"
                                "connection: close\r\n\r\n";
    admin_fixture_start(&f);
    client_exchange(&f, bytes, sizeof(bytes) - 1);
    const char *first = strstr(f.reply, "LIVE\n");
    ck_assert_ptr_nonnull(first);
    ck_assert_ptr_nonnull(strstr(first, "11.104"));
}
END_TEST

START_TEST(malformed_request_is_refused) {
    static const char *const cases[] = {
        "GARBAGE\r\n\r\n",
        "GET /ready HTTP/1.1\r\n\r\n",
        "GET /ready HTTP/1.1\r\nhost: a\r\nhost: b\r\n\r\n",
        "GET /ready HTTP/1.0\r\n\r\n",
    };
    admin_fixture_start(&f);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        client_exchange(&f, cases[i], strlen(cases[i]));
        ck_assert_int_ge(f.status, 400);
        ck_assert_int_lt(f.status, 500);
    }
}
END_TEST

START_TEST(large_body_is_refused_in_bounded_memory) {
    static char body[200 * 1024];
    memset(body, 'a', sizeof(body) - 1);
    admin_fixture_start(&f);
    ask_with(&f, "POST", "/logging", "host: x\r\n", body);
    ck_assert_int_eq(f.status, 413);
}
END_TEST

START_TEST(http2_prior_knowledge_gets_settings) {
    static const char bytes[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0";
    admin_fixture_start(&f);
    int fd = client_connect(&f);
    ck_assert_int_eq(send(fd, bytes, sizeof(bytes) - 1, MSG_NOSIGNAL), (ssize_t)sizeof(bytes) - 1);
    uint8_t frame[9] = {0};
    ssize_t got = -1;
    for (int turns = MAX_TURNS; got < 9 && turns > 0; turns--) {
        fixture_turn(&f.base);
        got = recv(fd, frame, sizeof(frame), MSG_DONTWAIT);
    }
    ck_assert_int_eq(got, 9);
    ck_assert_uint_eq(frame[3], 4);
    close(fd);
}
END_TEST

START_TEST(idle_connection_is_closed) {
    admin_fixture_start(&f);
    int fd = client_connect(&f);
    fixture_turns(&f.base, 10);
    char byte;
    ck_assert(recv(fd, &byte, 1, MSG_DONTWAIT) < 0);
    fixture_advance(&f.base, 301 * 1000);
    errno = 0;
    ck_assert_int_le(recv(fd, &byte, 1, MSG_DONTWAIT), 0);
    ck_assert_int_ne(errno, EAGAIN);
    close(fd);
}
END_TEST

START_TEST(free_with_open_connections_leaks_nothing) {
    admin_fixture_start(&f);
    int idle = client_connect(&f);
    int halfway = client_connect(&f);
    ck_assert_int_eq(send(halfway,
                          "POST /logging HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\n\r\nab", 56,
                          MSG_NOSIGNAL),
                     56);
    fixture_turns(&f.base, 10);
    admin_free(f.admin);
    f.admin = NULL;
    close(idle);
    close(halfway);
}
END_TEST

START_TEST(address_in_use_is_named) {
    struct error err = {0};
    admin_fixture_start(&f);
    struct admin_options second = f.options;
    second.address = *admin_address(f.admin);
    ck_assert_ptr_null(admin_new(&second, &err));
    ck_assert_ptr_nonnull(strstr(err.message, "admin: "));
}
END_TEST

/* ---- access log ---- */

struct noting_log {
    struct access_log base;
    unsigned count;
    uint32_t code;
    char path[64];
};

static void note(struct access_log *log, struct io_context *io,
                 const struct log_format_input *input) {
    struct noting_log *noting = (struct noting_log *)(void *)log;
    (void)io;
    struct slice path = header_map_get(input->request_headers, HEADER_PATH);
    noting->count++;
    noting->code = input->info->response_code;
    (void)snprintf(noting->path, sizeof(noting->path), "%.*s", SLICE_ARG(path));
}

START_TEST(answers_are_logged) {
    static const struct access_log_ops ops = {.log = note};
    struct noting_log noting = {.base = {.ops = &ops}};
    struct access_log *logs[] = {&noting.base};
    f.options.access_logs = logs;
    f.options.access_log_count = 1;
    admin_fixture_start(&f);
    get(&f, "/nope?a");
    ck_assert_uint_eq(noting.count, 1);
    ck_assert_uint_eq(noting.code, 404);
    ck_assert_str_eq(noting.path, "/nope?a");
}
END_TEST

int main(void) {
    Suite *suite = suite_create("admin_server");
    TCase *tests = tcase_create("all");
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, ready_answers_as_envoy_to_the_byte);
    tcase_add_test(tests, ready_follows_the_state);
    tcase_add_loop_test(tests, request_is_routed, 0, (int)ARRAY_LEN(route_cases));
    tcase_add_test(tests, changes_reach_the_callbacks);
    tcase_add_test(tests, quit_comes_after_the_answer);
    tcase_add_test(tests, config_dump_passes_the_query_on);
    tcase_add_test(tests, server_info_embeds_options_and_node);
    tcase_add_test(tests, home_page_lists_commands_and_escapes);
    tcase_add_test(tests, memory_gives_numbers_as_text);
    tcase_add_test(tests, logging_changes_levels);
    tcase_add_test(tests, logging_refuses_what_it_does_not_know);
    tcase_add_test(tests, allow_paths_limits_what_is_served);
    tcase_add_loop_test(tests, edge_refuses_foreign_names_and_origins, 0,
                        (int)ARRAY_LEN(guard_cases));
    tcase_add_loop_test(tests, envoy_defaults_refuse_no_name, 0, (int)ARRAY_LEN(guard_cases));
    tcase_add_test(tests, unix_socket_gets_its_mode_and_is_removed);
    tcase_add_test(tests, pipelined_requests_are_answered_in_order);
    tcase_add_test(tests, malformed_request_is_refused);
    tcase_add_test(tests, large_body_is_refused_in_bounded_memory);
    tcase_add_test(tests, http2_prior_knowledge_gets_settings);
    tcase_add_test(tests, idle_connection_is_closed);
    tcase_add_test(tests, free_with_open_connections_leaks_nothing);
    tcase_add_test(tests, address_in_use_is_named);
    tcase_add_test(tests, answers_are_logged);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
