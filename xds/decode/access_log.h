// SPDX-License-Identifier: Apache-2.0
/* Readers of access loggers and their filters (decoder.h says how readers behave). Loggers are freed
 * with the part that is being decoded. */
#ifndef XDS_DECODE_ACCESS_LOG_H
#define XDS_DECODE_ACCESS_LOG_H

#include "envoy/config/accesslog/v3/accesslog.pb-c.h"
#include "src/access_log/access_log.h"
#include "xds/decode/decoder.h"

bool decode_access_log(struct decoder *d, const LOGGING(AccessLog) *from, struct access_log **out);
/* All of a repeated field. */
bool decode_access_logs(struct decoder *d, LOGGING(AccessLog) *const *from, size_t count,
                        struct access_log *const **out, uint32_t *out_count);
bool decode_access_log_filter(struct decoder *d, const LOGGING(AccessLogFilter) *from,
                              const struct access_log_filter **out);

#endif
