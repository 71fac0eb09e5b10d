// SPDX-License-Identifier: Apache-2.0
#include "proto/proto_registry.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "proto/proto_rules.h"

static const struct proto_message_info *find(const char *name) {
    const struct proto_message_info *info = proto_message_find(slice_from_string(name));
    ck_assert_msg(info != NULL, "%s is not registered", name);
    return info;
}

static const struct proto_field_info *find_field(const char *message, const char *field) {
    const struct proto_field_info *info = proto_field_find(find(message), slice_from_string(field));
    ck_assert_msg(info != NULL, "%s has no field %s", message, field);
    return info;
}

START_TEST(registry_finds_every_message_by_its_name) {
    ck_assert_uint_gt(proto_message_count(), 1500);
    for (size_t i = 0; i < proto_message_count(); i++) {
        const struct proto_message_info *info = proto_message_at(i);
        ck_assert_ptr_eq(proto_message_find(slice_from_string(info->name)), info);
        ck_assert_ptr_eq(proto_message_of(info->descriptor), info);
        ck_assert_str_eq(info->name, info->descriptor->name);
    }
}
END_TEST

START_TEST(registry_unknown_names_are_absent) {
    ck_assert_ptr_null(proto_message_find(SLICE("")));
    ck_assert_ptr_null(proto_message_find(SLICE("envoy.config.cluster.v3.Cluste")));
    ck_assert_ptr_null(proto_message_find(SLICE("envoy.config.cluster.v3.Clusters")));
    ck_assert_ptr_null(proto_message_find_url(SLICE("envoy.config.cluster.v3.Cluster")));
    ck_assert_ptr_null(proto_message_find_url(SLICE("type.googleapis.com/")));
    ck_assert_ptr_nonnull(
        proto_message_find_url(SLICE("type.googleapis.com/envoy.config.cluster.v3.Cluster")));
}
END_TEST

/* The tables and protobuf-c's own come from different readers of the same bytes. */
START_TEST(registry_field_tables_agree_with_descriptors) {
    for (size_t i = 0; i < proto_message_count(); i++) {
        const struct proto_message_info *info = proto_message_at(i);
        for (unsigned j = 0; j < info->descriptor->n_fields; j++) {
            const struct proto_field_info *field = &info->fields[j];
            const ProtobufCFieldDescriptor *own = proto_field_descriptor(info, field);
            size_t len = strlen(field->name);
            ck_assert_msg(strncmp(own->name, field->name, len) == 0 &&
                              (own->name[len] == 0 || strcmp(own->name + len, "_") == 0),
                          "%s: %s against %s", info->name, own->name, field->name);
            ck_assert_int_eq(own->type == PROTOBUF_C_TYPE_MESSAGE, field->message != NULL);
            ck_assert_int_eq(own->type == PROTOBUF_C_TYPE_ENUM, field->enum_info != NULL);
            if (field->message != NULL) {
                ck_assert_ptr_eq(own->descriptor, field->message->descriptor);
            }
            if (field->enum_info != NULL) {
                ck_assert_ptr_eq(own->descriptor, field->enum_info->descriptor);
            }
            ck_assert_int_eq((own->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) != 0,
                             (field->flags & (PROTO_FIELD_ONEOF | PROTO_FIELD_OPTIONAL)) != 0);
        }
    }
}
END_TEST

START_TEST(registry_fields_are_found_by_both_names) {
    const struct proto_field_info *snake =
        find_field("envoy.config.cluster.v3.Cluster", "lb_policy");
    ck_assert_ptr_eq(snake, find_field("envoy.config.cluster.v3.Cluster", "lbPolicy"));
    ck_assert_ptr_null(
        proto_field_find(find("envoy.config.cluster.v3.Cluster"), SLICE("LbPolicy")));
}
END_TEST

/* "base" is renamed for the compiler only. */
START_TEST(registry_renamed_field_keeps_its_name) {
    const struct proto_field_info *field = find_field("envoy.config.bootstrap.v3.Runtime", "base");
    ck_assert_str_eq(field->json_name, "base");
    ck_assert_str_eq(field->name, "base");
    ck_assert_str_eq(proto_field_descriptor(find("envoy.config.bootstrap.v3.Runtime"), field)->name,
                     "base_");
}
END_TEST

