// SPDX-License-Identifier: Apache-2.0
#include "filters/http/grpc_web/base64_stream.h"

#include <check.h>
#include <stdlib.h>

#include "src/base/check.h"

static struct buffer_pool pool;
static struct buffer data;
static char out[256];

static void setup(void) {
    buffer_pool_init(&pool);
    buffer_init(&data, &pool);
    memset(out, 0, sizeof(out));
}

static void teardown(void) {
    buffer_deinit(&data);
    buffer_pool_deinit(&pool);
}

/* Moves what `data` holds to the end of `out`, returns its length there. */
static size_t collect(size_t at) {
    size_t len = data.len;
    ck_assert_uint_lt(at + len, sizeof(out));
    buffer_copy_out(&data, 0, out + at, len);
    buffer_clear(&data);
    return at + len;
}

static const struct {
    const char *text, *bytes;
    bool is_valid;
} texts[] = {
    {"AAAAAAVoZWxsbw==", "\0\0\0\0\5hello", true},
    {"aGVsbG8=aGVsbG8=", "hellohello", true}, /* pieces that are padded each */
    {"", "", true},
    {"aGVsbG9=", "", false}, /* bits behind the end */
    {"a===", "", false},
    {"aG=s", "", false},
    {"====", "", false},
    {"aGV sbG8", "", false},
    {"aGV-", "", false},
};

/* Every way to cut the text in two gives the same. */
START_TEST(base64_decode_is_the_same_for_each_cut) {
    struct slice text = slice_from_string(texts[_i].text);
    for (size_t cut = 0; cut <= text.len; cut++) {
        struct base64_decoder decoder = {.count = 0};
        buffer_clear(&data);
        buffer_append(&data, slice_sub(text, 0, cut));
        enum status first = base64_decode(&decoder, &data);
        size_t len = collect(0);
        buffer_append(&data, slice_sub(text, cut, SIZE_MAX));
        enum status second = base64_decode(&decoder, &data);
        len = collect(len);
        ck_assert((first == STATUS_OK && second == STATUS_OK) == texts[_i].is_valid);
        if (texts[_i].is_valid) {
            size_t expected = text.len == 0 ? 0 : 10;
            ck_assert_uint_eq(len, expected);
            ck_assert_mem_eq(out, texts[_i].bytes, expected);
            ck_assert_uint_eq(decoder.count, 0);
        }
    }
}
END_TEST

START_TEST(base64_decode_keeps_an_incomplete_group) {
    struct base64_decoder decoder = {.count = 0};
    buffer_append(&data, SLICE("aGVsb"));
    ck_assert_int_eq(base64_decode(&decoder, &data), STATUS_OK);
    ck_assert_uint_eq(collect(0), 3);
    ck_assert_uint_eq(decoder.count, 1);
}
END_TEST

/* Each frame is padded by itself, however the bytes arrive. */
START_TEST(grpc_text_encode_pads_each_frame_for_each_cut) {
    static const char frames[] = "\0\0\0\0\5hello\0\0\0\0\0\0\0\0\0\1x";
    static const char text[] = "AAAAAAVoZWxsbw==AAAAAAA=AAAAAAF4";
    struct slice bytes = slice_make(frames, sizeof(frames) - 1);
    for (size_t cut = 0; cut <= bytes.len; cut++) {
        struct grpc_text_encoder encoder = {.count = 0};
        memset(out, 0, sizeof(out));
        buffer_append(&data, slice_sub(bytes, 0, cut));
        grpc_text_encode(&encoder, &data);
        size_t len = collect(0);
        buffer_append(&data, slice_sub(bytes, cut, SIZE_MAX));
        grpc_text_encode(&encoder, &data);
        (void)collect(len);
        ck_assert_str_eq(out, text);
    }
}
END_TEST

START_TEST(grpc_text_finish_flushes_a_cut_frame) {
    struct grpc_text_encoder encoder = {.count = 0};
    buffer_append(&data, slice_make("\0\0\0\0\5he", 7));
    grpc_text_encode(&encoder, &data);
    grpc_text_finish(&encoder, &data);
    (void)collect(0);
    ck_assert_str_eq(out, "AAAAAAVoZQ==");
}
END_TEST

/* More than the encoder's own piece of output. */
START_TEST(grpc_text_encode_of_much_data_loses_nothing) {
    static uint8_t big[20005];
    struct grpc_text_encoder encoder = {.count = 0};
    big[3] = 20000 >> 8;
    big[4] = 20000 & 0xff;
    buffer_append(&data, slice_make(big, sizeof(big)));
    grpc_text_encode(&encoder, &data);
    ck_assert_uint_eq(data.len, (20005 + 2) / 3 * 4);
    struct base64_decoder decoder = {.count = 0};
    ck_assert_int_eq(base64_decode(&decoder, &data), STATUS_OK);
    ck_assert_uint_eq(data.len, sizeof(big));
    ck_assert_mem_eq(buffer_linearize(&data, sizeof(big)).ptr, big, sizeof(big));
}
END_TEST

int main(void) {
    Suite *suite = suite_create("base64_stream");
    TCase *tcase = tcase_create("stream");
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_loop_test(tcase, base64_decode_is_the_same_for_each_cut, 0, ARRAY_LEN(texts));
    tcase_add_test(tcase, base64_decode_keeps_an_incomplete_group);
    tcase_add_test(tcase, grpc_text_encode_pads_each_frame_for_each_cut);
    tcase_add_test(tcase, grpc_text_finish_flushes_a_cut_frame);
    tcase_add_test(tcase, grpc_text_encode_of_much_data_loses_nothing);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
