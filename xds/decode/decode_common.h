// SPDX-License-Identifier: Apache-2.0
/*
 * Readers of messages that many resources hold: addresses, data sources, header operations, fractions,
 * formats, metadata, socket options (decoder.h says how readers behave).
 */
#ifndef XDS_DECODE_DECODE_COMMON_H
#define XDS_DECODE_DECODE_COMMON_H

#include "envoy/config/core/v3/address.pb-c.h"
#include "envoy/config/core/v3/base.pb-c.h"
#include "envoy/config/core/v3/extension.pb-c.h"
#include "envoy/config/core/v3/socket_option.pb-c.h"
#include "envoy/config/core/v3/substitution_format_string.pb-c.h"
#include "envoy/type/v3/percent.pb-c.h"
#include "src/net/address.h"
#include "src/net/socket.h"
#include "xds/decode/decoder.h"

enum { DATA_SOURCE_MAX_BYTES = 16 * 1024 * 1024 };

/* An address that can be bound or connected to as it stands. */
bool decode_address(struct decoder *d, const CORE(Address) *from, struct address *out);
bool decode_socket_address(struct decoder *d, const CORE(SocketAddress) *from, struct address *out);
/* The same where a name is allowed instead: *dns_name is then set and out->len is 0. */
bool decode_endpoint_address(struct decoder *d, const CORE(Address) *from, struct address *out,
                             struct slice *dns_name, uint16_t *port);

bool decode_data_source(struct decoder *d, const CORE(DataSource) *from, struct slice *out);
/* The file that it is read from; empty for none. Borrowed from the message. */
struct slice data_source_file(const CORE(DataSource) *from);

bool decode_header_op(struct decoder *d, const CORE(HeaderValueOption) *from,
                      struct header_op *out);
/* Both lists of one place; `prefix` is "request_headers" or "response_headers" for the paths. */
struct header_lists {
    CORE(HeaderValueOption) *const *add;
    size_t add_count;
    char *const *remove;
    size_t remove_count;
    const char *add_field;
    const char *remove_field;
};
bool decode_header_ops(struct decoder *d, const struct header_lists *lists, struct header_ops *out);

/* Of the denominator: as many of its parts are one of a million. 0: unknown. */
uint32_t fractional_percent_scale(const TYPE(FractionalPercent) *from);
bool decode_fractional_percent(struct decoder *d, const TYPE(FractionalPercent) *from,
                               struct config_fraction *out);
bool decode_runtime_fraction(struct decoder *d, const CORE(RuntimeFractionalPercent) *from,
                             struct config_fraction *out);
/* Either message. */
bool decode_any_fraction(struct decoder *d, const ProtobufCMessage *message,
                         struct config_fraction *out);

bool decode_format(struct decoder *d, const CORE(SubstitutionFormatString) *from,
                   const struct log_format **out, struct slice *content_type);

/* NULL is empty. */
bool decode_metadata(struct decoder *d, const CORE(Metadata) *from, struct metadata *out);
/* A Struct under one filter name. */
bool decode_metadata_struct(struct decoder *d, const char *filter,
                            const Google__Protobuf__Struct *from, struct metadata *out);
/* core.v3.Metadata or google.protobuf.Struct. */
bool decode_any_metadata(struct decoder *d, const ProtobufCMessage *message, struct metadata *out);

bool decode_socket_options(struct decoder *d, CORE(SocketOption) *const *from, size_t count,
                           const struct socket_option **out, uint32_t *out_count);

#endif
