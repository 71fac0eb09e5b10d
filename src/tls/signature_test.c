// SPDX-License-Identifier: Apache-2.0
#include "src/tls/signature.h"

#include <check.h>
#include <stdlib.h>

#include "src/base/check.h"
#include "src/tls/testing/test_signer.h"

static struct arena arena;

static void setup(void) {
    arena_init_heap(&arena, 0);
}
static void teardown(void) {
    arena_deinit(&arena);
}

static enum status key_of(const struct test_signer *signer, enum test_signer_kind kind,
                          struct signature_key **key) {
    struct slice a = test_signer_parameter(signer, 0, &arena);
    struct slice b = test_signer_parameter(signer, 1, &arena);
    switch (kind) {
    case TEST_SIGNER_RSA:
    case TEST_SIGNER_RSA_1024:
        return signature_key_new_rsa(a, b, key, NULL);
    case TEST_SIGNER_P256:
        return signature_key_new_ec(SIGNATURE_P256, a, b, key, NULL);
    case TEST_SIGNER_P384:
        return signature_key_new_ec(SIGNATURE_P384, a, b, key, NULL);
    case TEST_SIGNER_P521:
        return signature_key_new_ec(SIGNATURE_P521, a, b, key, NULL);
    case TEST_SIGNER_ED25519:
        return signature_key_new_ed25519(a, key, NULL);
    case TEST_SIGNER_HMAC:
        return signature_key_new_hmac(a, key, NULL);
    }
    return STATUS_INTERNAL;
}

static const struct {
    enum test_signer_kind kind;
    enum signature_algorithm first, last;
} families[] = {
    {TEST_SIGNER_RSA, SIGNATURE_RS256, SIGNATURE_PS512},
    {TEST_SIGNER_P256, SIGNATURE_ES256, SIGNATURE_ES256},
    {TEST_SIGNER_P384, SIGNATURE_ES384, SIGNATURE_ES384},
    {TEST_SIGNER_P521, SIGNATURE_ES512, SIGNATURE_ES512},
    {TEST_SIGNER_HMAC, SIGNATURE_HS256, SIGNATURE_HS512},
    {TEST_SIGNER_ED25519, SIGNATURE_EDDSA, SIGNATURE_EDDSA},
};

/* Under each other algorithm the same bytes must fail. */
static void check_algorithm(const struct test_signer *signer, const struct signature_key *key,
                            enum signature_algorithm algorithm) {
    struct slice message = SLICE("header.payload");
    struct slice good = test_signer_sign(signer, algorithm, message, &arena);
    for (int i = 0; i <= SIGNATURE_ALGORITHM_COUNT; i++) {
        ck_assert_int_eq(signature_verify(key, (enum signature_algorithm)i, message, good),
                         i == (int)algorithm);
    }
    ck_assert(!signature_verify(key, algorithm, SLICE("header.Payload"), good));
    ck_assert(!signature_verify(key, algorithm, message, SLICE("")));
    ck_assert(!signature_verify(key, algorithm, message, slice_sub(good, 0, good.len - 1)));
    uint8_t *changed = arena_alloc_bytes(&arena, good.len + 1);
    memcpy(changed, good.ptr, good.len);
    changed[good.len] = 0;
    ck_assert(!signature_verify(key, algorithm, message, slice_make(changed, good.len + 1)));
    changed[good.len / 2] ^= 1;
    ck_assert(!signature_verify(key, algorithm, message, slice_make(changed, good.len)));
}

START_TEST(signature_of_each_algorithm_verifies_under_it_alone) {
    struct test_signer *signer = test_signer_new(families[_i].kind);
    struct test_signer *other = test_signer_new(families[_i].kind);
    struct signature_key *key, *other_key;
    ck_assert_int_eq(key_of(signer, families[_i].kind, &key), STATUS_OK);
    ck_assert_int_eq(key_of(other, families[_i].kind, &other_key), STATUS_OK);
    for (int i = (int)families[_i].first; i <= (int)families[_i].last; i++) {
        enum signature_algorithm algorithm = (enum signature_algorithm)i;
        check_algorithm(signer, key, algorithm);
        struct slice foreign = test_signer_sign(other, algorithm, SLICE("m"), &arena);
        ck_assert(signature_verify(other_key, algorithm, SLICE("m"), foreign));
        ck_assert(!signature_verify(key, algorithm, SLICE("m"), foreign));
    }
    signature_key_free(key);
    signature_key_free(other_key);
    test_signer_free(signer);
    test_signer_free(other);
}
END_TEST

