// SPDX-License-Identifier: Apache-2.0
#include "src/config/validation.h"

#include <stdarg.h>
#include <stdio.h>

#include "src/base/check.h"

/* Findings that are not errors are kept up to this number. */
enum { MAX_NOTES = 256, FIRST_CAPACITY = 8, MAX_PATH_BYTES = 2048 };

struct path_text {
    char text[MAX_PATH_BYTES];
    size_t len;
};

static void path_append(struct path_text *path, const char *text, size_t len) {
    size_t room = sizeof(path->text) - path->len;
    size_t taken = len < room ? len : room;
    if (taken > 0) {
        memcpy(path->text + path->len, text, taken);
        path->len += taken;
    }
}

static void path_append_string(struct path_text *path, const char *text) {
    path_append(path, text, strlen(text));
}

static void path_append_field(struct path_text *path, const char *field) {
    if (path->len > 0 && field[0] != '\0') {
        path_append(path, ".", 1);
    }
    path_append_string(path, field);
}

static void path_append_frame(struct path_text *path, const struct validation_frame *frame) {
    if (frame->field != NULL) {
        path_append_field(path, frame->field);
    } else if (frame->key.ptr != NULL) {
        path_append_string(path, "[\"");
        path_append(path, (const char *)frame->key.ptr, frame->key.len);
        path_append_string(path, "\"]");
    } else {
        char index[16];
        int len = snprintf(index, sizeof(index), "[%u]", frame->index);
        path_append(path, index, len > 0 ? (size_t)len : 0);
    }
}

static void path_build(const struct validation *v, struct path_text *path) {
    uint32_t shown = v->depth < VALIDATION_MAX_DEPTH ? v->depth : VALIDATION_MAX_DEPTH;
    path->len = 0;
    for (uint32_t i = 0; i < shown; i++) {
        path_append_frame(path, &v->stack[i]);
    }
    if (v->depth > shown) {
        path_append_string(path, "...");
    }
}

static void validation_push_frame(struct validation *v, struct validation_frame frame) {
    if (v->depth < VALIDATION_MAX_DEPTH) {
        v->stack[v->depth] = frame;
    }
    v->depth++;
}

static uint32_t validation_kept_errors(const struct validation *v) {
    return v->error_count < VALIDATION_MAX_ERRORS ? v->error_count : VALIDATION_MAX_ERRORS;
}

/* Counts the finding; false where it is over its cap and need not be formatted. */
static bool validation_admit(struct validation *v, enum finding_kind kind) {
    if (kind == FINDING_ERROR) {
        v->error_count++;
        return v->error_count <= VALIDATION_MAX_ERRORS;
    }
    return v->finding_count - validation_kept_errors(v) < MAX_NOTES;
}

static void validation_grow(struct validation *v) {
    if (v->finding_count < v->finding_capacity) {
        return;
    }
    uint32_t capacity = v->finding_capacity == 0 ? FIRST_CAPACITY : v->finding_capacity * 2;
    struct finding *grown = ARENA_NEW_ARRAY(v->arena, capacity, struct finding);
    if (v->finding_count > 0) {
        memcpy(grown, v->findings, v->finding_count * sizeof(*grown));
    }
    v->findings = grown;
    v->finding_capacity = capacity;
}

/* Of the innermost frame that has one. */
static struct slice frame_owner(const struct validation *v) {
    uint32_t depth = v->depth < VALIDATION_MAX_DEPTH ? v->depth : VALIDATION_MAX_DEPTH;
    while (depth > 0 && v->stack[depth - 1].owner.len == 0) {
        depth--;
    }
    return depth == 0 ? SLICE("") : v->stack[depth - 1].owner;
}

