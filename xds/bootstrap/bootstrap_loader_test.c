// SPDX-License-Identifier: Apache-2.0
#include "xds/bootstrap/bootstrap_loader.h"

#include <check.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "envoy/config/bootstrap/v3/bootstrap.pb-c.h"
#include "src/base/check.h"

enum { PATH_BYTES = 256 };

struct loader_fixture {
    char folder[PATH_BYTES];
    char path[PATH_BYTES + 64];
    struct arena arena;
    struct validation v;
    struct error err;
    Envoy__Config__Bootstrap__V3__Bootstrap *bootstrap;
};

static void fixture_init(struct loader_fixture *f) {
    const char *base = getenv("TMPDIR");
    snprintf(f->folder, sizeof(f->folder), "%s/loader.XXXXXX", base == NULL ? "/tmp" : base);
    ck_assert_ptr_nonnull(mkdtemp(f->folder));
    arena_init_heap(&f->arena, 0);
    validation_init(&f->v, &f->arena, SLICE(""));
    f->err.message[0] = '\0';
    f->bootstrap = NULL;
}

static void fixture_deinit(struct loader_fixture *f) {
    unlink(f->path);
    rmdir(f->folder);
    arena_deinit(&f->arena);
}

static void write_bytes(struct loader_fixture *f, const char *name, struct slice content) {
    snprintf(f->path, sizeof(f->path), "%s/%s", f->folder, name);
    FILE *file = fopen(f->path, "wb");
    ck_assert_ptr_nonnull(file);
    ck_assert_uint_eq(fwrite(content.ptr, 1, content.len, file), content.len);
    fclose(file);
}

static enum status load(struct loader_fixture *f, const char *config_yaml) {
    struct bootstrap_source source = {.config_path = f->path,
                                      .config_yaml = slice_from_string(config_yaml)};
    return bootstrap_load(&source, &f->arena, &f->bootstrap, &f->v, &f->err);
}

static void expect_loaded(const char *name, struct slice content, const char *id) {
    struct loader_fixture f;
    fixture_init(&f);
    write_bytes(&f, name, content);
    enum status status = load(&f, NULL);
    ck_assert_msg(status == STATUS_OK, "%s: %s", name, f.err.message);
    ck_assert_str_eq(f.bootstrap->node->id, id);
    fixture_deinit(&f);
}

static void expect_refused(const char *name, struct slice content, const char *text) {
    struct loader_fixture f;
    fixture_init(&f);
    write_bytes(&f, name, content);
    ck_assert_msg(load(&f, NULL) != STATUS_OK, "%s taken", name);
    ck_assert_msg(strstr(f.err.message, text) != NULL, "%s: %s", name, f.err.message);
    fixture_deinit(&f);
}

START_TEST(format_follows_the_ending) {
    expect_loaded("b.yaml", SLICE("node: {id: a}"), "a");
    expect_loaded("b.yml", SLICE("node: {id: a}"), "a");
    expect_loaded("b.YAML", SLICE("node: {id: a}"), "a");
    expect_loaded("b.json", SLICE("{\"node\": {\"id\": \"a\"}}"), "a");
    expect_loaded("b.txt", SLICE("{\"node\": {\"id\": \"a\"}}"), "a");
    expect_loaded("b.pb",
                  SLICE("\x0a\x03\x0a\x01"
                        "a"),
                  "a");
    expect_loaded("b.pb_text", SLICE("node { id: 'a' }"), "a");
    expect_refused("b.pb_text", SLICE("node { id: 5 }"), "as a text protobuf (type ");
    expect_refused("b.json", SLICE("node: {id: a}"), "Unable to parse JSON as proto");
    expect_refused("b.pb", SLICE("abc"), "binary protobuf");
}
END_TEST

START_TEST(refusals_have_envoys_words) {
    expect_refused("b.yaml", SLICE(""), "Unable to convert YAML as JSON: ");
    expect_refused("b.yaml", SLICE("[1]"), "Unable to parse JSON as proto");
    expect_refused("b.yaml", SLICE("foo: 1"),
                   "Protobuf message (type envoy.config.bootstrap.v3.Bootstrap reason "
                   "INVALID_ARGUMENT: ");
    expect_refused("b.yaml", SLICE("foo: 1"), "no such field: 'foo') has unknown fields");
    expect_refused("b.pb", SLICE("\xf8\x7f\x01"), "has unknown fields");
    expect_refused("b.yaml", SLICE("stats_flush_interval: 0s"),
                   "Proto constraint validation failed (BootstrapValidationError.");
}
END_TEST

START_TEST(missing_file_and_missing_everything_are_told_apart) {
    struct loader_fixture f;
    fixture_init(&f);
    snprintf(f.path, sizeof(f.path), "%s/none.yaml", f.folder);
    char expected[sizeof(f.path) + 32];
    snprintf(expected, sizeof(expected), "Invalid path: %s", f.path);
    ck_assert_int_eq(load(&f, NULL), STATUS_NOT_FOUND);
    ck_assert_str_eq(f.err.message, expected);
    f.path[0] = '\0';
    ck_assert_int_eq(load(&f, ""), STATUS_INVALID);
    ck_assert_ptr_nonnull(strstr(f.err.message, "At least one of --config-path or --config-yaml"));
    fixture_deinit(&f);
}
END_TEST

