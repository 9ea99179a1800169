// JavaScript values to the core's and back. What crosses is copied once; nothing keeps a view.
#pragma once

#include <emscripten/val.h>

#include "base/bytes.hpp"
#include "signal/message.hpp"

namespace peer_cdn::bind {

// A parsed JSON object of the coordinator's. A member of another type than expected is absent, and
// so is a list with one such element; the limits of lengths are parse_message()'s.
signal::Fields fields_of(const emscripten::val& object);
// The inverse: an object for JSON.stringify.
emscripten::val object_of(const signal::Fields& fields);

// A copy of at most `most` first bytes of an ArrayBuffer; empty for anything else.
Bytes front_of(const emscripten::val& buffer, std::size_t most);
// A copy of a Uint8Array.
Bytes bytes_of(const emscripten::val& array);
// A fresh Uint8Array: no view of a heap that may grow.
emscripten::val array_of(ByteSpan bytes);

}  // namespace peer_cdn::bind
