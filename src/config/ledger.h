// SPDX-License-Identifier: Apache-2.0
/*
 * What becomes of each field of the API. Every decoder and every filter states, in a const table beside
 * its code, the fields it honours, those that are harmless to ignore (with the reason) and those that it
 * refuses; a populated field in no table is "ignored and behaviour-changing" and is counted and named.
 * The walker over real messages is xds/ledger_walk; docs/compatibility.md is generated from these tables.
 */
#ifndef SRC_CONFIG_LEDGER_H
#define SRC_CONFIG_LEDGER_H

#include <stdint.h>

enum ledger_verdict {
    LEDGER_HONOURED,
    LEDGER_HARMLESS, /* telemetry, cosmetics, hints; `note` says why */
    LEDGER_IGNORED, /* accepted, changes behaviour, named in findings; `note` says what is missing */
    LEDGER_REFUSED, /* security-relevant and not honoured: the resource is refused; `note` says why */
};

struct ledger_field {
    const char *name; /* proto field name, snake case; "*": all fields not listed */
    enum ledger_verdict verdict;
    const char *note; /* NULL for HONOURED */
};

/* One message type. Fields of message type are descended into where honoured. */
struct ledger_message {
    const char *message; /* "envoy.config.cluster.v3.Cluster" */
    const struct ledger_field *fields;
    uint32_t field_count;
};

#define LEDGER_OK(field)                                                                           \
    { field, LEDGER_HONOURED, 0 }
#define LEDGER_MESSAGE(name, table)                                                                \
    { name, table, sizeof(table) / sizeof((table)[0]) }

#endif
