# SPDX-License-Identifier: Apache-2.0
# Checks of the source text and of the linked binary, as tests.

foreach(check sizes layers headers banned config_used)
  add_test(NAME style.${check} COMMAND Python3::Interpreter "${CMAKE_SOURCE_DIR}/tools/check_${check}.py")
  set_tests_properties(style.${check} PROPERTIES LABELS style TIMEOUT 60)
endforeach()
# It must find what the tree in testdata has of it, and no more.
add_test(NAME style.config_used.finds
         COMMAND Python3::Interpreter "${CMAKE_SOURCE_DIR}/tools/check_config_used.py"
                 "${CMAKE_SOURCE_DIR}/testdata/style/config_used")
set_tests_properties(
  style.config_used.finds
  PROPERTIES LABELS style TIMEOUT 60 PASS_REGULAR_EXPRESSION
             "shape_config.forgotten .*\n.*shape_config.filled .*\n2 findings")
add_test(NAME style.format COMMAND "${CMAKE_SOURCE_DIR}/tools/check_format.sh")
set_tests_properties(style.format PROPERTIES LABELS style TIMEOUT 120)

add_test(NAME docs.names COMMAND Python3::Interpreter "${CMAKE_SOURCE_DIR}/tools/check_docs.py"
                                  "${CMAKE_SOURCE_DIR}" names)
set_tests_properties(docs.names PROPERTIES LABELS style TIMEOUT 60)

if(TARGET sallyport)
  foreach(document compatibility man)
    add_test(NAME docs.${document}
             COMMAND Python3::Interpreter "${CMAKE_SOURCE_DIR}/tools/check_docs.py"
                     "${CMAKE_SOURCE_DIR}" ${document} $<TARGET_FILE:sallyport>)
    set_tests_properties(docs.${document} PROPERTIES LABELS style TIMEOUT 60)
  endforeach()
  add_test(
    NAME boringssl.symbols
    COMMAND
      Python3::Interpreter "${CMAKE_SOURCE_DIR}/tools/check_tls_symbols.py"
      $<TARGET_FILE:sallyport> sallyport "${SALLYPORT_BORINGSSL_DIR}/lib/libssl.a"
      "${SALLYPORT_BORINGSSL_DIR}/lib/libcrypto.a")
  set_tests_properties(boringssl.symbols PROPERTIES LABELS style TIMEOUT 60)
  if(CMAKE_BUILD_TYPE STREQUAL "Release")
    add_test(NAME hardening.sallyport
             COMMAND Python3::Interpreter "${CMAKE_SOURCE_DIR}/tools/check_hardening.py"
                     $<TARGET_FILE:sallyport>)
    set_tests_properties(hardening.sallyport PROPERTIES LABELS style TIMEOUT 60)
  endif()
endif()
