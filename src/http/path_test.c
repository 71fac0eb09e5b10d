// SPDX-License-Identifier: Apache-2.0
#include "src/http/path.h"

#include <check.h>

#include "src/base/check.h"

enum {
    N = 1,
    M = 2,
    S = 4,
    REJECT = 8,
    FORWARD = 16,
    REDIRECT = 32,
};

struct path_case {
    int options;
    const char *path;
    const char *expected; /* NULL: refused; '>' before it: a redirect */
};

/* The first block is what Envoy 1.40 was seen to do. */
static const struct path_case cases[] = {
    {N, "/a/../b", "/b"},
    {N, "/a/./b", "/a/b"},
    {N, "/a/..", "/"},
    {N, "/a/.", "/a/"},
    {N, "/..", "/"},
    {N, "/../a", "/a"},
    {N, "/a/%2e%2E/b", "/b"},
    {N, "/a/.%2e/b", "/b"},
    {N, "/a//b", "/a//b"},
    {N, "/a//../b", "/a/b"},
    {N, "/a/..;x/b", "/b"},
    {N, "/a/..;/b", "/b"},
    {N, "/a/.;x/b", "/a/b"},
    {N, "/a;x/../b", "/b"},
    {N, "/%", "/%"},
    {N, "/%2", "/%2"},
    {N, "/%zz", "/%zz"},
    {N, "/a%2fb", "/a%2fb"},
    {N, "/a%5cb", "/a%5cb"},
    {N, "/a\\..\\b", "/b"},
    {N, "/a?x/../y", "/a?x/../y"},
    {N, "/a/..?x", "/?x"},
    {N, "/%00", NULL},
    {N, "/a?%00", "/a?%00"},
    {N, "/..;a/..;b/c", "/c"},
    {N, "/a/...", "/a/..."},
    {N, "/a/b/..", "/a/"},
    {N, "/a/b/../", "/a/"},
    {N, "/a%2e/b", "/a./b"},
    {N, "/%252e%252e/a", "/%252e%252e/a"},
    {N, "/a/..%2fb", "/a/..%2fb"},
    {N, "/a;..;/b", "/a;..;/b"},
    {N, "/a/;/../b", "/a/b"},
    {N, "/a/...;x/b", "/a/...;x/b"},
    {N, "/a/b;x/..;y/c", "/a/c"},
    {N, "//a", "//a"},
    {N, "//", "//"},
    {N, "/a/..//b", "//b"},
    {N, "/a/../../..//../b", "/b"},
    {N, "/x%7ey%41%2D", "/x~yA-"},
    {N, "/x\"<>^`{|}", "/x%22%3C%3E%5E%60%7B%7C%7D"},
    {N, "/a[b]!$&'()*+,;=:@", "/a[b]!$&'()*+,;=:@"},
    {N, "/a\xc3\xa9 b", "/a%C3%A9%20b"},
    {0, "/a/../b", "/a/../b"},
    {0, "/%00", "/%00"},
    {0, "*", "*"},
    {0, "", NULL},
    {0, "a", NULL},
    {0, "/a#b", NULL},
    /* Ours is stricter: a decoded dot segment loses its parameters too, and no escape arises. */
    {N, "/a/%2e%2e;x/b", "/b"},
    {N, "/a/%2E;p/b", "/a/b"},
    {N, "/%%32e%%32e/a", "/%%32e%%32e/a"},
    {N, "/%2%65", "/%2%65"},
    /* Slashes. */
    {M, "//a///b//", "/a/b/"},
    {M, "//a?x//y", "/a?x//y"},
    {N | M, "/a/..//b", "/b"},
    {REJECT, "/a%2fb", NULL},
    {REJECT, "/a%5Cb", NULL},
    {REJECT, "/a?%2f", "/a?%2f"},
    {FORWARD, "/a%2Fb%5cc", "/a/b\\c"},
    {N | FORWARD, "/a%2f..%2fb", "/b"},
    {N | FORWARD, "/a%5c..%5Cb", "/b"},
    {N | M | FORWARD, "/a%2f%2fb", "/a/b"},
    {REDIRECT, "/a%2fb?c", ">/a/b?c"},
    {N | REDIRECT, "/x/%2e%2e%2fb", ">/b"},
    {REDIRECT, "/ab", "/ab"},
    /* Strict. */
    {S, "/%00", NULL},
    {S, "/a%252fb", NULL},
    {S, "/a%25zz", "/a%25zz"},
    {S, "/a%25", "/a%25"},
    {S, "/a\\b", NULL},
    {S | FORWARD, "/a%5cb", NULL},
    {S | N, "/%252%66", NULL},
    {S | N | FORWARD, "/a%5cb", "/a/b"},
    {N, "/%5\xe1/", "/%5%E1/"},
    {S, "/a/..;x/b", NULL},
    {S, "/a/.;/b", NULL},
    {S, "/a/%2e.;x", NULL},
    {S, "/a/..%3bx", NULL},
    {S, "/a%2f..;x", NULL},
    {S, "/a;x/b", "/a;x/b"},
    {S, "/a..;x/b", "/a..;x/b"},
    {S, "/...;x", "/...;x"},
    {S | N, "/a/../b?..;%00%2500\\", "/b?..;%00%2500\\"},
};

