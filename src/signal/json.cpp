#include "signal/json.hpp"

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <utility>

#include "base/limits.hpp"
#include "base/variant.hpp"

namespace peer_cdn::signal {
namespace {

// --- Reading -------------------------------------------------------------------------------------

int digit_of(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

// Whether one of eight characters ends a run of plain ones: a quote, a backslash or a control.
bool has_special(std::uint64_t eight) {
  constexpr std::uint64_t ones = 0x0101010101010101u;
  const auto has_below = [](std::uint64_t v, std::uint64_t n) {
    return (v - ones * n) & ~v & ones * 0x80;
  };
  return (has_below(eight, 0x20) | has_below(eight ^ ones * '"', 1) |
          has_below(eight ^ ones * '\\', 1)) != 0;
}

// Walks over one JSON text. A step returns false where the text is not JSON (RFC 8259), and then
// nothing else may be asked.
class Scanner {
 public:
  explicit Scanner(std::string_view text) : at_(text.data()), end_(at_ + text.size()) {}

  bool at_end() {
    space();
    return at_ == end_;
  }
  // What comes next: '{', '[', '"', '-', a digit, a letter, or 0 at the end.
  char next() {
    space();
    return at_ == end_ ? '\0' : *at_;
  }
  bool take(char c) {
    if (next() != c) return false;
    ++at_;
    return true;
  }
  // Over a whole value. `raw` is its text.
  bool value(std::string_view& raw, std::size_t depth = 0) {
    const char first = next();
    const char* const begin = at_;
    if (!step(first, depth)) return false;
    raw = {begin, static_cast<std::size_t>(at_ - begin)};
    return true;
  }
  // Calls member(key) at each value of an object, or item() at each of an array. They must step
  // over the value.
  template <class F>
  bool object(F member) {
    if (!take('{')) return false;
    if (take('}')) return true;
    do {
      std::string_view key;
      if (next() != '"' || !string(key) || !take(':') || !member(key)) return false;
    } while (take(','));
    return take('}');
  }
  template <class F>
  bool array(F item) {
    if (!take('[')) return false;
    if (take(']')) return true;
    do {
      if (!item()) return false;
    } while (take(','));
    return take(']');
  }

 private:
  void space() {
    while (at_ != end_ && (*at_ == ' ' || *at_ == '\n' || *at_ == '\r' || *at_ == '\t')) ++at_;
  }

  bool step(char first, std::size_t depth) {
    if (first == '"') {
      std::string_view ignored;
      return string(ignored);
    }
    if (first == '-' || is_digit(first)) return number();
    if (first != '{' && first != '[') return word("true") || word("false") || word("null");
    if (depth == limits::json_depth) return false;
    std::string_view ignored;
    const auto inner = [&] { return value(ignored, depth + 1); };
    if (first == '[') return array(inner);
    return object([&](std::string_view) { return inner(); });
  }

  bool word(std::string_view word) {
    if (std::string_view(at_, static_cast<std::size_t>(end_ - at_)).substr(0, word.size()) != word)
      return false;
    at_ += word.size();
    return true;
  }

  bool digits() {
    const char* const begin = at_;
    while (at_ != end_ && is_digit(*at_)) ++at_;
    return at_ != begin;
  }

  bool number() {
    if (*at_ == '-') ++at_;
    if (at_ != end_ && *at_ == '0') {
      ++at_;
    } else if (!digits()) {
      return false;
    }
    if (at_ != end_ && *at_ == '.') {
      ++at_;
      if (!digits()) return false;
    }
    if (at_ != end_ && (*at_ == 'e' || *at_ == 'E')) {
      ++at_;
      if (at_ != end_ && (*at_ == '+' || *at_ == '-')) ++at_;
      if (!digits()) return false;
    }
    return true;
  }

  // `inside` is the text between the quotes, escapes as they are.
  bool string(std::string_view& inside) {
    const char* const begin = ++at_;
    for (;;) {
      for (std::uint64_t eight; end_ - at_ >= 8; at_ += 8) {
        std::memcpy(&eight, at_, sizeof eight);
        if (has_special(eight)) break;
      }
      while (at_ != end_ && *at_ != '"' && *at_ != '\\' && static_cast<unsigned char>(*at_) >= 0x20)
        ++at_;
      if (at_ == end_ || static_cast<unsigned char>(*at_) < 0x20) return false;
      if (*at_ == '"') break;
      if (!escape()) return false;
    }
    inside = {begin, static_cast<std::size_t>(at_ - begin)};
    ++at_;
    return true;
  }

  bool escape() {
    ++at_;
    if (at_ == end_) return false;
    if (*at_ != 'u') return std::strchr("\"\\/bfnrt", *at_++) != nullptr && at_[-1] != '\0';
    const int unit = code_unit();
    if (unit < 0 || (unit >= 0xdc00 && unit < 0xe000)) return false;
    if (unit < 0xd800 || unit >= 0xe000) return true;
    // Half of a pair: the other one must follow.
    if (end_ - at_ < 2 || at_[0] != '\\' || at_[1] != 'u') return false;
    ++at_;
    const int low = code_unit();
    return low >= 0xdc00 && low < 0xe000;
  }

  // Stands at the 'u' of an escape, and steps over its four digits.
  int code_unit() {
    if (end_ - at_ < 5) return -1;
    int unit = 0;
    for (int i = 1; i <= 4; ++i) {
      const int digit = digit_of(at_[i]);
      if (digit < 0) return -1;
      unit = unit * 16 + digit;
    }
    at_ += 5;
    return unit;
  }

  const char* at_;
  const char* end_;
};

void append_utf8(std::string& to, std::uint32_t point) {
  const auto push = [&to](std::uint32_t byte) { to.push_back(static_cast<char>(byte)); };
  if (point < 0x80) return push(point);
  if (point < 0x800) {
    push(0xc0 | point >> 6);
  } else {
    if (point < 0x10000) {
      push(0xe0 | point >> 12);
    } else {
      push(0xf0 | point >> 18);
      push(0x80 | (point >> 12 & 0x3f));
    }
    push(0x80 | (point >> 6 & 0x3f));
  }
  push(0x80 | (point & 0x3f));
}

// The character of an escape of four digits, or of the two of a pair; `at` is behind it then.
std::uint32_t take_point(std::string_view inside, std::size_t& at) {
  const auto unit_at = [inside](std::size_t from) {
    std::uint32_t unit = 0;
    for (std::size_t i = 0; i < 4; ++i)
      unit = unit * 16 + static_cast<std::uint32_t>(digit_of(inside[from + i]));
    return unit;
  };
  const std::uint32_t unit = unit_at(at);
  at += 4;
  if (unit < 0xd800 || unit >= 0xdc00) return unit;
  at += 6;
  return 0x10000 + ((unit - 0xd800) << 10) + (unit_at(at - 4) - 0xdc00);
}

// What stands between a string's quotes, once the Scanner has found it good.
std::string unescape(std::string_view inside) {
  std::string text;
  std::size_t at = 0;
  for (;;) {
    const std::size_t plain = std::min(inside.find('\\', at), inside.size());
    text.append(inside.substr(at, plain - at));
    if (plain == inside.size()) return text;
    at = plain + 2;
    switch (const char c = inside[plain + 1]) {
      case 'b':
        text.push_back('\b');
        break;
      case 'f':
        text.push_back('\f');
        break;
      case 'n':
        text.push_back('\n');
        break;
      case 'r':
        text.push_back('\r');
        break;
      case 't':
        text.push_back('\t');
        break;
      case 'u':
        append_utf8(text, take_point(inside, at));
        break;
      default:
        text.push_back(c);
    }
  }
}

// The value of a good JSON text, if it is of that type.
std::optional<std::string> string_of(std::string_view raw) {
  if (raw.empty() || raw.front() != '"') return std::nullopt;
  return unescape(raw.substr(1, raw.size() - 2));
}

std::optional<double> number_of(std::string_view raw) {
  if (raw.empty() || (raw.front() != '-' && !is_digit(raw.front()))) return std::nullopt;
  // So many are exact in a double. strtod() reckons with 128 bits, which takes long in wasm.
  constexpr std::size_t digits_exact = 15;
  std::uint64_t whole = 0;
  std::size_t at = 0;
  while (at < raw.size() && at < digits_exact && is_digit(raw[at])) {
    whole = whole * 10 + static_cast<std::uint64_t>(raw[at++] - '0');
  }
  if (at == raw.size()) return static_cast<double>(whole);
  return std::strtod(std::string(raw).c_str(), nullptr);
}

std::optional<bool> bool_of(std::string_view raw) {
  if (raw == "true") return true;
  if (raw == "false") return false;
  return std::nullopt;
}

// A list with an element of another type counts as absent, as any member of another type.
template <class Items, class F>
std::optional<Items> list_of(std::string_view raw, F element_of) {
  if (raw.empty() || raw.front() != '[') return std::nullopt;
  std::optional<Items> list(std::in_place);
  Scanner scanner(raw);
  scanner.array([&] {
    std::string_view item;
    scanner.value(item);
    if (!list) return true;
    if (auto element = element_of(item)) {
      list->push_back(std::move(*element));
    } else {
      list.reset();
    }
    return true;
  });
  return list;
}

// A description, or a candidate: no more is known of it than that it is an object of such a length.
Error check_relayed(std::string_view raw, std::size_t most) {
  if (raw.empty() || raw.front() != '{') return Error::malformed_message;
  return raw.size() > most ? Error::message_too_long : Error::none;
}

Result<Relayed> parse_relayed(PeerId to, std::string_view description, std::string_view candidate,
                              std::string_view candidates) {
  Relayed relayed{to, {}, {}};
  if (!description.empty()) {
    const Error error = check_relayed(description, limits::signal_bytes);
    if (error != Error::none) return error;
    relayed.description = description;
  }
  const auto add = [&relayed](std::string_view raw) {
    if (relayed.candidates.size() == limits::candidates_waiting) return Error::message_too_long;
    const Error error = check_relayed(raw, limits::candidate_text_bytes);
    if (error == Error::none) relayed.candidates.emplace_back(raw);
    return error;
  };
  Error error = candidate.empty() ? Error::none : add(candidate);
  if (!candidates.empty()) {
    if (candidates.front() != '[') return Error::malformed_message;
    Scanner scanner(candidates);
    scanner.array([&] {
      std::string_view raw;
      scanner.value(raw);
      if (error == Error::none) error = add(raw);
      return true;
    });
  }
  if (error != Error::none) return error;
  // A version 1 message is one or the other.
  const bool both = !description.empty() && !candidate.empty();
  if (both || (relayed.description.empty() && relayed.candidates.empty()))
    return Error::malformed_message;
  return relayed;
}

// --- Writing -------------------------------------------------------------------------------------

void append(Text& to, std::uint32_t number) {
  char digits[10];
  char* const end = digits + sizeof digits;
  char* at = end;
  do {
    *--at = static_cast<char>('0' + number % 10);
    number /= 10;
  } while (number > 0);
  to += std::string_view(at, static_cast<std::size_t>(end - at));
}
void append(Text& to, PeerId peer) {
  append(to, peer.value);
}
void append(Text& to, const Root& root) {
  to += "\"";
  append_hex(to, root);
  to += "\"";
}
void append(Text& to, const std::string& raw) {
  to += raw;
}
template <class Items>
void append_list(Text& to, const Items& list) {
  to += "[";
  for (const auto& each : list) {
    if (&each != &list.front()) to += ",";
    append(to, each);
  }
  to += "]";
}

// Writers of the messages, without the brace at the end, in the order of the table in
// src/README.md.
void write(Text& to, const Welcome& welcome) {
  append(to += R"({"type":"welcome","version":)", welcome.version);
  append(to += R"(,"peer":)", welcome.peer);
  if (welcome.lean) to += R"(,"lean":true)";
  if (welcome.kept) to += R"(,"kept":true)";
}
void append(Text& to, const List<Mark>& marks) {
  to += "[";
  for (const Mark& mark : marks) {
    to += &mark == &marks.front() ? "\"" : ",\"";
    to += to_hex(mark);
    to += "\"";
  }
  to += "]";
}
// A set has nothing that JSON escapes.
void write(Text& to, const Present& present) {
  if (present.set) {
    ((to += R"({"type":"present","set":")") += *present.set) += "\"";
    if (present.whole) to += R"(,"whole":true)";
    return;
  }
  append(to += R"({"type":"present","add":)", present.add);
  append(to += R"(,"remove":)", present.remove);
  if (present.whole) to += R"(,"whole":true)";
}
void write(Text& to, const Answer& answer) {
  append_list(to += R"({"type":"answer","roots":)", answer.roots);
  append_list(to += R"(,"peers":)", answer.peers);
  if (!answer.introduced.empty()) append_list(to += R"(,"introduced":)", answer.introduced);
  if (answer.offered.value != 0) append(to += R"(,"offered":)", answer.offered);
}
void write(Text& to, const Introduce& introduce) {
  append(to += R"({"type":"introduce","peer":)", introduce.peer);
  to += introduce.offer ? R"(,"offer":true)" : R"(,"offer":false)";
  if (introduce.brought) to += R"(,"brought":true)";
}
void write(Text& to, const Gone& gone) {
  append(to += R"({"type":"gone","peer":)", gone.peer);
}
void write(Text& to, const Resume& resume) {
  append(to += R"({"type":"resume","peer":)", resume.peer);
}
// A code has nothing that JSON escapes.
void write(Text& to, const Refusal& refusal) {
  ((to += R"({"type":"error","code":")") += refusal.code) += "\"";
}
// Clients say the others.
template <class Other>
void write(Text&, const Other&) {}

}  // namespace

bool is_utf8(std::string_view text) {
  const auto byte_at = [&](std::size_t at) {
    return at < text.size() ? static_cast<std::uint8_t>(text[at]) : std::uint8_t{0};
  };
  for (std::size_t at = 0; at < text.size();) {
    const std::uint8_t first = byte_at(at);
    if (first < 0x80) {
      ++at;
      continue;
    }
    // How many bytes follow, and what the first of them may be.
    const std::size_t more = first < 0xe0 ? 1 : first < 0xf0 ? 2 : 3;
    const std::uint8_t least = first == 0xe0 ? 0xa0 : first == 0xf0 ? 0x90 : 0x80;
    const std::uint8_t most = first == 0xed ? 0x9f : first == 0xf4 ? 0x8f : 0xbf;
    if (first < 0xc2 || first > 0xf4 || byte_at(at + 1) < least || byte_at(at + 1) > most)
      return false;
    for (std::size_t i = 2; i <= more; ++i) {
      if ((byte_at(at + i) & 0xc0) != 0x80) return false;
    }
    at += more + 1;
  }
  return true;
}

Result<Said> parse_text(std::string_view text, std::size_t most) {
  if (text.size() > most) return Error::message_too_long;
  constexpr std::string_view byte_order_mark = "\xef\xbb\xbf";
  if (text.substr(0, byte_order_mark.size()) == byte_order_mark) {
    text.remove_prefix(byte_order_mark.size());
  }
  Fields fields;
  std::string_view description, candidate, candidates;
  const std::pair<std::string_view, std::string_view*> relayed[] = {
      {"description", &description}, {"candidate", &candidate}, {"candidates", &candidates}};
  Scanner scanner(text);
  const bool whole = scanner.object([&](std::string_view raw_key) {
    std::string_view raw;
    if (!scanner.value(raw)) return false;
    const bool is_plain = raw_key.find('\\') == raw_key.npos;
    const std::string unescaped = is_plain ? std::string() : unescape(raw_key);
    const std::string_view key = is_plain ? raw_key : std::string_view(unescaped);
    if (key == "type") fields.type = string_of(raw);
    if (key == "browser") fields.browser = string_of(raw);
    if (key == "code") fields.code = string_of(raw);
    if (key == "version") fields.version = number_of(raw);
    if (key == "peer") fields.peer = number_of(raw);
    if (key == "offer") fields.offer = bool_of(raw);
    if (key == "brought") fields.brought = bool_of(raw);
    if (key == "lean") fields.lean = bool_of(raw);
    if (key == "kept") fields.kept = bool_of(raw);
    if (key == "held") fields.held = string_of(raw);
    if (key == "wants") fields.wants = string_of(raw);
    if (key == "add") fields.add = list_of<std::vector<std::string>>(raw, string_of);
    if (key == "remove") fields.remove = list_of<std::vector<std::string>>(raw, string_of);
    if (key == "roots") fields.roots = list_of<std::vector<std::string>>(raw, string_of);
    if (key == "peers") fields.peers = list_of<List<double>>(raw, number_of);
    for (const auto& [name, member] : relayed) {
      if (key == name) *member = raw == "null" ? std::string_view() : raw;
    }
    return true;
  });
  if (!whole || !scanner.at_end()) return Error::malformed_message;
  if (fields.type == "signal") {
    const std::optional<std::uint32_t> to = whole_number(fields.peer);
    if (!to) return Error::malformed_message;
    auto signal = parse_relayed(PeerId{*to}, description, candidate, candidates);
    if (!signal) return signal.error();
    return Said(std::move(signal.value()));
  }
  auto message = parse_message(fields);
  if (!message) return message.error();
  if (auto* ask = get_if<Ask>(&message.value()); ask != nullptr && !description.empty()) {
    auto offer = parse_relayed({}, description, {}, candidates);
    if (!offer) return offer.error();
    Relayed& brought = offer.value();
    ask->offer = std::exchange(brought.description, {});
    if (!brought.candidates.empty()) {
      return Said(Brought{std::move(message.value()), std::move(brought)});
    }
  }
  return Said(std::move(message.value()));
}

void append_text(Text& to, const Message& message) {
  const std::size_t before = to.size();
  match(message, [&to](const auto& m) { write(to, m); });
  if (to.size() > before) to += "}";
}

void append_text(Text& to, PeerId from, const Relayed& signal) {
  append(to += R"({"type":"signal","peer":)", from);
  if (!signal.description.empty()) (to += R"(,"description":)") += signal.description;
  if (signal.description.empty() && signal.candidates.size() == 1) {
    (to += R"(,"candidate":)") += signal.candidates.front();
  } else if (!signal.candidates.empty()) {
    append_list(to += R"(,"candidates":)", signal.candidates);
  }
  to += "}";
}

}  // namespace peer_cdn::signal
