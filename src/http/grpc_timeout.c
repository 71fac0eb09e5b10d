// SPDX-License-Identifier: Apache-2.0
#include "src/http/grpc_timeout.h"

enum { MAX_DIGITS = 8, MAX_VALUE = 99999999 };

/* False: no unit of the grammar. */
static bool to_ms(uint64_t value, uint8_t unit, uint64_t *ms) {
    switch (unit) {
    case 'H':
        *ms = value * 3600000;
        return true;
    case 'M':
        *ms = value * 60000;
        return true;
    case 'S':
        *ms = value * 1000;
        return true;
    case 'm':
        *ms = value;
        return true;
    case 'u':
        *ms = (value + 999) / 1000;
        return true;
    case 'n':
        *ms = (value + 999999) / 1000000;
        return true;
    default:
        return false;
    }
}

bool grpc_timeout_get(const struct header_map *headers, uint32_t *ms) {
    struct slice text = header_map_get(headers, HEADER_GRPC_TIMEOUT);
    uint64_t value = 0;
    if (text.len < 2 || text.len > MAX_DIGITS + 1 ||
        slice_parse_uint64(slice_sub(text, 0, text.len - 1), &value) != STATUS_OK ||
        !to_ms(value, text.ptr[text.len - 1], &value)) {
        return false;
    }
    *ms = value < UINT32_MAX ? (uint32_t)value : UINT32_MAX - 1;
    return true;
}

void grpc_timeout_set(struct header_map *headers, uint32_t ms) {
    bool in_seconds = ms > MAX_VALUE;
    header_map_set(
        headers, HEADER_GRPC_TIMEOUT,
        arena_printf(headers->arena, "%u%c", in_seconds ? ms / 1000 : ms, in_seconds ? 'S' : 'm'));
}
