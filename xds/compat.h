// SPDX-License-Identifier: Apache-2.0
/*
 * `sallyport compat`: what of given configurations would be honoured, ignored or refused, without running
 * them; and the generated docs/compatibility.md. Reads a config_dump, a bootstrap, a resource file
 * (DiscoveryResponse) or a single resource, JSON or YAML. Prints to stdout.
 */
#ifndef XDS_COMPAT_H
#define XDS_COMPAT_H

#include "xds/resource_type.h"

/* One file; returns the number of errors (things that would be refused, or not be readable). */
uint32_t compat_file(const char *path, const struct decode_context *context);
/* The whole ledger as Markdown. */
void compat_document(const struct filter_registry *registry);

#endif
