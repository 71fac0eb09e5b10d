// SPDX-License-Identifier: Apache-2.0
/*
 * The kinds of xDS resources and how their bytes become immutable configuration parts. A decode is one
 * call: wire check, unpacking into a scratch arena, the API's own rules, semantic checks, the ledger;
 * its outcome is a part with what it depends on, or all that is wrong with it in the validation. Nothing
 * is put into the store but names (slots are given out). Control thread.
 */
#ifndef XDS_RESOURCE_TYPE_H
#define XDS_RESOURCE_TYPE_H

#include "src/config/config_store.h"
#include "src/config/ledger.h"
#include "src/config/validation.h"
#include "src/filter_chain/filter_registry.h"

struct ProtobufCMessage;
struct file_writer;
struct listener_part;
struct owner_patterns;
struct stats_registry;
struct tls_config;

/* What decoding needs from the process; outlives every part. */
struct decode_context {
    struct config_store *store;
    struct stats_registry *stats;
    struct file_writer *files;
    const struct filter_registry *registry;
    const struct owner_patterns *owners; /* NULL: none given */
    bool edge_defaults;                  /* --defaults edge */
    struct slice node_id, node_cluster;  /* of the bootstrap */
    /* Is there a cluster of that name, warming or not (validate_clusters)? NULL: not asked. */
    bool (*cluster_exists)(void *arg, struct slice name);
    void *cluster_exists_arg;
};

struct decode_options {
    bool is_static;       /* of the bootstrap */
    struct slice version; /* version_info; empty for static */
    uint64_t wall_us;     /* for last_updated */
    bool keep_raw;        /* keeps the bytes in the part, for config_dump */
};

/* Another resource that the part names. */
struct resource_dependency {
    enum config_kind kind; /* ROUTE, ENDPOINT, SECRET: to be fetched; CLUSTER: by name in CDS */
    struct slice name;     /* as asked of the management server */
    uint32_t slot;
    /* A serialised envoy.config.core.v3.ConfigSource; empty: a static resource of the bootstrap. */
    struct slice config_source;
    struct slice stat_prefix; /* of the place that names it: "http.ingress."; in the part's arena */
};

/* A part that came with the resource: an inline route configuration, a load_assignment. */
struct extra_part {
    uint32_t slot;
    struct config_part *part;
};

/* A CONFIG_TLS slot of the resource, to be filled by tls_builder. */
struct tls_need {
    uint32_t slot;
    const struct tls_config *config; /* in the part's arena */
};

/* Lists lie in the part's arena (or, after a failure, nowhere: all empty). */
struct decode_result {
    struct config_part *part; /* one reference; NULL: refused */
    const struct extra_part *extra;
    uint32_t extra_count;
    const struct resource_dependency *dependencies; /* each slot once */
    uint32_t dependency_count;
    const struct tls_need *tls;
    uint32_t tls_count;
    uint64_t hash; /* canonical: equal for equal meaning, whatever the order of maps on the wire */
};

struct decoder;
struct resource_type {
    const char *type_url;   /* "type.googleapis.com/envoy.config.listener.v3.Listener" */
    const char *message;    /* full name, without the prefix */
    const char *short_name; /* "LDS" */
    enum config_kind kind;
    uint32_t name_field;      /* number of the field that names the resource */
    bool is_required_in_sotw; /* LDS, CDS: what a response leaves out is removed */
    struct config_part *(*decode)(struct decoder *decoder, const struct ProtobufCMessage *message);
};

extern const struct resource_type resource_type_listener;
extern const struct resource_type resource_type_route;
extern const struct resource_type resource_type_cluster;
extern const struct resource_type resource_type_endpoint;
extern const struct resource_type resource_type_secret;
extern const struct resource_type resource_type_runtime;

/* By type URL; NULL for none of ours. */
const struct resource_type *resource_type_find(struct slice type_url);
const struct resource_type *resource_type_at(uint32_t index); /* NULL past the last */

/* The resource's name, read off the wire without unpacking; borrowed from `raw`. Of bytes that are no
 * message what stands before the fault, to refuse them by; empty where there is none. */
struct slice resource_name(const struct resource_type *type, struct slice raw);

/* The same of a message that is there already. */
struct slice resource_message_name(const struct resource_type *type,
                                   const struct ProtobufCMessage *message);

/* Decodes the value of the resource's Any. On STATUS_OK the caller owns result->part and the extra
 * parts; otherwise `v` (initialised by the caller) holds the errors. Findings of the ledger are in `v`
 * in both cases. */
enum status resource_decode(const struct resource_type *type, const struct decode_context *context,
                            const struct decode_options *options, struct slice raw,
                            struct validation *v, struct decode_result *result) MUST_USE;
/* The same for a message that is there already (bootstrap); `message` is only read. */
enum status resource_decode_message(const struct resource_type *type,
                                    const struct decode_context *context,
                                    const struct decode_options *options,
                                    const struct ProtobufCMessage *message, struct validation *v,
                                    struct decode_result *result) MUST_USE;
void decode_result_release(struct decode_result *result);

/* Canonical hash of any message of the API: map entries sorted, Any unpacked where its type is known. */
uint64_t canonical_hash(const struct ProtobufCMessage *message, struct arena *scratch);

/* All tables of the decoders, for the ledger's walker and docs/compatibility.md. */
const struct ledger_message *decode_ledger_at(uint32_t index); /* NULL past the last */
/* A ledger_lookup_fn (xds/ledger_walk.h) over these and the tables of a `const struct filter_registry *`
 * (NULL: none). */
const struct ledger_message *decode_ledger_find(void *registry, const char *message);

#endif
