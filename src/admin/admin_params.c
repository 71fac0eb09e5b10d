// SPDX-License-Identifier: Apache-2.0
#include "src/admin/admin_params.h"

#include "src/http/path.h"

static struct slice decode(struct slice text, struct arena *arena) {
    struct slice decoded;
    return path_percent_decode(text, arena, &decoded) == STATUS_OK ? decoded : text;
}

void admin_params_parse(struct admin_params *params, struct slice text, struct arena *arena) {
    struct admin_param *items = ARENA_NEW_ARRAY(arena, ADMIN_PARAMS_MAX, struct admin_param);
    struct slice part;
    params->items = items;
    params->count = 0;
    while (params->count < ADMIN_PARAMS_MAX && slice_split(&text, '&', &part)) {
        if (part.len == 0) {
            continue;
        }
        struct slice name;
        struct slice rest = part;
        (void)slice_split(&rest, '=', &name);
        items[params->count].name = decode(name, arena);
        items[params->count].value = decode(rest, arena);
        params->count++;
    }
}

bool admin_params_get(const struct admin_params *params, const char *name, struct slice *value) {
    for (uint32_t i = 0; i < params->count; i++) {
        if (slice_equal(params->items[i].name, slice_from_string(name))) {
            *value = params->items[i].value;
            return true;
        }
    }
    return false;
}

bool admin_params_has(const struct admin_params *params, const char *name) {
    struct slice value;
    return admin_params_get(params, name, &value);
}
