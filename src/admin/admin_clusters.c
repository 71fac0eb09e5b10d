// SPDX-License-Identifier: Apache-2.0
#include "src/admin/admin_clusters.h"

#include <stdlib.h>

#include "src/admin/admin_request.h"
#include "src/base/check.h"
#include "src/matcher/regex.h"
#include "src/upstream/cluster_manager.h"

const struct admin_host_flag admin_host_flags[] = {
    {HOST_FAILED_ACTIVE_HC, "/failed_active_hc", "failed_active_health_check"},
    {HOST_FAILED_OUTLIER, "/failed_outlier_check", "failed_outlier_check"},
    {HOST_FAILED_EDS, "/failed_eds_health", NULL},
    {HOST_DEGRADED_ACTIVE, "/degraded_active_hc", "failed_active_degraded_check"},
    {HOST_DEGRADED_EDS, "/degraded_eds_health", NULL},
    {HOST_PENDING_DYNAMIC_REMOVAL, "/pending_dynamic_removal", "pending_dynamic_removal"},
    {HOST_PENDING_ACTIVE_HC, "/pending_active_hc", "pending_active_hc"},
    {HOST_EXCLUDED, "/excluded_via_immediate_hc_fail", "excluded_via_immediate_hc_fail"},
    {HOST_EDS_DRAINING, "/eds_status_draining", NULL},
};
const uint32_t admin_host_flag_count = (uint32_t)ARRAY_LEN(admin_host_flags);

/* In the order of the text form. */
static const struct {
    const char *name;
    int stat; /* enum host_stat, or -1 and below: a gauge */
} host_lines[] = {
    {"cx_active", ADMIN_HOST_CX_ACTIVE},  {"cx_connect_fail", HOST_STAT_CX_CONNECT_FAIL},
    {"cx_total", HOST_STAT_CX_TOTAL},     {"rq_active", ADMIN_HOST_RQ_ACTIVE},
    {"rq_error", HOST_STAT_RQ_ERROR},     {"rq_pending_active", ADMIN_HOST_RQ_PENDING_ACTIVE},
    {"rq_success", HOST_STAT_RQ_SUCCESS}, {"rq_timeout", HOST_STAT_RQ_TIMEOUT},
    {"rq_total", HOST_STAT_RQ_TOTAL},
};

uint64_t admin_host_value(const struct host *host, int stat) {
    switch (stat) {
    case ADMIN_HOST_CX_ACTIVE:
        return atomic_load_explicit(&host->active_connections, memory_order_relaxed);
    case ADMIN_HOST_RQ_ACTIVE:
        return atomic_load_explicit(&host->active_requests, memory_order_relaxed);
    case ADMIN_HOST_RQ_PENDING_ACTIVE: /* requests wait at the cluster's pool, not at a host */
        return 0;
    default:
        return atomic_load_explicit(&host->stats[stat], memory_order_relaxed);
    }
}

/* ---- text ---- */

static void write_flags(struct buffer *out, uint32_t flags) {
    bool is_healthy = true;
    for (uint32_t i = 0; i < admin_host_flag_count; i++) {
        if ((flags & admin_host_flags[i].flag) != 0) {
            admin_text(out, admin_host_flags[i].text);
            is_healthy = false;
        }
    }
    admin_text(out, is_healthy ? "healthy\n" : "\n");
}

/* Every line of a host begins with "<cluster>::<address>::". */
struct line_writer {
    struct buffer *out;
    struct slice cluster;
    struct slice host;
};

static void begin_line(const struct line_writer *line, const char *name) {
    admin_slice(line->out, line->cluster);
    admin_text(line->out, "::");
    admin_slice(line->out, line->host);
    buffer_append_printf(line->out, "::%s::", name);
}

static void write_line(const struct line_writer *line, const char *name, struct slice value) {
    begin_line(line, name);
    admin_slice(line->out, value);
    admin_text(line->out, "\n");
}

static void write_number(const struct line_writer *line, const char *name, uint64_t value) {
    begin_line(line, name);
    buffer_append_printf(line->out, "%llu\n", (unsigned long long)value);
}

static void write_host(struct buffer *out, const struct cluster_part *cluster,
                       const struct host *host) {
    char text[ADDRESS_TEXT_BYTES];
    struct address address = stored_address_get(&host->address);
    const struct line_writer line = {
        .out = out,
        .cluster = cluster->part.name,
        .host = address_to_text(&address, text),
    };
    for (size_t i = 0; i < ARRAY_LEN(host_lines); i++) {
        write_number(&line, host_lines[i].name, admin_host_value(host, host_lines[i].stat));
    }
    write_line(&line, "hostname", host->hostname);
    begin_line(&line, "health_flags");
    write_flags(out, host_flags(host));
    write_number(&line, "weight", atomic_load_explicit(&host->weight, memory_order_relaxed));
    write_line(&line, "region", host->locality.region);
    write_line(&line, "zone", host->locality.zone);
    write_line(&line, "sub_zone", host->locality.sub_zone);
    write_line(&line, "canary", SLICE("false"));
    write_number(&line, "priority", host->priority);
    write_line(&line, "success_rate", SLICE("-1"));
    write_line(&line, "local_origin_success_rate", SLICE("-1"));
}

