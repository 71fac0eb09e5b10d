# SPDX-License-Identifier: Apache-2.0
# Third-party libraries. Debian's come through pkg-config; BoringSSL and the compiled API come from
# the user's cache, which tools/deps/*.sh fill at configure time when they are not there yet.

find_package(PkgConfig REQUIRED)
pkg_check_modules(cares REQUIRED IMPORTED_TARGET libcares)
pkg_check_modules(nghttp2 REQUIRED IMPORTED_TARGET libnghttp2)
pkg_check_modules(protobuf_c REQUIRED IMPORTED_TARGET libprotobuf-c)
pkg_check_modules(re2 REQUIRED IMPORTED_TARGET re2)
pkg_check_modules(yaml REQUIRED IMPORTED_TARGET yaml-0.1)
pkg_check_modules(jansson REQUIRED IMPORTED_TARGET jansson)
pkg_check_modules(check REQUIRED IMPORTED_TARGET check)
pkg_check_modules(zlib REQUIRED IMPORTED_TARGET zlib)
pkg_check_modules(brotlienc REQUIRED IMPORTED_TARGET libbrotlienc)
pkg_check_modules(brotlidec REQUIRED IMPORTED_TARGET libbrotlidec)
pkg_check_modules(zstd REQUIRED IMPORTED_TARGET libzstd)

# gRPC core: its own archives (and abseil's) are linked statically, everything else stays shared.
function(sp_import_grpc)
  execute_process(COMMAND pkg-config --static --libs grpc OUTPUT_VARIABLE flags
                  OUTPUT_STRIP_TRAILING_WHITESPACE COMMAND_ERROR_IS_FATAL ANY)
  separate_arguments(flags)
  list(REMOVE_DUPLICATES flags)
  set(archives "")
  set(shared "")
  foreach(flag IN LISTS flags)
    if(flag MATCHES "^-l(grpc|gpr|upb|address_sorting|absl_.*)$")
      find_library(sp_lib_${CMAKE_MATCH_1} NAMES "lib${CMAKE_MATCH_1}.a" REQUIRED)
      mark_as_advanced(sp_lib_${CMAKE_MATCH_1})
      list(APPEND archives "${sp_lib_${CMAKE_MATCH_1}}")
    elseif(flag MATCHES "^-l(.*)$")
      list(APPEND shared "${CMAKE_MATCH_1}")
    endif()
  endforeach()
  list(JOIN archives "," group)
  add_library(sp_grpc INTERFACE)
  target_link_libraries(sp_grpc INTERFACE "$<LINK_GROUP:RESCAN,${group}>" ${shared} stdc++
                                          Threads::Threads)
endfunction()
if(SALLYPORT_SANITIZE MATCHES "thread")
  # Shared, so that cmake/tsan.supp can name the uninstrumented library by its file.
  pkg_check_modules(grpc REQUIRED IMPORTED_TARGET grpc)
  add_library(sp_grpc INTERFACE)
  target_link_libraries(sp_grpc INTERFACE PkgConfig::grpc)
else()
  sp_import_grpc()
endif()

# Runs a script that prints, as its last line, the folder in the cache that it made or found.
function(sp_cached_dependency script out_dir)
  execute_process(COMMAND "${CMAKE_SOURCE_DIR}/tools/deps/${script}" OUTPUT_VARIABLE output
                  OUTPUT_STRIP_TRAILING_WHITESPACE RESULT_VARIABLE failed)
  if(failed)
    message(FATAL_ERROR "tools/deps/${script} failed (${failed}); its messages are above")
  endif()
  set(${out_dir} "${output}" PARENT_SCOPE)
endfunction()

add_library(sp_boringssl INTERFACE)
target_compile_definitions(sp_boringssl INTERFACE BORINGSSL_PREFIX=sallyport)
sp_cached_dependency(boringssl.sh SALLYPORT_BORINGSSL_DIR)
message(STATUS "BoringSSL: ${SALLYPORT_BORINGSSL_DIR}")
target_include_directories(sp_boringssl SYSTEM INTERFACE "${SALLYPORT_BORINGSSL_DIR}/include")
target_link_libraries(sp_boringssl INTERFACE "${SALLYPORT_BORINGSSL_DIR}/lib/libssl.a"
                                             "${SALLYPORT_BORINGSSL_DIR}/lib/libcrypto.a" stdc++)

# sp_proto_gen: protoc-c's code from the cache, and the tables made from the same descriptors.
find_package(Python3 3.9 REQUIRED COMPONENTS Interpreter)
sp_cached_dependency(proto.sh SALLYPORT_PROTO_DIR)
file(STRINGS "${SALLYPORT_PROTO_DIR}/api_set.txt" SALLYPORT_API_SET)
message(STATUS "Envoy API: ${SALLYPORT_API_SET} (${SALLYPORT_PROTO_DIR})")

set(proto_tables "${SALLYPORT_GENERATED}/proto_tables.c")
add_custom_command(
  OUTPUT "${proto_tables}"
  COMMAND
    Python3::Interpreter "${CMAKE_SOURCE_DIR}/proto/gen_tables.py" --set
    "${SALLYPORT_PROTO_DIR}/api.bin" --symbols "${SALLYPORT_PROTO_DIR}/symbols.txt" --name
    "${SALLYPORT_API_SET}" --out "${proto_tables}"
  DEPENDS proto/gen_tables.py proto/gen_rules.py proto/descriptor_wire.py
          "${SALLYPORT_PROTO_DIR}/api.bin"
  COMMENT "Writing the tables of the API's fields and rules"
  VERBATIM)
add_library(sp_proto_tables STATIC "${proto_tables}")
target_link_libraries(sp_proto_tables PRIVATE sp_options PkgConfig::protobuf_c)
# The descriptors that the tables name are in the archive from the cache.
target_link_libraries(sp_proto_tables PUBLIC "${SALLYPORT_PROTO_DIR}/lib/libsp_proto_gen.a")

add_library(sp_proto_gen INTERFACE)
target_include_directories(sp_proto_gen SYSTEM INTERFACE "${SALLYPORT_PROTO_DIR}/include")
target_link_libraries(sp_proto_gen INTERFACE sp_proto_tables PkgConfig::protobuf_c)
# Deprecated fields are decoded like all others; the marks tables know which they are.
target_compile_definitions(sp_proto_gen INTERFACE PROTOBUF_C__NO_DEPRECATED)
