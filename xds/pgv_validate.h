// SPDX-License-Identifier: Apache-2.0
/*
 * Holds a message against the constraints that the API's authors wrote (validate.rules) and notes its
 * deprecated fields and enum values. Everything is looked at and every breach reported, with Envoy's
 * words ("Proto constraint validation failed (ClusterValidationError.Name: …)") at the field's path.
 * Descends into each Any whose type is known; unknown fields found there are noted by wire_check.
 * Control thread; regular expressions of rules are compiled for the call.
 */
#ifndef XDS_PGV_VALIDATE_H
#define XDS_PGV_VALIDATE_H

#include <stdbool.h>

#include "proto/proto_registry.h"
#include "src/config/validation.h"

struct pgv_options {
    /* Fields and values that Envoy refuses unless envoy.features.enable_all_deprecated_features. */
    bool allow_disallowed;
    bool skip_deprecated_notes; /* --skip-deprecated-logs */
    bool stay_out_of_any;       /* look only at the message itself */
};

/* `options` NULL: all false. The result is in `v`. */
void pgv_validate(const ProtobufCMessage *message, const struct pgv_options *options,
                  struct validation *v);

#endif
