// SPDX-License-Identifier: Apache-2.0
// Target functions: path_normalize, path_percent_decode, path_query_get.
// Oracles: the result is stable; with `normalize` no segment of it is a dot segment, however an origin
// decodes unreserved escapes or drops parameters; the query is untouched; nothing unprintable is left.
#include "src/base/check.h"
#include "src/http/char_class.h"
#include "src/http/path.h"

static bool is_dot_segment(struct slice segment) {
    size_t dots = 0;
    size_t at = 0;
    while (at < segment.len && segment.ptr[at] != ';') {
        bool escaped = segment.len - at >= 3 && segment.ptr[at] == '%' &&
                       segment.ptr[at + 1] == '2' && (segment.ptr[at + 2] | 0x20) == 'e';
        if (segment.ptr[at] != '.' && !escaped) {
            return false;
        }
        dots++;
        at += escaped ? 3 : 1;
    }
    return dots == 1 || dots == 2;
}

static void check_normal(struct slice path, const struct path_options *options) {
    for (size_t i = 0; i < path.len; i++) {
        CHECK(char_is(path.ptr[i], CHAR_VISIBLE) && path.ptr[i] != '\\');
    }
    if (options->merge_slashes) {
        CHECK(slice_find(path, SLICE("//")) == SIZE_MAX);
    }
    struct slice segment;
    while (slice_split(&path, '/', &segment)) {
        CHECK(!is_dot_segment(segment));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size < 2 || size > 4096) {
        return 0;
    }
    struct path_options options = {
        .normalize = (data[0] & 1) != 0,
        .merge_slashes = (data[0] & 2) != 0,
        .strict = (data[0] & 4) != 0,
        .escaped_slashes = (enum path_escaped_slashes)(data[0] >> 3 & 3),
    };
    struct slice path = slice_make(data + 1, size - 1);
    struct arena arena;
    arena_init_heap(&arena, 0);
    struct slice once;
    if (path_normalize(path, &options, &arena, &once) != PATH_REJECT) {
        struct slice twice;
        CHECK(path_normalize(once, &options, &arena, &twice) != PATH_REJECT);
        bool is_decoding = options.escaped_slashes >= PATH_SLASHES_UNESCAPE_AND_REDIRECT;
        CHECK(slice_equal(once, twice) || (is_decoding && !options.normalize));
        CHECK(slice_equal(path_query(once), path_query(path)));
        if (options.normalize && !slice_equal(path, SLICE("*"))) {
            check_normal(path_without_query(once), &options);
        }
    }
    struct slice decoded;
    (void)(path_percent_decode(path, &arena, &decoded) == STATUS_OK);
    struct slice value;
    (void)path_query_get(path_query(path), SLICE("a"), &value);
    arena_deinit(&arena);
    return 0;
}
