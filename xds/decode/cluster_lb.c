// SPDX-License-Identifier: Apache-2.0
#include "envoy/extensions/load_balancing_policies/common/v3/common.pb-c.h"
#include "envoy/extensions/load_balancing_policies/least_request/v3/least_request.pb-c.h"
#include "envoy/extensions/load_balancing_policies/maglev/v3/maglev.pb-c.h"
#include "envoy/extensions/load_balancing_policies/random/v3/random.pb-c.h"
#include "envoy/extensions/load_balancing_policies/ring_hash/v3/ring_hash.pb-c.h"
#include "envoy/extensions/load_balancing_policies/round_robin/v3/round_robin.pb-c.h"
#include "envoy/extensions/load_balancing_policies/wrr_locality/v3/wrr_locality.pb-c.h"
#include "envoy/type/v3/percent.pb-c.h"
#include "proto/proto_registry.h"
#include "xds/decode/cluster_parts.h"
#include "xds/decode/ledgers.h"

#define LB_COMMON(name) Envoy__Extensions__LoadBalancingPolicies__Common__V3__##name
#define LEAST_REQUEST Envoy__Extensions__LoadBalancingPolicies__LeastRequest__V3__LeastRequest
#define ROUND_ROBIN Envoy__Extensions__LoadBalancingPolicies__RoundRobin__V3__RoundRobin
#define RANDOM Envoy__Extensions__LoadBalancingPolicies__Random__V3__Random
#define RING_HASH Envoy__Extensions__LoadBalancingPolicies__RingHash__V3__RingHash
#define MAGLEV Envoy__Extensions__LoadBalancingPolicies__Maglev__V3__Maglev
#define WRR_LOCALITY Envoy__Extensions__LoadBalancingPolicies__WrrLocality__V3__WrrLocality

#define POLICY(name) "envoy.extensions.load_balancing_policies." name

enum {
    DEFAULT_CHOICES = 2,
    DEFAULT_MIN_RING = 1024,
    DEFAULT_MAX_RING = 8 * 1024 * 1024,
    DEFAULT_TABLE_SIZE = 65537,
    MAX_TABLE_SIZE = 5000011,
    DEFAULT_PANIC_PERCENT = 50,
    DEFAULT_SLOW_START_MIN_PERCENT = 10,
    WRR_MAX_DEPTH = 4,
};

static void set_defaults(struct lb_config *lb) {
    *lb = (struct lb_config){
        .choice_count = DEFAULT_CHOICES,
        .active_request_bias = 1.0,
        .min_ring_size = DEFAULT_MIN_RING,
        .max_ring_size = DEFAULT_MAX_RING,
        .table_size = DEFAULT_TABLE_SIZE,
        .slow_start_aggression = 1.0,
        .slow_start_min_percent = DEFAULT_SLOW_START_MIN_PERCENT,
        .panic_threshold_percent = DEFAULT_PANIC_PERCENT,
    };
}

static bool decode_slow_start(struct decoder *d, const Google__Protobuf__Duration *window,
                              const CORE(RuntimeDouble) *aggression,
                              const TYPE(Percent) *min_percent, struct lb_config *lb) {
    bool is_ok = decode_optional_duration(d, "slow_start_config.slow_start_window", window,
                                          &lb->slow_start_window_ms);
    if (aggression != NULL) {
        lb->slow_start_aggression = aggression->default_value;
        if (!(aggression->default_value > 0)) {
            is_ok = decoder_field_error(d, "slow_start_config.aggression",
                                        "value must be greater than 0");
        }
    }
    if (min_percent != NULL) {
        lb->slow_start_min_percent = (uint32_t)min_percent->value;
    }
    return is_ok;
}

static bool legacy_slow_start(struct decoder *d, const CLUSTER(Cluster__SlowStartConfig) *from,
                              struct lb_config *lb) {
    return from == NULL || decode_slow_start(d, from->slow_start_window, from->aggression,
                                             from->min_weight_percent, lb);
}

static bool modern_slow_start(struct decoder *d, const LB_COMMON(SlowStartConfig) *from,
                              struct lb_config *lb) {
    return from == NULL || decode_slow_start(d, from->slow_start_window, from->aggression,
                                             from->min_weight_percent, lb);
}

