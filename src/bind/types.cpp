// The types that cross our borders, registered in place of Embind's own list (bind.cpp of
// libembind). Embind's list also names twenty kinds of views, wide strings and 64-bit integers, and
// formats a pointer with sprintf: 3 KB gzip in every module, of which we use nothing.
//
// PEER_CDN_FEW_TYPES: what src/bind/rtc.cpp passes, which is numbers and JavaScript's values.
//
// Only for the em++ that this was written for (cmake/wasm.cmake). Others keep Embind's list.
#ifdef PEER_CDN_OWN_TYPES

#include <emscripten.h>
#include <emscripten/bind.h>
#include <emscripten/val.h>

#include <cstdint>
#include <cstdlib>
#include <limits>
#include <string>

namespace {

using namespace emscripten::internal;

template <typename T>
void register_integer(const char* name) {
  _embind_register_integer(TypeID<T>::get(), name, sizeof(T), std::numeric_limits<T>::min(),
                           std::numeric_limits<T>::max());
}

}  // namespace

extern "C" {

#ifdef PEER_CDN_FEW_TYPES
// em++ exports these two whether or not anybody calls them. Its own would bring their whole
// allocator, beside the one of src/bind/memory.cpp.
void* malloc(std::size_t bytes) {
  return ::operator new(bytes);
}
void free(void* block) {
  ::operator delete(block);
}
#else
// Embind asks for this only for the text of an error about a type that was not registered. Its
// JavaScript frees the text.
EMSCRIPTEN_KEEPALIVE char* __getTypeName(const std::type_info*) {
  return static_cast<char*>(std::calloc(1, 1));
}
#endif

EMSCRIPTEN_KEEPALIVE __attribute__((constructor)) void
__embind_register_native_and_builtin_types() {
  _embind_register_void(TypeID<void>::get(), "void");
  _embind_register_bool(TypeID<bool>::get(), "bool", sizeof(bool), true, false);
  register_integer<int>("int");
  register_integer<unsigned>("unsigned int");
  _embind_register_emval(TypeID<emscripten::val>::get(), "emscripten::val");
#ifndef PEER_CDN_FEW_TYPES
  constexpr int uint8_array = 1;  // typeMapping in embind.js
  register_integer<unsigned char>("unsigned char");
  register_integer<unsigned short>("unsigned short");
  register_integer<long>("long");
  register_integer<unsigned long>("unsigned long");
  _embind_register_float(TypeID<double>::get(), "double", sizeof(double));
  _embind_register_std_string(TypeID<std::string>::get(), "std::string");
  _embind_register_memory_view(TypeID<emscripten::memory_view<std::uint8_t>>::get(), uint8_array,
                               "memory");
#endif
}
}

#endif
