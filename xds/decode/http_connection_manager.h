// SPDX-License-Identifier: Apache-2.0
/*
 * The decoder of the HTTP connection manager's configuration. It is called as any network filter's parse
 * function; the composition root joins it with the data path in src/stream. Control thread.
 */
#ifndef XDS_DECODE_HTTP_CONNECTION_MANAGER_H
#define XDS_DECODE_HTTP_CONNECTION_MANAGER_H

struct ProtobufCMessage;
struct filter_config_context;

/* A `const struct http_connection_manager_config *` in the part's arena, or NULL with errors in the
 * context's validation. An inline route configuration becomes a part of its own, a dependency of RDS is
 * noted. `context` is the one that a decoder of xds/ made. */
const void *http_connection_manager_parse(struct filter_config_context *context,
                                          const struct ProtobufCMessage *message);

#endif