static bool set_ring(struct decoder *d, const char *field, uint64_t min, uint64_t max, bool is_xx,
                     struct lb_config *lb) {
    lb->policy = LB_RING_HASH;
    lb->min_ring_size = min;
    lb->max_ring_size = max;
    if (!is_xx) {
        return decoder_field_error(d, field, "only XX_HASH is supported");
    }
    if (min > max) {
        return decoder_field_error(d, field,
                                   "ring hash: minimum_ring_size (%llu) > maximum_ring_size (%llu)",
                                   (unsigned long long)min, (unsigned long long)max);
    }
    return true;
}

static bool is_prime(uint64_t n) {
    for (uint64_t i = 2; i * i <= n; i++) {
        if (n % i == 0) {
            return false;
        }
    }
    return n > 1;
}

static bool set_maglev(struct decoder *d, const char *field, uint64_t size, struct lb_config *lb) {
    lb->policy = LB_MAGLEV;
    if (size > MAX_TABLE_SIZE || !is_prime(size)) {
        return decoder_field_error(d, field,
                                   "The table size of maglev must be prime number and at most %d",
                                   MAX_TABLE_SIZE);
    }
    lb->table_size = (uint32_t)size;
    return true;
}

/* ---- lb_policy and its companions ---- */

static bool decode_policy_options(struct decoder *d, const CLUSTER(Cluster) *from,
                                  struct lb_config *lb) {
    bool is_ok = true;
    switch ((int)from->lb_config_case) {
    case ENVOY__CONFIG__CLUSTER__V3__CLUSTER__LB_CONFIG_LEAST_REQUEST_LB_CONFIG:
        lb->choice_count = VALUE_OR(from->least_request_lb_config->choice_count, DEFAULT_CHOICES);
        if (from->least_request_lb_config->active_request_bias != NULL) {
            lb->active_request_bias =
                from->least_request_lb_config->active_request_bias->default_value;
        }
        return legacy_slow_start(d, from->least_request_lb_config->slow_start_config, lb);
    case ENVOY__CONFIG__CLUSTER__V3__CLUSTER__LB_CONFIG_ROUND_ROBIN_LB_CONFIG:
        return legacy_slow_start(d, from->round_robin_lb_config->slow_start_config, lb);
    case ENVOY__CONFIG__CLUSTER__V3__CLUSTER__LB_CONFIG_RING_HASH_LB_CONFIG: {
        const CLUSTER(Cluster__RingHashLbConfig) *ring = from->ring_hash_lb_config;
        enum lb_policy policy = lb->policy;
        is_ok = set_ring(
            d, "ring_hash_lb_config", VALUE_OR(ring->minimum_ring_size, DEFAULT_MIN_RING),
            VALUE_OR(ring->maximum_ring_size, DEFAULT_MAX_RING),
            ring->hash_function ==
                ENVOY__CONFIG__CLUSTER__V3__CLUSTER__RING_HASH_LB_CONFIG__HASH_FUNCTION__XX_HASH,
            lb);
        lb->policy = policy;
        return is_ok;
    }
    case ENVOY__CONFIG__CLUSTER__V3__CLUSTER__LB_CONFIG_MAGLEV_LB_CONFIG: {
        enum lb_policy policy = lb->policy;
        is_ok = set_maglev(d, "maglev_lb_config.table_size",
                           VALUE_OR(from->maglev_lb_config->table_size, DEFAULT_TABLE_SIZE), lb);
        lb->policy = policy;
        return is_ok;
    }
    default:
        return true;
    }
}

static bool decode_legacy(struct decoder *d, const CLUSTER(Cluster) *from, struct lb_config *lb) {
    switch ((int)from->lb_policy) {
    case ENVOY__CONFIG__CLUSTER__V3__CLUSTER__LB_POLICY__ROUND_ROBIN:
        lb->policy = LB_ROUND_ROBIN;
        break;
    case ENVOY__CONFIG__CLUSTER__V3__CLUSTER__LB_POLICY__LEAST_REQUEST:
        lb->policy = LB_LEAST_REQUEST;
        break;
    case ENVOY__CONFIG__CLUSTER__V3__CLUSTER__LB_POLICY__RING_HASH:
        lb->policy = LB_RING_HASH;
        break;
    case ENVOY__CONFIG__CLUSTER__V3__CLUSTER__LB_POLICY__RANDOM:
        lb->policy = LB_RANDOM;
        break;
    case ENVOY__CONFIG__CLUSTER__V3__CLUSTER__LB_POLICY__MAGLEV:
        lb->policy = LB_MAGLEV;
        break;
    case ENVOY__CONFIG__CLUSTER__V3__CLUSTER__LB_POLICY__CLUSTER_PROVIDED:
        lb->policy = LB_CLUSTER_PROVIDED;
        break;
    default:
        return decoder_field_error(d, "lb_policy",
                                   "cluster: LB policy is not supported or lacks its "
                                   "load_balancing_policy");
    }
    return decode_policy_options(d, from, lb);
}