START_TEST(signature_ecdsa_of_zero_or_order_is_refused) {
    struct test_signer *signer = test_signer_new(TEST_SIGNER_P256);
    struct signature_key *key;
    uint8_t bytes[64] = {0};
    ck_assert_int_eq(key_of(signer, TEST_SIGNER_P256, &key), STATUS_OK);
    ck_assert(!signature_verify(key, SIGNATURE_ES256, SLICE("m"), slice_make(bytes, 64)));
    memset(bytes, 0xff, sizeof(bytes));
    ck_assert(!signature_verify(key, SIGNATURE_ES256, SLICE("m"), slice_make(bytes, 64)));
    signature_key_free(key);
    test_signer_free(signer);
}
END_TEST

START_TEST(signature_key_refuses_what_is_none) {
    struct signature_key *key = NULL;
    struct test_signer *small = test_signer_new(TEST_SIGNER_RSA_1024);
    struct test_signer *rsa = test_signer_new(TEST_SIGNER_RSA);
    struct test_signer *p256 = test_signer_new(TEST_SIGNER_P256);
    struct slice n = test_signer_parameter(rsa, 0, &arena);
    struct slice x = test_signer_parameter(p256, 0, &arena);
    uint8_t *huge = arena_alloc_bytes(&arena, 4096);
    memset(huge, 0xff, 4096);
    ck_assert_int_eq(key_of(small, TEST_SIGNER_RSA_1024, &key), STATUS_INVALID);
    ck_assert_int_eq(signature_key_new_rsa(n, SLICE(""), &key, NULL), STATUS_INVALID);
    ck_assert_int_eq(signature_key_new_rsa(n, SLICE("\x01"), &key, NULL), STATUS_INVALID);
    ck_assert_int_eq(signature_key_new_rsa(SLICE(""), SLICE("\x03"), &key, NULL), STATUS_INVALID);
    ck_assert_int_eq(signature_key_new_rsa(slice_make(huge, 4096), SLICE("\x03"), &key, NULL),
                     STATUS_INVALID);
    ck_assert_int_eq(signature_key_new_ec(SIGNATURE_P256, x, x, &key, NULL), STATUS_INVALID);
    ck_assert_int_eq(signature_key_new_ec(SIGNATURE_P256, x, SLICE(""), &key, NULL),
                     STATUS_INVALID);
    ck_assert_int_eq(key_of(p256, TEST_SIGNER_P384, &key), STATUS_INVALID);
    ck_assert_int_eq(signature_key_new_ed25519(SLICE("short"), &key, NULL), STATUS_INVALID);
    ck_assert_int_eq(signature_key_new_hmac(SLICE(""), &key, NULL), STATUS_INVALID);
    ck_assert_ptr_null(key);
    test_signer_free(small);
    test_signer_free(rsa);
    test_signer_free(p256);
}
END_TEST

START_TEST(signature_algorithm_none_is_not_known) {
    ck_assert_int_eq(signature_algorithm_of(SLICE("ES384")), SIGNATURE_ES384);
    ck_assert_int_eq(signature_algorithm_of(SLICE("EdDSA")), SIGNATURE_EDDSA);
    static const struct slice unknown[] = {SLICE_INIT("none"), SLICE_INIT(""), SLICE_INIT("rs256"),
                                           SLICE_INIT("RS2567"), SLICE_INIT("EDDSA")};
    for (size_t i = 0; i < ARRAY_LEN(unknown); i++) {
        ck_assert_int_eq(signature_algorithm_of(unknown[i]), SIGNATURE_ALGORITHM_COUNT);
    }
}
END_TEST

int main(void) {
    Suite *suite = suite_create("signature");
    TCase *tests = tcase_create("all");
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_loop_test(tests, signature_of_each_algorithm_verifies_under_it_alone, 0,
                        (int)ARRAY_LEN(families));
    tcase_add_test(tests, signature_ecdsa_of_zero_or_order_is_refused);
    tcase_add_test(tests, signature_key_refuses_what_is_none);
    tcase_add_test(tests, signature_algorithm_none_is_not_known);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
