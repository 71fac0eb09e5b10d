// SPDX-License-Identifier: Apache-2.0
#include "src/admin/admin_address.h"

void admin_write_address(struct json_writer *json, const char *key, const struct address *address) {
    char text[ADDRESS_TEXT_BYTES];
    struct slice name = address_ip_text(address, text);
    json_begin_object(json, key);
    if (address_is_unix(address)) {
        json_begin_object(json, "pipe");
        json_string(json, "path", name);
    } else {
        json_begin_object(json, "socket_address");
        json_string(json, "address", name);
        json_uint(json, "port_value", address_port(address));
    }
    json_end_object(json);
    json_end_object(json);
}
