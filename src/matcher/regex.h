// SPDX-License-Identifier: Apache-2.0
/*
 * RE2 behind C: linear-time regular expressions in Envoy's safe_regex syntax, Latin-1 mode. Compiled on
 * the control thread, immutable, used by all threads. The shim re2_shim.cc is the only includer of RE2.
 */
#ifndef SRC_MATCHER_REGEX_H
#define SRC_MATCHER_REGEX_H

#include <stdbool.h>

#include "src/base/arena.h"
#include "src/base/error.h"

struct regex;

/* STATUS_INVALID with RE2's reason; program size over the cap (Envoy warns at 100) is an error at
 * 10,000 instructions. */
enum status regex_new(struct slice pattern, struct regex **regex, struct error *err) MUST_USE;
/* One more owner, from any thread; each lets go with regex_free. */
struct regex *regex_ref(const struct regex *regex);
void regex_free(struct regex *regex); /* NULL allowed */
bool regex_full_match(const struct regex *regex, struct slice text);
/* Anywhere in `text`. */
bool regex_partial_match(const struct regex *regex, struct slice text);
/* All matches replaced by `substitution` (\0 … \9); result in `arena`. */
struct slice regex_replace_all(const struct regex *regex, struct slice text,
                               struct slice substitution, struct arena *arena);
/* STATUS_INVALID where `substitution` names a group that the pattern does not have. */
enum status regex_check_substitution(const struct regex *regex, struct slice substitution,
                                     struct error *err) MUST_USE;

#endif
