// SPDX-License-Identifier: Apache-2.0
#include "src/upstream/host.h"

#include <string.h>

#include "src/base/check.h"

static const uint32_t unhealthy_flags = HOST_FAILED_ACTIVE_HC | HOST_FAILED_OUTLIER |
                                        HOST_FAILED_EDS | HOST_PENDING_ACTIVE_HC |
                                        HOST_EDS_DRAINING;

enum host_health host_health(const struct host *host) {
    uint32_t flags = host_flags(host);
    if ((flags & unhealthy_flags) != 0) {
        return HOST_UNHEALTHY;
    }
    return (flags & (HOST_DEGRADED_ACTIVE | HOST_DEGRADED_EDS)) != 0 ? HOST_DEGRADED : HOST_HEALTHY;
}

static struct slice hostname_of(const struct endpoint_config *endpoint) {
    return slice_is_empty(endpoint->hostname) ? endpoint->dns_name : endpoint->hostname;
}

/* Takes `text` to `*to`, which moves on. */
static struct slice place_text(uint8_t **to, struct slice text) {
    if (text.len == 0) {
        return SLICE("");
    }
    struct slice copy = slice_make(*to, text.len);
    memcpy(*to, text.ptr, text.len);
    *to += text.len;
    return copy;
}

static size_t metadata_bytes(const struct metadata *metadata) {
    size_t bytes = metadata->count * sizeof(struct metadata_entry);
    for (uint32_t i = 0; i < metadata->count; i++) {
        const struct metadata_entry *entry = &metadata->entries[i];
        bytes += entry->filter.len + entry->path.len + entry->value.len;
    }
    return bytes;
}

static struct metadata place_metadata(struct metadata_entry *entries, uint8_t **text,
                                      const struct metadata *from) {
    for (uint32_t i = 0; i < from->count; i++) {
        const struct metadata_entry *entry = &from->entries[i];
        entries[i] = (struct metadata_entry){.filter = place_text(text, entry->filter),
                                             .path = place_text(text, entry->path),
                                             .value = place_text(text, entry->value),
                                             .is_string = entry->is_string};
    }
    return (struct metadata){from->count == 0 ? NULL : entries, from->count};
}

/* One block: the host, what its threads keep, metadata entries, a long address, texts. */
struct host *host_new(const struct endpoint_config *endpoint, const struct locality *locality,
                      const struct address *address, uint32_t thread_count) {
    char buffer[ADDRESS_TEXT_BYTES];
    struct slice address_text = address_to_text(address, buffer);
    struct slice hostname = hostname_of(endpoint);
    size_t size = sizeof(struct host) + thread_count * sizeof(struct worker_host *) +
                  metadata_bytes(&endpoint->metadata) + stored_address_room(address) +
                  address_text.len + hostname.len + locality->region.len + locality->zone.len +
                  locality->sub_zone.len;
    // The alignment wants whole cache lines; the text mostly fits in what that leaves.
    size = (size + 63) & ~(size_t)63;
    struct host *host = mem_alloc_aligned(64, size);
    memset(host, 0, size);
    atomic_init(&host->refs, 1);
    host->thread_count = thread_count;
    struct metadata_entry *entries = (struct metadata_entry *)(void *)&host->workers[thread_count];
    uint8_t *text = (uint8_t *)&entries[endpoint->metadata.count];
    host->address = stored_address_make(address, text);
    text += stored_address_room(address);
    host->metadata = place_metadata(entries, &text, &endpoint->metadata);
    host->address_text = place_text(&text, address_text);
    host->hostname = place_text(&text, hostname);
    host->locality.region = place_text(&text, locality->region);
    host->locality.zone = place_text(&text, locality->zone);
    host->locality.sub_zone = place_text(&text, locality->sub_zone);
    host->eds_health = endpoint->health;
    atomic_init(&host->weight, endpoint->weight);
    return host;
}

struct host *host_ref(struct host *host) {
    atomic_fetch_add_explicit(&host->refs, 1, memory_order_relaxed);
    return host;
}

void host_unref(struct host *host) {
    if (host == NULL) {
        return;
    }
    uint32_t before = atomic_fetch_sub_explicit(&host->refs, 1, memory_order_acq_rel);
    ASSERT(before > 0);
    if (before == 1) {
        mem_free(host);
    }
}

static bool metadata_equal(const struct metadata *a, const struct metadata *b) {
    if (a->count != b->count) {
        return false;
    }
    for (uint32_t i = 0; i < a->count; i++) {
        const struct metadata_entry *x = &a->entries[i];
        const struct metadata_entry *y = &b->entries[i];
        if (!slice_equal(x->filter, y->filter) || !slice_equal(x->path, y->path) ||
            !slice_equal(x->value, y->value) || x->is_string != y->is_string) {
            return false;
        }
    }
    return true;
}

bool host_matches(const struct host *host, const struct endpoint_config *endpoint,
                  const struct locality *locality, const struct address *address) {
    struct address own = stored_address_get(&host->address);
    return address_equal(&own, address) && slice_equal(host->hostname, hostname_of(endpoint)) &&
           slice_equal(host->locality.region, locality->region) &&
           slice_equal(host->locality.zone, locality->zone) &&
           slice_equal(host->locality.sub_zone, locality->sub_zone) &&
           metadata_equal(&host->metadata, &endpoint->metadata);
}
