// SPDX-License-Identifier: Apache-2.0
/*
 * From files and command-line text to messages: the bootstrap, and resource files of the filesystem
 * subscription. The format follows the name's ending in any case: .yaml and .yml, .pb, .pb_text, and
 * JSON for all else. A path is opened once and read in sequence, so it may be a FIFO. Results live in
 * the caller's arena; the document tree does not outlive the call. Control thread, blocking.
 */
#ifndef XDS_BOOTSTRAP_BOOTSTRAP_LOADER_H
#define XDS_BOOTSTRAP_BOOTSTRAP_LOADER_H

#include <stdbool.h>

#include "proto/proto_registry.h"
#include "src/base/arena.h"
#include "src/base/error.h"
#include "src/config/validation.h"

struct Envoy__Config__Bootstrap__V3__Bootstrap;

enum { BOOTSTRAP_MAX_BYTES = 64 * 1024 * 1024 };

struct bootstrap_source {
    const char *config_path;          /* -c; NULL or "": none */
    struct slice config_yaml;         /* --config-yaml, merged over the file; empty: none */
    bool allow_unknown_static_fields; /* they become findings instead of errors */
    bool allow_disallowed_deprecated; /* envoy.features.enable_all_deprecated_features */
    bool skip_deprecated_notes;
};

/* The bootstrap, merged and held against the API's rules. `v` (its arena must outlive the caller's use
 * of the findings) gets errors, unknown and deprecated fields. On failure `err` has Envoy's words for
 * what Envoy has words for. */
enum status bootstrap_load(const struct bootstrap_source *source, struct arena *arena,
                           struct Envoy__Config__Bootstrap__V3__Bootstrap **bootstrap,
                           struct validation *v, struct error *err) MUST_USE;

/* A copy of what was read in `arena`, whose static resources are still those of `read`, for whoever wants
 * to keep the message but not these. NULL with errors in `v`. */
struct Envoy__Config__Bootstrap__V3__Bootstrap *
bootstrap_split(struct Envoy__Config__Bootstrap__V3__Bootstrap *read, struct arena *arena,
                struct validation *v);
/* The message has no static resources any more; their memory is the caller's. */
void bootstrap_forget_resources(struct Envoy__Config__Bootstrap__V3__Bootstrap *bootstrap);

/* One resource of a file: an Any, unpacked by nobody yet. A wrapper (envoy.service.discovery.v3.
 * Resource) is opened: `name` is its name, else empty. */
struct resource_entry {
    struct slice name;
    struct slice type_url;
    struct slice value;
};

struct resource_file {
    struct slice version; /* version_info */
    struct resource_entry *entries;
    uint32_t count;
};

/* A DiscoveryResponse from a file. Unknown fields are findings, or errors if `reject_unknown`. Rules
 * are left to whoever decodes each resource. STATUS_IO where the file cannot be read. */
enum status resource_file_load(const char *path, bool reject_unknown, struct arena *arena,
                               struct resource_file *file, struct validation *v,
                               struct error *err) MUST_USE;

/* A whole file in `arena`. STATUS_NOT_FOUND: "Invalid path: …"; STATUS_LIMIT: over `max_bytes`. */
enum status config_file_read(const char *path, size_t max_bytes, struct arena *arena,
                             struct slice *content, struct error *err) MUST_USE;

/* One document of a known type. */
struct config_document {
    const struct proto_message_info *info;
    struct slice name; /* its ending decides about the format */
    struct slice content;
    bool unknown_is_error;
};

enum status config_document_parse(const struct config_document *document, struct arena *arena,
                                  ProtobufCMessage **message, struct validation *v,
                                  struct error *err) MUST_USE;

#endif
