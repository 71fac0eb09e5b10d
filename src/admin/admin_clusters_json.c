// SPDX-License-Identifier: Apache-2.0
#include "src/admin/admin_address.h"
#include "src/admin/admin_clusters.h"
#include "src/admin/json_writer.h"
#include "src/base/check.h"

static const struct {
    const char *name;
    int stat;
} metrics[] = {
    {"cx_connect_fail", HOST_STAT_CX_CONNECT_FAIL},
    {"cx_total", HOST_STAT_CX_TOTAL},
    {"rq_error", HOST_STAT_RQ_ERROR},
    {"rq_success", HOST_STAT_RQ_SUCCESS},
    {"rq_timeout", HOST_STAT_RQ_TIMEOUT},
    {"rq_total", HOST_STAT_RQ_TOTAL},
    {"cx_active", ADMIN_HOST_CX_ACTIVE},
    {"rq_active", ADMIN_HOST_RQ_ACTIVE},
    {"rq_pending_active", ADMIN_HOST_RQ_PENDING_ACTIVE},
};

/* Fields of default value are left out: the type COUNTER, the value 0. */
static void write_metrics(struct json_writer *json, const struct host *host) {
    json_begin_array(json, "stats");
    for (size_t i = 0; i < ARRAY_LEN(metrics); i++) {
        uint64_t value = admin_host_value(host, metrics[i].stat);
        json_begin_object(json, NULL);
        if (metrics[i].stat < 0) {
            json_string(json, "type", SLICE("GAUGE"));
        }
        if (value != 0) {
            json_uint_text(json, "value", value);
        }
        json_string(json, "name", slice_from_string(metrics[i].name));
        json_end_object(json);
    }
    json_end_array(json);
}

static struct slice eds_status(enum health_status status) {
    switch (status) {
    case HEALTH_UNKNOWN:
    case HEALTH_HEALTHY:
        return SLICE("HEALTHY");
    case HEALTH_UNHEALTHY:
        return SLICE("UNHEALTHY");
    case HEALTH_DRAINING:
        return SLICE("DRAINING");
    case HEALTH_TIMEOUT:
        return SLICE("TIMEOUT");
    case HEALTH_DEGRADED:
        return SLICE("DEGRADED");
    }
    return SLICE("UNKNOWN");
}

static void write_health(struct json_writer *json, const struct host *host) {
    uint32_t flags = host_flags(host);
    json_begin_object(json, "health_status");
    for (uint32_t i = 0; i < admin_host_flag_count; i++) {
        const struct admin_host_flag *flag = &admin_host_flags[i];
        if ((flags & flag->flag) != 0 && flag->json_name != NULL) {
            json_bool(json, flag->json_name, true);
        }
    }
    json_string(json, "eds_health_status", eds_status(host->eds_health));
    json_end_object(json);
}

static void write_text_field(struct json_writer *json, const char *key, struct slice value) {
    if (value.len > 0) {
        json_string(json, key, value);
    }
}

static void write_host(struct json_writer *json, const struct host *host) {
    json_begin_object(json, NULL);
    struct address address = stored_address_get(&host->address);
    admin_write_address(json, "address", &address);
    write_metrics(json, host);
    write_health(json, host);
    json_uint(json, "weight", atomic_load_explicit(&host->weight, memory_order_relaxed));
    write_text_field(json, "hostname", host->hostname);
    if (host->priority != 0) {
        json_uint(json, "priority", host->priority);
    }
    json_begin_object(json, "locality");
    write_text_field(json, "region", host->locality.region);
    write_text_field(json, "zone", host->locality.zone);
    write_text_field(json, "sub_zone", host->locality.sub_zone);
    json_end_object(json);
    json_end_object(json);
}

static void write_hosts(struct json_writer *json, const struct host_set *hosts) {
    if (hosts == NULL || hosts->host_count == 0) {
        return;
    }
    json_begin_array(json, "host_statuses");
    for (uint32_t p = 0; p < hosts->priority_count; p++) {
        const struct host_list *all = &hosts->priorities[p].all;
        for (uint32_t i = 0; i < all->count; i++) {
            write_host(json, all->hosts[i]);
        }
    }
    json_end_array(json);
}

static void write_breakers(struct json_writer *json, const struct cluster_part *cluster) {
    json_begin_object(json, "circuit_breakers");
    json_begin_array(json, "thresholds");
    for (unsigned level = 0; level < 2; level++) {
        const struct circuit_breaker_thresholds *limits = &cluster->breakers[level];
        json_begin_object(json, NULL);
        if (level == 1) {
            json_string(json, "priority", SLICE("HIGH"));
        }
        json_uint(json, "max_connections", limits->max_connections);
        json_uint(json, "max_pending_requests", limits->max_pending_requests);
        json_uint(json, "max_requests", limits->max_requests);
        json_uint(json, "max_retries", limits->max_retries);
        json_end_object(json);
    }
    json_end_array(json);
    json_end_object(json);
}

static void write_cluster(struct json_writer *json, const struct admin_cluster *entry) {
    const struct cluster_part *cluster = entry->cluster;
    json_begin_object(json, NULL);
    json_string(json, "name", cluster->part.name);
    if (!cluster->part.is_static) {
        json_bool(json, "added_via_api", true);
    }
    write_hosts(json, entry->hosts);
    write_breakers(json, cluster);
    json_string(json, "observability_name", cluster->stat_name);
    if (admin_cluster_has_eds_name(cluster)) {
        json_string(json, "eds_service_name", cluster->eds_name);
    }
    json_end_object(json);
}

void admin_write_clusters_json(const struct admin_cluster_list *list, struct buffer *out) {
    struct json_writer json;
    json_init(&json, out, true);
    json_begin_object(&json, NULL);
    if (list->count > 0) {
        json_begin_array(&json, "cluster_statuses");
        for (uint32_t i = 0; i < list->count; i++) {
            write_cluster(&json, &list->items[i]);
        }
        json_end_array(&json);
    }
    json_end_object(&json);
    buffer_append(out, SLICE("\n"));
}
