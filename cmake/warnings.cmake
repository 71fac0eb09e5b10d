# SPDX-License-Identifier: Apache-2.0
# The warnings of our own code, all of them errors (sp_warnings). Generated code does not link this.

include(CheckCCompilerFlag)

set(common_warnings -Wall -Wextra -Wpedantic -Wconversion -Wsign-conversion -Wshadow -Wcast-qual
                    -Wwrite-strings -Wvla -Wundef -Wformat=2 -Werror)
set(c_warnings -Wstrict-prototypes -Wmissing-prototypes -Wduplicated-cond -Wlogical-op)

add_library(sp_warnings INTERFACE)
target_compile_options(sp_warnings INTERFACE ${common_warnings})
# protobuf-c's initialisers cast const away; clang, unlike GCC, reports that where they are used.
target_compile_options(sp_warnings INTERFACE "$<$<C_COMPILER_ID:Clang>:-Wno-cast-qual>")
foreach(flag IN LISTS c_warnings)
  string(MAKE_C_IDENTIFIER "HAVE${flag}" have)
  check_c_compiler_flag("-Werror ${flag}" ${have})
  if(${have})
    target_compile_options(sp_warnings INTERFACE "$<$<COMPILE_LANGUAGE:C>:${flag}>")
  endif()
endforeach()
