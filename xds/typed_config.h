// SPDX-License-Identifier: Apache-2.0
/*
 * What an Any really holds: a message of the API, or a TypedStruct (xds.type.v3, udpa.type.v1) that
 * stands for one, which is turned into it. Memory is the caller's arena.
 */
#ifndef XDS_TYPED_CONFIG_H
#define XDS_TYPED_CONFIG_H

#include "proto/proto_registry.h"
#include "src/base/arena.h"
#include "src/config/validation.h"

bool typed_config_is_typed_struct(const struct proto_message_info *info);

/* The message that a TypedStruct describes; NULL where the registry does not know its type (no error)
 * or its content does not fit (errors in `v`). Unknown members are findings. */
ProtobufCMessage *typed_config_from_struct(const ProtobufCMessage *typed_struct,
                                           struct arena *arena,
                                           const struct proto_message_info **info,
                                           struct validation *v);

/* proto_any_unpack, and one step further for a TypedStruct. NULL without an error: the type is not
 * known, and `type_url` (may be NULL) names it. A TypedStruct of an unknown type is returned as it is. */
ProtobufCMessage *typed_config_open(const ProtobufCMessage *any, struct arena *arena,
                                    const struct proto_message_info **info, struct slice *type_url,
                                    struct validation *v);

#endif