static void write_breakers(struct buffer *out, const struct cluster_part *cluster, unsigned level) {
    const struct circuit_breaker_thresholds *limits = &cluster->breakers[level];
    const struct {
        const char *name;
        uint32_t value;
    } lines[] = {
        {"max_connections", limits->max_connections},
        {"max_pending_requests", limits->max_pending_requests},
        {"max_requests", limits->max_requests},
        {"max_retries", limits->max_retries},
    };
    for (size_t i = 0; i < ARRAY_LEN(lines); i++) {
        admin_slice(out, cluster->part.name);
        buffer_append_printf(out, "::%s_priority::%s::%u\n", level == 0 ? "default" : "high",
                             lines[i].name, lines[i].value);
    }
}

static void write_cluster(struct buffer *out, const struct admin_cluster *entry) {
    static const char *const rates[] = {
        "success_rate_average",
        "success_rate_ejection_threshold",
        "local_origin_success_rate_average",
        "local_origin_success_rate_ejection_threshold",
    };
    const struct cluster_part *cluster = entry->cluster;
    struct slice name = cluster->part.name;
    buffer_append_printf(out, "%.*s::observability_name::%.*s\n", SLICE_ARG(name),
                         SLICE_ARG(cluster->stat_name));
    for (size_t i = 0; cluster->outlier != NULL && i < ARRAY_LEN(rates); i++) {
        buffer_append_printf(out, "%.*s::outlier::%s::-1\n", SLICE_ARG(name), rates[i]);
    }
    write_breakers(out, cluster, 0);
    write_breakers(out, cluster, 1);
    buffer_append_printf(out, "%.*s::added_via_api::%s\n", SLICE_ARG(name),
                         cluster->part.is_static ? "false" : "true");
    if (admin_cluster_has_eds_name(cluster)) {
        buffer_append_printf(out, "%.*s::eds_service_name::%.*s\n", SLICE_ARG(name),
                             SLICE_ARG(cluster->eds_name));
    }
    for (uint32_t p = 0; entry->hosts != NULL && p < entry->hosts->priority_count; p++) {
        const struct host_list *all = &entry->hosts->priorities[p].all;
        for (uint32_t i = 0; i < all->count; i++) {
            write_host(out, cluster, all->hosts[i]);
        }
    }
}

/* ---- collection ---- */

bool admin_cluster_has_eds_name(const struct cluster_part *cluster) {
    return cluster->type == CLUSTER_EDS && cluster->eds_name.len > 0 &&
           !slice_equal(cluster->eds_name, cluster->part.name);
}

static void collect(void *arg, const struct cluster_part *cluster,
                    const struct cluster_state *state, const struct host_set *hosts,
                    bool is_warming) {
    struct admin_cluster_list *list = arg;
    (void)state;
    if (is_warming || cluster == NULL ||
        (list->filter != NULL && !regex_partial_match(list->filter, cluster->part.name))) {
        return;
    }
    if (list->count == list->capacity) {
        list->capacity = list->capacity == 0 ? 64 : list->capacity * 2;
        list->items = mem_realloc(list->items, list->capacity * sizeof(list->items[0]));
    }
    list->items[list->count++] = (struct admin_cluster){.cluster = cluster, .hosts = hosts};
}

static int compare(const void *a, const void *b) {
    const struct admin_cluster *left = a;
    const struct admin_cluster *right = b;
    return slice_compare(left->cluster->part.name, right->cluster->part.name);
}

void admin_handle_clusters(struct admin_request *request) {
    struct admin_cluster_list list = {.items = NULL};
    struct slice text;
    struct regex *filter = NULL;
    if (admin_params_get(&request->params, "filter", &text) &&
        regex_new(text, &filter, NULL) != STATUS_OK) {
        admin_answer(request, 400, "Invalid re2 regex");
        return;
    }
    list.filter = filter;
    if (request->options->clusters != NULL) {
        cluster_manager_visit(request->options->clusters, collect, &list);
    }
    if (list.count > 0) {
        qsort(list.items, list.count, sizeof(list.items[0]), compare);
    }
    if (admin_params_get(&request->params, "format", &text) && slice_equal(text, SLICE("json"))) {
        request->content_type = admin_content_json;
        admin_write_clusters_json(&list, request->body);
    } else {
        for (uint32_t i = 0; i < list.count; i++) {
            write_cluster(request->body, &list.items[i]);
        }
    }
    mem_free(list.items);
    regex_free(filter);
}
