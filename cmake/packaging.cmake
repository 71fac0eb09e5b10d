# SPDX-License-Identifier: Apache-2.0
# cmake --install: nothing installed knows the prefix, so the tree may be moved.

include(GNUInstallDirs)

foreach(program sallyport xds_server)
  if(TARGET ${program})
    install(TARGETS ${program} RUNTIME DESTINATION "${CMAKE_INSTALL_BINDIR}")
  endif()
endforeach()
install(FILES docs/man/sallyport.8 DESTINATION "${CMAKE_INSTALL_MANDIR}/man8")
install(FILES packaging/sallyport.service DESTINATION lib/systemd/system)
install(FILES LICENSE DESTINATION "${CMAKE_INSTALL_DOCDIR}")
