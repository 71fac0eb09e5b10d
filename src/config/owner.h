// SPDX-License-Identifier: Apache-2.0
/*
 * Who a configuration part belongs to, as its control plane says in metadata or the operator in name
 * patterns; unknown is said, never guessed. Immutable text in the part's arena.
 */
#ifndef SRC_CONFIG_OWNER_H
#define SRC_CONFIG_OWNER_H

#include "src/base/slice.h"

enum owner_kind {
    OWNER_UNKNOWN,
    OWNER_STATIC,      /* the bootstrap */
    OWNER_METADATA,    /* the resource's own metadata */
    OWNER_NAME_PATTERN /* an operator's pattern */
};

struct config_owner {
    enum owner_kind kind;
    struct slice text; /* "istio virtual-service default/web"; "unknown" */
};

#endif
