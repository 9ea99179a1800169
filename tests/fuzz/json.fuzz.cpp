// Law: the coordinator takes as JSON what nlohmann/json takes, and nothing else. A relayed signal
// comes out as it came in. What is written is JSON again.
//
// Input: a text. Half of the runs wrap it, so that more of it is inside a message.
#include "signal/json.hpp"

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <string>

#include "base/limits.hpp"

using namespace peer_cdn;
using namespace peer_cdn::signal;

namespace {

void check(bool law) {
  if (!law) std::abort();
}

// Where the two may differ: bytes that WebSocket checks before us, numbers that no double holds,
// nesting, which we bound, and a zero, where the other one ends.
bool is_comparable(const std::string& text) {
  std::size_t depth = 0;
  for (const char c : text) {
    if (c == '\0' || static_cast<unsigned char>(c) >= 0x80) return false;
    depth += c == '[' || c == '{' ? 1 : 0;
  }
  return depth < limits::json_depth && text.find_first_of("eE") == text.npos && text.size() < 300;
}

void check_text(const std::string& text) {
  const auto message = parse_text(text);
  if (!message || std::holds_alternative<Brought>(*message)) return;
  if (is_comparable(text)) check(nlohmann::json::accept(text));
  Text again;
  if (const auto* signal = std::get_if<Relayed>(&*message)) {
    append_text(again, signal->peer, *signal);
  } else {
    append_text(again, *std::get_if<Message>(&*message));
  }
  if (again.empty()) return;
  const auto twice = parse_text(std::string_view(again));
  check(twice && *twice == *message);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  check_text(text);
  check_text("{\"type\":\"signal\",\"peer\":1,\"description\":" + text + "}");
  const std::string value = "{\"type\":\"none\",\"x\":" + text + "}";
  if (!is_comparable(text) || value.size() > limits::signal_bytes) return 0;
  const auto none = parse_text(value);
  if (!nlohmann::json::accept(value)) {
    check(!none && none.error() == Error::malformed_message);
  } else if (text.find("type") == text.npos && text.find('\\') == text.npos) {
    check(!none && none.error() == Error::unknown_message);
  }
  return 0;
}
