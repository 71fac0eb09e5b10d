// SPDX-License-Identifier: Apache-2.0
#include "src/base/buffer.h"

#include <check.h>
#include <stdlib.h>

#include "src/base/check.h"
#include "src/base/random.h"

static struct buffer_pool pool;

static void setup(void) {
    buffer_pool_init(&pool);
}
static void teardown(void) {
    ck_assert_uint_eq(pool.chunks.live_count, 0);
    ck_assert_uint_eq(pool.fragments.live_count, 0);
    buffer_pool_deinit(&pool);
}

static void assert_holds(const struct buffer *buf, struct slice expected) {
    ck_assert_uint_eq(buf->len, expected.len);
    uint8_t *bytes = malloc(expected.len + 1);
    buffer_copy_out(buf, 0, bytes, expected.len);
    ck_assert(slice_equal(slice_make(bytes, expected.len), expected));
    free(bytes);
}

START_TEST(compact_keeps_the_bytes_and_no_pooled_chunk) {
    struct buffer buf;
    struct iovec vecs[2];
    buffer_init(&buf, &pool);
    buffer_append(&buf, SLICE("what came before: half a "));
    buffer_drain(&buf, 18);
    (void)buffer_reserve(&buf, 2 * BUFFER_CHUNK_BYTES, vecs, 2);
    ck_assert_uint_gt(pool.chunks.live_count, 0);
    buffer_compact(&buf);
    ck_assert_uint_eq(pool.chunks.live_count, 0);
    assert_holds(&buf, SLICE("half a "));
    buffer_append(&buf, SLICE("head"));
    assert_holds(&buf, SLICE("half a head"));
    buffer_clear(&buf);
    buffer_compact(&buf);
    ck_assert_ptr_null(buf.head);
}
END_TEST

START_TEST(append_then_drain_gives_bytes_in_order) {
    struct buffer buf;
    buffer_init(&buf, &pool);
    buffer_append(&buf, SLICE("hello "));
    buffer_append_printf(&buf, "%s %d", "world", 42);
    assert_holds(&buf, SLICE("hello world 42"));
    buffer_drain(&buf, 6);
    ck_assert(slice_equal(buffer_front(&buf), SLICE("world 42")));
    ck_assert_uint_eq(buffer_find_byte(&buf, 0, 'o'), 1);
    ck_assert_uint_eq(buffer_find_byte(&buf, 2, 'o'), SIZE_MAX);
    buffer_drain(&buf, 1000);
    ck_assert(buffer_is_empty(&buf));
    ck_assert_uint_eq(pool.chunks.live_count, 0);
    buffer_deinit(&buf);
}
END_TEST

START_TEST(append_printf_long_text_is_whole) {
    struct buffer buf;
    buffer_init(&buf, &pool);
    buffer_append_printf(&buf, "%2000d|", 7);
    ck_assert_uint_eq(buf.len, 2001);
    ck_assert_uint_eq(buffer_find_byte(&buf, 0, '|'), 2000);
    buffer_deinit(&buf);
}
END_TEST

START_TEST(prepend_uses_drained_room) {
    struct buffer buf;
    buffer_init(&buf, &pool);
    buffer_append(&buf, SLICE("....body"));
    buffer_drain(&buf, 4);
    buffer_prepend(&buf, SLICE("1234"));
    assert_holds(&buf, SLICE("1234body"));
    ck_assert_uint_eq(pool.chunks.live_count, 1);
    buffer_prepend(&buf, SLICE("b"));
    buffer_prepend(&buf, SLICE("a"));
    assert_holds(&buf, SLICE("ab1234body"));
    ck_assert_uint_eq(pool.chunks.live_count, 2);
    buffer_deinit(&buf);
}
END_TEST