START_TEST(registry_marks_sensitive_and_deprecated_fields) {
    const char *certificate = "envoy.extensions.transport_sockets.tls.v3.TlsCertificate";
    ck_assert(find_field(certificate, "private_key")->flags & PROTO_FIELD_SENSITIVE);
    ck_assert(!(find_field(certificate, "certificate_chain")->flags & PROTO_FIELD_SENSITIVE));
    const struct proto_field_info *old =
        find_field("envoy.config.cluster.v3.Cluster", "http2_protocol_options");
    ck_assert(old->flags & PROTO_FIELD_DEPRECATED);
    ck_assert_str_eq(old->deprecated_since, "3.0");
}
END_TEST

START_TEST(registry_knows_maps_and_oneofs) {
    const struct proto_field_info *map =
        find_field("envoy.config.core.v3.Metadata", "filter_metadata");
    ck_assert(map->flags & PROTO_FIELD_MAP);
    ck_assert(map->message->flags & PROTO_MESSAGE_MAP_ENTRY);
    ck_assert_str_eq(map->message->fields[0].name, "key");
    ck_assert_str_eq(map->message->fields[1].message->name, "google.protobuf.Struct");

    const struct proto_message_info *address = find("envoy.config.core.v3.Address");
    const struct proto_field_info *pipe = find_field("envoy.config.core.v3.Address", "pipe");
    ck_assert(pipe->flags & PROTO_FIELD_ONEOF);
    ck_assert_str_eq(address->oneofs[pipe->oneof_index].name, "address");
    ck_assert(address->oneofs[pipe->oneof_index].is_required);
}
END_TEST

START_TEST(rules_of_strings_and_numbers) {
    const struct proto_field_rules *name =
        find_field("envoy.config.cluster.v3.Cluster", "name")->rules;
    ck_assert_int_eq(name->kind, PROTO_RULES_STRING);
    ck_assert(name->as.text->present & PROTO_RULE_MIN_LEN);
    ck_assert_uint_eq(name->as.text->min_len, 1);

    const struct proto_field_rules *header =
        find_field("envoy.config.core.v3.HeaderValue", "key")->rules;
    ck_assert_int_eq(header->as.text->format, PROTO_STRING_HTTP_HEADER_NAME);
    ck_assert(!header->as.text->is_strict);

    const struct proto_field_rules *port =
        find_field("envoy.config.core.v3.SocketAddress", "port_value")->rules;
    ck_assert_int_eq(port->kind, PROTO_RULES_UNSIGNED);
    ck_assert_uint_eq(port->as.number->present, PROTO_RULE_LTE);
    ck_assert_uint_eq(port->as.number->lte.u, 65535);
}
END_TEST

START_TEST(rules_of_composites) {
    const struct proto_field_rules *timeout =
        find_field("envoy.config.cluster.v3.Cluster", "connect_timeout")->rules;
    ck_assert_int_eq(timeout->kind, PROTO_RULES_DURATION);
    ck_assert(timeout->as.span->present & PROTO_RULE_GT);
    ck_assert_int_eq(timeout->as.span->gt.seconds, 0);

    const struct proto_field_rules *domains =
        find_field("envoy.config.route.v3.VirtualHost", "domains")->rules;
    ck_assert_int_eq(domains->kind, PROTO_RULES_REPEATED);
    ck_assert_uint_eq(domains->as.repeated->min_items, 1);
    ck_assert_int_eq(domains->as.repeated->items->as.text->format, PROTO_STRING_HTTP_HEADER_VALUE);

    ck_assert(find_field("envoy.config.route.v3.Route", "match")->rules->is_required);
    ck_assert(
        find_field("envoy.config.cluster.v3.Cluster", "lb_policy")->rules->as.enumeration->present &
        PROTO_RULE_DEFINED_ONLY);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("proto_registry");
    TCase *tcase = tcase_create("core");
    tcase_add_test(tcase, registry_finds_every_message_by_its_name);
    tcase_add_test(tcase, registry_unknown_names_are_absent);
    tcase_add_test(tcase, registry_field_tables_agree_with_descriptors);
    tcase_add_test(tcase, registry_fields_are_found_by_both_names);
    tcase_add_test(tcase, registry_renamed_field_keeps_its_name);
    tcase_add_test(tcase, registry_marks_sensitive_and_deprecated_fields);
    tcase_add_test(tcase, registry_knows_maps_and_oneofs);
    tcase_add_test(tcase, rules_of_strings_and_numbers);
    tcase_add_test(tcase, rules_of_composites);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
