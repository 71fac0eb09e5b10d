// SPDX-License-Identifier: Apache-2.0
/*
 * Extensions of other Envoy builds that control planes send to everybody and that only feed telemetry:
 * taken and left out of the chain.
 */
#ifndef XDS_DECODE_EXTENSION_NAMES_H
#define XDS_DECODE_EXTENSION_NAMES_H

#include <stdbool.h>

#include "src/base/slice.h"

/* `type`: full message name. */
bool extension_is_telemetry(struct slice type);

#endif
