// SPDX-License-Identifier: Apache-2.0
/*
 * The whole xDS client with every decoder and filter, on a virtual clock, between a management server
 * that sends what the caller says and stand-ins for the cluster and listener managers, which keep what
 * they are given and open nothing. One thread.
 */
#ifndef TESTS_MUTATION_MUTATION_WORLD_H
#define TESTS_MUTATION_MUTATION_WORLD_H

#include "src/base/clock.h"
#include "src/event/io_context.h"
#include "src/stats/stats.h"
#include "xds/resource_type.h"
#include "xds/xds_transport.h"

struct mutation_world;

/* What was said to a response. */
struct mutation_answer {
    bool is_there;
    struct slice error; /* empty: accepted; valid until the next push */
};

struct mutation_resource {
    struct slice name; /* delta only */
    struct slice raw;
};

struct mutation_world *mutation_world_new(bool is_delta);
void mutation_world_free(struct mutation_world *w); /* NULL allowed */

/* A response with these resources; waits on the clock as long as an answer may be withheld. */
struct mutation_answer mutation_world_push(struct mutation_world *w,
                                           const struct resource_type *type,
                                           const struct mutation_resource *resources, size_t count);

/* Which push brought what is in use under that name, counted from 1. 0: nothing is. */
unsigned mutation_world_version(const struct mutation_world *w, const struct resource_type *type,
                                struct slice name);
unsigned mutation_world_pushes(const struct mutation_world *w); /* so far */

/* The message of that type that the JSON or YAML describes, packed, in `arena`; ends the program where
 * it does not. */
struct slice mutation_message(const char *type, struct slice text, struct arena *arena);

#endif
