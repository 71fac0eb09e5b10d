// SPDX-License-Identifier: Apache-2.0
/*
 * Times of log lines in Envoy's format language: strftime's conversions, %f and %1f to %9f for
 * fractions, and absl's %E extensions. Pure but for the process's time zone. Private to src/access_log.
 */
#ifndef SRC_ACCESS_LOG_LOG_TIME_H
#define SRC_ACCESS_LOG_LOG_TIME_H

#include <stdbool.h>
#include <stdint.h>

#include "src/base/slice.h"

enum { LOG_TIME_MAX_BYTES = 512 };

/* An empty `format` is Envoy's default, 2026-11-23T13:42:46.113Z. Cut at `capacity`; returns the
 * length. */
size_t log_time_format(struct slice format, uint64_t wall_us, bool is_local, char *text,
                       size_t capacity);
/* True where a conversion of `format` would print a line break. */
bool log_time_has_newline(struct slice format);
/* "2026-01-02T03:04:05Z" (RFC 3339, whole seconds, UTC); false for anything else. */
bool log_time_parse_rfc3339(struct slice text, uint64_t *wall_us);

#endif
