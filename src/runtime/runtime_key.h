// SPDX-License-Identifier: Apache-2.0
/*
 * The keys that are read whatever the configuration says, under Envoy's names. Their numbers are known to
 * their readers; those of keys that a configuration names come behind them (runtime_key).
 */
#ifndef SRC_RUNTIME_RUNTIME_KEY_H
#define SRC_RUNTIME_RUNTIME_KEY_H

/* X(id, name): what it stands in for is in docs/runtime.md. */
#define RUNTIME_KEYS(X)                                                                            \
    X(GLOBAL_MAX_CONNECTIONS, "overload.global_downstream_max_connections")                        \
    X(HEALTHY_PANIC_THRESHOLD, "upstream.healthy_panic_threshold")                                 \
    X(USE_RETRY, "upstream.use_retry")                                                             \
    X(BASE_RETRY_BACKOFF_MS, "upstream.base_retry_backoff_ms")                                     \
    X(HEALTH_CHECK_MIN_INTERVAL, "health_check.min_interval")                                      \
    X(HEALTH_CHECK_MAX_INTERVAL, "health_check.max_interval")                                      \
    X(OUTLIER_INTERVAL_MS, "outlier_detection.interval_ms")                                        \
    X(OUTLIER_BASE_EJECTION_TIME_MS, "outlier_detection.base_ejection_time_ms")                    \
    X(OUTLIER_MAX_EJECTION_TIME_MS, "outlier_detection.max_ejection_time_ms")                      \
    X(OUTLIER_MAX_EJECTION_TIME_JITTER_MS, "outlier_detection.max_ejection_time_jitter_ms")        \
    X(OUTLIER_MAX_EJECTION_PERCENT, "outlier_detection.max_ejection_percent")                      \
    X(OUTLIER_CONSECUTIVE_5XX, "outlier_detection.consecutive_5xx")                                \
    X(OUTLIER_CONSECUTIVE_GATEWAY_FAILURE, "outlier_detection.consecutive_gateway_failure")        \
    X(OUTLIER_CONSECUTIVE_LOCAL_ORIGIN_FAILURE,                                                    \
      "outlier_detection.consecutive_local_origin_failure")                                        \
    X(OUTLIER_ENFORCING_CONSECUTIVE_5XX, "outlier_detection.enforcing_consecutive_5xx")            \
    X(OUTLIER_ENFORCING_CONSECUTIVE_GATEWAY_FAILURE,                                               \
      "outlier_detection.enforcing_consecutive_gateway_failure")                                   \
    X(OUTLIER_ENFORCING_CONSECUTIVE_LOCAL_ORIGIN_FAILURE,                                          \
      "outlier_detection.enforcing_consecutive_local_origin_failure")                              \
    X(OUTLIER_ENFORCING_SUCCESS_RATE, "outlier_detection.enforcing_success_rate")                  \
    X(OUTLIER_SUCCESS_RATE_MINIMUM_HOSTS, "outlier_detection.success_rate_minimum_hosts")          \
    X(OUTLIER_SUCCESS_RATE_REQUEST_VOLUME, "outlier_detection.success_rate_request_volume")        \
    X(OUTLIER_SUCCESS_RATE_STDEV_FACTOR, "outlier_detection.success_rate_stdev_factor")            \
    X(OUTLIER_ENFORCING_FAILURE_PERCENTAGE, "outlier_detection.enforcing_failure_percentage")      \
    X(OUTLIER_FAILURE_PERCENTAGE_THRESHOLD, "outlier_detection.failure_percentage_threshold")      \
    X(OUTLIER_FAILURE_PERCENTAGE_MINIMUM_HOSTS,                                                    \
      "outlier_detection.failure_percentage_minimum_hosts")                                        \
    X(OUTLIER_FAILURE_PERCENTAGE_REQUEST_VOLUME,                                                   \
      "outlier_detection.failure_percentage_request_volume")

enum runtime_known_key {
    RUNTIME_KEY_NONE, /* RUNTIME_NO_KEY */
#define RUNTIME_KEY_ENUM(id, name) RUNTIME_##id,
    RUNTIME_KEYS(RUNTIME_KEY_ENUM)
#undef RUNTIME_KEY_ENUM
        RUNTIME_KNOWN_KEYS,
};

#endif