static void decode_common_lb(const CLUSTER(Cluster__CommonLbConfig) *from, struct lb_config *lb) {
    if (from == NULL) {
        return;
    }
    lb->panic_threshold_percent = VALUE_OR(from->healthy_panic_threshold, DEFAULT_PANIC_PERCENT);
    if (from->consistent_hashing_lb_config != NULL) {
        lb->use_hostname_for_hashing =
            from->consistent_hashing_lb_config->use_hostname_for_hashing != 0;
    }
    if (from->locality_config_specifier_case ==
        ENVOY__CONFIG__CLUSTER__V3__CLUSTER__COMMON_LB_CONFIG__LOCALITY_CONFIG_SPECIFIER_ZONE_AWARE_LB_CONFIG) {
        lb->fail_traffic_on_panic = from->zone_aware_lb_config->fail_traffic_on_panic != 0;
    }
    if (from->locality_config_specifier_case ==
        ENVOY__CONFIG__CLUSTER__V3__CLUSTER__COMMON_LB_CONFIG__LOCALITY_CONFIG_SPECIFIER_LOCALITY_WEIGHTED_LB_CONFIG) {
        lb->locality_weighted = true;
    }
}

/* ---- load_balancing_policy ---- */

static void decode_locality_config(const LB_COMMON(LocalityLbConfig) *from, struct lb_config *lb) {
    if (from == NULL) {
        return;
    }
    if (from->locality_config_specifier_case ==
        ENVOY__EXTENSIONS__LOAD_BALANCING_POLICIES__COMMON__V3__LOCALITY_LB_CONFIG__LOCALITY_CONFIG_SPECIFIER_LOCALITY_WEIGHTED_LB_CONFIG) {
        lb->locality_weighted = true;
    }
    if (from->locality_config_specifier_case ==
        ENVOY__EXTENSIONS__LOAD_BALANCING_POLICIES__COMMON__V3__LOCALITY_LB_CONFIG__LOCALITY_CONFIG_SPECIFIER_ZONE_AWARE_LB_CONFIG) {
        lb->fail_traffic_on_panic = from->zone_aware_lb_config->fail_traffic_on_panic != 0;
    }
}

static bool decode_least_request(struct decoder *d, const LEAST_REQUEST *from,
                                 struct lb_config *lb) {
    lb->policy = LB_LEAST_REQUEST;
    lb->choice_count = VALUE_OR(from->choice_count, DEFAULT_CHOICES);
    if (from->active_request_bias != NULL) {
        lb->active_request_bias = from->active_request_bias->default_value;
    }
    decode_locality_config(from->locality_lb_config, lb);
    return modern_slow_start(d, from->slow_start_config, lb);
}

static bool decode_ring_hash(struct decoder *d, const RING_HASH *from, struct lb_config *lb) {
    bool is_xx =
        from->hash_function ==
            ENVOY__EXTENSIONS__LOAD_BALANCING_POLICIES__RING_HASH__V3__RING_HASH__HASH_FUNCTION__XX_HASH ||
        from->hash_function ==
            ENVOY__EXTENSIONS__LOAD_BALANCING_POLICIES__RING_HASH__V3__RING_HASH__HASH_FUNCTION__DEFAULT_HASH;
    lb->use_hostname_for_hashing = from->use_hostname_for_hashing ||
                                   (from->consistent_hashing_lb_config != NULL &&
                                    from->consistent_hashing_lb_config->use_hostname_for_hashing);
    lb->locality_weighted = from->locality_weighted_lb_config != NULL;
    return set_ring(d, "hash_function", VALUE_OR(from->minimum_ring_size, DEFAULT_MIN_RING),
                    VALUE_OR(from->maximum_ring_size, DEFAULT_MAX_RING), is_xx, lb);
}

static bool decode_maglev(struct decoder *d, const MAGLEV *from, struct lb_config *lb) {
    lb->use_hostname_for_hashing = from->consistent_hashing_lb_config != NULL &&
                                   from->consistent_hashing_lb_config->use_hostname_for_hashing;
    lb->locality_weighted = from->locality_weighted_lb_config != NULL;
    return set_maglev(d, "table_size", VALUE_OR(from->table_size, DEFAULT_TABLE_SIZE), lb);
}

