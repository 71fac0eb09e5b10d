# SPDX-License-Identifier: Apache-2.0
# Registration of extensions. filters/CMakeLists.txt is the list:
#
#   add_http_filter(router PROTO envoy/extensions/filters/http/router/v3/router.proto)
#   add_network_filter(tcp_proxy PROTO ...)      -> filters/network/tcp_proxy
#   add_listener_filter(tls_inspector PROTO ...) -> filters/listener/tls_inspector
#   add_extension(access_logger file PROTO ...)  -> filters/access_logger/file
#
# Each names a folder, which becomes one static library and must define
#   const struct <category>_factory <name>_<category>_factory;
# CMake writes filter_table.c with one NULL-terminated array <category>_factories[] per category;
# src/filter_chain/filter_registry.h declares the arrays. Options: DIR folder, LINK libraries.

set_property(GLOBAL PROPERTY sp_extension_categories http_filter network_filter listener_filter)

function(add_extension category name)
  cmake_parse_arguments(PARSE_ARGV 2 arg "" "DIR" "PROTO;LINK")
  if(NOT arg_DIR)
    string(REGEX REPLACE "_filter$" "" folder "${category}")
    set(arg_DIR "filters/${folder}/${name}")
  endif()
  get_property(categories GLOBAL PROPERTY sp_extension_categories)
  if(NOT category IN_LIST categories)
    set_property(GLOBAL APPEND PROPERTY sp_extension_categories ${category})
  endif()
  set_property(GLOBAL APPEND PROPERTY sp_extensions_${category} ${name})
  set(library sp_${category}_${name})
  sp_add_library(${library} DIRS ${arg_DIR} LINK ${filter_libraries} PRIVATE_LINK ${arg_LINK}
                 TEST_LINK sp_filter_support sp_tls_testing)
  set_property(GLOBAL APPEND PROPERTY sp_extension_libraries ${library})
  set_property(GLOBAL APPEND PROPERTY sp_extension_protos ${arg_PROTO})
endfunction()

macro(add_http_filter name)
  add_extension(http_filter ${name} ${ARGN})
endmacro()

macro(add_network_filter name)
  add_extension(network_filter ${name} ${ARGN})
endmacro()

macro(add_listener_filter name)
  add_extension(listener_filter ${name} ${ARGN})
endmacro()

function(sp_check_extension_protos)
  get_property(protos GLOBAL PROPERTY sp_extension_protos)
  foreach(proto IN LISTS protos)
    string(REGEX REPLACE "\\.proto$" ".pb-c.h" header "${proto}")
    if(SALLYPORT_PROTO_DIR AND NOT EXISTS "${SALLYPORT_PROTO_DIR}/include/${header}")
      message(FATAL_ERROR "filters/CMakeLists.txt: ${proto} is not in the compiled API")
    endif()
  endforeach()
endfunction()

# Called once, after the list: the table and the library sp_filters that links all of it.
function(sp_finish_filters)
  sp_check_extension_protos()
  get_property(categories GLOBAL PROPERTY sp_extension_categories)
  set(table "// SPDX-License-Identifier: Apache-2.0\n/* Written by CMake from filters/CMakeLists.txt. */\n")
  string(APPEND table "#include \"src/filter_chain/filter_registry.h\"\n\n#include <stddef.h>\n")
  foreach(category IN LISTS categories)
    get_property(names GLOBAL PROPERTY sp_extensions_${category})
    set(rows "")
    string(APPEND table "\n")
    foreach(name IN LISTS names)
      string(APPEND table "extern const struct ${category}_factory ${name}_${category}_factory;\n")
      string(APPEND rows "    &${name}_${category}_factory,\n")
    endforeach()
    string(APPEND table "const struct ${category}_factory *const ${category}_factories[] = {\n"
                        "${rows}    NULL,\n};\n")
  endforeach()
  file(CONFIGURE OUTPUT "${SALLYPORT_GENERATED}/filter_table.c" CONTENT "${table}" @ONLY)
  get_property(libraries GLOBAL PROPERTY sp_extension_libraries)
  add_library(sp_filters STATIC "${SALLYPORT_GENERATED}/filter_table.c")
  target_link_libraries(sp_filters PUBLIC ${libraries} sp_filter_chain PRIVATE sp_common)
endfunction()
