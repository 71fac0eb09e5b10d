// SPDX-License-Identifier: Apache-2.0
#include "src/http/h2/h2_session.h"

#include <string.h>

#include "src/base/check.h"
#include "src/http/h2/h2_codec.h"

/* Sizes of what comes and goes with each request in nghttp2: a stream, a frame to be sent. Another
 * version with other sizes has them in the regions, which then are larger while there are streams. */
enum { STREAM_BYTES = 224, FRAME_BYTES = 152 };

static void *hook_malloc(size_t size, void *arg) {
    struct h2_session *session = arg;
    if (session->is_lasting && size != STREAM_BYTES && size != FRAME_BYTES) {
        if (size == H2_FRAME_BUFFER_BYTES && !session->is_claimed) {
            session->is_claimed = true;
            return session->shared->frame_buffer;
        }
        void *block = pack_region_alloc(&session->region, size);
        if (block != NULL) {
            return block;
        }
    }
    session->outside_count++;
    return slab_alloc(&session->shared->heap, size);
}

static void hook_free(void *ptr, void *arg) {
    struct h2_session *session = arg;
    if (pack_region_holds(&session->region, ptr)) {
        pack_region_free(&session->region, ptr);
        return;
    }
    if (ptr == session->shared->frame_buffer) {
        session->is_claimed = false;
        return;
    }
    session->outside_count -= ptr != NULL;
    slab_free(&session->shared->heap, ptr);
}

static void *hook_calloc(size_t count, size_t size, void *arg) {
    CHECK(size == 0 || count <= SIZE_MAX / size);
    void *block = hook_malloc(count * size, arg);
    memset(block, 0, count * size);
    return block;
}

static size_t size_of(const struct h2_session *session, void *ptr) {
    if (pack_region_holds(&session->region, ptr)) {
        return pack_region_block_bytes(ptr);
    }
    return ptr == session->shared->frame_buffer ? (size_t)H2_FRAME_BUFFER_BYTES
                                                : slab_block_bytes(ptr);
}

static void *hook_realloc(void *ptr, size_t size, void *arg) {
    const struct h2_session *session = arg;
    if (ptr == NULL) {
        return hook_malloc(size, arg);
    }
    size_t held = size_of(session, ptr);
    if (size <= held && size > held / 2) {
        return ptr;
    }
    void *moved = hook_malloc(size, arg);
    memcpy(moved, ptr, size < held ? size : held);
    hook_free(ptr, arg);
    return moved;
}

void h2_session_init(struct h2_session *session, struct h2_codec *h2,
                     const nghttp2_option *option) {
    *session = (struct h2_session){.shared = h2->shared, .is_lasting = true};
    pack_region_init(&session->region, &h2->shared->regions);
    list_init(&session->rest);
    nghttp2_mem mem = {
        .mem_user_data = session,
        .malloc = hook_malloc,
        .free = hook_free,
        .calloc = hook_calloc,
        .realloc = hook_realloc,
    };
    const nghttp2_session_callbacks *callbacks = h2->shared->callbacks;
    int error = h2->is_server
                    ? nghttp2_session_server_new3(&session->session_, callbacks, h2, option, &mem)
                    : nghttp2_session_client_new3(&session->session_, callbacks, h2, option, &mem);
    CHECK(error == 0);
    session->is_lasting = false;
}

void h2_session_deinit(struct h2_session *session) {
    list_remove(&session->rest);
    // One that lies in its region alone goes with it.
    if (session->outside_count > 0 || !pack_region_is_packed(&session->region)) {
        nghttp2_session_del(h2_session_get(session));
        list_remove(&session->rest);
    }
    ASSERT(session->outside_count == 0);
    pack_region_deinit(&session->region, &session->shared->regions);
}

ssize_t h2_session_receive(struct h2_session *session, const uint8_t *bytes, size_t len) {
    nghttp2_session *awake = h2_session_get(session);
    session->is_lasting = true;
    ssize_t used = nghttp2_session_mem_recv(awake, bytes, len);
    session->is_lasting = false;
    return used;
}

ssize_t h2_session_send(struct h2_session *session, const uint8_t **bytes) {
    nghttp2_session *awake = h2_session_get(session);
    session->is_lasting = true;
    ssize_t len = nghttp2_session_mem_send(awake, bytes);
    session->is_lasting = false;
    return len;
}

enum status h2_session_pack(struct h2_session *session, struct packer *packer) {
    ASSERT(!session->is_lasting);
    return pack_region_pack(&session->region, packer);
}

void h2_session_wake(struct h2_session *session) {
    pack_region_unpack(&session->region);
    h2_rest_woken(&session->shared->rest, session);
}
