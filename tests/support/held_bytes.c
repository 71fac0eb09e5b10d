// SPDX-License-Identifier: Apache-2.0
#include "tests/support/held_bytes.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PROXY_BYTES = 2 << 20, MORE_PIECES = 64 };

/* The last of the three numbers of tcp_rmem or tcp_wmem. */
static size_t largest_socket_buffer(const char *path) {
    char text[128];
    FILE *file = fopen(path, "r");
    ck_assert_ptr_nonnull(file);
    ck_assert_ptr_nonnull(fgets(text, sizeof(text), file));
    (void)fclose(file);
    const char *last = strrchr(text, '\t');
    ck_assert_ptr_nonnull(last);
    return strtoul(last, NULL, 10);
}

size_t test_held_bytes(void) {
    return PROXY_BYTES + 2 * (largest_socket_buffer("/proc/sys/net/ipv4/tcp_rmem") +
                              largest_socket_buffer("/proc/sys/net/ipv4/tcp_wmem"));
}

size_t test_long_body_bytes(size_t piece_bytes) {
    return (test_held_bytes() / piece_bytes + MORE_PIECES) * piece_bytes;
}
