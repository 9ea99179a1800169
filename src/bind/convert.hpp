// JavaScript values to the core's, and back. What crosses is copied once; nothing keeps a view.
#pragma once

#include <emscripten/val.h>

#include "base/bytes.hpp"
#include "signal/message.hpp"

namespace peer_cdn::bind {

// The members of a message of the coordinator, given as a parsed JSON object. A member of an
// unexpected type counts as absent, and so does a list with one such element. parse_message()
// checks lengths.
signal::Fields fields_of(const emscripten::val& object);
// The inverse: an object for JSON.stringify.
emscripten::val object_of(const signal::Fields& fields);

// A copy of at most `most` first bytes of an ArrayBuffer; empty for anything else.
Bytes front_of(const emscripten::val& buffer, std::size_t most);
// A copy of a Uint8Array.
Bytes bytes_of(const emscripten::val& array);
// A new Uint8Array, because a view of the heap ends when the heap grows.
emscripten::val array_of(ByteSpan bytes);

}  // namespace peer_cdn::bind
