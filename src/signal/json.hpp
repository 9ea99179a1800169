// The messages as JSON text, for the coordinator: it reads and writes thousands a second, so it
// does neither by a library that builds a tree. It relays what peers signal without reading it.
#pragma once

#include <cstddef>
#include <string_view>
#include <variant>

#include "base/limits.hpp"
#include "base/result.hpp"
#include "base/text.hpp"
#include "signal/message.hpp"

namespace peer_cdn::signal {

// Well-formed (RFC 3629): no overlong forms, no surrogates, nothing beyond U+10FFFF.
bool is_utf8(std::string_view text);

struct Brought {  // an ask whose offer has candidates beside it: they are a signal of their own
  Message ask;
  Relayed candidates;
  bool operator==(const Brought&) const = default;
};
using Said = std::variant<Message, Relayed, Brought>;

// Requires valid UTF-8, as WebSocket has it. A signal comes out as Relayed. Errors: those of
// parse_message(); message_too_long of a text beyond `most` bytes too.
Result<Said> parse_text(std::string_view text, std::size_t most = limits::signal_bytes);

// Appends a message that a coordinator says: nothing, if only clients say it.
void append_text(Text& to, const Message& message);
void append_text(Text& to, PeerId from, const Relayed& signal);

}  // namespace peer_cdn::signal
