# How the wasm modules are built: build/<module>.wasm, and beside it the JavaScript that Embind needs, build/<module>.mjs.

# Debian's em++ is the one that we tune for. What another version writes is taken as it is.
string(COMPARE EQUAL "${EMSCRIPTEN_VERSION}" 3.1.6 is_tuned)

# What every browser has since 2021 (Chrome 75, Firefox 79, Safari 15): copies, sign extension and conversions of numbers
# are one instruction each. Newer compilers use them by themselves.
set(language -flto -fno-exceptions -fno-rtti -msign-ext -mnontrapping-fptoint)
target_compile_options(flags INTERFACE ${language} -fno-c++-static-destructors)
target_compile_definitions(flags INTERFACE NDEBUG JSON_NOEXCEPTION EMSCRIPTEN_HAS_UNBOUND_TYPE_NAMES=0)

# /usr/include would let glibc's headers in, so nlohmann/json gets a folder that holds only a link to it.
find_path(NLOHMANN_INCLUDE nlohmann/json.hpp PATHS /usr/local/include /usr/include REQUIRED NO_CMAKE_FIND_ROOT_PATH)
file(MAKE_DIRECTORY ${CMAKE_BINARY_DIR}/include)
file(CREATE_LINK ${NLOHMANN_INCLUDE}/nlohmann ${CMAKE_BINARY_DIR}/include/nlohmann SYMBOLIC)
target_include_directories(flags SYSTEM INTERFACE ${CMAKE_BINARY_DIR}/include)

# The coordinator runs on a server, where speed is worth more than a few KB; everybody downloads the other two.
# em++ -Oz says -fno-inline-functions, which forbids even an iterator's operator* to be inlined: a fifth of the wasm.
add_library(small INTERFACE)
target_compile_options(small INTERFACE -Oz -finline-functions)
target_link_options(small INTERFACE -Oz)
# The same with copies in one instruction, which 3.1.6 cannot link with Embind.
add_library(smallest INTERFACE)
target_compile_options(smallest INTERFACE -mbulk-memory)
target_link_options(smallest INTERFACE -mbulk-memory)
target_link_libraries(smallest INTERFACE small)
add_library(fast INTERFACE)
target_compile_options(fast INTERFACE -O2 -mbulk-memory)
target_link_options(fast INTERFACE -O2 -mbulk-memory)

add_library(module INTERFACE)
target_link_options(module INTERFACE
  ${language} -sMALLOC=emmalloc -sFILESYSTEM=0 -sALLOW_MEMORY_GROWTH -sINITIAL_MEMORY=1MB -sTOTAL_STACK=128KB
  -sASSERTIONS=0 -sSUPPORT_ERRNO=0)

# A module without Emscripten's JavaScript: sw/core.js gives its few imports. The first test that loads the module finds
# an import that sw/core.js does not know.
add_library(bare INTERFACE)
target_link_options(bare INTERFACE
  -sSTANDALONE_WASM --no-entry -sERROR_ON_UNDEFINED_SYMBOLS=0 -sWARN_ON_UNDEFINED_SYMBOLS=0)

# DYNAMIC_EXECUTION=0: no `new Function`, so that a CSP of 'wasm-unsafe-eval' is enough. WASM_ASYNC_COMPILATION=0: ready
# when the factory returns. ENVIRONMENT without node: the same artefact runs in Node when it is given `wasmBinary`.
add_library(embind INTERFACE)
target_link_options(embind INTERFACE
  -sMODULARIZE -sEXPORT_ES6 -sUSE_ES6_IMPORT_META=0 -sENVIRONMENT=web,worker -sWASM_ASYNC_COMPILATION=0
  -sDYNAMIC_EXECUTION=0 -sTEXTDECODER=2 -sINCOMING_MODULE_JS_API=wasmBinary)

# For the coordinator: memory that does not grow before a crowd is large. V8 counts a memory that has grown twice, and then marks
# the heap anew after every scavenge, which holds up a process of some thousand sockets. Pages of it that nobody has written
# to take no memory.
add_library(roomy INTERFACE)
target_link_options(roomy INTERFACE -sINITIAL_MEMORY=64MB)

# For a module that passes numbers and JavaScript's values only.
add_library(embind_few INTERFACE)