START_TEST(sharers_do_not_see_each_others_appends) {
    struct buffer a;
    struct buffer b;
    buffer_init(&a, &pool);
    buffer_init(&b, &pool);
    buffer_append(&a, SLICE("common "));
    buffer_share(&b, &a);
    ck_assert_uint_eq(pool.chunks.live_count, 1);
    buffer_append(&a, SLICE("left"));
    buffer_append(&b, SLICE("right"));
    assert_holds(&a, SLICE("common left"));
    assert_holds(&b, SLICE("common right"));
    buffer_drain(&a, 7);
    buffer_prepend(&a, SLICE("XXXXXXX"));
    assert_holds(&b, SLICE("common right"));
    buffer_deinit(&a);
    assert_holds(&b, SLICE("common right"));
    buffer_deinit(&b);
}
END_TEST

START_TEST(small_shared_range_takes_no_chunk_of_its_own) {
    struct buffer a;
    struct buffer b;
    buffer_init(&a, &pool);
    buffer_init(&b, &pool);
    buffer_append(&a, SLICE("some small pieces"));
    buffer_share_range(&b, &a, 5, 6);
    ck_assert_uint_eq(pool.chunks.live_count, 1);
    buffer_clear(&a);
    assert_holds(&b, SLICE("small "));
    // Where there is room it is copied, and pins nothing.
    buffer_append(&a, SLICE("pieces"));
    buffer_share_range(&b, &a, 0, 6);
    buffer_clear(&a);
    ck_assert_uint_eq(pool.chunks.live_count, 1);
    assert_holds(&b, SLICE("small pieces"));
    buffer_deinit(&b);
}
END_TEST

static void count_release(void *arg) {
    (*(int *)arg)++;
}

START_TEST(external_bytes_are_released_once_with_the_last_sharer) {
    int released = 0;
    struct buffer a;
    struct buffer b;
    buffer_init(&a, &pool);
    buffer_init(&b, &pool);
    buffer_append_external(&a, SLICE("static bytes"), count_release, &released);
    buffer_append(&a, SLICE("!"));
    buffer_share(&b, &a);
    buffer_drain(&a, 12);
    ck_assert_int_eq(released, 0);
    buffer_move_len(&a, &b, 3);
    assert_holds(&a, SLICE("!sta"));
    buffer_clear(&b);
    buffer_clear(&a);
    ck_assert_int_eq(released, 1);
    buffer_append_external(&a, SLICE(""), count_release, &released);
    ck_assert_int_eq(released, 2);
    ck_assert(buffer_is_empty(&a));
}
END_TEST

START_TEST(move_of_large_bodies_copies_nothing) {
    struct buffer a;
    struct buffer b;
    buffer_init(&a, &pool);
    buffer_init(&b, &pool);
    static uint8_t body[100000];
    buffer_append(&a, slice_make(body, sizeof(body)));
    const uint8_t *first = buffer_front(&a).ptr;
    uint64_t chunks = pool.chunks.live_count;
    buffer_move(&b, &a);
    ck_assert(a.len == 0 && b.len == sizeof(body));
    ck_assert_ptr_eq(buffer_front(&b).ptr, first);
    buffer_move_len(&a, &b, 50000);
    ck_assert(a.len == 50000 && b.len == 50000);
    ck_assert_ptr_eq(buffer_front(&a).ptr, first);
    ck_assert_uint_eq(pool.chunks.live_count, chunks);
    buffer_deinit(&a);
    buffer_deinit(&b);
}
END_TEST

START_TEST(reserve_and_commit_make_what_was_written_part) {
    struct buffer buf;
    buffer_init(&buf, &pool);
    buffer_append(&buf, SLICE("ab"));
    struct iovec vecs[4];
    int count = buffer_reserve(&buf, 20000, vecs, 4);
    ck_assert_int_eq(count, 2);
    memset(vecs[0].iov_base, 'x', vecs[0].iov_len);
    memset(vecs[1].iov_base, 'y', 10);
    buffer_commit(&buf, vecs[0].iov_len + 10);
    ck_assert_uint_eq(buf.len, 2 + vecs[0].iov_len + 10);
    ck_assert_uint_eq(buffer_find_byte(&buf, 0, 'y'), 2 + vecs[0].iov_len);
    buffer_clear(&buf);
    ck_assert_int_gt(buffer_reserve(&buf, 1, vecs, 4), 0);
    ck_assert_uint_eq(pool.chunks.live_count, 1);
    buffer_trim(&buf);
    ck_assert_uint_eq(pool.chunks.live_count, 0);
    ck_assert_int_eq(buffer_reserve(&buf, 100000, vecs, 1), 1);
    buffer_commit(&buf, 0);
    ck_assert_uint_eq(pool.chunks.live_count, 0);
    ck_assert_int_eq(buffer_reserve(&buf, 100, vecs, 4), 1);
    buffer_append(&buf, SLICE("an append drops the reserve"));
    ck_assert_uint_eq(pool.chunks.live_count, 1);
    buffer_deinit(&buf);
}
END_TEST

