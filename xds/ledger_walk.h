// SPDX-License-Identifier: Apache-2.0
/*
 * Holds real messages against the ledger (src/config/ledger.h): each populated field that nobody
 * honours is named in the findings, each refused one is an error. Also lists the whole ledger for the
 * documentation. Control thread.
 */
#ifndef XDS_LEDGER_WALK_H
#define XDS_LEDGER_WALK_H

#include "proto/proto_registry.h"
#include "src/config/ledger.h"
#include "src/config/validation.h"

/* The table of that message ("envoy.config.cluster.v3.Cluster"); NULL: nobody states anything. */
typedef const struct ledger_message *ledger_lookup_fn(void *arg, const char *message);

/* Walks `message` and all below it that is honoured, through Any and TypedStruct of known type, and
 * through map values and repeated fields. Per populated field:
 *   HONOURED  descended into      HARMLESS  nothing
 *   IGNORED, or in no table: FINDING_IGNORED      REFUSED: error, unless a BoolValue that is false
 * A type without a table below an honoured field gives one finding, not one for each of its fields.
 * An Any of unknown type is FINDING_IGNORED as well. */
void ledger_walk(const ProtobufCMessage *message, ledger_lookup_fn *lookup, void *arg,
                 struct validation *v);

/* What the ledger says of one field; `note` may be NULL. */
struct ledger_answer {
    enum ledger_verdict verdict;
    const char *note;
};

/* The field's own line, else that of "*", else IGNORED. `table` may be NULL. */
struct ledger_answer ledger_find(const struct ledger_message *table, const char *field);

/* One line of the documentation. `is_documented`: the message has a table. */
typedef void ledger_visit_fn(void *arg, const struct proto_message_info *message,
                             const struct proto_field_info *field, bool is_documented,
                             struct ledger_answer answer);

/* Every field of every message of the registry, messages by name, fields by number; map entries and
 * google.protobuf types are left out. */
void ledger_visit_all(ledger_lookup_fn *lookup, void *lookup_arg, ledger_visit_fn *visit,
                      void *visit_arg);

#endif
