// SPDX-License-Identifier: Apache-2.0
#include "src/route/joined_headers.h"

#include <stdlib.h>

#include "src/base/check.h"

/* Both in ascending order of slice_compare. */
static const struct slice request_names[] = {
    SLICE_INIT("accept"),
    SLICE_INIT("accept-encoding"),
    SLICE_INIT("access-control-request-headers"),
    SLICE_INIT("access-control-request-method"),
    SLICE_INIT("authorization"),
    SLICE_INIT("cache-control"),
    SLICE_INIT("connection"),
    SLICE_INIT("content-encoding"),
    SLICE_INIT("content-length"),
    SLICE_INIT("content-type"),
    SLICE_INIT("expect"),
    SLICE_INIT("grpc-accept-encoding"),
    SLICE_INIT("grpc-timeout"),
    SLICE_INIT("if-match"),
    SLICE_INIT("if-modified-since"),
    SLICE_INIT("if-none-match"),
    SLICE_INIT("if-range"),
    SLICE_INIT("if-unmodified-since"),
    SLICE_INIT("keep-alive"),
    SLICE_INIT("origin"),
    SLICE_INIT("pragma"),
    SLICE_INIT("proxy-connection"),
    SLICE_INIT("proxy-status"),
    SLICE_INIT("referer"),
    SLICE_INIT("te"),
    SLICE_INIT("transfer-encoding"),
    SLICE_INIT("upgrade"),
    SLICE_INIT("user-agent"),
    SLICE_INIT("via"),
    SLICE_INIT("x-client-trace-id"),
    SLICE_INIT("x-envoy-attempt-count"),
    SLICE_INIT("x-envoy-decorator-operation"),
    SLICE_INIT("x-envoy-downstream-service-cluster"),
    SLICE_INIT("x-envoy-downstream-service-node"),
    SLICE_INIT("x-envoy-expected-rq-timeout-ms"),
    SLICE_INIT("x-envoy-external-address"),
    SLICE_INIT("x-envoy-force-trace"),
    SLICE_INIT("x-envoy-internal"),
    SLICE_INIT("x-envoy-ip-tags"),
    SLICE_INIT("x-envoy-is-timeout-retry"),
    SLICE_INIT("x-envoy-original-host"),
    SLICE_INIT("x-envoy-original-path"),
    SLICE_INIT("x-envoy-upstream-alt-stat-name"),
    SLICE_INIT("x-envoy-upstream-rq-timeout-ms"),
    SLICE_INIT("x-forwarded-client-cert"),
    SLICE_INIT("x-forwarded-for"),
    SLICE_INIT("x-forwarded-host"),
    SLICE_INIT("x-forwarded-port"),
    SLICE_INIT("x-forwarded-proto"),
    SLICE_INIT("x-request-id"),
};
static const struct slice response_names[] = {
    SLICE_INIT("access-control-allow-credentials"),
    SLICE_INIT("access-control-allow-headers"),
    SLICE_INIT("access-control-allow-methods"),
    SLICE_INIT("access-control-allow-origin"),
    SLICE_INIT("access-control-expose-headers"),
    SLICE_INIT("access-control-max-age"),
    SLICE_INIT("age"),
    SLICE_INIT("cache-control"),
    SLICE_INIT("connection"),
    SLICE_INIT("content-encoding"),
    SLICE_INIT("content-length"),
    SLICE_INIT("content-type"),
    SLICE_INIT("date"),
    SLICE_INIT("etag"),
    SLICE_INIT("expires"),
    SLICE_INIT("grpc-message"),
    SLICE_INIT("grpc-status"),
    SLICE_INIT("keep-alive"),
    SLICE_INIT("last-modified"),
    SLICE_INIT("location"),
    SLICE_INIT("proxy-connection"),
    SLICE_INIT("proxy-status"),
    SLICE_INIT("server"),
    SLICE_INIT("transfer-encoding"),
    SLICE_INIT("upgrade"),
    SLICE_INIT("vary"),
    SLICE_INIT("via"),
    SLICE_INIT("x-envoy-attempt-count"),
    SLICE_INIT("x-envoy-decorator-operation"),
    SLICE_INIT("x-envoy-degraded"),
    SLICE_INIT("x-envoy-immediate-health-check-fail"),
    SLICE_INIT("x-envoy-ratelimited"),
    SLICE_INIT("x-envoy-upstream-canary"),
    SLICE_INIT("x-envoy-upstream-healthchecked-cluster"),
    SLICE_INIT("x-envoy-upstream-service-time"),
    SLICE_INIT("x-request-id"),
};

static int compare_names(const void *a, const void *b) {
    return slice_compare(*(const struct slice *)a, *(const struct slice *)b);
}

bool header_is_joined(struct slice name, bool is_response) {
    const struct slice *names = is_response ? response_names : request_names;
    size_t count = is_response ? ARRAY_LEN(response_names) : ARRAY_LEN(request_names);
    return bsearch(&name, names, count, sizeof(name), compare_names) != NULL;
}
