// The messages as JSON text, for the coordinator: it reads and writes thousands a second, so it does
// neither by a library that builds a tree. It relays what peers signal without reading it.
#pragma once

#include <string>
#include <string_view>

#include "base/result.hpp"
#include "signal/message.hpp"

namespace peer_cdn::signal {

// Requires valid UTF-8, as WebSocket has it. A signal comes out as Relayed. Errors: those of
// parse_message().
Result<Message> parse_text(std::string_view text);

// Appends the message. Text that is not valid UTF-8 stays as it is.
void append_text(std::string& to, const Message& message);

}  // namespace peer_cdn::signal
