// Law: an accepted message is the same after the way to fields and back, and its lists and texts
// are within their limits.
//
// Input: lines. The first character says which member the rest is; see member().
#include "signal/message.hpp"

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <type_traits>
#include <variant>

#include "base/limits.hpp"

using namespace peer_cdn;
using namespace peer_cdn::signal;

namespace {

void check(bool law) {
  if (!law) std::abort();
}

double number(const std::string& text) {
  return std::strtod(text.c_str(), nullptr);
}

template <class Items, class T>
void append(std::optional<Items>& list, T item) {
  if (!list) list.emplace();
  list->push_back(std::move(item));
}

void member(Fields& fields, char name, std::string text) {
  switch (name) {
    case 't':
      fields.type = text;
      break;
    case 'b':
      fields.browser = text;
      break;
    case 'c':
      fields.code = text;
      break;
    case 'v':
      fields.version = number(text);
      break;
    case 'p':
      fields.peer = number(text);
      break;
    case 'o':
      fields.offer = text == "1";
      break;
    case '+':
      append(fields.add, std::move(text));
      break;
    case '-':
      append(fields.remove, std::move(text));
      break;
    case 'r':
      append(fields.roots, std::move(text));
      break;
    case 'n':
      append(fields.peers, number(text));
      break;
    case 'D':
      fields.description_type = text;
      break;
    case 'S':
      fields.description_sdp = text;
      break;
    case 'k':
      fields.candidate = text;
      break;
    case 'm':
      fields.candidate_mid = text;
      break;
    case 'l':
      fields.candidate_line = number(text);
      break;
    case 'e':
      fields.lean = text == "1";
      break;
    case 'h':
      fields.held = text;
      break;
    case 'g':
      fields.brought = text == "1";
      break;
    case 'K':
      fields.kept = text == "1";
      break;
    default:
      break;
  }
}

void check_limits(const Message& message) {
  if (const auto* have = get_if<Have>(&message)) {
    check(have->add.size() <= limits::roots_per_message);
    check(have->remove.size() <= limits::roots_per_message);
  } else if (const auto* present = get_if<Present>(&message)) {
    check(present->add.size() <= limits::marks_per_message);
    check(present->remove.size() <= limits::marks_per_message);
  } else if (const auto* ask = get_if<Ask>(&message)) {
    check(ask->roots.size() <= limits::roots_per_message);
    check(ask->offer.size() <= limits::offer_bytes);
  } else if (const auto* answer = get_if<Answer>(&message)) {
    check(answer->roots.size() <= limits::roots_per_message);
    check(answer->roots.size() == answer->peers.size());
  } else if (const auto* signal = get_if<Signal>(&message)) {
    if (const auto* description = get_if<Description>(&signal->what)) {
      check(description->sdp.size() <= limits::sdp_bytes);
    } else if (const auto* candidate = get_if<Candidate>(&signal->what)) {
      check(candidate->candidate.size() <= limits::candidate_bytes);
      check(candidate->sdp_mid.size() <= limits::candidate_mid_bytes);
    }
  } else if (const auto* refusal = get_if<Refusal>(&message)) {
    check(refusal->code.size() <= limits::error_code_bytes);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  Fields fields;
  std::string line;
  for (std::size_t i = 0; i <= size; ++i) {
    if (i < size && data[i] != '\n') {
      line.push_back(static_cast<char>(data[i]));
    } else {
      if (!line.empty()) member(fields, line[0], line.substr(1));
      line.clear();
    }
  }
  const Result<Message> message = parse_message(fields);
  if (!message) {
    check(message.error() == Error::malformed_message ||
          message.error() == Error::unknown_message || message.error() == Error::message_too_long);
    return 0;
  }
  check_limits(*message);
  const Result<Message> again = parse_message(to_fields(*message));
  check(again && *again == *message);
  return 0;
}