PRINTF_LIKE(4, 0)
static void validation_add(struct validation *v, enum finding_kind kind, const char *field,
                           const char *format, va_list args) {
    if (!validation_admit(v, kind)) {
        return;
    }
    char text[ERROR_MESSAGE_BYTES];
    int written = vsnprintf(text, sizeof(text), format, args);
    size_t len = written < 0 ? 0 : (size_t)written;
    if (len >= sizeof(text)) {
        len = sizeof(text) - 1;
    }
    struct path_text path;
    path_build(v, &path);
    if (field != NULL) {
        path_append_field(&path, field);
    }
    validation_grow(v);
    struct finding *finding = &v->findings[v->finding_count++];
    finding->kind = kind;
    finding->path = arena_dup_slice(v->arena, slice_make(path.text, path.len));
    finding->message = arena_dup_slice(v->arena, slice_make(text, len));
    finding->owner = arena_dup_slice(v->arena, frame_owner(v));
}

void validation_init(struct validation *v, struct arena *arena, struct slice resource) {
    *v = (struct validation){.arena = arena, .resource = resource};
}

void validation_push(struct validation *v, const char *field) {
    validation_push_frame(v, (struct validation_frame){.field = field});
}

void validation_push_index(struct validation *v, uint32_t index) {
    validation_push_frame(v, (struct validation_frame){.index = index});
}

void validation_push_key(struct validation *v, struct slice key) {
    struct slice shown = key.ptr == NULL ? SLICE("") : key;
    validation_push_frame(v, (struct validation_frame){.key = shown});
}

void validation_pop(struct validation *v) {
    ASSERT(v->depth > 0);
    v->depth--;
}

void validation_own(struct validation *v, struct slice owner) {
    if (v->depth == 0) {
        v->owner = arena_dup_slice(v->arena, owner);
    } else if (v->depth <= VALIDATION_MAX_DEPTH) {
        v->stack[v->depth - 1].owner = owner;
    }
}

struct slice validation_path(const struct validation *v) {
    struct path_text path;
    path_build(v, &path);
    return arena_dup_slice(v->arena, slice_make(path.text, path.len));
}

void validation_error(struct validation *v, const char *format, ...) {
    va_list args;
    va_start(args, format);
    validation_add(v, FINDING_ERROR, NULL, format, args);
    va_end(args);
}

void validation_field_error(struct validation *v, const char *field, const char *format, ...) {
    va_list args;
    va_start(args, format);
    validation_add(v, FINDING_ERROR, field, format, args);
    va_end(args);
}

void validation_note(struct validation *v, enum finding_kind kind, const char *format, ...) {
    va_list args;
    va_start(args, format);
    validation_add(v, kind, NULL, format, args);
    va_end(args);
}

struct slice finding_text(const struct validation *v, const struct finding *finding,
                          struct arena *arena) {
    struct slice owner = finding->owner.len > 0 ? finding->owner : v->owner;
    bool is_owned = owner.len > 0;
    return arena_printf(arena, "%.*s%s%.*s%s%.*s%s", SLICE_ARG(finding->path),
                        finding->path.len > 0 ? ": " : "", SLICE_ARG(finding->message),
                        is_owned ? " (of " : "", SLICE_ARG(owner), is_owned ? ")" : "");
}

struct slice validation_text(const struct validation *v, struct arena *arena) {
    struct slice text = SLICE("");
    for (uint32_t i = 0; i < v->finding_count; i++) {
        if (v->findings[i].kind == FINDING_ERROR) {
            struct slice finding = finding_text(v, &v->findings[i], arena);
            text = arena_printf(arena, "%.*s%s%.*s", SLICE_ARG(text), text.len > 0 ? "; " : "",
                                SLICE_ARG(finding));
        }
    }
    if (v->error_count > VALIDATION_MAX_ERRORS) {
        text = arena_printf(arena, "%.*s; and %u more", SLICE_ARG(text),
                            v->error_count - VALIDATION_MAX_ERRORS);
    }
    return text.len > 0 ? text : SLICE("refused");
}

enum status validation_result(const struct validation *v, struct error *err) {
    if (v->error_count == 0) {
        return STATUS_OK;
    }
    struct slice text = validation_text(v, v->arena);
    return error_set(err, STATUS_INVALID, "%.*s%s%.*s", SLICE_ARG(v->resource),
                     v->resource.len > 0 ? ": " : "", SLICE_ARG(text));
}
