# The toolchain of the wasm preset: the em++ that PATH finds first, by its own toolchain file.
find_program(em NAMES em++ NO_CACHE)
if(NOT em)
  message(FATAL_ERROR "There is no em++ on PATH. `node scripts/setup.mjs` installs Debian's.")
endif()
cmake_path(GET em PARENT_PATH bin)
set(CMAKE_C_COMPILER ${bin}/emcc)
set(CMAKE_CXX_COMPILER ${em})
execute_process(
  COMMAND ${bin}/em-config EMSCRIPTEN_ROOT
  OUTPUT_VARIABLE EMSCRIPTEN_ROOT_PATH OUTPUT_STRIP_TRAILING_WHITESPACE COMMAND_ERROR_IS_FATAL ANY)
include(${EMSCRIPTEN_ROOT_PATH}/cmake/Modules/Platform/Emscripten.cmake)
