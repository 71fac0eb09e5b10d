// SPDX-License-Identifier: Apache-2.0
/* Readers of the HTTP protocol options that listeners and clusters share (decoder.h). */
#ifndef XDS_DECODE_HCM_PROTOCOL_H
#define XDS_DECODE_HCM_PROTOCOL_H

#include "envoy/config/core/v3/protocol.pb-c.h"
#include "src/http/codec.h"
#include "xds/decode/decoder.h"

/* HTTP_UNDERSCORES_* */
uint32_t decode_underscores(int action);
/* Overwrites only what is set. */
bool decode_http1_options(struct decoder *d, const CORE(Http1ProtocolOptions) *from,
                          struct http1_options *out);
bool decode_http2_options(struct decoder *d, const CORE(Http2ProtocolOptions) *from,
                          struct http2_options *out);
bool decode_http2_keepalive(struct decoder *d, const CORE(Http2ProtocolOptions) *from,
                            uint32_t *interval_ms, uint32_t *timeout_ms);

#endif
