// SPDX-License-Identifier: Apache-2.0
/*
 * Target functions: http2_server_codec_new, http_codec_dispatch and everything behind it for a server.
 * The first byte chooses options and how the owner behaves, the second the size of the pieces that the
 * rest is fed in, without the preface. Invariants: a stream's owner hears of its end exactly once and
 * of nothing after it, header blocks respect their limits, what is unsent stays bounded.
 */
#include "tests/fuzz/h2_fuzz_owner.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

static void run(const uint8_t *bytes, size_t len, bool packs_at_once) {
    struct fuzz_world world;
    if (!fuzz_world_init(&world, bytes[0], true, packs_at_once)) {
        return;
    }
    static const char preface[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    fuzz_feed(&world, (const uint8_t *)preface, sizeof(preface) - 1);
    fuzz_feed_pieces(&world, bytes + 2, len - 2, bytes[1]);
    fuzz_world_deinit(&world);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len) {
    if (len >= 2) {
        run(bytes, len, false);
        run(bytes, len, true);
    }
    return 0;
}
