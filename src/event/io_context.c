// SPDX-License-Identifier: Apache-2.0
#include "src/event/io_context.h"

#include "src/event/event_loop.h"
#include "src/event/mailbox.h"

/* Free arena blocks kept per thread: 1 MiB. */
enum { MAX_FREE_ARENA_BLOCKS = 1100 };

enum status io_context_init(struct io_context *io, uint32_t index, struct clock *clock,
                            struct error *err) {
    *io = (struct io_context){.index = index};
    io->loop = event_loop_new(clock, err);
    if (io->loop == NULL) {
        return STATUS_IO;
    }
    io->mailbox = mailbox_new(io->loop, err);
    if (io->mailbox == NULL) {
        event_loop_free(io->loop);
        io->loop = NULL;
        return STATUS_IO;
    }
    buffer_pool_init(&io->buffers);
    block_pool_init(&io->arena_blocks, IO_ARENA_BLOCK_BYTES, MAX_FREE_ARENA_BLOCKS);
    buffer_pool_count_growth(&io->buffers, &io->growth);
    io->arena_blocks.growth = &io->growth;
    random_init(&io->random);
    return STATUS_OK;
}

void io_context_trim_unused(struct io_context *io) {
    buffer_pool_trim_unused(&io->buffers);
    block_pool_trim_unused(&io->arena_blocks);
}

void io_context_deinit(struct io_context *io) {
    mailbox_free(io->mailbox);
    event_loop_free(io->loop);
    buffer_pool_deinit(&io->buffers);
    block_pool_deinit(&io->arena_blocks);
    io->mailbox = NULL;
    io->loop = NULL;
}
