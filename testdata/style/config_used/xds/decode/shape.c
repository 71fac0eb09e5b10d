// SPDX-License-Identifier: Apache-2.0
void decode_shape(struct shape_config *out) {
    decode_number(&out->forgotten);
    decode_number(&out->filled);
}
