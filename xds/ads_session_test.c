// SPDX-License-Identifier: Apache-2.0
/* Each scenario is a dialogue: what the session does, then the requests that it must have sent, as
 * text. A request reads "<type> v=<version> n=<nonce> [names] !error node". */
#include "xds/ads_session.h"

#include <check.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "envoy/service/discovery/v3/discovery.pb-c.h"
#include "google/rpc/status.pb-c.h"
#include "src/base/check.h"
#include "xds/proto_reflect.h"

enum { LOG_BYTES = 8192, RESOURCES_MAX = 8 };

#define CDS SLICE("type.googleapis.com/envoy.config.cluster.v3.Cluster")
#define EDS SLICE("type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment")

struct fixture {
    struct ads_session *session;
    enum discovery_variant variant;
    Envoy__Config__Core__V3__Node node;
    char sent[LOG_BYTES];
    char received[LOG_BYTES];
    const char *refuse; /* what the next response is answered with; NULL: accepted */
    bool is_deferred;   /* the test answers */
    unsigned pending_calls;
};

static void add(char *log, const char *format, ...) PRINTF_LIKE(2, 3);
static void add(char *log, const char *format, ...) {
    size_t len = strlen(log);
    va_list args;
    va_start(args, format);
    vsnprintf(log + len, LOG_BYTES - len, format, args);
    va_end(args);
}

static const char *short_type(const char *type_url) {
    const char *dot = strrchr(type_url, '.');
    return dot == NULL ? type_url : dot + 1;
}

static void add_names(char *log, const char *mark, char **names, size_t count) {
    for (size_t i = 0; i < count; i++) {
        add(log, " %s%s", mark, names[i]);
    }
}

static void log_sotw(struct fixture *f, struct slice bytes) {
    Envoy__Service__Discovery__V3__DiscoveryRequest *request =
        envoy__service__discovery__v3__discovery_request__unpack(NULL, bytes.len, bytes.ptr);
    ck_assert_ptr_nonnull(request);
    add(f->sent, "%s v=%s n=%s", short_type(request->type_url), request->version_info,
        request->response_nonce);
    add_names(f->sent, "", request->resource_names, request->n_resource_names);
    if (request->error_detail != NULL) {
        add(f->sent, " !%d:%s", request->error_detail->code, request->error_detail->message);
    }
    add(f->sent, "%s\n", request->node != NULL ? " node" : "");
    envoy__service__discovery__v3__discovery_request__free_unpacked(request, NULL);
}

static void log_delta(struct fixture *f, struct slice bytes) {
    Envoy__Service__Discovery__V3__DeltaDiscoveryRequest *request =
        envoy__service__discovery__v3__delta_discovery_request__unpack(NULL, bytes.len, bytes.ptr);
    ck_assert_ptr_nonnull(request);
    add(f->sent, "%s n=%s", short_type(request->type_url), request->response_nonce);
    add_names(f->sent, "+", request->resource_names_subscribe, request->n_resource_names_subscribe);
    add_names(f->sent, "-", request->resource_names_unsubscribe,
              request->n_resource_names_unsubscribe);
    for (size_t i = 0; i < request->n_initial_resource_versions; i++) {
        add(f->sent, " %s=%s", request->initial_resource_versions[i]->key,
            request->initial_resource_versions[i]->value);
    }
    if (request->error_detail != NULL) {
        add(f->sent, " !%d:%s", request->error_detail->code, request->error_detail->message);
    }
    add(f->sent, "%s\n", request->node != NULL ? " node" : "");
    envoy__service__discovery__v3__delta_discovery_request__free_unpacked(request, NULL);
}

static void on_send(void *arg, struct slice bytes) {
    struct fixture *f = arg;
    if (f->variant == DISCOVERY_DELTA) {
        log_delta(f, bytes);
    } else {
        log_sotw(f, bytes);
    }
}

