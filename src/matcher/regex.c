// SPDX-License-Identifier: Apache-2.0
#include "src/matcher/regex.h"

#include <stdatomic.h>

#include "src/base/check.h"
#include "src/matcher/re2_shim.h"

enum { REGEX_MAX_PROGRAM_SIZE = 10000, REASON_BYTES = 256 };

struct regex {
    struct re2_pattern *pattern;
    atomic_uint references;
};

static const char *text_of(struct slice s) {
    return s.len == 0 ? "" : (const char *)s.ptr;
}

enum status regex_new(struct slice pattern, struct regex **regex, struct error *err) {
    char reason[REASON_BYTES] = "";
    struct re2_pattern *compiled =
        re2_pattern_new(text_of(pattern), pattern.len, reason, sizeof(reason));
    if (compiled == NULL) {
        return error_set(err, STATUS_INVALID, "invalid regex '%.*s': %s", SLICE_ARG(pattern),
                         reason);
    }
    int size = re2_pattern_program_size(compiled);
    if (size > REGEX_MAX_PROGRAM_SIZE) {
        re2_pattern_free(compiled);
        return error_set(err, STATUS_INVALID,
                         "regex '%.*s' RE2 program size of %d > max program size of %d",
                         SLICE_ARG(pattern), size, REGEX_MAX_PROGRAM_SIZE);
    }
    struct regex *made = mem_calloc(1, sizeof(*made));
    made->pattern = compiled;
    atomic_init(&made->references, 1);
    *regex = made;
    return STATUS_OK;
}

struct regex *regex_ref(const struct regex *regex) {
    // Only the count changes; what is matched with stays as it is.
    struct regex *shared = (struct regex *)(uintptr_t)regex;
    (void)atomic_fetch_add_explicit(&shared->references, 1, memory_order_relaxed);
    return shared;
}

void regex_free(struct regex *regex) {
    if (regex != NULL &&
        atomic_fetch_sub_explicit(&regex->references, 1, memory_order_acq_rel) == 1) {
        re2_pattern_free(regex->pattern);
        mem_free(regex);
    }
}

bool regex_full_match(const struct regex *regex, struct slice text) {
    return re2_pattern_full_match(regex->pattern, text_of(text), text.len) != 0;
}

bool regex_partial_match(const struct regex *regex, struct slice text) {
    return re2_pattern_partial_match(regex->pattern, text_of(text), text.len) != 0;
}

struct taken {
    struct arena *arena;
    struct slice text;
};

static void take(void *arg, const char *text, size_t len) {
    struct taken *taken = arg;
    taken->text = arena_dup_slice(taken->arena, slice_make(text, len));
}

struct slice regex_replace_all(const struct regex *regex, struct slice text,
                               struct slice substitution, struct arena *arena) {
    struct taken taken = {.arena = arena};
    re2_pattern_replace_all(regex->pattern, text_of(text), text.len, text_of(substitution),
                            substitution.len, take, &taken);
    return taken.text;
}

enum status regex_check_substitution(const struct regex *regex, struct slice substitution,
                                     struct error *err) {
    char reason[REASON_BYTES] = "";
    if (re2_pattern_check_rewrite(regex->pattern, text_of(substitution), substitution.len, reason,
                                  sizeof(reason)) == 0) {
        return error_set(err, STATUS_INVALID, "%s", reason);
    }
    return STATUS_OK;
}
