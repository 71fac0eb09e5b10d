// SPDX-License-Identifier: Apache-2.0
/* Keys that mean something to Envoy and that nothing here reads, so that who sets one is told. Pure. */
#ifndef SRC_RUNTIME_RUNTIME_UNREAD_H
#define SRC_RUNTIME_RUNTIME_UNREAD_H

#include "src/runtime/runtime_value.h"

/* What holds instead of the value; NULL: the key is read, does no harm, or is the configuration's own. */
const char *runtime_unread_reason(struct slice key, const struct runtime_value *value);

#endif
