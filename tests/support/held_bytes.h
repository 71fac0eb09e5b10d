// SPDX-License-Identifier: Apache-2.0
/*
 * How much may be under way through a proxy while nobody reads at the other end: what a test of
 * back-pressure holds against what was sent.
 */
#ifndef TESTS_SUPPORT_HELD_BYTES_H
#define TESTS_SUPPORT_HELD_BYTES_H

#include <stddef.h>

/* Two hops, whose socket buffers the kernel sizes as it likes, and the proxy's own with room. */
size_t test_held_bytes(void);
/* A length that is more than that, in whole pieces. */
size_t test_long_body_bytes(size_t piece_bytes);

#endif
