// SPDX-License-Identifier: Apache-2.0
/*
 * What the decoders share: the state of one decode, and the readers of the API's small messages. A
 * reader returns false after it put an error into the validation, whose path is kept by the callers
 * (decoder_push/pop around each field). Results lie in the part's arena, messages in the scratch arena.
 */
#ifndef XDS_DECODE_DECODER_H
#define XDS_DECODE_DECODER_H

#include <protobuf-c/protobuf-c.h>

#include "google/protobuf/any.pb-c.h"
#include "google/protobuf/duration.pb-c.h"
#include "google/protobuf/struct.pb-c.h"
#include "google/protobuf/wrappers.pb-c.h"
#include "src/base/check.h"
#include "src/filter_chain/filter_config.h"
#include "xds/resource_type.h"

/* Short forms of generated names: CORE(Address) *address. */
#define CORE(name) Envoy__Config__Core__V3__##name
#define ROUTE(name) Envoy__Config__Route__V3__##name
#define CLUSTER(name) Envoy__Config__Cluster__V3__##name
#define ENDPOINT(name) Envoy__Config__Endpoint__V3__##name
#define LISTENER(name) Envoy__Config__Listener__V3__##name
#define HCM(name) Envoy__Extensions__Filters__Network__HttpConnectionManager__V3__##name
#define TLS(name) Envoy__Extensions__TransportSockets__Tls__V3__##name
#define LOGGING(name) Envoy__Config__Accesslog__V3__##name
#define MATCHER(name) Envoy__Type__Matcher__V3__##name
#define TYPE(name) Envoy__Type__V3__##name

#define VALUE_OR(wrapper, fallback) ((wrapper) != NULL ? (wrapper)->value : (fallback))
#define FLAG_OR(wrapper, fallback) ((wrapper) != NULL ? (wrapper)->value != 0 : (fallback))

struct decoder {
    struct filter_config_context config; /* what extensions get; leads back here */
    const struct decode_context *context;
    const struct decode_options *options;
    struct arena *scratch;
    struct slice scope;       /* prefix of the names of slots that belong to this resource */
    struct slice chain;       /* of the filter chain being decoded, in names of inline routes */
    uint32_t serial;          /* makes those names unique */
    struct extra_part *extra; /* heap; moved to the part's arena at the end */
    uint32_t extra_count;
    struct resource_dependency *dependencies;
    uint32_t dependency_count;
    struct tls_need *tls;
    uint32_t tls_count;
};

static inline struct decoder *decoder_of(struct filter_config_context *config) {
    return CONTAINER_OF(config, struct decoder, config);
}

extern const struct filter_decoders decoder_vtable;

void decoder_init(struct decoder *d, const struct decode_context *context,
                  const struct decode_options *options, struct arena *scratch,
                  struct validation *v);
/* Frees the lists; parts in `extra` too. */
void decoder_deinit(struct decoder *d);
/* The part that things are allocated in from here on. */
void decoder_use_part(struct decoder *d, struct config_part *part);

/* ---- names, paths, errors ---- */
static inline void decoder_push(struct decoder *d, const char *field) {
    validation_push(d->config.validation, field);
}
static inline void decoder_push_index(struct decoder *d, const char *field, size_t index) {
    validation_push(d->config.validation, field);
    validation_push_index(d->config.validation, (uint32_t)index);
}
static inline void decoder_pop(struct decoder *d) {
    validation_pop(d->config.validation);
}
static inline void decoder_pop_index(struct decoder *d) {
    validation_pop(d->config.validation);
    validation_pop(d->config.validation);
}
/* Both give false, for `return`. */
bool decoder_error(struct decoder *d, const char *format, ...) PRINTF_LIKE(2, 3);
bool decoder_field_error(struct decoder *d, const char *field, const char *format, ...)
    PRINTF_LIKE(3, 4);

/* ---- text ---- */
struct slice decoder_text(struct decoder *d, const char *text); /* a copy; NULL is empty */
struct slice decoder_lower(struct decoder *d, const char *text);
const struct slice *decoder_texts(struct decoder *d, char *const *texts, size_t count, bool lower);

/* ---- small messages ---- */
/* The number of a key of the runtime; 0 for empty text. */
uint32_t decoder_runtime_key(struct decoder *d, const char *name);
bool decode_duration(struct decoder *d, const char *field,
                     const Google__Protobuf__Duration *duration, uint32_t *ms);
/* Leaves *ms alone where the field is not set. */
bool decode_optional_duration(struct decoder *d, const char *field,
                              const Google__Protobuf__Duration *duration, uint32_t *ms);

/* ---- Any ---- */
struct any_view {
    struct slice type; /* full message name; of a TypedStruct: what it stands for */
    const Google__Protobuf__Any *any;
    const ProtobufCMessage *typed_struct; /* NULL: a plain message */
};
/* The type without looking further; false with an error where there is none. */
bool decode_any_type(struct decoder *d, const Google__Protobuf__Any *any, struct any_view *view);
/* NULL with an error. The API's rules and the ledger have been applied to the whole resource, what
 * lies in its Any's included, before any decoder runs. */
const ProtobufCMessage *decode_any_open(struct decoder *d, const struct any_view *view);
static inline bool any_is(const struct any_view *view, const char *type) {
    return slice_equal(view->type, slice_from_string(type));
}
/* Envoy's words for an extension that is not built in; always false. */
bool decode_unknown_extension(struct decoder *d, const char *name, const struct any_view *view);

/* ---- dependencies ---- */
struct Envoy__Config__Core__V3__ConfigSource;
uint32_t decode_depend(struct decoder *d, enum config_kind kind, struct slice name,
                       const struct Envoy__Config__Core__V3__ConfigSource *source);
void decode_need_tls(struct decoder *d, uint32_t slot, const struct tls_config *config);
void decode_extra_part(struct decoder *d, uint32_t slot, struct config_part *part);

#endif
