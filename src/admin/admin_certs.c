// SPDX-License-Identifier: Apache-2.0
#include <time.h>

#include "src/admin/admin_request.h"
#include "src/admin/json_writer.h"
#include "src/base/check.h"
#include "src/config/config_store.h"
#include "src/config/secret_config.h"
#include "src/event/event_loop.h"
#include "src/event/io_context.h"

struct certificate_list {
    struct json_writer *json;
    bool wants_trusted; /* the trusted CAs, else the own certificates */
    int64_t now_s;
};

static void write_names(struct json_writer *json, const char *key, struct slice list) {
    struct slice name;
    while (slice_split(&list, ',', &name)) {
        json_begin_object(json, NULL);
        json_string(json, key, name);
        json_end_object(json);
    }
}

static void write_time(struct json_writer *json, const char *key, int64_t unix_s) {
    char text[32];
    struct tm parts;
    time_t seconds = (time_t)unix_s;
    size_t len = 0;
    if (gmtime_r(&seconds, &parts) != NULL) {
        len = strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &parts);
    }
    json_string(json, key, slice_make(text, len));
}

static void write_certificate(void *arg, const struct tls_certificate_facts *facts) {
    struct certificate_list *list = arg;
    struct json_writer *json = list->json;
    if (facts->is_trusted != list->wants_trusted) {
        return;
    }
    int64_t left_s = facts->valid_until_s - list->now_s;
    json_begin_object(json, NULL);
    json_string(json, "path",
                facts->path_or_name.len == 0 ? SLICE("<inline>") : facts->path_or_name);
    json_string(json, "serial_number", facts->serial);
    json_begin_array(json, "subject_alt_names");
    write_names(json, "dns", facts->dns_sans);
    write_names(json, "uri", facts->uri_sans);
    write_names(json, "ip_address", facts->ip_sans);
    json_end_array(json);
    json_uint_text(json, "days_until_expiration", left_s > 0 ? (uint64_t)left_s / 86400 : 0);
    write_time(json, "valid_from", facts->valid_from_s);
    write_time(json, "expiration_time", facts->valid_until_s);
    json_end_object(json);
}

static void write_context(struct certificate_list *list, const struct tls_part *part) {
    if (part->context == NULL) {
        return;
    }
    json_begin_object(list->json, NULL);
    json_begin_array(list->json, "ca_cert");
    list->wants_trusted = true;
    tls_context_visit_certificates(part->context, write_certificate, list);
    json_end_array(list->json);
    json_begin_array(list->json, "cert_chain");
    list->wants_trusted = false;
    tls_context_visit_certificates(part->context, write_certificate, list);
    json_end_array(list->json);
    json_end_object(list->json);
}

static struct config_part *next_context(const struct admin_options *options, uint32_t *slot) {
    return options->store == NULL ? NULL : config_store_next(options->store, CONFIG_TLS, slot);
}

void admin_handle_certs(struct admin_request *request) {
    const struct admin_options *options = request->options;
    struct json_writer json;
    uint32_t slot = 0;
    struct certificate_list list = {
        .json = &json,
        .now_s = (int64_t)(event_loop_wall_us(options->control->loop) / 1000000),
    };
    request->content_type = admin_content_json;
    json_init(&json, request->body, true);
    json_begin_object(&json, NULL);
    json_begin_array(&json, "certificates");
    struct config_part *part = next_context(options, &slot);
    for (; part != NULL; part = next_context(options, &slot)) {
        write_context(&list, CONTAINER_OF(part, struct tls_part, part));
    }
    json_end_array(&json);
    json_end_object(&json);
    admin_text(request->body, "\n");
}
