// SPDX-License-Identifier: Apache-2.0
/*
 * Collects what is wrong with one document or resource: a stack of field names gives each finding its
 * full path, and all errors are kept (up to a cap), so that one NACK names them all. Storage is the
 * caller's; used by loaders and decoders on the control thread.
 */
#ifndef SRC_CONFIG_VALIDATION_H
#define SRC_CONFIG_VALIDATION_H

#include <stdbool.h>
#include <stdint.h>

#include "src/base/arena.h"
#include "src/base/error.h"
#include "src/base/slice.h"

enum { VALIDATION_MAX_DEPTH = 128, VALIDATION_MAX_ERRORS = 20 };

enum finding_kind {
    FINDING_ERROR,   /* the resource is refused */
    FINDING_UNKNOWN, /* field number or name the API does not know */
    FINDING_IGNORED, /* behaviour-changing field that is not honoured */
    FINDING_DEPRECATED,
};

struct finding {
    enum finding_kind kind;
    struct slice path; /* "filter_chains[0].filters[1].typed_config.route_config" */
    struct slice message;
    struct slice owner; /* of what is at `path`; empty: the resource's */
};

struct validation_frame {
    const char *field; /* NULL: an index or key frame */
    struct slice key;  /* map key or Any's type; empty: index */
    uint32_t index;
    struct slice owner; /* empty: that of the frame below */
};

struct validation {
    struct arena *arena;   /* findings' text */
    struct slice resource; /* name shown in front; may be empty */
    struct slice owner;    /* the resource's; empty: not known */
    struct validation_frame stack[VALIDATION_MAX_DEPTH];
    uint32_t depth;
    struct finding *findings;
    uint32_t finding_count, finding_capacity;
    uint32_t error_count; /* all of them, also those beyond the cap */
};

void validation_init(struct validation *v, struct arena *arena, struct slice resource);

/* Paths: push before descending, pop after. `field` must outlive the frame (a literal or descriptor
 * name). Deeper than the cap is counted and flattened. */
void validation_push(struct validation *v, const char *field);
void validation_push_index(struct validation *v, uint32_t index);
void validation_push_key(struct validation *v, struct slice key);
void validation_pop(struct validation *v);
/* What lies at the current path and below belongs to `owner`, until the frame is popped: findings name
 * it. With nothing pushed, all findings that have no owner of their own, those made before included.
 * The text must live as long as the frame. */
void validation_own(struct validation *v, struct slice owner);
/* The current path as text in v->arena. */
struct slice validation_path(const struct validation *v);

void validation_error(struct validation *v, const char *format, ...) PRINTF_LIKE(2, 3);
/* Convenience: error at `field` below the current path. */
void validation_field_error(struct validation *v, const char *field, const char *format, ...)
    PRINTF_LIKE(3, 4);
void validation_note(struct validation *v, enum finding_kind kind, const char *format, ...)
    PRINTF_LIKE(3, 4);
static inline bool validation_ok(const struct validation *v) {
    return v->error_count == 0;
}
/* "<path>: <message> (of <owner>)", as much of it as there is, in `arena`. */
struct slice finding_text(const struct validation *v, const struct finding *finding,
                          struct arena *arena);
/* All errors, in `arena`: "<path>: <message> (of <owner>); <path>: ...; and 3 more"; "refused" if there
 * is none. */
struct slice validation_text(const struct validation *v, struct arena *arena);
/* STATUS_OK without errors; else STATUS_INVALID and "<resource>: <path>: <message>; <path>: …". */
enum status validation_result(const struct validation *v, struct error *err) MUST_USE;

#endif