static bool decode_policies(struct decoder *d, const CLUSTER(LoadBalancingPolicy) *from,
                            uint32_t depth, struct lb_config *lb);

static bool decode_policy(struct decoder *d, const struct any_view *view, uint32_t depth,
                          struct lb_config *lb, bool *is_known) {
    const ProtobufCMessage *message = decode_any_open(d, view);
    *is_known = true;
    if (message == NULL) {
        return false;
    }
    if (any_is(view, POLICY("round_robin.v3.RoundRobin"))) {
        const ROUND_ROBIN *from = (const ROUND_ROBIN *)message;
        lb->policy = LB_ROUND_ROBIN;
        decode_locality_config(from->locality_lb_config, lb);
        return modern_slow_start(d, from->slow_start_config, lb);
    }
    if (any_is(view, POLICY("least_request.v3.LeastRequest"))) {
        return decode_least_request(d, (const LEAST_REQUEST *)message, lb);
    }
    if (any_is(view, POLICY("random.v3.Random"))) {
        lb->policy = LB_RANDOM;
        decode_locality_config(((const RANDOM *)message)->locality_lb_config, lb);
        return true;
    }
    if (any_is(view, POLICY("ring_hash.v3.RingHash"))) {
        return decode_ring_hash(d, (const RING_HASH *)message, lb);
    }
    if (any_is(view, POLICY("maglev.v3.Maglev"))) {
        return decode_maglev(d, (const MAGLEV *)message, lb);
    }
    if (any_is(view, POLICY("cluster_provided.v3.ClusterProvided"))) {
        lb->policy = LB_CLUSTER_PROVIDED;
        return true;
    }
    if (any_is(view, POLICY("wrr_locality.v3.WrrLocality"))) {
        const WRR_LOCALITY *from = (const WRR_LOCALITY *)message;
        bool is_ok = from->endpoint_picking_policy != NULL &&
                     decode_policies(d, from->endpoint_picking_policy, depth + 1, lb);
        lb->locality_weighted = true;
        return is_ok;
    }
    *is_known = false;
    return true;
}

// The first policy that is built in counts, as in Envoy.
static bool decode_policies(struct decoder *d, const CLUSTER(LoadBalancingPolicy) *from,
                            uint32_t depth, struct lb_config *lb) {
    struct slice names = SLICE("");
    if (depth > WRR_MAX_DEPTH) {
        return decoder_error(d, "policies are nested too deep");
    }
    for (size_t i = 0; i < from->n_policies; i++) {
        const CORE(TypedExtensionConfig) *extension = from->policies[i]->typed_extension_config;
        struct any_view view;
        bool is_known = false;
        decoder_push_index(d, "policies", i);
        bool is_ok = extension != NULL && decode_any_type(d, extension->typed_config, &view) &&
                     (proto_message_find(view.type) == NULL ||
                      decode_policy(d, &view, depth, lb, &is_known));
        decoder_pop_index(d);
        if (!is_ok || is_known) {
            return is_ok;
        }
        names = arena_printf(d->scratch, "%.*s%s%s", SLICE_ARG(names), i == 0 ? "" : ", ",
                             extension->name);
    }
    return decoder_error(d,
                         "cluster: didn't find a registered load balancer factory with names "
                         "from [%.*s]",
                         SLICE_ARG(names));
}

bool decode_cluster_lb(struct decoder *d, const CLUSTER(Cluster) *from, struct cluster_part *out) {
    set_defaults(&out->lb);
    decode_common_lb(from->common_lb_config, &out->lb);
    if (from->load_balancing_policy == NULL) {
        return decode_legacy(d, from, &out->lb);
    }
    decoder_push(d, "load_balancing_policy");
    bool is_ok = decode_policies(d, from->load_balancing_policy, 0, &out->lb);
    decoder_pop(d);
    return is_ok;
}