if(is_tuned)
  find_program(WASM_OPT wasm-opt REQUIRED)
  find_program(NODE NAMES node REQUIRED)
  # Debian's em++ looks for acorn where only Debian's own Node does.
  set(CMAKE_CXX_LINKER_LAUNCHER ${CMAKE_COMMAND} -E env NODE_PATH=/usr/share/nodejs)
  # Across files, inline only what makes its caller smaller. And load a value again rather than keep it on every way that leads
  # there, which takes more code than the load.
  target_compile_options(small INTERFACE "SHELL:-mllvm -enable-load-pre=false")
  target_link_options(small INTERFACE -Wl,-mllvm,-inline-threshold=-75 -Wl,-mllvm,-enable-load-pre=false)
  # A second run of wasm-opt finds another percent, one more where it rebuilds the control flow, which -Oz does not do by
  # itself, half of one more in what comes of that, and a quarter in the parameters that are left. Nothing lies below 1024, so
  # small offsets need no additions. A function of five expressions takes no more where it is called than its calls do.
  set(features --enable-sign-ext --enable-nontrapping-float-to-int --enable-bulk-memory)
  set(small_passes ${features} --low-memory-unused --always-inline-max-function-size=5
    --flatten --rereloop -Oz --converge --flatten -Oz --converge)
  set(smallest_passes ${small_passes} --dae-optimizing -Oz --converge)
  # A third run finds something in a page's engine only. So does this order of functions, which gzip likes (0.1 KB in all).
  set(peer_passes -Oz --converge --reorder-functions -Oz)
  set(fast_passes ${features} -O2 --converge)
  # -lembind links all of libembind, our own list of types (src/bind/types.cpp) only what crosses our borders.
  target_compile_definitions(embind INTERFACE PEER_CDN_OWN_TYPES)
  set(embind_libraries
    ${EMSCRIPTEN_ROOT_PATH}/src/embind/embind.js ${EMSCRIPTEN_ROOT_PATH}/src/embind/emval.js
    ${CMAKE_SOURCE_DIR}/cmake/embind-unused.js)
  list(TRANSFORM embind_libraries PREPEND "SHELL:--js-library " OUTPUT_VARIABLE embind_options)
  target_link_options(embind INTERFACE ${embind_options} -sEXPORTED_FUNCTIONS=_malloc,_free)
  set(few ${CMAKE_SOURCE_DIR}/cmake/embind-few.js)
  # src/bind/memory.cpp is the allocator of such a module. The memory does not grow, because nothing would tell the JavaScript;
  # a megabyte holds many times the connections that src/base/limits.hpp allows.
  target_link_options(embind_few INTERFACE
    "SHELL:--js-library ${few}" -sALLOW_MEMORY_GROWTH=0 -sMALLOC=none -sEXPORTED_FUNCTIONS=[])
  set_property(TARGET embind_few PROPERTY INTERFACE_LINK_DEPENDS ${few})
  set(few_memory src/bind/memory.cpp)
else()
  target_link_options(embind INTERFACE -lembind)
endif()

# A layer's objects, for the modules of each kind that link it.
function(wasm_layer name)
  foreach(variant smallest small fast)
    add_library(${name}_${variant} OBJECT EXCLUDE_FROM_ALL ${ARGN})
    target_link_libraries(${name}_${variant} PRIVATE flags ${variant})
  endforeach()
endfunction()

# wasm_module(<name> <smallest|small|fast> <bare|embind> <layer or source>...): linked in this order, which decides a few bytes.
function(wasm_module name variant border)
  set(objects "")
  set(sources "")
  foreach(part IN LISTS ARGN)
    if(TARGET ${part}_${variant})
      list(APPEND objects $<TARGET_OBJECTS:${part}_${variant}>)
    else()
      list(APPEND sources ${part})
      list(APPEND objects $<TARGET_OBJECTS:${name}_own>)
    endif()
  endforeach()
  list(REMOVE_DUPLICATES objects)
  add_library(${name}_own OBJECT ${sources})
  target_link_libraries(${name}_own PRIVATE flags ${variant} ${border})
  add_executable(${name} ${objects})
  set_target_properties(${name} PROPERTIES LINKER_LANGUAGE CXX)
  target_link_libraries(${name} PRIVATE ${variant} module ${border})
  set(output ${CMAKE_SOURCE_DIR}/build/${name})
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_SOURCE_DIR}/build)
  if(border STREQUAL bare)
    set_target_properties(${name} PROPERTIES SUFFIX .wasm)
  else()
    set_target_properties(${name} PROPERTIES SUFFIX .mjs)
    set(byproducts BYPRODUCTS ${output}.wasm)
  endif()
  if(NOT is_tuned)
    return()
  endif()
  if(border STREQUAL bare)
    set(trim ${CMAKE_SOURCE_DIR}/scripts/exports.mjs)
    set_target_properties(${name} PROPERTIES LINK_DEPENDS ${trim})
    add_custom_command(TARGET ${name} POST_BUILD COMMAND ${NODE} ${trim} ${output}.wasm VERBATIM)
  endif()
  add_custom_command(TARGET ${name} POST_BUILD
    COMMAND ${WASM_OPT} ${output}.wasm ${${variant}_passes} ${${name}_passes} -o ${output}.wasm ${byproducts} VERBATIM)
  if(border STREQUAL embind)
    set(trim ${CMAKE_SOURCE_DIR}/scripts/glue.mjs)
    set_target_properties(${name} PROPERTIES LINK_DEPENDS "${trim};${CMAKE_SOURCE_DIR}/cmake/embind-unused.js")
    add_custom_command(TARGET ${name} POST_BUILD COMMAND ${NODE} ${trim} ${output}.mjs VERBATIM)
  endif()
endfunction()
