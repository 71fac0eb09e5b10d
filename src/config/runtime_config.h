// SPDX-License-Identifier: Apache-2.0
/*
 * The runtime's layers as the bootstrap names them, and one layer's keys and values as a resource of a
 * management server (envoy.service.runtime.v3.Runtime). Nested keys are joined by dots.
 */
#ifndef SRC_CONFIG_RUNTIME_CONFIG_H
#define SRC_CONFIG_RUNTIME_CONFIG_H

#include "src/config/config_part.h"
#include "src/runtime/runtime_value.h"

struct runtime_setting {
    struct slice key;
    struct slice text; /* what /runtime shows */
    struct runtime_value value;
};
struct runtime_settings {
    const struct runtime_setting *items;
    uint32_t count;
};

/* Never put into the store: its settings become a layer. */
struct runtime_part {
    struct config_part part;
    struct runtime_settings settings;
};

enum runtime_layer_kind {
    RUNTIME_LAYER_STATIC,
    RUNTIME_LAYER_DISK,
    RUNTIME_LAYER_ADMIN,
    RUNTIME_LAYER_RTDS,
};
struct runtime_layer_config {
    enum runtime_layer_kind kind;
    struct slice name;
    struct runtime_settings settings; /* STATIC */
    struct slice symlink_root;        /* DISK: what is watched */
    const char *path;                 /* DISK: the folder under it that is read */
    struct slice resource;            /* RTDS: its name */
    struct slice config_source;       /* RTDS: a serialised envoy.config.core.v3.ConfigSource */
};
struct runtime_config {
    const struct runtime_layer_config *layers;
    uint32_t count;
};

#endif
