// SPDX-License-Identifier: Apache-2.0
/*
 * One file into a part of the catalog. A file is YAML, JSON, binary or text protobuf (by its ending)
 * and holds a DiscoveryResponse ("resources:"), a list of resources, or one resource; each resource
 * has its "@type". Main thread.
 */
#ifndef TOOLS_XDS_SERVER_RESOURCE_READER_H
#define TOOLS_XDS_SERVER_RESOURCE_READER_H

#include "tools/xds_server/resource_catalog.h"

struct resource_reader_options {
    bool
        skip_rules; /* serve what breaks the API's rules of validation: to see a client refuse it */
};

/* True for names that the reader takes; others (hidden, backups, temporary) are left alone. */
bool resource_file_is_wanted(struct slice file_name);

/* `content` is the file's. On failure `err` names the file and the path of each wrong field. */
enum status resource_part_read(const char *path, struct slice content,
                               const struct resource_reader_options *options,
                               struct resource_part **part, struct error *err) MUST_USE;

#endif
