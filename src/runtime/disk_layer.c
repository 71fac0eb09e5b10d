// SPDX-License-Identifier: Apache-2.0
#include "src/runtime/disk_layer.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "src/base/arena.h"
#include "src/runtime/runtime.h"

/* As deep as Envoy goes; a value is a line, as a rule. */
enum { MAX_DEPTH = 16, MAX_FILE_BYTES = 1024 * 1024 };

struct walk {
    struct runtime_layer *layer;
    struct arena *arena;
    struct error *err;
};

static enum status read_all(int fd, const struct stat *facts, const char *path,
                            const struct walk *walk, struct slice *content) {
    size_t size = (size_t)facts->st_size;
    uint8_t *bytes = arena_alloc_bytes(walk->arena, size + 1);
    size_t used = 0;
    while (used < size) {
        ssize_t got = read(fd, bytes + used, size - used);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got < 0) {
            return error_set(walk->err, STATUS_IO, "cannot read '%s'", path);
        }
        if (got == 0) {
            break;
        }
        used += (size_t)got;
    }
    *content = slice_make(bytes, used);
    return STATUS_OK;
}

static enum status read_file(const char *path, const struct walk *walk, struct slice *content) {
    struct stat facts;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &facts) != 0) {
        if (fd >= 0) {
            (void)close(fd);
        }
        return error_set(walk->err, STATUS_IO, "cannot read '%s'", path);
    }
    enum status status =
        facts.st_size > MAX_FILE_BYTES
            ? error_set(walk->err, STATUS_LIMIT, "'%s' is larger than a value may be", path)
            : read_all(fd, &facts, path, walk, content);
    (void)close(fd);
    return status;
}

static struct slice trim_end(struct slice line) {
    while (line.len > 0 && strchr(" \t\f\v\n\r", line.ptr[line.len - 1]) != NULL &&
           line.ptr[line.len - 1] != '\0') {
        line.len--;
    }
    return line;
}

static struct slice last_line(struct slice content) {
    struct slice line;
    struct slice last = {0};
    while (slice_split(&content, '\n', &line)) {
        last = line.len > 0 ? line : last;
    }
    return last;
}

// Comments are for folders that are kept with nothing in them. Empty lines go; the last line's end too.
static struct slice value_of(struct slice content, struct arena *arena) {
    struct slice last = last_line(content);
    uint8_t *text = arena_alloc_bytes(arena, content.len + 1);
    size_t used = 0;
    struct slice line;
    while (slice_split(&content, '\n', &line)) {
        if (line.len == 0 || line.ptr[0] == '#') {
            continue;
        }
        bool is_last = slice_equal(line, last);
        line = is_last ? trim_end(line) : line;
        if (line.len > 0) {
            memcpy(text + used, line.ptr, line.len);
            used += line.len;
        }
        if (!is_last) {
            text[used++] = '\n';
        }
    }
    return slice_make(text, used);
}

static enum status walk_folder(const struct walk *walk, const char *path, const char *prefix,
                               unsigned depth);

static enum status walk_entry(const struct walk *walk, const char *folder, const char *prefix,
                              const char *name, unsigned depth) {
    struct stat facts;
    struct slice path = arena_printf(walk->arena, "%s/%s", folder, name);
    struct slice key =
        arena_printf(walk->arena, "%s%s%s", prefix, prefix[0] == '\0' ? "" : ".", name);
    const char *path_text = arena_dup_string(walk->arena, path);
    // Through links: a folder of a volume is one, as a rule.
    if (stat(path_text, &facts) != 0) {
        return STATUS_OK;
    }
    if (S_ISDIR(facts.st_mode)) {
        return walk_folder(walk, path_text, arena_dup_string(walk->arena, key), depth + 1);
    }
    if (!S_ISREG(facts.st_mode)) {
        return STATUS_OK;
    }
    struct slice content;
    TRY(read_file(path_text, walk, &content));
    struct slice value = value_of(content, walk->arena);
    runtime_layer_set(walk->layer, key, value, runtime_value_of_text(value));
    return STATUS_OK;
}

static enum status walk_folder(const struct walk *walk, const char *path, const char *prefix,
                               unsigned depth) {
    if (depth > MAX_DEPTH) {
        return error_set(walk->err, STATUS_LIMIT, "Walk recursion depth exceeded %d", MAX_DEPTH);
    }
    DIR *folder = opendir(path);
    if (folder == NULL) {
        return error_set(walk->err, errno == ENOENT ? STATUS_NOT_FOUND : STATUS_IO,
                         "cannot read folder '%s'", path);
    }
    enum status status = STATUS_OK;
    const struct dirent *entry;
    while (status == STATUS_OK && (entry = readdir(folder)) != NULL) {
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0) {
            status = walk_entry(walk, path, prefix, entry->d_name, depth);
        }
    }
    (void)closedir(folder);
    return status;
}

enum status runtime_disk_read(const char *path, struct runtime_layer *layer, struct error *err) {
    struct arena arena;
    arena_init_heap(&arena, 0);
    const struct walk walk = {.layer = layer, .arena = &arena, .err = err};
    enum status status = walk_folder(&walk, path, "", 1);
    arena_deinit(&arena);
    return status;
}
