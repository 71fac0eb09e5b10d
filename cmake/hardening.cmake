# SPDX-License-Identifier: Apache-2.0
# Hardening of release builds (sp_hardening). A flag that the compiler lacks is left out with a
# notice; tools/check_hardening.py then judges the binary itself.

include(CheckCCompilerFlag)
include(CheckPIESupported)
check_pie_supported(LANGUAGES C CXX)

add_library(sp_hardening INTERFACE)
if(CMAKE_BUILD_TYPE STREQUAL "Release" AND NOT SALLYPORT_SANITIZE)
  set(hardening_flags -fstack-protector-strong -fstack-clash-protection
                      -ftrivial-auto-var-init=zero -fzero-call-used-regs=used-gpr)
  if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64")
    list(APPEND hardening_flags -fcf-protection)
  endif()
  foreach(flag IN LISTS hardening_flags)
    string(MAKE_C_IDENTIFIER "HAVE${flag}" have)
    check_c_compiler_flag("-Werror ${flag}" ${have})
    if(${have})
      target_compile_options(sp_hardening INTERFACE ${flag})
      # Link-time optimisation makes code too, and not every flag travels with the objects.
      target_link_options(sp_hardening INTERFACE ${flag})
    else()
      message(STATUS "hardening: ${CMAKE_C_COMPILER_ID} has no ${flag}")
    endif()
  endforeach()
  # A distribution's compiler may define a lower level by itself.
  target_compile_options(sp_hardening INTERFACE -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=3)
endif()
target_link_options(sp_hardening INTERFACE -Wl,-z,relro,-z,now,-z,noexecstack)
