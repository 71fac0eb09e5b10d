// SPDX-License-Identifier: Apache-2.0
#include "xds/bootstrap/document.h"

#include <check.h>
#include <stdio.h>

#include "src/base/check.h"

/* The document in a compact form: n null, b0/b1, #number, 'text', [..], {key:..}. */
static void show(const struct document_node *node, char *out, size_t size) {
    size_t len = strlen(out);
    switch (node->kind) {
    case DOCUMENT_NULL:
        snprintf(out + len, size - len, "n");
        return;
    case DOCUMENT_BOOL:
        snprintf(out + len, size - len, "b%d", node->boolean);
        return;
    case DOCUMENT_NUMBER:
        snprintf(out + len, size - len, "#%.*s", SLICE_ARG(node->text));
        return;
    case DOCUMENT_STRING:
        snprintf(out + len, size - len, "'%.*s'", SLICE_ARG(node->text));
        return;
    case DOCUMENT_ARRAY:
    case DOCUMENT_OBJECT:
        break;
    }
    bool is_object = node->kind == DOCUMENT_OBJECT;
    snprintf(out + len, size - len, is_object ? "{" : "[");
    for (const struct document_node *child = node->first; child != NULL; child = child->next) {
        len = strlen(out);
        if (is_object) {
            snprintf(out + len, size - len, "%s%.*s:", child->is_shadowed ? "~" : "",
                     SLICE_ARG(child->key));
        }
        show(child, out, size);
        len = strlen(out);
        snprintf(out + len, size - len, child->next != NULL ? "," : "");
    }
    len = strlen(out);
    snprintf(out + len, size - len, is_object ? "}" : "]");
}

struct document_case {
    const char *text;
    const char *shown; /* NULL: refused */
};

typedef enum status parse_fn(struct slice text, struct arena *arena,
                             const struct document_node **root, struct error *err);

static void check_cases(parse_fn *parse, const struct document_case *cases, size_t count) {
    for (size_t i = 0; i < count; i++) {
        struct arena arena;
        struct error err;
        const struct document_node *root = NULL;
        char shown[512] = "";
        arena_init_heap(&arena, 0);
        enum status status = parse(slice_from_string(cases[i].text), &arena, &root, &err);
        if (status == STATUS_OK) {
            show(root, shown, sizeof(shown));
        }
        if (cases[i].shown == NULL) {
            ck_assert_msg(status != STATUS_OK, "taken: %s -> %s", cases[i].text, shown);
        } else {
            ck_assert_msg(status == STATUS_OK, "refused: %s (%s)", cases[i].text, err.message);
            ck_assert_str_eq(shown, cases[i].shown);
        }
        arena_deinit(&arena);
    }
}

START_TEST(json_takes_what_envoy_takes) {
    static const struct document_case CASES[] = {
        {"{}", "{}"},
        {" [1, -2.5e+3, true, false, null, \"x\"] ", "[#1,#-2.5e+3,b1,b0,n,'x']"},
        {"{\"a\": {\"b\": []},}", "{a:{b:[]}}"},
        {"{'a': 'it\\'s'}", "{a:'it's'}"},
        {"{node: 1}", "{node:#1}"},
        {"{\"a\": 1, \"a\": 2}", "{~a:#1,a:#2}"},
        {"\"\\u00e9\\ud83d\\ude00\\n\"", "'\xc3\xa9\xf0\x9f\x98\x80\n'"},
        {"\"a\nb\"", "'a\nb'"},
    };
    check_cases(document_parse_json, CASES, ARRAY_LEN(CASES));
}
END_TEST

START_TEST(json_refuses_what_envoy_refuses) {
    static const struct document_case CASES[] = {
        {"", NULL},
        {"{", NULL},
        {"[1 2]", NULL},
        {"{\"a\" 1}", NULL},
        {"01", NULL},
        {"0x10", NULL},
        {"1.", NULL},
        {"-", NULL},
        {"1e", NULL},
        {"NaN", NULL},
        {"{} x", NULL},
        {"\"\\q\"", NULL},
        {"\"\\ud83d\"", NULL},
        {"\"\\udc00\"", NULL},
        {"\"\\u12\"", NULL},
        {"\"\\u0000\"", NULL},
        {"\"\xff\"", NULL},
        {"\"abc", NULL},
        {"{/*x*/\"a\":1}", NULL},
        {"node: {id: a}", NULL},
        {"\"a\\", NULL},
        {"truefalse", NULL},
    };
    check_cases(document_parse_json, CASES, ARRAY_LEN(CASES));
}
END_TEST

