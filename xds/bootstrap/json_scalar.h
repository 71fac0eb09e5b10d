// SPDX-License-Identifier: Apache-2.0
/*
 * Text forms of proto3 JSON's scalars and of the well-known types that are written as text. Pure
 * functions; each parser returns NULL on success, else what is wrong (static text).
 */
#ifndef XDS_BOOTSTRAP_JSON_SCALAR_H
#define XDS_BOOTSTRAP_JSON_SCALAR_H

#include <stdint.h>

#include "src/base/arena.h"
#include "src/base/slice.h"

enum { JSON_SCALAR_TEXT_BYTES = 64 };

/* Decimal or 0x hexadecimal; a fraction or exponent is taken where the value is whole. */
const char *json_parse_signed(struct slice text, int64_t min, int64_t max, int64_t *value);
const char *json_parse_unsigned(struct slice text, uint64_t max, uint64_t *value);
/* Also NaN, Infinity, -Infinity. */
const char *json_parse_double(struct slice text, double *value);
/* true t yes y 1 and their opposites, in any case. */
const char *json_parse_bool_text(struct slice text, bool *value);
/* Both alphabets, padding optional. */
const char *json_parse_base64(struct slice text, struct arena *arena, struct slice *bytes);
const char *json_parse_duration(struct slice text, int64_t *seconds, int32_t *nanos);
/* RFC 3339. */
const char *json_parse_timestamp(struct slice text, int64_t *seconds, int32_t *nanos);

/* Each writes at most JSON_SCALAR_TEXT_BYTES, NUL included, and returns the length. */
size_t json_format_double(double value, char *out);
size_t json_format_float(float value, char *out);
size_t json_format_duration(int64_t seconds, int32_t nanos, char *out);
size_t json_format_timestamp(int64_t seconds, int32_t nanos, char *out);

#endif
