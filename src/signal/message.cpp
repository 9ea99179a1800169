#include "signal/message.hpp"

#include <type_traits>

#include "base/limits.hpp"
#include "base/text.hpp"
#include "base/variant.hpp"

namespace peer_cdn::signal {
namespace {

using limits::mark_digits;

bool is_hex(std::string_view text) {
  for (const char c : text) {
    if (!is_digit(c) && !(c >= 'a' && c <= 'f')) return false;
  }
  return true;
}

// A list that is absent is an empty list.
using Texts = std::optional<std::vector<std::string>>;

Error parse_roots(const Texts& texts, List<Root>& roots) {
  if (!texts) return Error::none;
  if (texts->size() > limits::roots_per_message) return Error::message_too_long;
  for (const std::string& text : *texts) {
    const auto root = parse_digest(text);
    if (!root) return Error::malformed_message;
    roots.push_back(*root);
  }
  return Error::none;
}

Error parse_marks(const Texts& texts, List<Mark>& marks) {
  if (!texts) return Error::none;
  if (texts->size() > limits::marks_per_message) return Error::message_too_long;
  for (const std::string& text : *texts) {
    const auto mark = parse_mark(text);
    if (!mark) return Error::malformed_message;
    marks.push_back(*mark);
  }
  return Error::none;
}

std::string sum_text(std::uint64_t sum) {
  return to_hex(static_cast<Mark>(sum >> 32)) + to_hex(static_cast<Mark>(sum));
}
std::optional<std::uint64_t> parse_sum(std::string_view hex) {
  if (hex.size() != 2 * mark_digits) return std::nullopt;
  const auto high = parse_mark(hex.substr(0, mark_digits));
  const auto low = parse_mark(hex.substr(mark_digits));
  if (!high || !low) return std::nullopt;
  return std::uint64_t{*high} << 32 | *low;
}

// Of a hello of another version only the version is read, so that the client can be told.
Result<Message> parse_hello(const Fields& fields) {
  const auto number = whole_number(fields.version);
  if (!number) return Error::malformed_message;
  if (*number != version) return Message(Hello{*number, {}});
  if (!fields.browser || !is_browser(*fields.browser)) return Error::malformed_message;
  Hello hello{*number, *fields.browser};
  hello.lean = fields.lean.value_or(false);
  if (fields.peer) {
    const auto peer = whole_number(fields.peer);
    if (!peer) return Error::malformed_message;
    hello.peer = PeerId{*peer};
  }
  if (fields.held && hello.peer.value != 0) {
    const auto held = parse_sum(*fields.held);
    if (!held) return Error::malformed_message;
    hello.held = *held;
  }
  hello.wants = fields.wants;
  // The two sides of a pair know each other by number, so a page without a number has no pairs.
  if (!fields.peers || hello.peer.value == 0) return Message(std::move(hello));
  if (fields.peers->size() > limits::pairs_per_page) return Error::message_too_long;
  for (const double each : *fields.peers) {
    const auto peer = whole_number(each);
    if (!peer) return Error::malformed_message;
    hello.peers.push_back(PeerId{*peer});
  }
  return Message(std::move(hello));
}

Result<Message> parse_welcome(const Fields& fields) {
  const auto number = whole_number(fields.version);
  const auto peer = whole_number(fields.peer);
  if (!number) return Error::malformed_message;
  if (*number != version) return Message(Welcome{*number, PeerId{}});
  if (!peer) return Error::malformed_message;
  return Message(
      Welcome{*number, PeerId{*peer}, fields.lean.value_or(false), fields.kept.value_or(false)});
}

Result<Message> parse_present(const Fields& fields) {
  Present present;
  Error error = parse_marks(fields.add, present.add);
  if (error == Error::none) error = parse_marks(fields.remove, present.remove);
  if (error != Error::none) return error;
  present.whole = fields.whole.value_or(false);
  if (fields.set) present.set.emplace(*fields.set);
  return Message(std::move(present));
}

Result<Message> parse_want(const Fields& fields) {
  if (!fields.wants) return Error::malformed_message;
  return Message(Want{*fields.wants});
}

Result<Message> parse_have(const Fields& fields) {
  Have have;
  Error error = parse_roots(fields.add, have.add);
  if (error == Error::none) error = parse_roots(fields.remove, have.remove);
  if (error != Error::none) return error;
  return Message(std::move(have));
}

Result<Message> parse_ask(const Fields& fields) {
  Ask ask;
  const Error error = parse_roots(fields.roots, ask.roots);
  if (error != Error::none) return error;
  if (fields.description_sdp) ask.offer = *fields.description_sdp;
  if (ask.offer.size() > limits::offer_bytes) return Error::message_too_long;
  return Message(std::move(ask));
}

Result<Message> parse_answer(const Fields& fields) {
  Answer answer;
  const Error error = parse_roots(fields.roots, answer.roots);
  if (error != Error::none) return error;
  const std::size_t count = fields.peers ? fields.peers->size() : 0;
  if (count != answer.roots.size()) return Error::malformed_message;
  for (std::size_t i = 0; i < count; ++i) {
    const auto peers = whole_number((*fields.peers)[i]);
    if (!peers) return Error::malformed_message;
    answer.peers.push_back(*peers);
  }
  return Message(std::move(answer));
}

Result<Message> parse_description(PeerId peer, const Fields& fields) {
  if (!fields.description_type || !fields.description_sdp) return Error::malformed_message;
  const bool offer = *fields.description_type == "offer";
  if (!offer && *fields.description_type != "answer") return Error::malformed_message;
  if (fields.description_sdp->size() > limits::sdp_bytes) return Error::message_too_long;
  return Message(Signal{peer, Description{offer, *fields.description_sdp}});
}

// Browsers may leave out sdpMid and sdpMLineIndex (RTCIceCandidateInit). Then they are "" and 0.
Result<Message> parse_candidate(PeerId peer, const Fields& fields) {
  if (fields.candidate->size() > limits::candidate_bytes ||
      (fields.candidate_mid && fields.candidate_mid->size() > limits::candidate_mid_bytes)) {
    return Error::message_too_long;
  }
  const auto line = fields.candidate_line ? whole_number(fields.candidate_line) : 0;
  if (!line) return Error::malformed_message;
  return Message(
      Signal{peer, Candidate{*fields.candidate, fields.candidate_mid.value_or(""), *line}});
}

Result<Message> parse_signal(PeerId peer, const Fields& fields) {
  const bool description = fields.description_type || fields.description_sdp;
  if (description == fields.candidate.has_value()) return Error::malformed_message;
  return description ? parse_description(peer, fields) : parse_candidate(peer, fields);
}

// What a client says.
Result<Message> parse_said(const Fields& fields) {
  if (!fields.type) return Error::malformed_message;
  const std::string_view type = *fields.type;
  if (type == "hello") return parse_hello(fields);
  if (type == "want") return parse_want(fields);
  if (type == "have") return parse_have(fields);
  if (type == "ask") return parse_ask(fields);
  const bool signal = type == "signal";
  if (!signal && type != "decline") return Error::unknown_message;
  const auto peer = whole_number(fields.peer);
  if (!peer) return Error::malformed_message;
  if (signal) return parse_signal(PeerId{*peer}, fields);
  return Message(Decline{PeerId{*peer}});
}

Result<Message> parse_refusal(const Fields& fields) {
  if (!fields.code) return Error::malformed_message;
  if (fields.code->size() > limits::error_code_bytes) return Error::message_too_long;
  for (const char c : *fields.code) {
    if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-')) {
      return Error::malformed_message;
    }
  }
  return Message(Refusal{*fields.code});
}

std::vector<std::string> texts_of(const List<Root>& roots) {
  std::vector<std::string> texts;
  texts.reserve(roots.size());
  for (const Root& root : roots) texts.push_back(peer_cdn::to_hex(root));
  return texts;
}

std::vector<std::string> texts_of(const List<Mark>& marks) {
  std::vector<std::string> texts;
  texts.reserve(marks.size());
  for (const Mark mark : marks) texts.push_back(to_hex(mark));
  return texts;
}

void describe(Fields& fields, bool offer, const std::string& sdp) {
  fields.description_type = offer ? "offer" : "answer";
  fields.description_sdp = sdp;
}

// A fill() for each message, in the order of the table in src/README.md.
void fill(Fields& fields, const Hello& hello) {
  fields.type = "hello";
  fields.version = hello.version;
  fields.browser = hello.browser;
  if (hello.lean) fields.lean = true;
  if (hello.wants) fields.wants.emplace(*hello.wants);
  if (hello.peer.value == 0) return;
  fields.peer = hello.peer.value;
  if (hello.held != 0) fields.held = sum_text(hello.held);
  fields.peers.emplace();
  for (const PeerId peer : hello.peers) fields.peers->push_back(peer.value);
}
void fill(Fields& fields, const Welcome& welcome) {
  fields.type = "welcome";
  fields.version = welcome.version;
  fields.peer = welcome.peer.value;
  if (welcome.lean) fields.lean = true;
  if (welcome.kept) fields.kept = true;
}
void fill(Fields& fields, const Present& present) {
  fields.type = "present";
  fields.add = texts_of(present.add);
  fields.remove = texts_of(present.remove);
  if (present.whole) fields.whole = true;
  fields.set = present.set;
}
void fill(Fields& fields, const Want& want) {
  fields.type = "want";
  fields.wants = want.wants;
}
void fill(Fields& fields, const Have& have) {
  fields.type = "have";
  fields.add = texts_of(have.add);
  fields.remove = texts_of(have.remove);
}
void fill(Fields& fields, const Ask& ask) {
  fields.type = "ask";
  fields.roots = texts_of(ask.roots);
  if (!ask.offer.empty()) describe(fields, true, ask.offer);
}
void fill(Fields& fields, const Answer& answer) {
  fields.type = "answer";
  fields.roots = texts_of(answer.roots);
  fields.peers.emplace();
  for (const std::uint32_t peers : answer.peers) fields.peers->push_back(peers);
}
void fill(Fields& fields, const Introduce& introduce) {
  fields.type = "introduce";
  fields.peer = introduce.peer.value;
  fields.offer = introduce.offer;
  if (introduce.brought) fields.brought = true;
}
void fill(Fields& fields, const Signal& signal) {
  fields.type = "signal";
  fields.peer = signal.peer.value;
  if (const auto* description = get_if<Description>(&signal.what)) {
    describe(fields, description->offer, description->sdp);
  } else if (const auto* candidate = get_if<Candidate>(&signal.what)) {
    fields.candidate = candidate->candidate;
    fields.candidate_mid = candidate->sdp_mid;
    fields.candidate_line = candidate->sdp_m_line_index;
  }
}
void fill(Fields& fields, const Decline& decline) {
  fields.type = "decline";
  fields.peer = decline.peer.value;
}
void fill(Fields& fields, const Gone& gone) {
  fields.type = "gone";
  fields.peer = gone.peer.value;
}
void fill(Fields& fields, const Resume& resume) {
  fields.type = "resume";
  fields.peer = resume.peer.value;
}
void fill(Fields& fields, const Refusal& refusal) {
  fields.type = "error";
  fields.code = refusal.code;
}

template <class M, class... T>
constexpr bool is_one_of = (std::is_same_v<M, T> || ...);

}  // namespace