START_TEST(linearize_longer_than_a_chunk) {
    struct buffer buf;
    buffer_init(&buf, &pool);
    static uint8_t bytes[70000];
    for (size_t i = 0; i < sizeof(bytes); i++) {
        bytes[i] = (uint8_t)(i * 7 + i / 251);
    }
    buffer_append(&buf, slice_make(bytes, sizeof(bytes)));
    ck_assert(slice_equal(buffer_linearize(&buf, 60000), slice_make(bytes, 60000)));
    assert_holds(&buf, slice_make(bytes, sizeof(bytes)));
    buffer_drain(&buf, 59999);
    ck_assert(slice_equal(buffer_linearize(&buf, 10001), slice_make(bytes + 59999, 10001)));
    ck_assert_uint_eq(buffer_linearize(&buf, 0).len, 0);
    buffer_deinit(&buf);
}
END_TEST

/* Random operations on two buffers beside two plain byte arrays. */

enum { MODEL_BYTES = 200000, MODEL_STEPS = 6000 };

// Libcheck reports each assertion to its parent: too slow for millions of them.
static void require(bool is_true, const char *what) {
    if (!is_true) {
        ck_abort_msg("%s", what);
    }
}

struct model {
    struct buffer buf;
    uint8_t *bytes; /* MODEL_BYTES */
    size_t len;
};

static void model_insert(struct model *model, size_t at, struct slice bytes) {
    memmove(model->bytes + at + bytes.len, model->bytes + at, model->len - at);
    memcpy(model->bytes + at, bytes.ptr, bytes.len);
    model->len += bytes.len;
}

static void model_remove(struct model *model, size_t len) {
    size_t cut = len < model->len ? len : model->len;
    memmove(model->bytes, model->bytes + cut, model->len - cut);
    model->len -= cut;
}

static void model_check(const struct model *model) {
    require(model->buf.len == model->len, "length");
    size_t at = 0;
    struct iovec vecs[64];
    size_t total;
    int count = buffer_peek_iovecs(&model->buf, vecs, 64, &total);
    for (int i = 0; i < count; i++) {
        require(vecs[i].iov_len > 0, "empty iovec");
        require(memcmp(vecs[i].iov_base, model->bytes + at, vecs[i].iov_len) == 0, "bytes");
        at += vecs[i].iov_len;
    }
    require(at == total, "total of iovecs");
    require(count == 64 || total == model->len, "iovecs cover all");
}

// Mostly short, at times several chunks.
static size_t random_len(struct random *random) {
    static const uint64_t bounds[] = {4, 40, 600, 1200, 17000, 40000};
    return (size_t)random_below(random, bounds[random_below(random, ARRAY_LEN(bounds))]);
}

static void step_in(struct random *random, struct model *model, struct slice bytes) {
    switch (random_below(random, 4)) {
    case 0:
        buffer_append(&model->buf, bytes);
        model_insert(model, model->len, bytes);
        return;
    case 1:
        buffer_prepend(&model->buf, bytes);
        model_insert(model, 0, bytes);
        return;
    case 2:
        buffer_append_external(&model->buf, bytes, NULL, NULL);
        model_insert(model, model->len, bytes);
        return;
    default: {
        struct iovec vecs[3];
        int count = buffer_reserve(&model->buf, bytes.len, vecs, 3);
        size_t len = 0;
        for (int i = 0; i < count && len < bytes.len; i++) {
            size_t part = vecs[i].iov_len < bytes.len - len ? vecs[i].iov_len : bytes.len - len;
            memcpy(vecs[i].iov_base, bytes.ptr + len, part);
            len += part;
        }
        buffer_commit(&model->buf, len);
        model_insert(model, model->len, slice_make(bytes.ptr, len));
    }
    }
}

