// SPDX-License-Identifier: Apache-2.0
/* The sections of an HTTP connection manager, a file each (decoder.h says how readers behave). */
#ifndef XDS_DECODE_HCM_PARTS_H
#define XDS_DECODE_HCM_PARTS_H

#include "envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager.pb-c.h"
#include "src/config/listener_config.h"
#include "xds/decode/decoder.h"

bool decode_hcm_filters(struct decoder *d, const HCM(HttpConnectionManager) *from,
                        struct http_connection_manager_config *out);
/* Limits, protocols, times. */
bool decode_hcm_options(struct decoder *d, const HCM(HttpConnectionManager) *from,
                        struct http_connection_manager_config *out);
/* What is done to headers and paths. */
bool decode_hcm_headers(struct decoder *d, const HCM(HttpConnectionManager) *from,
                        struct http_connection_manager_config *out);
bool decode_hcm_local_reply(struct decoder *d, const HCM(HttpConnectionManager) *from,
                            struct http_connection_manager_config *out);

#endif
