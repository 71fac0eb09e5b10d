// SPDX-License-Identifier: Apache-2.0
/*
 * The filesystem as a management server: a file that holds a DiscoveryResponse, read at the start and
 * whenever it is replaced by a rename (or something is moved into its watched directory). A file that
 * cannot be read or parsed is reported; what was delivered before stays. Control thread, reads block.
 */
#ifndef XDS_TRANSPORT_FILE_TRANSPORT_H
#define XDS_TRANSPORT_FILE_TRANSPORT_H

#include "xds/discovery_codec.h"

struct file_watcher;
struct file_transport;

struct file_transport_handler {
    /* The file's content, valid during the call, in which the transport must not be freed. */
    void (*on_response)(void *arg, const struct discovery_response *response);
    /* STATUS_IO or NOT_FOUND: not to be read; others: it says nothing sensible. */
    void (*on_failure)(void *arg, const struct error *err);
};

struct file_transport_options {
    struct file_watcher *watcher;
    struct slice path;
    struct slice watched_directory; /* empty: the file itself is watched */
    bool reject_unknown;            /* unknown fields refuse the file */
    const struct file_transport_handler *handler;
    void *arg;
};

/* Watches; reads nothing yet. */
enum status file_transport_new(const struct file_transport_options *options,
                               struct file_transport **transport, struct error *err) MUST_USE;
void file_transport_free(struct file_transport *transport); /* NULL allowed */
/* Reads now. */
void file_transport_read(struct file_transport *transport);

#endif
