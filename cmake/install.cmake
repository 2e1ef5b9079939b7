# The library as others link it, and how it is installed.
#
#   libshale.a   one relocatable object whose hidden symbols are made local, so
#                that nothing but shale_* can clash with the program around it
#   libshale.so  the same objects; a version script exports shale_* alone
#
# Inside the build tree: `shale` is libshale.a, which tools and benchmarks link;
# `shale_internal` keeps every symbol for the tests.
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

set(SHALE_LINK_LIBRARIES Threads::Threads PkgConfig::SHALE_DEPS ${SNAPPY_LIBRARY})

add_library(shale_internal STATIC $<TARGET_OBJECTS:shale_objects>)
target_include_directories(shale_internal PUBLIC ${PROJECT_SOURCE_DIR}/include)
target_link_libraries(shale_internal PUBLIC ${SHALE_LINK_LIBRARIES})

set(SHALE_ARCHIVE ${PROJECT_BINARY_DIR}/libshale.a)
set(SHALE_ONE_OBJECT ${PROJECT_BINARY_DIR}/shale.o)
add_custom_command(OUTPUT ${SHALE_ARCHIVE}
  COMMAND ${CMAKE_LINKER} -r -o ${SHALE_ONE_OBJECT} $<TARGET_OBJECTS:shale_objects>
  COMMAND ${CMAKE_OBJCOPY} --localize-hidden ${SHALE_ONE_OBJECT}
  COMMAND ${CMAKE_COMMAND} -E rm -f ${SHALE_ARCHIVE}
  COMMAND ${CMAKE_AR} rcsD ${SHALE_ARCHIVE} ${SHALE_ONE_OBJECT}
  DEPENDS shale_objects $<TARGET_OBJECTS:shale_objects>
  COMMAND_EXPAND_LISTS VERBATIM
  COMMENT "Linking the objects of libshale.a into one")
add_custom_target(shale_archive ALL DEPENDS ${SHALE_ARCHIVE})
add_library(shale_static STATIC IMPORTED GLOBAL)
set_target_properties(shale_static PROPERTIES IMPORTED_LOCATION ${SHALE_ARCHIVE})
add_dependencies(shale_static shale_archive)
add_library(shale INTERFACE)
target_include_directories(shale INTERFACE ${PROJECT_SOURCE_DIR}/include)
target_link_libraries(shale INTERFACE shale_static ${SHALE_LINK_LIBRARIES})
add_library(shale::shale ALIAS shale)

add_library(shale_shared SHARED $<TARGET_OBJECTS:shale_objects>)
set(SHALE_MAP ${PROJECT_SOURCE_DIR}/cmake/shale.map)
set_target_properties(shale_shared PROPERTIES OUTPUT_NAME shale
  VERSION ${PROJECT_VERSION} SOVERSION 0 LINK_DEPENDS ${SHALE_MAP})
target_link_options(shale_shared PRIVATE -Wl,--version-script=${SHALE_MAP})
target_link_libraries(shale_shared PRIVATE ${SHALE_LINK_LIBRARIES} shale_options)

# Paths inside the package files are relative to them, so that a tree can be moved.
set(SHALE_CMAKE_DIR ${CMAKE_INSTALL_LIBDIR}/cmake/shale)
file(RELATIVE_PATH SHALE_PC_TO_PREFIX /x/${CMAKE_INSTALL_LIBDIR}/pkgconfig /x)
string(REGEX REPLACE "/$" "" SHALE_PC_TO_PREFIX ${SHALE_PC_TO_PREFIX})
configure_file(${PROJECT_SOURCE_DIR}/cmake/shale.pc.in ${PROJECT_BINARY_DIR}/shale.pc @ONLY)
configure_package_config_file(${PROJECT_SOURCE_DIR}/cmake/shaleConfig.cmake.in
  ${PROJECT_BINARY_DIR}/shaleConfig.cmake INSTALL_DESTINATION ${SHALE_CMAKE_DIR}
  PATH_VARS CMAKE_INSTALL_LIBDIR CMAKE_INSTALL_INCLUDEDIR)
write_basic_package_version_file(${PROJECT_BINARY_DIR}/shaleConfigVersion.cmake
  COMPATIBILITY SameMinorVersion)

if(PROJECT_IS_TOP_LEVEL)
  install(FILES include/shale/shale.h include/shale/types.h include/shale/options.h
    include/shale/observe.h include/shale/env.h
    DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/shale)
  install(FILES ${SHALE_ARCHIVE} DESTINATION ${CMAKE_INSTALL_LIBDIR})
  install(TARGETS shale_shared LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})
  install(FILES ${PROJECT_BINARY_DIR}/shale.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
  install(FILES ${PROJECT_BINARY_DIR}/shaleConfig.cmake
    ${PROJECT_BINARY_DIR}/shaleConfigVersion.cmake DESTINATION ${SHALE_CMAKE_DIR})
  install(FILES LICENSE README.md DESTINATION ${CMAKE_INSTALL_DOCDIR})
endif()
