// SPDX-License-Identifier: Apache-2.0
/*
 * Makes a wrong message of a right one, on the wire and without knowing its type: fields at any depth are
 * dropped, repeated, renumbered, cut, exchanged or given edge values, lengths put right afterwards; or
 * bytes are broken with nothing put right. The same random numbers make the same message.
 */
#ifndef TESTS_MUTATION_WIRE_MUTATOR_H
#define TESTS_MUTATION_WIRE_MUTATOR_H

#include "src/base/arena.h"
#include "src/base/random.h"
#include "src/base/slice.h"

enum { WIRE_MUTANT_BYTES_MAX = 256 * 1024 }; /* what is longer is cut off */

/* One mutant of `original`, in `arena`. Parts of `donor`, another message, may be put into it. */
struct slice wire_mutate(struct slice original, struct slice donor, struct random *random,
                         struct arena *arena);

#endif
