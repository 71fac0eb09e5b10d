// SPDX-License-Identifier: Apache-2.0
#include "src/admin/admin_html.h"
#include "src/admin/admin_request.h"
#include "src/base/check.h"

void admin_html_escape(struct buffer *out, struct slice text) {
    static const struct {
        uint8_t byte;
        const char *entity;
    } entities[] = {
        {'&', "&amp;"}, {'<', "&lt;"}, {'>', "&gt;"}, {'"', "&quot;"}, {'\'', "&#39;"},
    };
    size_t start = 0;
    for (size_t i = 0; i < text.len; i++) {
        for (size_t e = 0; e < ARRAY_LEN(entities); e++) {
            if (text.ptr[i] == entities[e].byte) {
                buffer_append(out, slice_sub(text, start, i - start));
                admin_text(out, entities[e].entity);
                start = i + 1;
            }
        }
    }
    buffer_append(out, slice_sub(text, start, SIZE_MAX));
}

void admin_html_begin(struct buffer *out) {
    admin_text(out, "<!DOCTYPE html>\n<html lang='en'>\n<head>\n<title>Envoy Admin</title>\n"
                    "<style>body{font-family:sans-serif} td{padding:2px 8px;text-align:left}"
                    "</style>\n</head>\n<body>\n");
}

void admin_html_end(struct buffer *out) {
    admin_text(out, "</body>\n</html>\n");
}

/* A form also without parameters where the command changes something: a link would be a GET. */
static void write_command(struct buffer *out, const struct admin_handler *handler) {
    const char *name = handler->path + 1;
    admin_text(out, "<tr><td>");
    if (!handler->is_mutating && handler->params == NULL) {
        buffer_append_printf(out, "<a href='%s'>%s</a>", name, name);
    } else {
        buffer_append_printf(out,
                             "<form action='%s' method='%s' id='%s'><button>%s</button></form>",
                             name, handler->is_mutating ? "post" : "get", name, name);
    }
    admin_text(out, "</td><td>");
    admin_html_escape(out, slice_from_string(handler->help));
    admin_text(out, "</td></tr>\n");
    for (const struct admin_param_help *param = handler->params;
         param != NULL && param->name != NULL; param++) {
        buffer_append_printf(out, "<tr><td><input type='text' name='%s' form='%s'></td><td>%s: ",
                             param->name, name, param->name);
        admin_html_escape(out, slice_from_string(param->help));
        admin_text(out, "</td></tr>\n");
    }
}

void admin_handle_home(struct admin_request *request) {
    request->content_type = admin_content_html;
    admin_html_begin(request->body);
    admin_text(request->body, "<p>");
    admin_html_escape(request->body, slice_from_string(request->options->facts->version));
    admin_text(request->body, "</p>\n<table>\n");
    for (uint32_t i = 1; i < admin_handler_count; i++) {
        write_command(request->body, &admin_handlers[i]);
    }
    admin_text(request->body, "</table>\n");
    admin_html_end(request->body);
}

void admin_handle_help(struct admin_request *request) {
    admin_write_help(request->body);
}
