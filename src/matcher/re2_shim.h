// SPDX-License-Identifier: Apache-2.0
/*
 * The border to RE2, in types that C and C++ read alike. Only regex.c calls it. No exception passes:
 * running out of memory ends the process, as in our own allocators.
 */
#ifndef SRC_MATCHER_RE2_SHIM_H
#define SRC_MATCHER_RE2_SHIM_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

struct re2_pattern;

/* NULL for a pattern that RE2 refuses; the reason goes to `reason` (NUL-terminated, cut). */
struct re2_pattern *re2_pattern_new(const char *text, size_t len, char *reason,
                                    size_t reason_bytes);
void re2_pattern_free(struct re2_pattern *pattern);
int re2_pattern_program_size(const struct re2_pattern *pattern);
int re2_pattern_full_match(const struct re2_pattern *pattern, const char *text, size_t len);
int re2_pattern_partial_match(const struct re2_pattern *pattern, const char *text, size_t len);
/* 0 and a reason where the rewrite is wrong. */
int re2_pattern_check_rewrite(const struct re2_pattern *pattern, const char *rewrite, size_t len,
                              char *reason, size_t reason_bytes);
/* `take` gets the result, during the call. */
void re2_pattern_replace_all(const struct re2_pattern *pattern, const char *text, size_t len,
                             const char *rewrite, size_t rewrite_len,
                             void (*take)(void *arg, const char *text, size_t len), void *arg);

#ifdef __cplusplus
}
#endif

#endif
