// SPDX-License-Identifier: Apache-2.0
/* Target functions: discovery_response_parse, ads_session_receive, ads_session_answer,
 * ads_session_flush. The first byte chooses the variant and how responses are answered; the rest is
 * messages, each behind a length of two bytes. */
#include <stddef.h>
#include <stdint.h>

#include "src/base/check.h"
#include "src/base/log.h"
#include "xds/ads_session.h"

struct fuzz {
    struct ads_session *session;
    uint8_t choices;
    unsigned sent;
};

static void on_send(void *arg, struct slice message) {
    struct fuzz *fuzz = arg;
    fuzz->sent += message.len > 0 ? 1 : 0;
}

static void touch(struct slice text) {
    CHECK(text.len == 0 || slice_find_byte(text, 0) == SIZE_MAX);
}

static void on_response(void *arg, const struct discovery_response *response) {
    struct fuzz *fuzz = arg;
    for (uint32_t i = 0; i < response->resource_count; i++) {
        touch(response->resources[i].name);
        touch(response->resources[i].version);
        touch(response->resources[i].type_url);
    }
    for (uint32_t i = 0; i < response->removed_count; i++) {
        touch(response->removed[i]);
    }
    bool is_refused = (fuzz->choices & 2) != 0;
    ads_session_answer(fuzz->session, response, is_refused ? SLICE("no") : SLICE(""));
}

static void on_pending(void *arg) {
    (void)arg;
}

static const struct ads_session_handler handler = {on_send, on_response, on_pending};

static void run_messages(struct fuzz *fuzz, struct slice rest) {
    while (rest.len >= 2) {
        size_t len = (size_t)rest.ptr[0] << 8 | rest.ptr[1];
        struct slice message = slice_sub(rest, 2, len);
        struct error err;
        rest = slice_sub(rest, 2 + message.len, SIZE_MAX);
        if (ads_session_receive(fuzz->session, message, &err) != STATUS_OK) {
            ads_session_closed(fuzz->session);
            ads_session_opened(fuzz->session);
        }
        ads_session_flush(fuzz->session);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size == 0) {
        return 0;
    }
    struct fuzz fuzz = {.choices = data[0]};
    struct ads_session_options options = {.variant =
                                              (data[0] & 1) != 0 ? DISCOVERY_DELTA : DISCOVERY_SOTW,
                                          .handler = &handler,
                                          .arg = &fuzz};
    log_set_level(LOG_OFF);
    fuzz.session = ads_session_new(&options);
    ads_session_subscribe(fuzz.session, SLICE("t/a"), SLICE(""));
    ads_session_subscribe(fuzz.session, SLICE("t/b"), SLICE("x"));
    ads_session_opened(fuzz.session);
    ads_session_flush(fuzz.session);
    run_messages(&fuzz, slice_make(data + 1, size - 1));
    ads_session_unsubscribe(fuzz.session, SLICE("t/b"), SLICE("x"));
    ads_session_flush(fuzz.session);
    ads_session_free(fuzz.session);
    return 0;
}
