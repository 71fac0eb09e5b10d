// SPDX-License-Identifier: Apache-2.0
#include "src/admin/admin_stats.h"

#include "src/base/check.h"
#include "src/matcher/regex.h"

struct named_value {
    const char *name;
    int value;
};

static bool find_value(const struct named_value *values, size_t count, struct slice name,
                       int *value) {
    for (size_t i = 0; i < count; i++) {
        if (slice_equal(name, slice_from_string(values[i].name))) {
            *value = values[i].value;
            return true;
        }
    }
    return false;
}

static bool parse_buckets(struct admin_request *request, struct stats_query *query) {
    static const struct named_value values[] = {
        {"", STATS_BUCKETS_UNSET},
        {"none", STATS_BUCKETS_SUMMARY},
        {"summary", STATS_BUCKETS_SUMMARY},
        {"cumulative", STATS_BUCKETS_CUMULATIVE},
        {"disjoint", STATS_BUCKETS_DISJOINT},
        {"detailed", STATS_BUCKETS_DETAILED},
        {"prometheusnative", STATS_BUCKETS_NATIVE},
    };
    struct slice text;
    int value;
    if (!admin_params_get(&request->params, "histogram_buckets", &text)) {
        return true;
    }
    if (!find_value(values, ARRAY_LEN(values), text, &value)) {
        admin_answer(request, 400,
                     "usage: /stats?histogram_buckets="
                     "(cumulative|disjoint|detailed|summary|prometheusnative)\n");
        return false;
    }
    query->buckets = (enum stats_buckets)value;
    return true;
}

static bool parse_type(struct admin_request *request, struct stats_query *query) {
    static const struct named_value values[] = {
        {"All", STATS_ALL},  {"Counters", STATS_COUNTERS},     {"Gauges", STATS_GAUGES},
        {"TextReadouts", 0}, {"Histograms", STATS_HISTOGRAMS},
    };
    struct slice text;
    int value;
    if (!admin_params_get(&request->params, "type", &text)) {
        return true;
    }
    if (!find_value(values, ARRAY_LEN(values), text, &value)) {
        admin_answer(request, 400, "invalid &type= param");
        return false;
    }
    query->kinds = (unsigned)value;
    return true;
}

static bool parse_format(struct admin_request *request, struct stats_query *query) {
    static const struct named_value values[] = {
        {"text", STATS_FORMAT_TEXT},        {"json", STATS_FORMAT_JSON},
        {"html", STATS_FORMAT_HTML},        {"prometheus", STATS_FORMAT_PROMETHEUS},
        {"active-html", STATS_FORMAT_HTML},
    };
    struct slice text;
    int value;
    if (!admin_params_get(&request->params, "format", &text)) {
        return true;
    }
    if (!find_value(values, ARRAY_LEN(values), text, &value)) {
        admin_answer(request, 400,
                     "usage: /stats?format=(html|active-html|json|prometheus|text)\n\n");
        return false;
    }
    query->format = (enum stats_format)value;
    return true;
}

static bool parse_filter(struct admin_request *request, struct stats_query *query) {
    struct slice text;
    struct error err;
    if (!admin_params_get(&request->params, "filter", &text) || text.len == 0) {
        return true;
    }
    if (regex_new(text, &query->filter, &err) != STATUS_OK) {
        admin_answer(request, 400, "Invalid re2 regex: ");
        admin_slice(request->body, admin_regex_reason(&err, text));
        return false;
    }
    return true;
}

/* False: the request was answered. */
static bool parse_query(struct admin_request *request, struct stats_query *query) {
    query->kinds = STATS_ALL;
    query->used_only = admin_params_has(&request->params, "usedonly");
    query->invert_filter = admin_params_has(&request->params, "invert_filter");
    return parse_buckets(request, query) && parse_type(request, query) &&
           parse_filter(request, query);
}

static bool check_prometheus(struct admin_request *request, const struct stats_query *query) {
    if (query->buckets == STATS_BUCKETS_NATIVE) {
        admin_answer(request, 400,
                     "unsupported prometheusnative histogram type when not using "
                     "protobuf exposition format");
        return false;
    }
    if (query->buckets == STATS_BUCKETS_DISJOINT || query->buckets == STATS_BUCKETS_DETAILED) {
        admin_answer(request, 400, "unsupported prometheus histogram bucket mode");
        return false;
    }
    return true;
}

static void write(struct admin_request *request, const struct stats_query *query) {
    struct stats_list list;
    if (request->options->stats == NULL) {
        return;
    }
    stats_list_init(&list, request->options->stats, query);
    switch (query->format) {
    case STATS_FORMAT_TEXT:
        stats_write_text(&list, request->body);
        break;
    case STATS_FORMAT_JSON:
        request->content_type = admin_content_json;
        stats_write_json(&list, request->body);
        break;
    case STATS_FORMAT_HTML:
        request->content_type = admin_content_html;
        stats_write_html(&list, request->body);
        break;
    case STATS_FORMAT_PROMETHEUS:
        stats_write_prometheus(&list, request->body);
        break;
    }
    stats_list_deinit(&list);
}

void admin_handle_stats(struct admin_request *request) {
    struct stats_query query = {.format = STATS_FORMAT_TEXT};
    if (parse_query(request, &query) && parse_format(request, &query)) {
        if (query.format == STATS_FORMAT_PROMETHEUS) {
            query.kinds = STATS_ALL; /* as Envoy: the types are not for this form */
        }
        if (query.format != STATS_FORMAT_PROMETHEUS || check_prometheus(request, &query)) {
            write(request, &query);
        }
    }
    regex_free(query.filter);
}

void admin_handle_stats_prometheus(struct admin_request *request) {
    struct stats_query query = {.format = STATS_FORMAT_PROMETHEUS};
    if (parse_query(request, &query) && check_prometheus(request, &query)) {
        query.kinds = STATS_ALL;
        write(request, &query);
    }
    regex_free(query.filter);
}
