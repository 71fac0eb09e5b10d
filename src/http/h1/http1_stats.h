// SPDX-License-Identifier: Apache-2.0
/*
 * The stats of one side's HTTP/1 codecs ("http1." of a listener or cluster), under Envoy's names.
 */
#ifndef SRC_HTTP_H1_HTTP1_STATS_H
#define SRC_HTTP_H1_HTTP1_STATS_H

#include "src/stats/stats.h"

#define HTTP1_STATS(X)                                                                             \
    X(DROPPED_UNDERSCORES, "dropped_headers_with_underscores", COUNTER,                            \
      "headers left out because their name has an underscore")                                     \
    X(METADATA_NOT_SUPPORTED, "metadata_not_supported_error", COUNTER,                             \
      "METADATA frames that could not be sent over HTTP/1")                                        \
    X(REJECTED_UNDERSCORES, "requests_rejected_with_underscores_in_headers", COUNTER,              \
      "requests refused because a header name has an underscore")                                  \
    X(RESPONSE_FLOOD, "response_flood", COUNTER,                                                   \
      "connections closed because interim responses came in too great a number")

enum {
#define HTTP1_STAT_ENUM(id, name, kind, doc) STAT_ENUM(HTTP1_STAT, id),
    HTTP1_STATS(HTTP1_STAT_ENUM)
#undef HTTP1_STAT_ENUM
        HTTP1_STAT_COUNT,
};

extern const struct stat_table http1_stat_table;

#endif
