// SPDX-License-Identifier: Apache-2.0
#include "src/admin/admin_request.h"
#include "src/matcher/regex.h"

/* /config_dump's own refusals are plain text without a charset, as in Envoy. */
static const char content_plain[] = "text/plain";

void admin_handle_config_dump(struct admin_request *request) {
    const struct admin_options *options = request->options;
    struct config_dump_query query = {
        .include_eds = admin_params_has(&request->params, "include_eds"),
    };
    struct slice pattern;
    struct regex *regex = NULL;
    struct error err;
    (void)admin_params_get(&request->params, "resource", &query.resource);
    (void)admin_params_get(&request->params, "mask", &query.mask);
    if (admin_params_get(&request->params, "name_regex", &pattern)) {
        if (regex_new(pattern, &regex, &err) != STATUS_OK) {
            admin_answer(request, 400, "INVALID_ARGUMENT: Error while parsing name_regex from ");
            request->content_type = content_plain;
            admin_slice(request->body, pattern);
            admin_text(request->body, ": ");
            admin_slice(request->body, admin_regex_reason(&err, pattern));
            return;
        }
        query.name_regex = regex;
    }
    request->content_type = admin_content_json;
    if (options->callbacks->config_dump == NULL) {
        admin_text(request->body, "{}\n");
    } else {
        enum status status = options->callbacks->config_dump(options->arg, &query, request->body);
        if (status != STATUS_OK) {
            request->status = status == STATUS_NOT_FOUND ? 404 : 400;
            request->content_type = content_plain;
        }
    }
    regex_free(regex);
}
