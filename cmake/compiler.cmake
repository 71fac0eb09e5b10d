# SPDX-License-Identifier: Apache-2.0
# Language standard, optimisation levels and the include path shared by every target (sp_options).

set(CMAKE_C_STANDARD 17)
set(CMAKE_C_STANDARD_REQUIRED ON)
set(CMAKE_C_EXTENSIONS OFF)
set(CMAKE_CXX_STANDARD 17)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)

foreach(lang C CXX)
  set(CMAKE_${lang}_FLAGS_DEBUG "-Og -g")
  set(CMAKE_${lang}_FLAGS_RELEASE "-O2 -g1 -DNDEBUG")
endforeach()

find_program(CCACHE ccache)
if(CCACHE)
  set(CMAKE_C_COMPILER_LAUNCHER "${CCACHE}")
  set(CMAKE_CXX_COMPILER_LAUNCHER "${CCACHE}")
endif()

find_package(Threads REQUIRED)

set(SALLYPORT_GENERATED "${CMAKE_BINARY_DIR}/generated")
execute_process(
  COMMAND git -C "${CMAKE_SOURCE_DIR}" rev-parse --short=12 HEAD
  OUTPUT_VARIABLE SALLYPORT_REVISION
  OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
if(NOT SALLYPORT_REVISION)
  set(SALLYPORT_REVISION "unknown")
endif()
configure_file("${CMAKE_SOURCE_DIR}/cmake/sallyport_version.h.in"
               "${SALLYPORT_GENERATED}/sallyport_version.h" @ONLY)

add_library(sp_options INTERFACE)
target_compile_definitions(sp_options INTERFACE _GNU_SOURCE)
target_include_directories(sp_options INTERFACE "${CMAKE_SOURCE_DIR}" "${SALLYPORT_GENERATED}")
target_compile_options(
  sp_options INTERFACE -fno-strict-aliasing -fno-common -ffunction-sections -fdata-sections
                       -fvisibility=hidden "-ffile-prefix-map=${CMAKE_SOURCE_DIR}/=")
# Relative relocations as a bitmap: 70,000 pointers of message descriptors take 20 KB of it instead of
# 1.7 MB that are read once at start and stay resident. Needs glibc 2.36, Debian 12's.
target_link_options(sp_options INTERFACE -Wl,--gc-sections -Wl,-z,pack-relative-relocs)

# A request runs through small functions of many libraries. In a release the proxy itself is optimised
# across them at its link (property SALLYPORT_WHOLE_PROGRAM); every other program links the same
# objects as they are, so that a hundred tests need not be optimised again.
if(CMAKE_BUILD_TYPE STREQUAL "Release" AND NOT SALLYPORT_SANITIZE AND CMAKE_C_COMPILER_ID STREQUAL "GNU")
  target_compile_options(sp_options INTERFACE -flto -ffat-lto-objects)
  target_link_options(
    sp_options INTERFACE
    "$<IF:$<BOOL:$<TARGET_PROPERTY:SALLYPORT_WHOLE_PROGRAM>>,-flto=auto,-fno-lto>")
endif()
target_link_libraries(sp_options INTERFACE Threads::Threads)
