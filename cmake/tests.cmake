# SPDX-License-Identifier: Apache-2.0
# Tests that are not beside the code: in-process integration tests, fuzz targets, black-box tests.

sp_add_library(sp_test_support DIRS tests/support
               LINK sp_filters ${level_stream} sp_tls_testing PkgConfig::check)

file(GLOB integration_tests CONFIGURE_DEPENDS "${CMAKE_SOURCE_DIR}/tests/integration/*_test.c")
# This one is about two libraries, not about the proxy: it links nothing else.
set(coexist_test "${CMAKE_SOURCE_DIR}/tests/integration/tls_coexist_test.c")
list(REMOVE_ITEM integration_tests "${coexist_test}")
sp_add_test_executable("${coexist_test}" integration 120 sp_boringssl sp_grpc)
foreach(test IN LISTS integration_tests)
  sp_add_test_executable("${test}" integration 120 sp_test_support)
endforeach()

# With libFuzzer each target is a fuzzer; elsewhere it replays its corpus as a test.
file(GLOB fuzz_targets CONFIGURE_DEPENDS "${CMAKE_SOURCE_DIR}/tests/fuzz/*_fuzz.c")
foreach(source IN LISTS fuzz_targets)
  get_filename_component(name "${source}" NAME_WE)
  add_executable(${name} "${source}")
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY "${CMAKE_BINARY_DIR}/fuzz")
  target_link_libraries(${name} PRIVATE sp_common sp_server)
  string(REGEX REPLACE "_fuzz$" "" corpus "${name}")
  if(SALLYPORT_FUZZ)
    target_link_options(${name} PRIVATE -fsanitize=fuzzer)
    add_test(NAME fuzz.${corpus} COMMAND ${name} -runs=0 "testdata/corpus/${corpus}"
             WORKING_DIRECTORY "${CMAKE_SOURCE_DIR}")
  else()
    target_sources(${name} PRIVATE "${CMAKE_SOURCE_DIR}/cmake/fuzz_replay.c")
    add_test(NAME fuzz.${corpus} COMMAND ${name} "testdata/corpus/${corpus}"
             WORKING_DIRECTORY "${CMAKE_SOURCE_DIR}")
  endif()
  set_tests_properties(fuzz.${corpus} PROPERTIES LABELS fuzz TIMEOUT 300)
endforeach()

# Mutated resources by the thousand; tests/faults/test_mutated_resources.py makes what it is fed.
file(GLOB mutation_sources CONFIGURE_DEPENDS "${CMAKE_SOURCE_DIR}/tests/mutation/*.c")
add_executable(mutate_resources ${mutation_sources})
set_target_properties(mutate_resources PROPERTIES RUNTIME_OUTPUT_DIRECTORY
                                                  "${CMAKE_BINARY_DIR}/tests")
target_link_libraries(mutate_resources PRIVATE sp_common sp_server)

# Programs for conformance tools (tests/peers) and micro-benchmarks (tests/bench): built, not run.
file(GLOB peer_programs CONFIGURE_DEPENDS "${CMAKE_SOURCE_DIR}/tests/peers/*.c"
     "${CMAKE_SOURCE_DIR}/tests/bench/bench_*.c")
foreach(source IN LISTS peer_programs)
  get_filename_component(name "${source}" NAME_WE)
  add_executable(${name} "${source}")
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY "${CMAKE_BINARY_DIR}/tests")
  target_link_libraries(${name} PRIVATE sp_common ${level_http})
endforeach()

# Real configuration in bulk, where a folder of it is at hand: cmake -DSALLYPORT_CORPUS=FOLDER.
set(SALLYPORT_CORPUS "" CACHE PATH "Folder of xDS resources as JSON that must round-trip")
if(EXISTS "${CMAKE_SOURCE_DIR}/tests/tools/json_tool.c")
  add_executable(json_tool tests/tools/json_tool.c)
  target_link_libraries(json_tool PRIVATE sp_common sp_xds)
  if(SALLYPORT_CORPUS)
    add_test(NAME corpus.round_trip COMMAND json_tool --round-trip "${SALLYPORT_CORPUS}")
    set_tests_properties(corpus.round_trip PROPERTIES LABELS corpus TIMEOUT 120)
  endif()
endif()

# Black-box, fault and security tests: one entry per file; tools/sum_tests.py counts what is inside. The
# time limit is that of a hang: on two idle cores the longest file takes well below a quarter of it.
file(GLOB_RECURSE pytest_files CONFIGURE_DEPENDS "${CMAKE_SOURCE_DIR}/tests/test_*.py")
foreach(file IN LISTS pytest_files)
  file(RELATIVE_PATH name "${CMAKE_SOURCE_DIR}/tests" "${file}")
  string(REGEX REPLACE "\\.py$" "" name "${name}")
  string(REPLACE "/" "." name "blackbox.${name}")
  add_test(
    NAME ${name}
    COMMAND "${CMAKE_SOURCE_DIR}/tools/test_python" -m pytest -q -p no:cacheprovider
            "--junitxml=${CMAKE_BINARY_DIR}/pytest/${name}.xml" "${file}"
    WORKING_DIRECTORY "${CMAKE_SOURCE_DIR}")
  set_tests_properties(
    ${name} PROPERTIES LABELS blackbox TIMEOUT 600 SKIP_RETURN_CODE 77
                       ENVIRONMENT
                       "${SALLYPORT_TEST_ENVIRONMENT};SALLYPORT_BUILD=${CMAKE_BINARY_DIR};PYTHONDONTWRITEBYTECODE=1")
endforeach()