START_TEST(config_yaml_is_merged_over_the_file_or_stands_alone) {
    struct loader_fixture f;
    fixture_init(&f);
    write_bytes(&f, "b.yaml", SLICE("node: {id: a, cluster: c}"));
    ck_assert_int_eq(load(&f, "node: {id: b}"), STATUS_OK);
    ck_assert_str_eq(f.bootstrap->node->id, "b");
    ck_assert_str_eq(f.bootstrap->node->cluster, "c");
    unlink(f.path);
    f.path[0] = '\0';
    ck_assert_int_eq(load(&f, "node: {id: d}"), STATUS_OK);
    ck_assert_str_eq(f.bootstrap->node->id, "d");
    fixture_deinit(&f);
}
END_TEST

START_TEST(unknown_static_fields_can_be_allowed) {
    struct loader_fixture f;
    fixture_init(&f);
    struct bootstrap_source source = {.config_yaml = SLICE("foo: 1\nnode: {id: a}"),
                                      .allow_unknown_static_fields = true};
    ck_assert_int_eq(bootstrap_load(&source, &f.arena, &f.bootstrap, &f.v, &f.err), STATUS_OK);
    ck_assert_uint_eq(f.v.finding_count, 1);
    ck_assert_int_eq(f.v.findings[0].kind, FINDING_UNKNOWN);
    f.path[0] = '\0';
    fixture_deinit(&f);
}
END_TEST

START_TEST(fifo_is_read_in_one_sequence) {
    struct loader_fixture f;
    fixture_init(&f);
    snprintf(f.path, sizeof(f.path), "%s/fifo.yaml", f.folder);
    ck_assert_int_eq(mkfifo(f.path, 0600), 0);
    pid_t writer = fork();
    if (writer == 0) {
        static const char TEXT[] = "node: {id: fifo}";
        int fd = open(f.path, O_WRONLY);
        _exit(write(fd, TEXT, sizeof(TEXT) - 1) > 0 ? 0 : 1);
    }
    ck_assert_int_eq(load(&f, NULL), STATUS_OK);
    ck_assert_str_eq(f.bootstrap->node->id, "fifo");
    ck_assert_int_eq(waitpid(writer, NULL, 0), writer);
    fixture_deinit(&f);
}
END_TEST

START_TEST(file_over_the_cap_is_refused) {
    struct loader_fixture f;
    struct slice content;
    fixture_init(&f);
    write_bytes(&f, "b.yaml", SLICE("0123456789"));
    ck_assert_int_eq(config_file_read(f.path, 9, &f.arena, &content, &f.err), STATUS_LIMIT);
    ck_assert_int_eq(config_file_read(f.path, 10, &f.arena, &content, &f.err), STATUS_OK);
    ck_assert(slice_equal(content, SLICE("0123456789")));
    fixture_deinit(&f);
}
END_TEST

START_TEST(split_leaves_the_static_resources_where_they_were_read) {
    struct loader_fixture f;
    struct arena kept;
    fixture_init(&f);
    arena_init_heap(&kept, 0);
    write_bytes(
        &f, "b.yaml",
        SLICE("node: {id: edge-1}\nstatic_resources: {clusters: [{name: c, type: STATIC}]}\n"));
    ck_assert_msg(load(&f, NULL) == STATUS_OK, "%s", f.err.message);
    Envoy__Config__Bootstrap__V3__Bootstrap *copy = bootstrap_split(f.bootstrap, &kept, &f.v);
    ck_assert_ptr_nonnull(copy);
    ck_assert_ptr_eq(copy->static_resources, f.bootstrap->static_resources);
    bootstrap_forget_resources(copy);
    ck_assert_ptr_null(copy->static_resources);
    fixture_deinit(&f);
    ck_assert_str_eq(copy->node->id, "edge-1");
    arena_deinit(&kept);
}
END_TEST

START_TEST(resource_file_gives_names_and_types) {
    struct loader_fixture f;
    struct resource_file file;
    fixture_init(&f);
    write_bytes(&f, "cds.yaml",
                SLICE("version_info: '7'\n"
                      "resources:\n"
                      "- '@type': type.googleapis.com/envoy.config.cluster.v3.Cluster\n"
                      "  name: a\n"
                      "- '@type': type.googleapis.com/envoy.service.discovery.v3.Resource\n"
                      "  name: b\n"
                      "  resource:\n"
                      "    '@type': type.googleapis.com/envoy.config.cluster.v3.Cluster\n"
                      "    name: b\n"));
    enum status status = resource_file_load(f.path, true, &f.arena, &file, &f.v, &f.err);
    ck_assert_msg(status == STATUS_OK, "%s", f.err.message);
    ck_assert(slice_equal(file.version, SLICE("7")));
    ck_assert_uint_eq(file.count, 2);
    ck_assert(slice_is_empty(file.entries[0].name));
    ck_assert(slice_equal(file.entries[1].name, SLICE("b")));
    for (uint32_t i = 0; i < file.count; i++) {
        ck_assert(slice_equal(file.entries[i].type_url,
                              SLICE("type.googleapis.com/envoy.config.cluster.v3.Cluster")));
        ck_assert_uint_eq(file.entries[i].value.len, 3);
    }
    fixture_deinit(&f);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("bootstrap_loader");
    TCase *tests = tcase_create("bootstrap_loader");
    tcase_add_test(tests, format_follows_the_ending);
    tcase_add_test(tests, refusals_have_envoys_words);
    tcase_add_test(tests, missing_file_and_missing_everything_are_told_apart);
    tcase_add_test(tests, config_yaml_is_merged_over_the_file_or_stands_alone);
    tcase_add_test(tests, unknown_static_fields_can_be_allowed);
    tcase_add_test(tests, fifo_is_read_in_one_sequence);
    tcase_add_test(tests, file_over_the_cap_is_refused);
    tcase_add_test(tests, split_leaves_the_static_resources_where_they_were_read);
    tcase_add_test(tests, resource_file_gives_names_and_types);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
