// SPDX-License-Identifier: Apache-2.0
// Target functions: resource_decode of resource_type_runtime, and all that it calls.
// Input: the serialised resource.
#include "tests/fuzz/xds_decode_fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    return fuzz_decode(&resource_type_runtime, data, size);
}
