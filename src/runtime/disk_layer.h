// SPDX-License-Identifier: Apache-2.0
/*
 * A layer that is a folder: each file is a key, named by its path with dots for slashes, and its content
 * the value, without the lines that begin with '#'. Pure over the file system. Control thread.
 */
#ifndef SRC_RUNTIME_DISK_LAYER_H
#define SRC_RUNTIME_DISK_LAYER_H

#include "src/base/error.h"

struct runtime_layer;

/* Fills the empty layer. STATUS_NOT_FOUND: no such folder. STATUS_LIMIT, STATUS_IO: it cannot be read as a
 * whole; the layer has a part of it then. */
enum status runtime_disk_read(const char *path, struct runtime_layer *layer,
                              struct error *err) MUST_USE;

#endif