static void on_response(void *arg, const struct discovery_response *response) {
    struct fixture *f = arg;
    add(f->received, "%.*s", SLICE_ARG(response->nonce));
    for (uint32_t i = 0; i < response->resource_count; i++) {
        add(f->received, " %.*s", SLICE_ARG(response->resources[i].name));
    }
    for (uint32_t i = 0; i < response->removed_count; i++) {
        add(f->received, " -%.*s", SLICE_ARG(response->removed[i]));
    }
    add(f->received, "\n");
    if (!f->is_deferred) {
        ads_session_answer(f->session, response, slice_from_string(f->refuse));
        f->refuse = NULL;
    }
}

static void on_pending(void *arg) {
    ((struct fixture *)arg)->pending_calls++;
}

static const struct ads_session_handler handler = {on_send, on_response, on_pending};

static void setup(struct fixture *f, enum discovery_variant variant, bool node_first_only) {
    memset(f, 0, sizeof(*f));
    f->variant = variant;
    envoy__config__core__v3__node__init(&f->node);
    f->node.id = (char *)(uintptr_t) "n1";
    struct ads_session_options options = {.variant = variant,
                                          .node = &f->node,
                                          .node_on_first_message_only = node_first_only,
                                          .handler = &handler,
                                          .arg = f};
    f->session = ads_session_new(&options);
}

static void teardown(struct fixture *f) {
    ads_session_free(f->session);
}

static void expect(struct fixture *f, const char *requests) {
    ads_session_flush(f->session);
    ck_assert_str_eq(f->sent, requests);
    f->sent[0] = 0;
}

static void expect_received(struct fixture *f, const char *responses) {
    ck_assert_str_eq(f->received, responses);
    f->received[0] = 0;
}

static char *text_of(struct arena *arena, struct slice s) {
    return arena_dup_string(arena, s);
}

static void receive_sotw(struct fixture *f, struct slice type, const char *version,
                         const char *nonce) {
    struct arena arena;
    arena_init_heap(&arena, 0);
    Envoy__Service__Discovery__V3__DiscoveryResponse response;
    envoy__service__discovery__v3__discovery_response__init(&response);
    response.type_url = text_of(&arena, type);
    response.version_info = text_of(&arena, slice_from_string(version));
    response.nonce = text_of(&arena, slice_from_string(nonce));
    struct error err;
    ck_assert_int_eq(ads_session_receive(f->session, proto_pack(&response.base, &arena), &err),
                     STATUS_OK);
    arena_deinit(&arena);
}

/* `resources`: "a=1 b=2"; `removed`: "c d". */
static void receive_delta(struct fixture *f, struct slice type, const char *nonce,
                          const char *resources, const char *removed) {
    struct arena arena;
    arena_init_heap(&arena, 0);
    Envoy__Service__Discovery__V3__DeltaDiscoveryResponse response;
    Envoy__Service__Discovery__V3__Resource items[RESOURCES_MAX];
    Envoy__Service__Discovery__V3__Resource *pointers[RESOURCES_MAX];
    char *gone[RESOURCES_MAX];
    Google__Protobuf__Any any;
    google__protobuf__any__init(&any);
    envoy__service__discovery__v3__delta_discovery_response__init(&response);
    response.type_url = text_of(&arena, type);
    any.type_url = response.type_url;
    response.nonce = text_of(&arena, slice_from_string(nonce));
    response.resources = pointers;
    response.removed_resources = gone;
    struct slice rest = slice_from_string(resources);
    struct slice part;
    while (slice_split(&rest, ' ', &part)) {
        Envoy__Service__Discovery__V3__Resource *item = &items[response.n_resources];
        envoy__service__discovery__v3__resource__init(item);
        size_t equals = slice_find_byte(part, '=');
        item->name = text_of(&arena, slice_sub(part, 0, equals));
        item->version = text_of(&arena, slice_sub(part, equals + 1, SIZE_MAX));
        item->resource = &any;
        pointers[response.n_resources++] = item;
    }
    rest = slice_from_string(removed);
    while (slice_split(&rest, ' ', &part)) {
        gone[response.n_removed_resources++] = text_of(&arena, part);
    }
    struct error err;
    ck_assert_int_eq(ads_session_receive(f->session, proto_pack(&response.base, &arena), &err),
                     STATUS_OK);
    arena_deinit(&arena);
}

