// SPDX-License-Identifier: Apache-2.0
/*
 * The few pieces of HTML that the admin pages are made of. Nothing from outside (stat names!) goes into a
 * page unescaped.
 */
#ifndef SRC_ADMIN_ADMIN_HTML_H
#define SRC_ADMIN_ADMIN_HTML_H

#include "src/base/buffer.h"

void admin_html_begin(struct buffer *out);
void admin_html_end(struct buffer *out);
/* Fit for text and for attribute values in quotes. */
void admin_html_escape(struct buffer *out, struct slice text);

#endif