static void step_across(struct random *random, struct model *to, struct model *from) {
    size_t len = random_len(random);
    switch (random_below(random, 3)) {
    case 0:
        len = from->len;
        buffer_move(&to->buf, &from->buf);
        break;
    case 1:
        len = len < from->len ? len : from->len;
        buffer_move_len(&to->buf, &from->buf, len);
        break;
    default:
        buffer_share(&to->buf, &from->buf);
        model_insert(to, to->len, slice_make(from->bytes, from->len));
        return;
    }
    model_insert(to, to->len, slice_make(from->bytes, len));
    model_remove(from, len);
}

static void step_out(struct random *random, struct model *model) {
    size_t len = random_len(random);
    if (random_below(random, 3) == 0) {
        len = len < model->len ? len : model->len;
        struct slice front = buffer_linearize(&model->buf, len);
        require(slice_equal(front, slice_make(model->bytes, len)), "linearized bytes");
        return;
    }
    buffer_drain(&model->buf, len);
    model_remove(model, len);
}

START_TEST(buffer_agrees_with_a_byte_array) {
    struct random random;
    random_init_seed(&random, (uint64_t)_i);
    static uint8_t source[65536];
    for (size_t i = 0; i < sizeof(source); i++) {
        source[i] = (uint8_t)random_next(&random);
    }
    struct model models[2];
    for (int i = 0; i < 2; i++) {
        buffer_init(&models[i].buf, &pool);
        models[i].bytes = malloc(MODEL_BYTES);
        models[i].len = 0;
    }
    for (int step = 0; step < MODEL_STEPS; step++) {
        size_t side = (size_t)random_below(&random, 2);
        struct model *model = &models[side];
        struct model *other = &models[1 - side];
        size_t len = random_len(&random);
        uint64_t kind = random_below(&random, 8);
        bool is_full = models[0].len + models[1].len + len > MODEL_BYTES / 2;
        if (is_full || kind >= 5) {
            step_out(&random, model);
        } else if (kind >= 3) {
            step_across(&random, model, other);
        } else {
            step_in(&random, model, slice_make(source + random_below(&random, 20000), len));
        }
        model_check(model);
        model_check(other);
        if (model->len > 0) {
            uint8_t byte = (uint8_t)random_next(&random);
            size_t from = (size_t)random_below(&random, model->len);
            const uint8_t *hit = memchr(model->bytes + from, byte, model->len - from);
            size_t expected = hit == NULL ? SIZE_MAX : (size_t)(hit - model->bytes);
            require(buffer_find_byte(&model->buf, from, byte) == expected, "found byte");
        }
    }
    for (int i = 0; i < 2; i++) {
        assert_holds(&models[i].buf, slice_make(models[i].bytes, models[i].len));
        buffer_deinit(&models[i].buf);
        free(models[i].bytes);
    }
}
END_TEST

int main(void) {
    Suite *suite = suite_create("buffer");
    TCase *tests = tcase_create("buffer");
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, append_then_drain_gives_bytes_in_order);
    tcase_add_test(tests, append_printf_long_text_is_whole);
    tcase_add_test(tests, prepend_uses_drained_room);
    tcase_add_test(tests, sharers_do_not_see_each_others_appends);
    tcase_add_test(tests, small_shared_range_takes_no_chunk_of_its_own);
    tcase_add_test(tests, external_bytes_are_released_once_with_the_last_sharer);
    tcase_add_test(tests, move_of_large_bodies_copies_nothing);
    tcase_add_test(tests, reserve_and_commit_make_what_was_written_part);
    tcase_add_test(tests, linearize_longer_than_a_chunk);
    tcase_add_test(tests, compact_keeps_the_bytes_and_no_pooled_chunk);
    tcase_add_loop_test(tests, buffer_agrees_with_a_byte_array, 0, 4);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