/* ---- state of the world ---- */

START_TEST(ads_session_sotw_first_request_has_neither_names_nor_version) {
    struct fixture f;
    setup(&f, DISCOVERY_SOTW, false);
    ads_session_subscribe(f.session, CDS, SLICE(""));
    expect(&f, "");
    ck_assert_uint_eq(ads_session_pending(f.session), 1);
    ads_session_opened(f.session);
    ck_assert_uint_ge(f.pending_calls, 1);
    expect(&f, "Cluster v= n= node\n");
    expect(&f, "");
    receive_sotw(&f, CDS, "1", "a");
    expect(&f, "Cluster v=1 n=a node\n");
    ck_assert(slice_equal(ads_session_version(f.session, CDS), SLICE("1")));
    teardown(&f);
}
END_TEST

START_TEST(ads_session_sotw_refusal_repeats_last_accepted_version) {
    struct fixture f;
    setup(&f, DISCOVERY_SOTW, true);
    ads_session_subscribe(f.session, CDS, SLICE(""));
    ads_session_opened(f.session);
    expect(&f, "Cluster v= n= node\n");
    f.refuse = "bad";
    receive_sotw(&f, CDS, "1", "a");
    expect(&f, "Cluster v= n=a !13:bad\n");
    receive_sotw(&f, CDS, "2", "b");
    expect(&f, "Cluster v=2 n=b\n");
    f.refuse = "worse";
    receive_sotw(&f, CDS, "3", "c");
    expect(&f, "Cluster v=2 n=c !13:worse\n");
    receive_sotw(&f, CDS, "4", "d");
    expect(&f, "Cluster v=4 n=d\n");
    teardown(&f);
}
END_TEST

START_TEST(ads_session_sotw_names_are_always_all) {
    struct fixture f;
    setup(&f, DISCOVERY_SOTW, true);
    ads_session_opened(f.session);
    ads_session_subscribe(f.session, EDS, SLICE("a"));
    ads_session_subscribe(f.session, EDS, SLICE("b"));
    expect(&f, "ClusterLoadAssignment v= n= a b node\n");
    receive_sotw(&f, EDS, "1", "x");
    expect(&f, "ClusterLoadAssignment v=1 n=x a b\n");
    ads_session_subscribe(f.session, EDS, SLICE("c"));
    ads_session_unsubscribe(f.session, EDS, SLICE("a"));
    expect(&f, "ClusterLoadAssignment v=1 n=x b c\n");
    // An updated cluster asks again under the same name.
    ads_session_subscribe(f.session, EDS, SLICE("b"));
    expect(&f, "ClusterLoadAssignment v=1 n=x b c\n");
    ads_session_unsubscribe(f.session, EDS, SLICE("b"));
    expect(&f, "");
    ads_session_unsubscribe(f.session, EDS, SLICE("b"));
    ads_session_unsubscribe(f.session, EDS, SLICE("c"));
    expect(&f, "ClusterLoadAssignment v=1 n=x\n");
    teardown(&f);
}
END_TEST

START_TEST(ads_session_sotw_wildcard_beside_names_is_said) {
    struct fixture f;
    setup(&f, DISCOVERY_SOTW, true);
    ads_session_opened(f.session);
    ads_session_subscribe(f.session, CDS, SLICE(""));
    ads_session_subscribe(f.session, CDS, SLICE("odd"));
    expect(&f, "Cluster v= n= * odd node\n");
    teardown(&f);
}
END_TEST

START_TEST(ads_session_sotw_reconnect_keeps_version_and_drops_nonce) {
    struct fixture f;
    setup(&f, DISCOVERY_SOTW, true);
    ads_session_subscribe(f.session, CDS, SLICE(""));
    ads_session_subscribe(f.session, EDS, SLICE("a"));
    ads_session_opened(f.session);
    expect(&f, "Cluster v= n= node\nClusterLoadAssignment v= n= a\n");
    receive_sotw(&f, CDS, "1", "n1");
    expect(&f, "Cluster v=1 n=n1\n");
    receive_sotw(&f, EDS, "7", "n2");
    ads_session_closed(f.session); // the answer to n2 never left
    expect(&f, "");
    ads_session_unsubscribe(f.session, EDS, SLICE("a"));
    ads_session_subscribe(f.session, EDS, SLICE("b"));
    ads_session_opened(f.session);
    ck_assert(ads_session_is_open(f.session));
    expect(&f, "ClusterLoadAssignment v=7 n= b node\nCluster v=1 n=\n");
    teardown(&f);
}
END_TEST