std::optional<std::uint32_t> whole_number(const std::optional<double>& number) {
  if (!number || !(*number >= 0 && *number <= 4294967295.0)) return std::nullopt;
  const auto value = static_cast<std::uint32_t>(*number);
  if (static_cast<double>(value) != *number) return std::nullopt;
  return value;
}

std::uint64_t summand_of(const Root& root) {
  std::uint64_t summand = 0;
  for (std::size_t i = 0; i < sizeof summand; ++i) summand = summand << 8 | root.bytes[i];
  return summand;
}

bool is_browser(std::string_view text) {
  return text.size() == browser_digits && is_hex(text);
}

std::optional<Mark> parse_mark(std::string_view hex) {
  if (hex.size() != mark_digits || !is_hex(hex)) return std::nullopt;
  Mark mark = 0;
  for (const char c : hex) mark = mark << 4 | static_cast<Mark>(c <= '9' ? c - '0' : c - 'a' + 10);
  return mark;
}

std::string to_hex(Mark mark) {
  std::string hex(mark_digits, '0');
  for (std::size_t i = mark_digits; i-- > 0; mark >>= 4) hex[i] = "0123456789abcdef"[mark & 15];
  return hex;
}

Result<Message> parse_told(const Fields& fields) {
  if (!fields.type) return Error::malformed_message;
  const std::string_view type = *fields.type;
  if (type == "welcome") return parse_welcome(fields);
  if (type == "present") return parse_present(fields);
  if (type == "answer") return parse_answer(fields);
  if (type == "error") return parse_refusal(fields);
  const bool introduce = type == "introduce", signal = type == "signal", gone = type == "gone";
  if (!introduce && !signal && !gone && type != "resume") return Error::unknown_message;
  const auto peer = whole_number(fields.peer);
  if (!peer) return Error::malformed_message;
  if (signal) return parse_signal(PeerId{*peer}, fields);
  if (gone) return Message(Gone{PeerId{*peer}});
  if (!introduce) return Message(Resume{PeerId{*peer}});
  if (!fields.offer) return Error::malformed_message;
  return Message(Introduce{PeerId{*peer}, *fields.offer, fields.brought.value_or(false)});
}

Result<Message> parse_message(const Fields& fields) {
  auto said = parse_said(fields);
  return said || said.error() != Error::unknown_message ? std::move(said) : parse_told(fields);
}

Fields to_fields(const Message& message) {
  Fields fields;
  match(message, [&fields](const auto& m) { fill(fields, m); });
  return fields;
}

Fields said_to_fields(const Message& message) {
  Fields fields;
  match(message, [&fields]<class M>(const M& m) {
    if constexpr (is_one_of<M, Hello, Want, Have, Ask, Signal, Decline>) fill(fields, m);
  });
  return fields;
}

}  // namespace peer_cdn::signal
