// SPDX-License-Identifier: Apache-2.0
#include "src/route/header_mutation.h"

#include "src/base/check.h"
#include "src/route/joined_headers.h"

/* Values are formatted from the headers as they were before any of this level's operations writes, so
 * that the order of the list does not show in them. */
struct pending_value {
    const struct header_op *op;
    struct slice value;
};

enum { SMALL_OPS = 8, LEVELS = 4 };

static bool has_header(const struct header_map *headers, const struct header_op *op) {
    return op->id != HEADER_OTHER ? header_map_has(headers, op->id)
                                  : header_map_count_name(headers, op->name) > 0;
}

static bool applies(const struct header_op *op, const struct header_map *headers) {
    switch (op->action) {
    case HEADER_OP_APPEND_IF_EXISTS_OR_ADD:
    case HEADER_OP_OVERWRITE_IF_EXISTS_OR_ADD:
        return true;
    case HEADER_OP_ADD_IF_ABSENT:
        return !has_header(headers, op);
    case HEADER_OP_OVERWRITE_IF_EXISTS:
        return has_header(headers, op);
    }
    return false;
}

static bool is_overwrite(const struct header_op *op) {
    return op->action == HEADER_OP_OVERWRITE_IF_EXISTS ||
           op->action == HEADER_OP_OVERWRITE_IF_EXISTS_OR_ADD;
}

static uint32_t format_values(const struct header_ops *ops, const struct header_map *headers,
                              const struct log_format_input *input, struct pending_value *pending) {
    uint32_t count = 0;
    for (uint32_t i = 0; i < ops->add_count; i++) {
        const struct header_op *op = &ops->add[i];
        struct slice value = log_format_text(op->value, input, headers->arena);
        if ((value.len > 0 || op->keep_empty_value) && applies(op, headers)) {
            pending[count++] = (struct pending_value){op, value};
        }
    }
    return count;
}

static struct slice join_values(struct arena *arena, struct slice first, struct slice second) {
    return arena_printf(arena, "%.*s,%.*s", SLICE_ARG(first), SLICE_ARG(second));
}

static void add_value(struct header_map *headers, const struct header_op *op, struct slice value) {
    if (header_is_joined(op->name, header_map_has(headers, HEADER_STATUS)) &&
        has_header(headers, op)) {
        struct slice before = header_map_get_name(headers, op->name);
        header_map_set_name(headers, op->name, join_values(headers->arena, before, value));
    } else if (op->id != HEADER_OTHER) {
        header_map_append(headers, op->id, value);
    } else {
        header_map_append_name(headers, op->name, value);
    }
}

static void overwrite_value(struct header_map *headers, const struct header_op *op,
                            struct slice value) {
    if (op->id != HEADER_OTHER) {
        header_map_set(headers, op->id, value);
    } else {
        header_map_set_name(headers, op->name, value);
    }
}

void header_ops_apply(const struct header_ops *ops, struct header_map *headers,
                      const struct log_format_input *input) {
    for (uint32_t i = 0; i < ops->remove_count; i++) {
        header_map_remove_name(headers, ops->remove[i]);
    }
    if (ops->add_count == 0) {
        return;
    }
    struct pending_value small[SMALL_OPS];
    struct pending_value *pending =
        ops->add_count <= SMALL_OPS
            ? small
            : ARENA_NEW_ARRAY(headers->arena, ops->add_count, struct pending_value);
    uint32_t count = format_values(ops, headers, input, pending);
    for (uint32_t i = 0; i < count; i++) {
        if (is_overwrite(pending[i].op)) {
            overwrite_value(headers, pending[i].op, pending[i].value);
        }
    }
    for (uint32_t i = 0; i < count; i++) {
        if (!is_overwrite(pending[i].op)) {
            add_value(headers, pending[i].op, pending[i].value);
        }
    }
}

static void apply_levels(const struct route_part *part, const struct header_ops *levels[LEVELS],
                         struct header_map *headers, const struct log_format_input *input) {
    for (int i = 0; i < LEVELS; i++) {
        const struct header_ops *ops =
            levels[part != NULL && part->most_specific_header_mutations_wins ? LEVELS - 1 - i : i];
        if (ops != NULL && (ops->add_count > 0 || ops->remove_count > 0)) {
            header_ops_apply(ops, headers, input);
        }
    }
}

void route_apply_request_headers(const struct route_part *part, const struct virtual_host *vhost,
                                 const struct route *route, const struct weighted_cluster *weighted,
                                 struct header_map *headers, const struct log_format_input *input) {
    const struct header_ops *levels[LEVELS] = {
        weighted == NULL ? NULL : &weighted->request_headers,
        route == NULL ? NULL : &route->request_headers,
        vhost == NULL ? NULL : &vhost->request_headers,
        part == NULL ? NULL : &part->request_headers,
    };
    apply_levels(part, levels, headers, input);
}

void route_apply_response_headers(const struct route_part *part, const struct virtual_host *vhost,
                                  const struct route *route,
                                  const struct weighted_cluster *weighted,
                                  struct header_map *headers,
                                  const struct log_format_input *input) {
    const struct header_ops *levels[LEVELS] = {
        weighted == NULL ? NULL : &weighted->response_headers,
        route == NULL ? NULL : &route->response_headers,
        vhost == NULL ? NULL : &vhost->response_headers,
        part == NULL ? NULL : &part->response_headers,
    };
    apply_levels(part, levels, headers, input);
}
