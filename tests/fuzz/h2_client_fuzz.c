// SPDX-License-Identifier: Apache-2.0
/*
 * Target functions: http2_client_codec_new, http_codec_new_stream, http_codec_dispatch and everything
 * behind it for a client with three requests open. The first byte chooses options and how the owner
 * behaves, the second the size of the pieces in which the rest, the server's bytes, is fed. The
 * invariants are those of h2_server_fuzz.c.
 */
#include "tests/fuzz/h2_fuzz_owner.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len) {
    struct fuzz_world world;
    if (len < 2 || !fuzz_world_init(&world, bytes[0], false)) {
        return 0;
    }
    for (int i = 0; i < 3; i++) {
        fuzz_request(&world, i == 1);
    }
    fuzz_feed_pieces(&world, bytes + 2, len - 2, bytes[1]);
    fuzz_world_deinit(&world);
    return 0;
}
