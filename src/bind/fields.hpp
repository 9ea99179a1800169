// A message of the coordinator as one text, and back. JavaScript makes the same text of a parsed
// JSON object, and an object of it (web/fields.js).
//
// For each member its name and its value, each with a NUL behind it. A value begins with the letter
// of its type: s, a text; n, decimal digits; b, 0 or 1; l, a list whose elements have U+0001 behind
// them. A member of an object has its name behind that of the object: "description.sdp".
#pragma once

#include <string_view>

#include "base/text.hpp"
#include "signal/message.hpp"

namespace peer_cdn::bind {

// What a page is told. A member of an unexpected type counts as absent. A number that is no whole
// number from 0 on is one that parse_told() refuses.
signal::Fields to_fields(std::string_view text);
// What a page says.
Text to_text(const signal::Fields& fields);

}  // namespace peer_cdn::bind
