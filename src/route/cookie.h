// SPDX-License-Identifier: Apache-2.0
/*
 * Reading one cookie of a request as Envoy does: header lines in order, pairs split at ';', what has no
 * '=' passed over, one pair of double quotes round the value taken off. Pure.
 */
#ifndef SRC_ROUTE_COOKIE_H
#define SRC_ROUTE_COOKIE_H

#include "src/http/header_map.h"

/* The first cookie of that name; false where there is none. *value is borrowed from `headers`. */
bool cookie_get(const struct header_map *headers, struct slice name, struct slice *value);

#endif
