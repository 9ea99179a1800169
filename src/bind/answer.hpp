// An answer of the origin, as JavaScript passes it (answerWords in sw/words.js).
#pragma once

#include <string_view>

#include "base/judge.hpp"

namespace peer_cdn::bind {

// Text: the type, the status line's phrase, then a lower-case name and a value of each header; a
// line each.
OriginAnswer answer_of(std::string_view text, unsigned status);

}  // namespace peer_cdn::bind