START_TEST(ads_session_sotw_answers_collapse_to_the_newest) {
    struct fixture f;
    setup(&f, DISCOVERY_SOTW, true);
    ads_session_subscribe(f.session, CDS, SLICE(""));
    ads_session_opened(f.session);
    expect(&f, "Cluster v= n= node\n");
    ads_session_pause(f.session, CDS);
    receive_sotw(&f, CDS, "1", "a");
    receive_sotw(&f, CDS, "2", "b");
    expect(&f, "");
    ads_session_resume(f.session, CDS);
    expect(&f, "Cluster v=2 n=b\n");
    teardown(&f);
}
END_TEST

START_TEST(ads_session_answer_to_stale_nonce_is_not_sent) {
    struct fixture f;
    setup(&f, DISCOVERY_SOTW, true);
    ads_session_subscribe(f.session, CDS, SLICE(""));
    ads_session_opened(f.session);
    expect(&f, "Cluster v= n= node\n");
    f.is_deferred = true;
    receive_sotw(&f, CDS, "1", "a");
    receive_sotw(&f, CDS, "2", "b");
    struct discovery_response late = {
        .variant = DISCOVERY_SOTW, .type_url = CDS, .version = SLICE("1"), .nonce = SLICE("a")};
    ads_session_answer(f.session, &late, SLICE(""));
    expect(&f, "");
    late.version = SLICE("2");
    late.nonce = SLICE("b");
    ads_session_answer(f.session, &late, SLICE(""));
    expect(&f, "Cluster v=2 n=b\n");
    teardown(&f);
}
END_TEST

START_TEST(ads_session_answer_of_an_earlier_stream_is_not_sent) {
    struct fixture f;
    setup(&f, DISCOVERY_SOTW, true);
    ads_session_subscribe(f.session, CDS, SLICE(""));
    ads_session_opened(f.session);
    expect(&f, "Cluster v= n= node\n");
    f.is_deferred = true;
    receive_sotw(&f, CDS, "1", "a");
    ads_session_closed(f.session);
    ads_session_opened(f.session);
    struct discovery_response late = {
        .variant = DISCOVERY_SOTW, .type_url = CDS, .version = SLICE("1"), .nonce = SLICE("a")};
    ads_session_answer(f.session, &late, SLICE(""));
    expect(&f, "Cluster v=1 n= node\n"); // accepted, but answered by the new stream's request
    expect(&f, "");
    teardown(&f);
}
END_TEST

START_TEST(ads_session_subscription_goes_out_before_the_answer_that_caused_it) {
    struct fixture f;
    setup(&f, DISCOVERY_SOTW, true);
    ads_session_subscribe(f.session, CDS, SLICE(""));
    ads_session_opened(f.session);
    expect(&f, "Cluster v= n= node\n");
    f.is_deferred = true;
    ads_session_pause(f.session, EDS);
    receive_sotw(&f, CDS, "1", "a");
    ads_session_subscribe(f.session, EDS, SLICE("x"));
    ads_session_subscribe(f.session, EDS, SLICE("y"));
    expect(&f, ""); // held back until the clusters are applied
    ads_session_resume(f.session, EDS);
    struct discovery_response response = {
        .variant = DISCOVERY_SOTW, .type_url = CDS, .version = SLICE("1"), .nonce = SLICE("a")};
    ads_session_answer(f.session, &response, SLICE(""));
    expect(&f, "ClusterLoadAssignment v= n= x y\nCluster v=1 n=a\n");
    teardown(&f);
}
END_TEST