START_TEST(yaml_scalars_resolve_as_in_envoy) {
    static const struct document_case CASES[] = {
        {"a: 5", "{a:#5}"},
        {"a: 0x10", "{a:#16}"},
        {"a: 010", "{a:#8}"},
        {"a: 0999", "{a:'0999'}"},
        {"a: +7", "{a:#7}"},
        {"a: 4294967296", "{a:'4294967296'}"},
        {"a: 99999999999999999999", "{a:'99999999999999999999'}"},
        {"a: 5.5", "{a:'5.5'}"},
        {"a: '5'", "{a:'5'}"},
        {"a: \"true\"", "{a:'true'}"},
        {"a: yes\nb: Off\nc: y\nd: tRue", "{a:b1,b:b0,c:b1,d:'tRue'}"},
        {"a:\nb: ~\nc: null\nd: NULL", "{a:n,b:n,c:n,d:n}"},
        {"a: !!str 5", "{a:#5}"},
        {"a: !!str null", "{a:'null'}"},
        {"a: |\n  5\n", "{a:'5\n'}"},
        {"a: ! 5", "{a:'5'}"},
        {"1: a\nyes: b\n~: c", "{1:'a',yes:'b',null:'c'}"},
    };
    check_cases(document_parse_yaml, CASES, ARRAY_LEN(CASES));
}
END_TEST

START_TEST(yaml_structure_follows_envoy) {
    static const struct document_case CASES[] = {
        {"", "n"},
        {"a: &x {b: 1}\nc: *x\nd: [*x, *x]", "{a:{b:#1},c:{b:#1},d:[{b:#1},{b:#1}]}"},
        {"a: 1\nb: 2\na: 3", "{b:#2,a:#3}"},
        {"!ignore t: &t {x: 1}\na: *t", "{a:{x:#1}}"},
        {"a: {!ignore b: 1, c: 2}", "{a:{c:#2}}"},
        {"a:\n  <<: {b: 1}\n  c: 2", "{a:{<<:{b:#1},c:#2}}"},
        {"a: 1\n---\nb: 2", "{a:#1}"},
        {"a: *nowhere", NULL},
        {"a: &a [*a]", NULL},
        {"{[1]: 2}", NULL},
        {"a: {b", NULL},
        {"a: \"x\\0y\"", NULL},
    };
    check_cases(document_parse_yaml, CASES, ARRAY_LEN(CASES));
}
END_TEST

static enum status parse_text(parse_fn *parse, const char *text) {
    struct arena arena;
    struct error err;
    const struct document_node *root;
    arena_init_heap(&arena, 0);
    enum status status = parse(slice_from_string(text), &arena, &root, &err);
    arena_deinit(&arena);
    return status;
}

START_TEST(nesting_is_bounded_in_both_formats) {
    char text[2 * DOCUMENT_MAX_DEPTH + 8];
    for (size_t depth = DOCUMENT_MAX_DEPTH; depth <= DOCUMENT_MAX_DEPTH + 1; depth++) {
        memset(text, '[', depth);
        memset(text + depth, ']', depth);
        text[2 * depth] = '\0';
        bool is_allowed = depth <= DOCUMENT_MAX_DEPTH;
        ck_assert_int_eq(parse_text(document_parse_json, text) == STATUS_OK, is_allowed);
        ck_assert_int_eq(parse_text(document_parse_yaml, text) == STATUS_OK, is_allowed);
    }
}
END_TEST

START_TEST(yaml_aliases_cannot_multiply_without_end) {
    char text[2048] = "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n";
    for (int i = 1; i < 9; i++) {
        char line[256];
        snprintf(line, sizeof(line), "a%d: &a%d [*a%d,*a%d,*a%d,*a%d,*a%d,*a%d,*a%d,*a%d]\n", i, i,
                 i - 1, i - 1, i - 1, i - 1, i - 1, i - 1, i - 1, i - 1);
        strncat(text, line, sizeof(text) - strlen(text) - 1);
    }
    ck_assert_int_ne(parse_text(document_parse_yaml, text), STATUS_OK);
}
END_TEST

START_TEST(json_large_object_marks_shadowed_members) {
    char text[1024] = "{";
    for (int i = 0; i < 40; i++) {
        char member[32];
        snprintf(member, sizeof(member), "\"k%d\":%d,", i % 20, i);
        strncat(text, member, sizeof(text) - strlen(text) - 1);
    }
    strncat(text, "}", sizeof(text) - strlen(text) - 1);
    struct arena arena;
    struct error err;
    const struct document_node *root;
    arena_init_heap(&arena, 0);
    ck_assert_int_eq(document_parse_json(slice_from_string(text), &arena, &root, &err), STATUS_OK);
    int at = 0;
    for (const struct document_node *node = root->first; node != NULL; node = node->next) {
        ck_assert_int_eq(node->is_shadowed, at < 20);
        at++;
    }
    ck_assert_int_eq(at, 40);
    arena_deinit(&arena);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("document");
    TCase *tests = tcase_create("document");
    tcase_add_test(tests, json_takes_what_envoy_takes);
    tcase_add_test(tests, json_refuses_what_envoy_refuses);
    tcase_add_test(tests, yaml_scalars_resolve_as_in_envoy);
    tcase_add_test(tests, yaml_structure_follows_envoy);
    tcase_add_test(tests, nesting_is_bounded_in_both_formats);
    tcase_add_test(tests, yaml_aliases_cannot_multiply_without_end);
    tcase_add_test(tests, json_large_object_marks_shadowed_members);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
