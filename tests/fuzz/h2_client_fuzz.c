// SPDX-License-Identifier: Apache-2.0
/*
 * Target functions: http2_client_codec_new, http_codec_new_stream, http_codec_dispatch and everything
 * behind it for a client with three requests open. The first byte chooses options and how the owner
 * behaves, the second the size of the pieces in which the rest, the server's bytes, is fed. The
 * invariants are those of h2_server_fuzz.c.
 */
#include "tests/fuzz/h2_fuzz_owner.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

static void request(struct fuzz_world *world, bool has_body) {
    struct fuzz_stream *s = fuzz_stream_new(world);
    struct http_stream_sink sink = {.ops = &fuzz_client_ops, .arg = s, .arena = &s->arena};
    s->stream = http_codec_new_stream(world->codec, &sink);
    s->has_answered = true; /* a client's own direction */
    struct header_map map;
    header_map_init(&map, &s->arena);
    header_map_append(&map, HEADER_METHOD, has_body ? SLICE("POST") : SLICE("GET"));
    header_map_append(&map, HEADER_SCHEME, SLICE("http"));
    header_map_append(&map, HEADER_PATH, SLICE("/"));
    header_map_append(&map, HEADER_AUTHORITY, SLICE("a"));
    CHECK(http_stream_encode_headers(s->stream, &map, !has_body) == STATUS_OK);
    if (has_body) {
        fuzz_body(s, 100000, true);
    }
}

static void run(const uint8_t *bytes, size_t len, bool packs_at_once) {
    struct fuzz_world world;
    if (!fuzz_world_init(&world, bytes[0], false, packs_at_once)) {
        return;
    }
    for (int i = 0; i < 3; i++) {
        request(&world, i == 1);
    }
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
