// SPDX-License-Identifier: Apache-2.0
#include "src/http/h2/h2_scan.h"

#include <string.h>

#include "src/base/check.h"

void h2_scan_init(struct h2_scan *scan, bool expects_preface) {
    *scan = (struct h2_scan){.skip = expects_preface ? H2_PREFACE_BYTES : 0};
}

static void parse_header(const uint8_t *bytes, struct h2_frame_header *header) {
    *header = (struct h2_frame_header){
        .length = (uint32_t)bytes[0] << 16 | (uint32_t)bytes[1] << 8 | bytes[2],
        .type = bytes[3],
        .flags = bytes[4],
        .stream_id = ((uint32_t)bytes[5] << 24 | (uint32_t)bytes[6] << 16 |
                      (uint32_t)bytes[7] << 8 | bytes[8]) &
                     0x7fffffff,
    };
}

bool h2_scan_next(struct h2_scan *scan, const uint8_t *bytes, size_t len, size_t *at,
                  struct h2_frame_header *header, bool *is_split) {
    size_t left = len - *at;
    if (scan->skip >= left && scan->skip > 0) {
        scan->skip -= left;
        *at = len;
        return false;
    }
    *at += (size_t)scan->skip;
    left -= (size_t)scan->skip;
    scan->skip = 0;
    *is_split = scan->header_len > 0;
    size_t missing = H2_FRAME_HEADER_BYTES - (size_t)scan->header_len;
    size_t part = left < missing ? left : missing;
    if (!*is_split && part == H2_FRAME_HEADER_BYTES) {
        parse_header(bytes + *at, header);
    } else {
        memcpy(scan->header + scan->header_len, bytes + *at, part);
        scan->header_len = (uint8_t)(scan->header_len + part);
        if (part < missing) {
            *at = len;
            return false;
        }
        parse_header(scan->header, header);
        scan->header_len = 0;
    }
    *at += part;
    scan->skip = header->length;
    return true;
}

// Position of an id among the remembered ones, 0 for the highest; SIZE_MAX when it is none of them.
static size_t id_index(const struct h2_scan *scan, uint32_t id) {
    if ((id & 1) == 0 || id > scan->highest_id) {
        return SIZE_MAX;
    }
    uint32_t index = (scan->highest_id - id) / 2;
    return index < H2_SCAN_IDS ? index : SIZE_MAX;
}

enum h2_id_state h2_scan_get(const struct h2_scan *scan, uint32_t id) {
    size_t index = id_index(scan, id);
    if (index == SIZE_MAX) {
        return H2_ID_UNKNOWN;
    }
    return (enum h2_id_state)(scan->ids[index / 32] >> (index % 32 * 2) & 3);
}

void h2_scan_set(struct h2_scan *scan, uint32_t id, enum h2_id_state state) {
    size_t index = id_index(scan, id);
    if (index == SIZE_MAX) {
        return;
    }
    unsigned shift = (unsigned)(index % 32 * 2);
    uint64_t cleared = scan->ids[index / 32] & ~((uint64_t)3 << shift);
    scan->ids[index / 32] = cleared | (uint64_t)state << shift;
}

void h2_scan_open(struct h2_scan *scan, uint32_t id) {
    ASSERT((id & 1) == 1 && id > scan->highest_id);
    // Before the first id there is none: 1 is one step above "-1".
    uint32_t steps = scan->highest_id == 0 ? (id + 1) / 2 : (id - scan->highest_id) / 2;
    if (steps >= H2_SCAN_IDS) {
        scan->ids[0] = 0;
        scan->ids[1] = 0;
    } else if (steps >= 32) {
        scan->ids[1] = scan->ids[0] << (steps - 32) * 2;
        scan->ids[0] = 0;
    } else if (steps > 0) {
        scan->ids[1] = scan->ids[1] << steps * 2 | scan->ids[0] >> (64 - steps * 2);
        scan->ids[0] <<= steps * 2;
    }
    scan->highest_id = id;
    h2_scan_set(scan, id, H2_ID_OPEN);
}
