// SPDX-License-Identifier: Apache-2.0
#include "src/http/h2/h2_scan.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "src/base/check.h"
#include "src/http/h2/h2_bucket.h"

/* Preface, SETTINGS of 6 bytes, empty DATA with END_STREAM on 3. */
static const uint8_t input[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
                               "\0\0\6\4\0\0\0\0\0abcdef"
                               "\0\0\0\0\1\0\0\0\3";
enum { INPUT_LEN = sizeof(input) - 1 };

START_TEST(scan_finds_headers_whatever_the_pieces) {
    size_t piece = (size_t)_i + 1;
    struct h2_scan scan;
    h2_scan_init(&scan, true);
    struct h2_frame_header found[3];
    size_t count = 0;
    for (size_t from = 0; from < INPUT_LEN; from += piece) {
        size_t len = INPUT_LEN - from < piece ? INPUT_LEN - from : piece;
        size_t at = 0;
        bool is_split;
        while (count < 3 && h2_scan_next(&scan, input + from, len, &at, &found[count], &is_split)) {
            ck_assert_uint_le(at, len);
            count++;
        }
        ck_assert_uint_eq(at, len);
    }
    ck_assert_uint_eq(count, 2);
    ck_assert_uint_eq(found[0].type, H2_FRAME_SETTINGS);
    ck_assert_uint_eq(found[0].length, 6);
    ck_assert_uint_eq(found[1].type, H2_FRAME_DATA);
    ck_assert_uint_eq(found[1].flags, H2_FLAG_END_STREAM);
    ck_assert_uint_eq(found[1].stream_id, 3);
}
END_TEST

START_TEST(scan_remembers_what_became_of_ids) {
    struct h2_scan scan;
    h2_scan_init(&scan, false);
    ck_assert_int_eq(h2_scan_get(&scan, 1), H2_ID_UNKNOWN);
    h2_scan_open(&scan, 5);
    ck_assert_int_eq(h2_scan_get(&scan, 1), H2_ID_SKIPPED);
    ck_assert_int_eq(h2_scan_get(&scan, 3), H2_ID_SKIPPED);
    ck_assert_int_eq(h2_scan_get(&scan, 5), H2_ID_OPEN);
    ck_assert_int_eq(h2_scan_get(&scan, 4), H2_ID_UNKNOWN);
    h2_scan_set(&scan, 5, H2_ID_RESET);
    h2_scan_open(&scan, 7);
    h2_scan_set(&scan, 7, H2_ID_ENDED);
    ck_assert_int_eq(h2_scan_get(&scan, 5), H2_ID_RESET);
    ck_assert_int_eq(h2_scan_get(&scan, 7), H2_ID_ENDED);
}
END_TEST

/* A naive model: the state of every id in an array. */
START_TEST(scan_agrees_with_a_plain_array) {
    static uint8_t model[40000];
    memset(model, 0, sizeof(model));
    struct h2_scan scan;
    h2_scan_init(&scan, false);
    uint32_t highest = 0;
    uint32_t seed = (uint32_t)_i + 1;
    while (highest < 39000) {
        seed = seed * 1103515245 + 12345;
        uint32_t step = (seed >> 16) % 20 == 0 ? (seed >> 8) % 90 : (seed >> 16) % 3;
        highest = highest == 0 ? 1 + 2 * step : highest + 2 + 2 * step;
        h2_scan_open(&scan, highest);
        model[highest] = H2_ID_OPEN;
        uint32_t id = highest >= 20 ? highest - 2 * ((seed >> 4) % 10) : highest;
        enum h2_id_state state = (seed >> 20) % 2 == 0 ? H2_ID_ENDED : H2_ID_RESET;
        h2_scan_set(&scan, id, state);
        model[id] = (uint8_t)state;
        for (uint32_t back = 0; back < H2_SCAN_IDS && 2 * back < highest; back++) {
            ck_assert_uint_eq(h2_scan_get(&scan, highest - 2 * back), model[highest - 2 * back]);
        }
    }
}
END_TEST

START_TEST(bucket_is_empty_after_its_burst_and_refills) {
    struct h2_bucket bucket;
    h2_bucket_init(&bucket, 3, 2, 1000);
    for (int i = 0; i < 3; i++) {
        ck_assert(h2_bucket_take(&bucket, 1000));
    }
    ck_assert(!h2_bucket_take(&bucket, 1000));
    ck_assert(!h2_bucket_take(&bucket, 1499));
    ck_assert(h2_bucket_take(&bucket, 1500));
    ck_assert(!h2_bucket_take(&bucket, 1500));
    // Never more than the burst, however long nothing happened.
    for (int i = 0; i < 3; i++) {
        ck_assert(h2_bucket_take(&bucket, UINT64_MAX));
    }
    ck_assert(!h2_bucket_take(&bucket, UINT64_MAX));
    h2_bucket_refund(&bucket, 100);
    for (int i = 0; i < 3; i++) {
        ck_assert(h2_bucket_take(&bucket, UINT64_MAX));
    }
    ck_assert(!h2_bucket_take(&bucket, UINT64_MAX));
}
END_TEST

int main(void) {
    Suite *suite = suite_create("h2_scan");
    TCase *tests = tcase_create("h2_scan");
    tcase_add_loop_test(tests, scan_finds_headers_whatever_the_pieces, 0, INPUT_LEN);
    tcase_add_test(tests, scan_remembers_what_became_of_ids);
    tcase_add_loop_test(tests, scan_agrees_with_a_plain_array, 0, 5);
    tcase_add_test(tests, bucket_is_empty_after_its_burst_and_refills);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