START_TEST(ads_session_refusal_is_text_whatever_it_quotes) {
    struct fixture f;
    setup(&f, DISCOVERY_SOTW, true);
    ads_session_subscribe(f.session, CDS, SLICE(""));
    ads_session_opened(f.session);
    expect(&f, "Cluster v= n= node\n");
    f.refuse = "bad\xff\xc3\xa4"; // a server would end the stream that carried it
    receive_sotw(&f, CDS, "1", "a");
    expect_received(&f, "a\n");
    expect(&f, "Cluster v= n=a !13:bad???\n");
    f.refuse = "gut \xc3\xa4";
    receive_sotw(&f, CDS, "2", "b");
    expect_received(&f, "b\n");
    expect(&f, "Cluster v= n=b !13:gut \xc3\xa4\n");
    teardown(&f);
}
END_TEST

START_TEST(ads_session_unknown_type_is_ignored) {
    struct fixture f;
    setup(&f, DISCOVERY_SOTW, true);
    ads_session_subscribe(f.session, CDS, SLICE(""));
    ads_session_opened(f.session);
    expect(&f, "Cluster v= n= node\n");
    receive_sotw(&f, EDS, "1", "a");
    expect_received(&f, "");
    expect(&f, "");
    teardown(&f);
}
END_TEST

START_TEST(ads_session_malformed_message_fails) {
    struct fixture f;
    struct error err;
    setup(&f, DISCOVERY_SOTW, true);
    ads_session_opened(f.session);
    static const struct slice bad[] = {
        SLICE_INIT("\x0a\x05"),         SLICE_INIT("\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"),
        SLICE_INIT("\x0a\x02\x61\x00"), SLICE_INIT("\x0a\x02\xc3\x28"),
        SLICE_INIT("\x12\x02\x08\x01"), SLICE_INIT("\x0b"),
        SLICE_INIT("\x08\x01"),         SLICE_INIT("\x00\x00"),
    };
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        ck_assert_msg(ads_session_receive(f.session, bad[i], &err) == STATUS_PROTOCOL,
                      "message %zu", i);
    }
    teardown(&f);
}
END_TEST

/* ---- delta ---- */

START_TEST(ads_session_delta_answers_carry_the_nonce_only) {
    struct fixture f;
    setup(&f, DISCOVERY_DELTA, true);
    ads_session_subscribe(f.session, CDS, SLICE(""));
    ads_session_opened(f.session);
    expect(&f, "Cluster n= node\n");
    receive_delta(&f, CDS, "a", "c1=1 c2=1", "");
    expect_received(&f, "a c1 c2\n");
    expect(&f, "Cluster n=a\n");
    f.refuse = "no";
    receive_delta(&f, CDS, "b", "c3=1", "");
    receive_delta(&f, CDS, "c", "c4=1", "");
    expect(&f, "Cluster n=b !13:no\nCluster n=c\n");
    teardown(&f);
}
END_TEST

START_TEST(ads_session_delta_says_what_changed) {
    struct fixture f;
    setup(&f, DISCOVERY_DELTA, false);
    ads_session_opened(f.session);
    ads_session_subscribe(f.session, EDS, SLICE("a"));
    ads_session_subscribe(f.session, EDS, SLICE("b"));
    expect(&f, "ClusterLoadAssignment n= +a +b node\n");
    ads_session_subscribe(f.session, EDS, SLICE("c"));
    ads_session_unsubscribe(f.session, EDS, SLICE("a"));
    expect(&f, "ClusterLoadAssignment n= +c -a node\n");
    ads_session_subscribe(f.session, EDS, SLICE("d"));
    ads_session_unsubscribe(f.session, EDS, SLICE("d"));
    ads_session_subscribe(f.session, EDS, SLICE("b"));
    expect(&f, "");
    ads_session_unsubscribe(f.session, EDS, SLICE("b"));
    ads_session_unsubscribe(f.session, EDS, SLICE("b"));
    ads_session_subscribe(f.session, EDS, SLICE("b"));
    expect(&f, "ClusterLoadAssignment n= +b node\n"); // so that the server sends it again
    teardown(&f);
}
END_TEST