static const struct ledger_field all_fields[] = {LEDGER_OK("*")};
static const struct ledger_field common_fields[] = {
    LEDGER_OK("healthy_panic_threshold"),
    LEDGER_OK("zone_aware_lb_config"),
    LEDGER_OK("locality_weighted_lb_config"),
    LEDGER_OK("consistent_hashing_lb_config"),
    {"close_connections_on_host_set_change", LEDGER_IGNORED, "connections outlive the change"},
    {"update_merge_window", LEDGER_HARMLESS, "updates are merged per turn of the loop"},
    {"ignore_new_hosts_until_first_hc", LEDGER_IGNORED, "new hosts take traffic at once"},
    {"override_host_status", LEDGER_IGNORED, "stateful sessions are not built in"},
};
static const struct ledger_field zone_fields[] = {
    LEDGER_OK("fail_traffic_on_panic"),
    {"*", LEDGER_IGNORED, "traffic is spread by the share of hosts in a zone"},
};
static const struct ledger_field hashing_fields[] = {
    LEDGER_OK("use_hostname_for_hashing"),
    {"hash_balance_factor", LEDGER_IGNORED, "hosts have no bound on their load"},
    {"hash_policy", LEDGER_IGNORED, "hash policies of routes count"},
};
static const struct ledger_field ring_fields[] = {
    LEDGER_OK("hash_function"),
    LEDGER_OK("minimum_ring_size"),
    LEDGER_OK("maximum_ring_size"),
    LEDGER_OK("use_hostname_for_hashing"),
    LEDGER_OK("consistent_hashing_lb_config"),
    LEDGER_OK("locality_weighted_lb_config"),
    {"hash_balance_factor", LEDGER_IGNORED, "hosts have no bound on their load"},
};
static const struct ledger_field least_request_fields[] = {
    LEDGER_OK("choice_count"),
    LEDGER_OK("active_request_bias"),
    LEDGER_OK("slow_start_config"),
    LEDGER_OK("locality_lb_config"),
    {"enable_full_scan", LEDGER_IGNORED, "hosts are drawn, not scanned"},
    {"selection_method", LEDGER_IGNORED, "hosts are drawn, not scanned"},
};

#define LB_MESSAGE(name, fields)                                                                   \
    LEDGER_MESSAGE("envoy.extensions.load_balancing_policies." name, fields)
const struct ledger_message ledger_cluster_lb[] = {
    LEDGER_MESSAGE("envoy.config.cluster.v3.Cluster.CommonLbConfig", common_fields),
    LEDGER_MESSAGE("envoy.config.cluster.v3.Cluster.CommonLbConfig.ZoneAwareLbConfig", zone_fields),
    LEDGER_MESSAGE("envoy.config.cluster.v3.Cluster.CommonLbConfig.LocalityWeightedLbConfig",
                   all_fields),
    LEDGER_MESSAGE("envoy.config.cluster.v3.Cluster.CommonLbConfig.ConsistentHashingLbConfig",
                   hashing_fields),
    LEDGER_MESSAGE("envoy.config.cluster.v3.Cluster.SlowStartConfig", all_fields),
    LEDGER_MESSAGE("envoy.config.cluster.v3.Cluster.RoundRobinLbConfig", all_fields),
    LEDGER_MESSAGE("envoy.config.cluster.v3.Cluster.LeastRequestLbConfig", all_fields),
    LEDGER_MESSAGE("envoy.config.cluster.v3.Cluster.RingHashLbConfig", all_fields),
    LEDGER_MESSAGE("envoy.config.cluster.v3.Cluster.MaglevLbConfig", all_fields),
    LEDGER_MESSAGE("envoy.config.cluster.v3.LoadBalancingPolicy", all_fields),
    LEDGER_MESSAGE("envoy.config.cluster.v3.LoadBalancingPolicy.Policy", all_fields),
    LB_MESSAGE("common.v3.LocalityLbConfig", all_fields),
    LB_MESSAGE("common.v3.LocalityLbConfig.ZoneAwareLbConfig", zone_fields),
    LB_MESSAGE("common.v3.LocalityLbConfig.LocalityWeightedLbConfig", all_fields),
    LB_MESSAGE("common.v3.SlowStartConfig", all_fields),
    LB_MESSAGE("common.v3.ConsistentHashingLbConfig", hashing_fields),
    LB_MESSAGE("round_robin.v3.RoundRobin", all_fields),
    LB_MESSAGE("least_request.v3.LeastRequest", least_request_fields),
    LB_MESSAGE("random.v3.Random", all_fields),
    LB_MESSAGE("ring_hash.v3.RingHash", ring_fields),
    LB_MESSAGE("maglev.v3.Maglev", all_fields),
    LB_MESSAGE("cluster_provided.v3.ClusterProvided", all_fields),
    LB_MESSAGE("wrr_locality.v3.WrrLocality", all_fields),
};
const uint32_t ledger_cluster_lb_count = ARRAY_LEN(ledger_cluster_lb);
