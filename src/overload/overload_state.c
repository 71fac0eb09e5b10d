// SPDX-License-Identifier: Apache-2.0
#include "src/overload/overload_state.h"

const char *const overload_action_names[OVERLOAD_ACTION_COUNT] = {
#define OVERLOAD_ACTION_NAME(id, name) [OVERLOAD_##id] = name,
    OVERLOAD_ACTIONS(OVERLOAD_ACTION_NAME)
#undef OVERLOAD_ACTION_NAME
};
