// SPDX-License-Identifier: Apache-2.0
/*
 * The one path normaliser: run once per request, before anything matches; what it returns is both
 * matched and forwarded. Also splitting of path and query. Pure.
 */
#ifndef SRC_HTTP_PATH_H
#define SRC_HTTP_PATH_H

#include <stdbool.h>

#include "src/base/arena.h"
#include "src/base/slice.h"

/* envoy HttpConnectionManager.PathWithEscapedSlashesAction */
enum path_escaped_slashes {
    PATH_SLASHES_KEEP_UNCHANGED,
    PATH_SLASHES_REJECT,
    PATH_SLASHES_UNESCAPE_AND_REDIRECT,
    PATH_SLASHES_UNESCAPE_AND_FORWARD,
};

struct path_options {
    bool normalize; /* RFC 3986 §6: dots, percent-encoding case of unreserved, '\' to '/' */
    bool merge_slashes;
    enum path_escaped_slashes escaped_slashes;
    bool strict; /* edge default: refuse %00, nested %25, ';' parameters in dot segments */
};

enum path_verdict { PATH_OK, PATH_REJECT, PATH_REDIRECT /* to *normalized */ };

/* `path` is :path with query; *normalized is `path` itself when nothing changed, else in `arena`. */
enum path_verdict path_normalize(struct slice path, const struct path_options *options,
                                 struct arena *arena, struct slice *normalized);
/* Without the query and fragment. */
struct slice path_without_query(struct slice path);
/* After '?', without it; empty when there is none. */
struct slice path_query(struct slice path);
/* Value of a query parameter, not decoded; false when the key is absent. */
bool path_query_get(struct slice query, struct slice key, struct slice *value);
/* Percent-decoding of `s`; STATUS_INVALID on a malformed escape. */
enum status path_percent_decode(struct slice s, struct arena *arena, struct slice *out) MUST_USE;

#endif
