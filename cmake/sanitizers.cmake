# SPDX-License-Identifier: Apache-2.0
# Sanitizer, coverage and fuzzing instrumentation of our own code (sp_sanitizers).

add_library(sp_sanitizers INTERFACE)
set(SALLYPORT_TEST_ENVIRONMENT
    CK_DEFAULT_TIMEOUT=30 "TSAN_OPTIONS=suppressions=${CMAKE_SOURCE_DIR}/cmake/tsan.supp")
if(SALLYPORT_SANITIZE)
  list(APPEND SALLYPORT_TEST_ENVIRONMENT SALLYPORT_SLOW=1)
  target_compile_options(
    sp_sanitizers INTERFACE "-fsanitize=${SALLYPORT_SANITIZE}" -fno-sanitize-recover=all
                            -fno-omit-frame-pointer -O1)
  target_link_options(sp_sanitizers INTERFACE "-fsanitize=${SALLYPORT_SANITIZE}")
endif()
if(SALLYPORT_COVERAGE)
  target_compile_options(sp_sanitizers INTERFACE --coverage -fprofile-update=atomic)
  target_link_options(sp_sanitizers INTERFACE --coverage)
endif()
if(SALLYPORT_FUZZ)
  if(NOT CMAKE_C_COMPILER_ID MATCHES "Clang")
    message(FATAL_ERROR "SALLYPORT_FUZZ needs clang (use: cmake --preset fuzz)")
  endif()
  target_compile_options(sp_sanitizers INTERFACE -fsanitize=fuzzer-no-link)
  target_link_options(sp_sanitizers INTERFACE -fsanitize=fuzzer-no-link)
endif()
