// SPDX-License-Identifier: Apache-2.0
/* Rules on strings and bytes: lengths, affixes, lists, formats, patterns. Part of pgv_rules. */
#ifndef XDS_PGV_TEXT_H
#define XDS_PGV_TEXT_H

#include "xds/pgv_rules.h"

/* `is_string`: lengths count code points, else bytes. */
void pgv_check_text(struct pgv_context *context, const struct proto_text_rules *rules,
                    struct slice text, bool is_string);

#endif