START_TEST(ads_session_delta_reconnect_claims_held_versions) {
    struct fixture f;
    setup(&f, DISCOVERY_DELTA, true);
    ads_session_subscribe(f.session, CDS, SLICE(""));
    ads_session_subscribe(f.session, EDS, SLICE("a"));
    ads_session_subscribe(f.session, EDS, SLICE("b"));
    ads_session_opened(f.session);
    expect(&f, "Cluster n= node\nClusterLoadAssignment n= +a +b\n");
    receive_delta(&f, CDS, "1", "c1=x c2=y c3=z", "");
    receive_delta(&f, CDS, "2", "c1=xx", "c2");
    f.refuse = "no";
    receive_delta(&f, CDS, "3", "c3=zz", "");
    receive_delta(&f, EDS, "4", "a=5", "");
    ads_session_forget(f.session, CDS, SLICE("c3"));
    ads_session_closed(f.session);
    ads_session_opened(f.session);
    expect(&f, "Cluster n= c1=xx node\nClusterLoadAssignment n= +a +b a=5\n");
    ads_session_unsubscribe(f.session, EDS, SLICE("a"));
    expect(&f, "ClusterLoadAssignment n= -a\n");
    ads_session_closed(f.session);
    ads_session_opened(f.session);
    expect(&f, "Cluster n= c1=xx node\nClusterLoadAssignment n= +b\n");
    teardown(&f);
}
END_TEST

START_TEST(ads_session_delta_leaves_out_what_nobody_asked_for) {
    struct fixture f;
    setup(&f, DISCOVERY_DELTA, true);
    ads_session_opened(f.session);
    ads_session_subscribe(f.session, EDS, SLICE("a"));
    expect(&f, "ClusterLoadAssignment n= +a node\n");
    receive_delta(&f, EDS, "1", "a=1 z=1", "y a");
    expect_received(&f, "1 a -a\n");
    expect(&f, "ClusterLoadAssignment n=1\n");
    teardown(&f);
}
END_TEST

START_TEST(ads_session_delta_withheld_answers_all_go_out) {
    struct fixture f;
    setup(&f, DISCOVERY_DELTA, true);
    ads_session_subscribe(f.session, CDS, SLICE(""));
    ads_session_opened(f.session);
    expect(&f, "Cluster n= node\n");
    ads_session_pause(f.session, CDS);
    ads_session_pause(f.session, CDS);
    receive_delta(&f, CDS, "1", "a=1", "");
    receive_delta(&f, CDS, "2", "", "a");
    ads_session_resume(f.session, CDS);
    expect(&f, "");
    ads_session_resume(f.session, CDS);
    expect(&f, "Cluster n=1\nCluster n=2\n");
    teardown(&f);
}
END_TEST

START_TEST(ads_session_delta_wildcard_given_up_and_named) {
    struct fixture f;
    setup(&f, DISCOVERY_DELTA, true);
    ads_session_subscribe(f.session, CDS, SLICE(""));
    ads_session_opened(f.session);
    expect(&f, "Cluster n= node\n");
    receive_delta(&f, CDS, "1", "a=1 b=1", "");
    expect(&f, "Cluster n=1\n");
    ads_session_subscribe(f.session, CDS, SLICE("b"));
    ads_session_unsubscribe(f.session, CDS, SLICE(""));
    expect(&f, "Cluster n= +b -*\n");
    ads_session_closed(f.session);
    ads_session_opened(f.session);
    expect(&f, "Cluster n= +b b=1 node\n");
    ads_session_subscribe(f.session, CDS, SLICE(""));
    expect(&f, "Cluster n= +*\n");
    teardown(&f);
}
END_TEST

/* ---- codec ---- */

