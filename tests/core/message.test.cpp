#include "signal/message.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>

#include "base/limits.hpp"

using namespace peer_cdn;
using namespace peer_cdn::signal;

namespace {

const std::string root_hex(64, 'a');
const std::string browser(32, 'b');

Fields of_type(const char* type) {
  Fields fields;
  fields.type = type;
  return fields;
}

Fields hello(std::optional<double> number, std::optional<std::string> id) {
  Fields fields = of_type("hello");
  fields.version = number;
  fields.browser = std::move(id);
  return fields;
}

Fields again(double peer, List<double> peers) {
  Fields fields = hello(1, browser);
  fields.peer = peer;
  fields.peers = std::move(peers);
  return fields;
}

Fields about(const char* type, std::optional<double> peer) {
  Fields fields = of_type(type);
  fields.peer = peer;
  return fields;
}

Fields description(std::string type, std::string sdp) {
  Fields fields = about("signal", 7);
  fields.description_type = std::move(type);
  fields.description_sdp = std::move(sdp);
  return fields;
}

Fields candidate(std::string text, std::optional<double> line) {
  Fields fields = about("signal", 7);
  fields.candidate = std::move(text);
  fields.candidate_line = line;
  return fields;
}

Fields roots(const char* type, std::vector<std::string> list) {
  Fields fields = of_type(type);
  fields.roots = fields.add = std::move(list);
  return fields;
}

Fields answer(std::vector<std::string> list, List<double> peers) {
  Fields fields = roots("answer", std::move(list));
  fields.peers = std::move(peers);
  return fields;
}

Fields marks(std::size_t count) {
  Fields fields = of_type("present");
  fields.add = std::vector<std::string>(count, "0123abcd");
  return fields;
}

Fields refusal(std::optional<std::string> text) {
  Fields fields = of_type("error");
  fields.code = std::move(text);
  return fields;
}

Fields introduce(std::optional<bool> offer) {
  Fields fields = about("introduce", 7);
  fields.offer = offer;
  return fields;
}

}  // namespace

TEST_CASE("a message is refused for what is wrong with it") {
  const double nan = std::nan("");
  const double infinity = std::numeric_limits<double>::infinity();
  Fields both = description("offer", "v=0");
  both.candidate = "";
  const struct {
    const char* what;
    Fields fields;
    Error error;
  } cases[] = {
      {"no type", Fields{}, Error::malformed_message},
      {"a type of another world", of_type("dance"), Error::unknown_message},
      {"an empty type", of_type(""), Error::unknown_message},
      {"hello", hello(1, browser), Error::none},
      {"a hello of a later version needs no browser", hello(2, std::nullopt), Error::none},
      {"hello without version", hello(std::nullopt, browser), Error::malformed_message},
      {"version that is a fraction", hello(1.5, browser), Error::malformed_message},
      {"version that is negative", hello(-1, browser), Error::malformed_message},
      {"version that is no number", hello(nan, browser), Error::malformed_message},
      {"version without end", hello(infinity, browser), Error::malformed_message},
      {"version beyond 32 bits", hello(4294967296.0, browser), Error::malformed_message},
      {"hello without browser", hello(1, std::nullopt), Error::malformed_message},
      {"browser in capitals", hello(1, std::string(32, 'B')), Error::malformed_message},
      {"browser too short", hello(1, "b"), Error::malformed_message},
      {"hello again", again(7, {8, 9}), Error::none},
      {"hello again with a fraction", again(0.5, {}), Error::malformed_message},
      {"hello again to a fraction", again(7, {0.5}), Error::malformed_message},
      {"hello again to too many", again(7, List<double>(limits::pairs_per_page + 1, 8)),
       Error::message_too_long},
      {"have nothing", of_type("have"), Error::none},
      {"have one", roots("have", {root_hex}), Error::none},
      {"have a root that is none", roots("have", {"a"}), Error::malformed_message},
      {"ask", roots("ask", {root_hex}), Error::none},
      {"ask in capitals", roots("ask", {std::string(64, 'A')}), Error::malformed_message},
      {"ask the most", roots("ask", std::vector(limits::roots_per_message, root_hex)), Error::none},
      {"ask too much", roots("ask", std::vector(limits::roots_per_message + 1, root_hex)),
       Error::message_too_long},
      {"answer", answer({root_hex}, {3}), Error::none},
      {"answer with a number too many", answer({root_hex}, {3, 3}), Error::malformed_message},
      {"answer with a fraction", answer({root_hex}, {0.5}), Error::malformed_message},
      {"the most marks", marks(limits::marks_per_message), Error::none},
      {"too many marks", marks(limits::marks_per_message + 1), Error::message_too_long},
      {"introduce", introduce(true), Error::none},
      {"introduce without offer", introduce(std::nullopt), Error::malformed_message},
      {"decline", about("decline", 4294967295.0), Error::none},
      {"decline nobody", about("decline", std::nullopt), Error::malformed_message},
      {"gone", about("gone", 1), Error::none},
      {"signal nothing", about("signal", 1), Error::malformed_message},
      {"signal both", both, Error::malformed_message},
      {"an offer", description("offer", "v=0"), Error::none},
      {"an answer", description("answer", ""), Error::none},
      {"a rollback", description("rollback", ""), Error::malformed_message},
      {"a description too long", description("offer", std::string(limits::sdp_bytes + 1, 'v')),
       Error::message_too_long},
      {"the end of candidates", candidate("", std::nullopt), Error::none},
      {"a candidate of a fraction", candidate("", 0.5), Error::malformed_message},
      {"a candidate too long", candidate(std::string(limits::candidate_bytes + 1, 'c'), 0),
       Error::message_too_long},
      {"a refusal", refusal("rate-limited"), Error::none},
      {"a refusal of no code", refusal(std::nullopt), Error::malformed_message},
      {"a refusal with markup", refusal("<b>"), Error::malformed_message},
      {"a refusal too long", refusal(std::string(65, 'a')), Error::message_too_long},
  };
  for (const auto& each : cases) {
    CAPTURE(each.what);
    const auto parsed = parse_message(each.fields);
    CHECK(parsed.error() == each.error);
    if (parsed) CHECK(parse_message(to_fields(*parsed)).value() == *parsed);
  }
}

