// SPDX-License-Identifier: Apache-2.0
#include "src/admin/admin_test_fixture.h"
#include "src/config/secret_config.h"
#include "src/tls/testing/test_certs.h"

static struct admin_fixture f;
static struct test_cert *ca, *leaf;

static void free_context(void *part) {
    tls_context_unref(((struct tls_part *)part)->context);
}

static void add_context(const char *name) {
    struct error err = {0};
    const struct tls_certificate_source source = test_cert_source(leaf, "certs/leaf.pem");
    const struct tls_validation_source validation = {.trusted_ca_pem = test_cert_pem(ca)};
    const struct tls_context_options options = {
        .is_server = true,
        .certificates = &source,
        .certificate_count = 1,
        .validation = &validation,
    };
    struct tls_part *part = config_part_new(CONFIG_TLS, sizeof(*part), slice_from_string(name));
    part->context = tls_context_new(&options, &err);
    ck_assert_msg(part->context != NULL, "%s", err.message);
    config_part_on_free(&part->part, free_context, part);
    config_store_put(f.base.store, CONFIG_TLS,
                     config_store_slot(f.base.store, CONFIG_TLS, slice_from_string(name)),
                     &part->part);
}

static void setup(void) {
    admin_fixture_init(&f);
    admin_fixture_start(&f);
    ca = test_cert_ca("root");
    leaf = test_cert_leaf(ca, "a.example");
}
static void teardown(void) {
    test_cert_free(leaf);
    test_cert_free(ca);
    admin_fixture_deinit(&f);
}

START_TEST(certificates_are_listed_by_role) {
    add_context("server");
    get(&f, "/certs");
    ck_assert_int_eq(f.status, 200);
    const char *trusted =
        strstr(f.body, "{\n \"certificates\": [\n  {\n   \"ca_cert\": [\n    {\n");
    const char *own = strstr(f.body, "   \"cert_chain\": [\n    {\n"
                                     "     \"path\": \"certs/leaf.pem\",\n"
                                     "     \"serial_number\": \"");
    ck_assert_ptr_eq(trusted, f.body);
    ck_assert_ptr_nonnull(own);
    const char *name = strstr(f.body, "     \"subject_alt_names\": [\n      {\n"
                                      "       \"dns\": \"a.example\"\n      }\n     ],\n"
                                      "     \"days_until_expiration\": \"");
    ck_assert(name != NULL && name > own);
    ck_assert_ptr_nonnull(strstr(own, "Z\",\n     \"expiration_time\": \"2"));
}
END_TEST

/* SECURITY.md: a key is visible in no endpoint. */
START_TEST(no_endpoint_shows_a_key) {
    static const char *const paths[] = {
        "/",
        "/help",
        "/certs",
        "/clusters",
        "/clusters?format=json",
        "/config_dump",
        "/config_dump?include_eds",
        "/init_dump",
        "/listeners",
        "/listeners?format=json",
        "/memory",
        "/runtime",
        "/server_info",
        "/stats",
        "/stats?format=json",
        "/stats?format=html",
        "/stats/prometheus",
        "/stats/recentlookups",
        "/contention",
        "/heap_dump",
        "/peak_heap_dump",
        "/memory/tcmalloc",
        "/nope",
    };
    char key_line[40];
    struct slice pem = test_cert_key_pem(leaf);
    size_t start = slice_find_byte(pem, '\n') + 1;
    (void)snprintf(key_line, sizeof(key_line), "%.*s", 32, (const char *)pem.ptr + start);
    add_context("server");
    for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
        get(&f, paths[i]);
        ck_assert_msg(!body_has(&f, "PRIVATE KEY") && !body_has(&f, key_line), "%s", paths[i]);
    }
}
END_TEST

int main(void) {
    Suite *suite = suite_create("admin_certs");
    TCase *tests = tcase_create("all");
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, certificates_are_listed_by_role);
    tcase_add_test(tests, no_endpoint_shows_a_key);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
