# SPDX-License-Identifier: Apache-2.0
# sp_add_library(name DIRS dir... [EXCLUDE regex] [LINK target...] [PRIVATE_LINK target...])
#
# A static library of the .c and .cc files below the folders, and one ctest executable for each
# *_test.c among them. Folders may be missing or empty while the tree grows.

add_library(sp_common INTERFACE)
target_link_libraries(sp_common INTERFACE sp_options sp_warnings sp_hardening sp_sanitizers)

file(WRITE "${SALLYPORT_GENERATED}/empty.c.in"
     "// SPDX-License-Identifier: Apache-2.0\nextern const int sp_empty_library;\n")
configure_file("${SALLYPORT_GENERATED}/empty.c.in" "${SALLYPORT_GENERATED}/empty.c" COPYONLY)

function(sp_glob_sources out_sources out_tests exclude)
  set(patterns "")
  foreach(dir IN LISTS ARGN)
    list(APPEND patterns "${CMAKE_SOURCE_DIR}/${dir}/*.c" "${CMAKE_SOURCE_DIR}/${dir}/*.cc")
  endforeach()
  file(GLOB_RECURSE files CONFIGURE_DEPENDS LIST_DIRECTORIES false ${patterns})
  if(exclude)
    list(FILTER files EXCLUDE REGEX "${exclude}")
  endif()
  set(tests ${files})
  list(FILTER tests INCLUDE REGEX "_test\\.c$")
  list(FILTER files EXCLUDE REGEX "_test\\.c$")
  set(${out_sources} "${files}" PARENT_SCOPE)
  set(${out_tests} "${tests}" PARENT_SCOPE)
endfunction()

# One executable for one test file; the target is its path without src/, joined by underscores.
function(sp_add_test_executable file label timeout)
  file(RELATIVE_PATH relative "${CMAKE_SOURCE_DIR}" "${file}")
  string(REGEX REPLACE "^(src|tests)/" "" name "${relative}")
  string(REGEX REPLACE "\\.c$" "" name "${name}")
  string(REPLACE "/" "_" target "${name}")
  string(REGEX REPLACE "_test$" "" name "${name}")
  string(REGEX REPLACE "^${label}/" "" name "${name}")
  add_executable(${target} "${file}")
  set_target_properties(${target} PROPERTIES RUNTIME_OUTPUT_DIRECTORY "${CMAKE_BINARY_DIR}/tests")
  target_link_libraries(${target} PRIVATE sp_common ${ARGN} PkgConfig::check)
  add_test(NAME "${label}.${name}" COMMAND ${target} WORKING_DIRECTORY "${CMAKE_SOURCE_DIR}")
  # ThreadSanitizer makes the exhaustive ones ten times slower.
  if(SALLYPORT_SANITIZE MATCHES "thread")
    math(EXPR timeout "${timeout} * 4")
  endif()
  set_tests_properties("${label}.${name}" PROPERTIES LABELS "${label}" TIMEOUT ${timeout})
  set_property(TEST "${label}.${name}" PROPERTY ENVIRONMENT "${SALLYPORT_TEST_ENVIRONMENT}")
endfunction()

function(sp_add_library name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "EXCLUDE" "DIRS;LINK;PRIVATE_LINK;TEST_LINK")
  sp_glob_sources(sources tests "${arg_EXCLUDE}" ${arg_DIRS})
  if(NOT sources)
    set(sources "${SALLYPORT_GENERATED}/empty.c")
  endif()
  add_library(${name} STATIC ${sources})
  target_link_libraries(${name} PUBLIC ${arg_LINK} PRIVATE sp_common ${arg_PRIVATE_LINK})
  foreach(test IN LISTS tests)
    sp_add_test_executable("${test}" unit 60 ${name} ${arg_TEST_LINK})
  endforeach()
endfunction()
