// SPDX-License-Identifier: Apache-2.0
/*
 * The parameters of an admin request: of the query, or of a form in the body where the query has none.
 * Names and values are percent-decoded; '+' stays (it stands in regular expressions). In the request's
 * arena.
 */
#ifndef SRC_ADMIN_ADMIN_PARAMS_H
#define SRC_ADMIN_ADMIN_PARAMS_H

#include <stdbool.h>

#include "src/base/arena.h"

struct admin_param {
    struct slice name;
    struct slice value; /* empty without '=' */
};

struct admin_params {
    const struct admin_param *items;
    uint32_t count; /* the first ADMIN_PARAMS_MAX */
};
enum { ADMIN_PARAMS_MAX = 64 };

/* A malformed escape is kept as it stands. */
void admin_params_parse(struct admin_params *params, struct slice text, struct arena *arena);
/* First value of the name; false where it is absent. */
bool admin_params_get(const struct admin_params *params, const char *name, struct slice *value);
bool admin_params_has(const struct admin_params *params, const char *name);

#endif