START_TEST(discovery_codec_opens_wrappers_and_ttl) {
    struct arena arena;
    arena_init_heap(&arena, 0);
    Google__Protobuf__Duration ttl;
    google__protobuf__duration__init(&ttl);
    ttl.seconds = 2;
    ttl.nanos = 5000000;
    Envoy__Service__Discovery__V3__Resource wrapper;
    envoy__service__discovery__v3__resource__init(&wrapper);
    wrapper.name = (char *)(uintptr_t) "w";
    wrapper.version = (char *)(uintptr_t) "9";
    wrapper.ttl = &ttl;
    struct slice packed = proto_pack(&wrapper.base, &arena);
    Google__Protobuf__Any any[2];
    Google__Protobuf__Any *pointers[2] = {&any[0], &any[1]};
    google__protobuf__any__init(&any[0]);
    google__protobuf__any__init(&any[1]);
    any[0].type_url = (char *)(uintptr_t) "type.googleapis.com/envoy.service.discovery.v3.Resource";
    any[0].value = (ProtobufCBinaryData){packed.len, (uint8_t *)(uintptr_t)packed.ptr};
    any[1].type_url = (char *)(uintptr_t) "t/x";
    any[1].value = (ProtobufCBinaryData){3, (uint8_t *)(uintptr_t) "abc"};
    Envoy__Service__Discovery__V3__DiscoveryResponse response;
    envoy__service__discovery__v3__discovery_response__init(&response);
    response.resources = pointers;
    response.n_resources = 2;
    struct discovery_response parsed;
    struct error err;
    ck_assert_int_eq(discovery_response_parse(DISCOVERY_SOTW, proto_pack(&response.base, &arena),
                                              &arena, &parsed, &err),
                     STATUS_OK);
    ck_assert_uint_eq(parsed.resource_count, 2);
    ck_assert(parsed.resources[0].is_wrapped && !parsed.resources[0].has_body);
    ck_assert(slice_equal(parsed.resources[0].name, SLICE("w")));
    ck_assert(slice_equal(parsed.resources[0].version, SLICE("9")));
    ck_assert(parsed.resources[0].has_ttl && parsed.resources[0].ttl_ms == 2005);
    ck_assert(parsed.resources[1].has_body && !parsed.resources[1].is_wrapped);
    ck_assert(slice_equal(parsed.resources[1].type_url, SLICE("t/x")));
    ck_assert(slice_equal(parsed.resources[1].value, SLICE("abc")));
    arena_deinit(&arena);
}
END_TEST

static TCase *sotw_cases(void) {
    TCase *tcase = tcase_create("sotw");
    tcase_add_test(tcase, ads_session_sotw_first_request_has_neither_names_nor_version);
    tcase_add_test(tcase, ads_session_sotw_refusal_repeats_last_accepted_version);
    tcase_add_test(tcase, ads_session_sotw_names_are_always_all);
    tcase_add_test(tcase, ads_session_sotw_wildcard_beside_names_is_said);
    tcase_add_test(tcase, ads_session_sotw_reconnect_keeps_version_and_drops_nonce);
    tcase_add_test(tcase, ads_session_sotw_answers_collapse_to_the_newest);
    tcase_add_test(tcase, ads_session_answer_to_stale_nonce_is_not_sent);
    tcase_add_test(tcase, ads_session_answer_of_an_earlier_stream_is_not_sent);
    tcase_add_test(tcase, ads_session_subscription_goes_out_before_the_answer_that_caused_it);
    tcase_add_test(tcase, ads_session_unknown_type_is_ignored);
    tcase_add_test(tcase, ads_session_refusal_is_text_whatever_it_quotes);
    tcase_add_test(tcase, ads_session_malformed_message_fails);
    return tcase;
}

static TCase *delta_cases(void) {
    TCase *tcase = tcase_create("delta");
    tcase_add_test(tcase, ads_session_delta_answers_carry_the_nonce_only);
    tcase_add_test(tcase, ads_session_delta_says_what_changed);
    tcase_add_test(tcase, ads_session_delta_reconnect_claims_held_versions);
    tcase_add_test(tcase, ads_session_delta_leaves_out_what_nobody_asked_for);
    tcase_add_test(tcase, ads_session_delta_withheld_answers_all_go_out);
    tcase_add_test(tcase, ads_session_delta_wildcard_given_up_and_named);
    tcase_add_test(tcase, discovery_codec_opens_wrappers_and_ttl);
    return tcase;
}

int main(void) {
    Suite *suite = suite_create("ads_session");
    suite_add_tcase(suite, sotw_cases());
    suite_add_tcase(suite, delta_cases());
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
