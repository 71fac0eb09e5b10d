// SPDX-License-Identifier: Apache-2.0
/*
 * The grpc-timeout header (gRPC over HTTP/2, "Timeout"): at most 8 digits and a unit. What is read is
 * rounded up to whole milliseconds; what is written has the finest unit that 8 digits can hold.
 */
#ifndef SRC_HTTP_GRPC_TIMEOUT_H
#define SRC_HTTP_GRPC_TIMEOUT_H

#include "src/http/header_map.h"

/* False where there is no such header, or a malformed one; *ms (milliseconds) is left alone then.
 * Saturates at UINT32_MAX - 1. */
bool grpc_timeout_get(const struct header_map *headers, uint32_t *ms);
/* Adds or replaces; the value lies in the map's arena. */
void grpc_timeout_set(struct header_map *headers, uint32_t ms);

#endif
