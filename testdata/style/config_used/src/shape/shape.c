// SPDX-License-Identifier: Apache-2.0
/* config->forgotten, in a comment, is not a use. */
uint32_t shape_size(struct shape *shape, const struct shape_config *config) {
    shape->filled = config->width;
    return config->kind == SHAPE_ROUND && config->is_flat ? 0 : *config->corners[0];
}