TEST_CASE("a message survives the way to fields and back") {
  Root root;
  for (std::size_t i = 0; i < root.bytes.size(); ++i)
    root.bytes[i] = static_cast<std::uint8_t>(i * 9);
  const Message messages[] = {
      Hello{version, browser},
      Hello{version, browser, PeerId{7}, {PeerId{8}, PeerId{9}}},
      Hello{version, browser, PeerId{7}, {}, true, 0x0123456789abcdef},
      Hello{version, browser, PeerId{}, {}, true, 0, "CkZ"},
      Want{"CkZ"},
      Welcome{version, PeerId{7}, true, true},
      Resume{PeerId{7}},
      Hello{7, ""},
      Welcome{version, PeerId{4294967295}},
      Present{{0, 1, 0xffffffff}, {0xabcdef}},
      Present{{1}, {}, true},
      Present{{}, {}, true, "0:gAAA"},
      Present{{}, {}, false, ""},
      Have{{root}, {Root{}}},
      Ask{{root, root}},
      Ask{{root}, "v=0\r\n"},
      Answer{{root}, {4}},
      Introduce{PeerId{1}, true},
      Introduce{PeerId{1}, false, true},
      Signal{PeerId{2}, Description{true, "v=0\r\n"}},
      Signal{PeerId{2}, Description{false, ""}},
      Signal{PeerId{3}, Candidate{"candidate:1", "0", 1}},
      Decline{PeerId{5}},
      Gone{PeerId{6}},
      Refusal{"shutting-down"},
  };
  for (const Message& message : messages) {
    CAPTURE(message.index());
    CHECK(parse_message(to_fields(message)).value() == message);
    // A client writes what it says, and reads what it is told.
    const Fields said = said_to_fields(message);
    if (said.type) CHECK(parse_message(said).value() == message);
    const bool is_told = !said.type || holds_alternative<Signal>(message);
    CHECK(parse_told(to_fields(message)).error() ==
          (is_told ? Error::none : Error::unknown_message));
  }
}

TEST_CASE("a mark is the first eight digits of its root") {
  const auto root = parse_digest("0123abcd" + std::string(56, 'f'));
  CHECK(mark_of(*root) == 0x0123abcd);
  CHECK(to_hex(mark_of(*root)) == "0123abcd");
  CHECK(to_hex(Mark{0}) == "00000000");
  CHECK(parse_mark("0123abcd") == Mark{0x0123abcd});
  CHECK(parse_mark("ffffffff") == Mark{0xffffffff});
  for (const char* text : {"", "0123abc", "0123abcde", "0123ABCD", "0x23abcd", " 123abcd"}) {
    CHECK_FALSE(parse_mark(text));
  }
}
