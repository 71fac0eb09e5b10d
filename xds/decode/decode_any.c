// SPDX-License-Identifier: Apache-2.0
#include "udpa/type/v1/typed_struct.pb-c.h"
#include "xds/decode/decoder.h"
#include "xds/proto_reflect.h"
#include "xds/type/v3/typed_struct.pb-c.h"
#include "xds/typed_config.h"

static struct slice type_of_url(struct slice url) {
    size_t slash = slice_rfind_byte(url, '/');
    return slash == SIZE_MAX ? url : slice_sub(url, slash + 1, url.len);
}

static struct slice inner_type(const ProtobufCMessage *typed_struct) {
    if (typed_struct->descriptor == &xds__type__v3__typed_struct__descriptor) {
        return type_of_url(
            slice_from_string(((const Xds__Type__V3__TypedStruct *)typed_struct)->type_url));
    }
    return type_of_url(
        slice_from_string(((const Udpa__Type__V1__TypedStruct *)typed_struct)->type_url));
}

static bool is_typed_struct(struct slice type) {
    return slice_equal(type, SLICE("xds.type.v3.TypedStruct")) ||
           slice_equal(type, SLICE("udpa.type.v1.TypedStruct"));
}

static const ProtobufCMessage *unpack(struct decoder *d, struct slice type,
                                      const Google__Protobuf__Any *any) {
    const struct proto_message_info *info = proto_message_find(type);
    if (info == NULL) {
        decoder_error(d, "unknown type '%.*s'", SLICE_ARG(type));
        return NULL;
    }
    return proto_unpack(info, slice_make(any->value.data, any->value.len), d->scratch,
                        d->config.validation);
}

bool decode_any_type(struct decoder *d, const Google__Protobuf__Any *any, struct any_view *view) {
    *view = (struct any_view){.any = any};
    if (any == NULL || any->type_url == NULL || any->type_url[0] == '\0') {
        return decoder_error(d, "no typed_config is given");
    }
    view->type = type_of_url(slice_from_string(any->type_url));
    if (!is_typed_struct(view->type)) {
        return true;
    }
    view->typed_struct = unpack(d, view->type, any);
    if (view->typed_struct == NULL) {
        return false;
    }
    view->type = inner_type(view->typed_struct);
    return true;
}

const ProtobufCMessage *decode_any_open(struct decoder *d, const struct any_view *view) {
    if (view->typed_struct == NULL) {
        return unpack(d, view->type, view->any);
    }
    uint32_t errors = d->config.validation->error_count;
    const struct proto_message_info *info = NULL;
    const ProtobufCMessage *message =
        typed_config_from_struct(view->typed_struct, d->scratch, &info, d->config.validation);
    if (message == NULL && d->config.validation->error_count == errors) {
        decoder_error(d, "unknown type '%.*s'", SLICE_ARG(view->type));
    }
    return d->config.validation->error_count == errors ? message : NULL;
}

bool decode_unknown_extension(struct decoder *d, const char *name, const struct any_view *view) {
    return decoder_error(d,
                         "Didn't find a registered implementation for '%s' with type URL: '%.*s'",
                         name == NULL ? "" : name, SLICE_ARG(view->type));
}
