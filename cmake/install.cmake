# The library as others link it.
add_library(shale STATIC $<TARGET_OBJECTS:shale_objects>)
target_include_directories(shale PUBLIC
  $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include> $<INSTALL_INTERFACE:include>)
target_link_libraries(shale PUBLIC Threads::Threads PkgConfig::SHALE_DEPS ${SNAPPY_LIBRARY})
