// SPDX-License-Identifier: Apache-2.0
/*
 * The messages of the discovery service, both variants. Requests are built as protobuf-c messages;
 * responses are read off the wire form, so that a response of ten thousand resources costs one pass and
 * no resource's body is looked at. What a parsed response names is borrowed from its bytes, its lists
 * lie in the caller's arena. Pure; control thread.
 */
#ifndef XDS_DISCOVERY_CODEC_H
#define XDS_DISCOVERY_CODEC_H

#include <stdbool.h>
#include <stdint.h>

#include "src/base/arena.h"
#include "src/base/error.h"
#include "src/base/slice.h"

struct Envoy__Config__Core__V3__Node;

enum discovery_variant { DISCOVERY_SOTW, DISCOVERY_DELTA };

enum { DISCOVERY_MAX_RESOURCES = 1024 * 1024, DISCOVERY_MAX_ERROR_BYTES = 16 * 1024 };

/* google.rpc.Code of a refusal, as Envoy sends it. */
enum { DISCOVERY_ERROR_CODE = 13 };

struct discovery_resource {
    struct slice name;     /* of the wrapper; empty where there is none */
    struct slice version;  /* delta, or of the wrapper */
    struct slice type_url; /* of the Any */
    struct slice value;    /* the Any's value: the resource itself */
    bool is_wrapped;       /* came as envoy.service.discovery.v3.Resource */
    bool has_body;         /* false: a heartbeat */
    bool has_ttl;
    uint64_t ttl_ms;
};

struct discovery_response {
    enum discovery_variant variant;
    struct slice version; /* version_info; delta: system_version_info */
    struct slice type_url;
    struct slice nonce;
    struct slice control_plane; /* identifier; may be empty */
    const struct discovery_resource *resources;
    uint32_t resource_count;
    const struct slice *removed; /* delta */
    uint32_t removed_count;
};

/* STATUS_PROTOCOL for bytes that are no such message, STATUS_LIMIT past DISCOVERY_MAX_RESOURCES. */
enum status discovery_response_parse(enum discovery_variant variant, struct slice bytes,
                                     struct arena *arena, struct discovery_response *response,
                                     struct error *err) MUST_USE;

struct discovery_version {
    struct slice name;
    struct slice version;
};

/* Of either variant; the lists that the variant does not have stay empty. */
struct discovery_request {
    const struct Envoy__Config__Core__V3__Node *node; /* NULL: left out */
    struct slice type_url;
    struct slice nonce;
    struct slice version;      /* SotW: last accepted */
    const struct slice *names; /* SotW: all; delta: newly subscribed */
    uint32_t name_count;
    const struct slice *unsubscribed; /* delta */
    uint32_t unsubscribed_count;
    const struct discovery_version *initial_versions; /* delta */
    uint32_t initial_version_count;
    bool is_refusal;
    struct slice error; /* of a refusal; cut at DISCOVERY_MAX_ERROR_BYTES */
};

/* The serialised message, in `arena`. */
struct slice discovery_request_encode(enum discovery_variant variant,
                                      const struct discovery_request *request, struct arena *arena);

#endif
