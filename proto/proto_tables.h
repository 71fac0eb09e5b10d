// SPDX-License-Identifier: Apache-2.0
/*
 * The generated tables as proto_registry.c sees them; everybody else asks proto_registry.h.
 * They are sorted by name (bytewise) and live in read-only memory.
 */
#ifndef PROTO_PROTO_TABLES_H
#define PROTO_PROTO_TABLES_H

#include <stddef.h>

#include "proto/proto_registry.h"

/* Every message of the API, map entries included, sorted by full name. */
extern const struct proto_message_info proto_message_table[];
extern const size_t proto_message_table_size;

extern const char proto_api_set_name[];

#endif
