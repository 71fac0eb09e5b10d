// SPDX-License-Identifier: Apache-2.0
/*
 * The keys that are read whatever the configuration says, under Envoy's names. Their numbers are known to
 * their readers; those of keys that a configuration names come behind them (runtime_key).
 */
#ifndef SRC_RUNTIME_RUNTIME_KEY_H
#define SRC_RUNTIME_RUNTIME_KEY_H

/* X(id, name): what it stands in for is in docs/runtime.md. */
#define RUNTIME_KEYS(X) X(HEALTHY_PANIC_THRESHOLD, "upstream.healthy_panic_threshold")

enum runtime_known_key {
    RUNTIME_KEY_NONE, /* RUNTIME_NO_KEY */
#define RUNTIME_KEY_ENUM(id, name) RUNTIME_##id,
    RUNTIME_KEYS(RUNTIME_KEY_ENUM)
#undef RUNTIME_KEY_ENUM
        RUNTIME_KNOWN_KEYS,
};

#endif
