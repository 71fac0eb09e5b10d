// SPDX-License-Identifier: Apache-2.0
/* A model for tools/check_config_used.py: of its members only `forgotten` and `filled` are not used. */
struct shape_config {
    enum { SHAPE_ROUND, SHAPE_SQUARE } kind;
    uint32_t width, forgotten;
    bool is_flat : 1;
    const uint32_t *corners[2];
    uint32_t filled;
};