static struct path_options options_of(int bits) {
    struct path_options options = {
        .normalize = (bits & N) != 0,
        .merge_slashes = (bits & M) != 0,
        .strict = (bits & S) != 0,
    };
    if ((bits & REJECT) != 0) {
        options.escaped_slashes = PATH_SLASHES_REJECT;
    } else if ((bits & FORWARD) != 0) {
        options.escaped_slashes = PATH_SLASHES_UNESCAPE_AND_FORWARD;
    } else if ((bits & REDIRECT) != 0) {
        options.escaped_slashes = PATH_SLASHES_UNESCAPE_AND_REDIRECT;
    }
    return options;
}

START_TEST(path_normalize_gives_the_canonical_form) {
    const struct path_case *it = &cases[_i];
    struct path_options options = options_of(it->options);
    struct arena arena;
    arena_init_heap(&arena, 0);
    struct slice out;
    enum path_verdict verdict = path_normalize(slice_from_string(it->path), &options, &arena, &out);
    if (it->expected == NULL) {
        ck_assert_msg(verdict == PATH_REJECT, "%s", it->path);
        arena_deinit(&arena);
        return;
    }
    bool redirect = it->expected[0] == '>';
    ck_assert_msg(verdict == (redirect ? PATH_REDIRECT : PATH_OK), "%s", it->path);
    ck_assert_str_eq(arena_dup_string(&arena, out), it->expected + (redirect ? 1 : 0));
    struct slice again;
    ck_assert_int_eq(path_normalize(out, &options, &arena, &again), PATH_OK);
    ck_assert_msg(slice_equal(out, again), "%s is not stable", it->path);
    arena_deinit(&arena);
}
END_TEST

START_TEST(path_query_is_split) {
    struct slice path = SLICE("/a?b=1&c&d=%20=&b=2#f");
    ck_assert(slice_equal(path_without_query(path), SLICE("/a")));
    struct slice query = path_query(path);
    ck_assert(slice_equal(query, SLICE("b=1&c&d=%20=&b=2")));
    struct slice value;
    ck_assert(path_query_get(query, SLICE("b"), &value) && slice_equal(value, SLICE("1")));
    ck_assert(path_query_get(query, SLICE("c"), &value) && value.len == 0);
    ck_assert(path_query_get(query, SLICE("d"), &value) && slice_equal(value, SLICE("%20=")));
    ck_assert(!path_query_get(query, SLICE("e"), &value));
    ck_assert_uint_eq(path_query(SLICE("/a")).len, 0);
    ck_assert(slice_equal(path_without_query(SLICE("/a")), SLICE("/a")));
}
END_TEST

START_TEST(path_percent_decode_refuses_what_is_no_escape) {
    struct arena arena;
    arena_init_heap(&arena, 0);
    struct slice out;
    ck_assert_int_eq(path_percent_decode(SLICE("a%20%4a"), &arena, &out), STATUS_OK);
    ck_assert(slice_equal(out, SLICE("a J")));
    ck_assert_int_eq(path_percent_decode(SLICE("a%2"), &arena, &out), STATUS_INVALID);
    ck_assert_int_eq(path_percent_decode(SLICE("%zz"), &arena, &out), STATUS_INVALID);
    arena_deinit(&arena);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("path");
    TCase *tcase = tcase_create("path");
    tcase_add_loop_test(tcase, path_normalize_gives_the_canonical_form, 0, (int)ARRAY_LEN(cases));
    tcase_add_test(tcase, path_query_is_split);
    tcase_add_test(tcase, path_percent_decode_refuses_what_is_no_escape);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
