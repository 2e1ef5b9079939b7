# Checks of the tree itself, and of what is installed; label "check".
# They need one build only: an optimised one without sanitizers.
function(shale_check name)
  add_test(NAME check.${name} COMMAND ${ARGN} WORKING_DIRECTORY ${PROJECT_SOURCE_DIR})
  set_tests_properties(check.${name} PROPERTIES TIMEOUT 300 LABELS check)
endfunction()

if(NOT SHALE_SANITIZE AND NOT CMAKE_BUILD_TYPE STREQUAL Debug)
  find_package(Python3 REQUIRED COMPONENTS Interpreter)
  shale_check(layers ${Python3_EXECUTABLE} scripts/check_layers.py)
  shale_check(docs ${Python3_EXECUTABLE} scripts/check_docs.py)
  shale_check(bench_suite ${Python3_EXECUTABLE} bench/suite/suite_test.py)
  shale_check(bench_docs ${Python3_EXECUTABLE} bench/suite/docs.py --check)
  shale_check(format scripts/check_format.sh)
  shale_check(symbols scripts/check_symbols.sh ${PROJECT_BINARY_DIR})
  shale_check(prefetch scripts/check_prefetch.sh ${PROJECT_BINARY_DIR})
  shale_check(checkers ${Python3_EXECUTABLE} tests/layers/checkers_test.py)
  shale_check(planted ${Python3_EXECUTABLE} tests/planted/run.py --apply)
  shale_check(install tests/install/run.sh ${PROJECT_BINARY_DIR})
  # Instructions of the hot paths; the baseline is of gcc with the release preset.
  if(TARGET shale_guard AND CMAKE_C_COMPILER_ID STREQUAL GNU AND CMAKE_BUILD_TYPE STREQUAL Release)
    shale_check(guard ${Python3_EXECUTABLE} bench/guard/guard.py $<TARGET_FILE:shale_guard>)
  endif()
endif()
