// SPDX-License-Identifier: Apache-2.0
#include "src/base/check.h"
#include "src/config/config_internal.h"
#include "src/config/config_store.h"
#include "src/event/io_context.h"
#include "src/event/mailbox.h"

struct pin_cells {
    struct config_part *part;
    struct mailbox *control;
    uint32_t threads;
    struct config_pin_cell cells[];
};

struct unref_mail {
    struct mail mail;
    struct config_part *part;
};

struct config_pin_cell *config_pins_new(struct config_part *part, struct mailbox *control,
                                        uint32_t threads) {
    size_t bytes = sizeof(struct pin_cells) + threads * sizeof(struct config_pin_cell);
    struct pin_cells *pins = mem_alloc_aligned(_Alignof(struct pin_cells), bytes);
    memset(pins, 0, bytes);
    pins->part = part;
    pins->control = control;
    pins->threads = threads;
    return pins->cells;
}

static struct pin_cells *pin_cells_of(struct config_pin_cell *cells) {
    return CONTAINER_OF(cells, struct pin_cells, cells);
}

void config_pins_free(struct config_pin_cell *pins) {
    if (pins != NULL) {
        mem_free(pin_cells_of(pins));
    }
}

bool config_pin_retain(struct config_part *part, uint32_t thread) {
    if (part == NULL || part->pins == NULL) {
        return false;
    }
    struct config_pin_cell *cell = &part->pins[thread];
    if (cell->count == 0 || cell->is_retained) {
        return false;
    }
    cell->is_retained = true;
    return true;
}

void config_pin(struct io_context *io, struct config_part *part) {
    if (part->pins == NULL) {
        return;
    }
    ASSERT(io->index < pin_cells_of(part->pins)->threads);
    part->pins[io->index].count++;
}

// Control thread: the last stream that held the part on some thread is gone.
static void deliver_unref(struct mail *mail) {
    struct unref_mail *unref = CONTAINER_OF(mail, struct unref_mail, mail);
    config_part_unref(unref->part);
    mem_free(unref);
}

void config_unpin(struct io_context *io, struct config_part *part) {
    if (part->pins == NULL) {
        return;
    }
    struct config_pin_cell *cell = &part->pins[io->index];
    CHECK(cell->count > 0);
    if (--cell->count > 0 || !cell->is_retained) {
        return;
    }
    cell->is_retained = false;
    struct unref_mail *unref = mem_alloc(sizeof(*unref));
    *unref = (struct unref_mail){.mail.deliver = deliver_unref, .part = part};
    mailbox_post(pin_cells_of(part->pins)->control, &unref->mail);
}
