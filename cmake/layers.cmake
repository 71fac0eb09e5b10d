# SPDX-License-Identifier: Apache-2.0
# The libraries and the direction of their dependencies (the same order as tools/check_layers.py).
# base < event, stats < overload, runtime < net < tls, http < matcher < config, access_log < filter_chain
#      < route, upstream, listener < stream < admin < server; config, filter_chain < xds < server

set(level_base sp_base)
set(level_event sp_event sp_stats ${level_base})
set(level_overload sp_overload sp_runtime ${level_event})
set(level_net sp_net ${level_overload})
set(level_http sp_http_h1 sp_http_h2 sp_http sp_tls ${level_net})
set(level_matcher sp_matcher ${level_http})
set(level_config sp_access_log sp_config ${level_matcher})
set(level_filter_chain sp_filter_chain ${level_config})
set(level_upstream sp_route sp_upstream sp_listener ${level_filter_chain})
set(level_stream sp_stream ${level_upstream})
set(level_admin sp_admin ${level_stream})

sp_add_library(sp_base DIRS src/base LINK sp_options PRIVATE_LINK PkgConfig::zlib)
sp_add_library(sp_event DIRS src/event LINK ${level_base})
sp_add_library(sp_stats DIRS src/stats LINK ${level_base} PRIVATE_LINK m)
sp_add_library(sp_overload DIRS src/overload LINK ${level_event})
sp_add_library(sp_runtime DIRS src/runtime LINK ${level_event} PRIVATE_LINK m)
sp_add_library(sp_net DIRS src/net LINK ${level_overload} PRIVATE_LINK PkgConfig::cares)
sp_add_library(sp_tls DIRS src/tls EXCLUDE "/src/tls/testing/" LINK ${level_net} sp_boringssl
               TEST_LINK sp_tls_testing)
sp_add_library(sp_tls_testing DIRS src/tls/testing LINK sp_tls)
sp_add_library(sp_http DIRS src/http EXCLUDE "/src/http/h[12]/" LINK ${level_net})
sp_add_library(sp_http_h1 DIRS src/http/h1 LINK sp_http ${level_net})
sp_add_library(sp_http_h2 DIRS src/http/h2 LINK sp_http ${level_net}
               PRIVATE_LINK PkgConfig::nghttp2)
sp_add_library(sp_matcher DIRS src/matcher LINK ${level_http} PRIVATE_LINK PkgConfig::re2)
sp_add_library(sp_config DIRS src/config LINK ${level_matcher})
sp_add_library(sp_access_log DIRS src/access_log LINK sp_config ${level_matcher})
sp_add_library(sp_filter_chain DIRS src/filter_chain LINK ${level_config})
sp_add_library(sp_route DIRS src/route LINK ${level_filter_chain})
sp_add_library(sp_upstream DIRS src/upstream LINK ${level_filter_chain} PRIVATE_LINK m)
sp_add_library(sp_listener DIRS src/listener LINK ${level_filter_chain})
sp_add_library(sp_stream DIRS src/stream LINK ${level_upstream})
sp_add_library(sp_admin DIRS src/admin LINK ${level_stream} TEST_LINK sp_tls_testing)

sp_add_library(sp_proto DIRS proto LINK ${level_base} sp_proto_gen PkgConfig::protobuf_c)
sp_add_library(sp_xds DIRS xds EXCLUDE "/xds/transport/grpc_" LINK sp_proto sp_route ${level_filter_chain}
               PRIVATE_LINK PkgConfig::yaml PkgConfig::jansson m TEST_LINK sp_tls_testing)
sp_add_library(sp_xds_transport DIRS xds/transport EXCLUDE "/transport/file_" LINK sp_xds
               PRIVATE_LINK sp_grpc TEST_LINK sp_tls_testing)

# What tests of filters share; they alone of all in filters/ see xds.
sp_add_library(sp_filter_support DIRS tests/filter_support LINK sp_xds ${level_upstream}
               PkgConfig::check)

set(filter_libraries sp_proto ${level_upstream})
include("${CMAKE_SOURCE_DIR}/filters/CMakeLists.txt" OPTIONAL)
sp_finish_filters()

sp_add_library(sp_server DIRS src/server EXCLUDE "/src/server/main\\.c$"
               LINK sp_filters sp_xds_transport sp_xds ${level_admin})

# Every request runs through these: a tenth fewer instructions of ours are worth larger code.
if(CMAKE_BUILD_TYPE STREQUAL "Release" AND NOT SALLYPORT_SANITIZE)
  foreach(library sp_base sp_event sp_stats sp_net sp_http sp_http_h1 sp_http_h2 sp_filter_chain
                  sp_route sp_upstream sp_stream)
    target_compile_options(${library} PRIVATE -O3)
  endforeach()
endif()
