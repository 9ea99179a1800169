#include "signal/json.hpp"

#include <doctest/doctest.h>

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "base/limits.hpp"

using namespace peer_cdn;
using namespace peer_cdn::signal;

namespace {

Message read(const std::string& text) {
  auto said = parse_text(text);
  REQUIRE(said);
  REQUIRE(std::holds_alternative<Message>(*said));
  return std::get<Message>(*said);
}
std::string relay(const std::string& text) {
  const auto said = parse_text(text);
  REQUIRE(said);
  const auto* signal = std::get_if<Relayed>(&*said);
  REQUIRE(signal);
  Text out;
  append_text(out, signal->peer, *signal);
  return std::string(std::string_view(out));
}

std::string text_of(const Message& message) {
  Text text;
  append_text(text, message);
  return std::string(std::string_view(text));
}

Error refusal_of(const std::string& text) {
  const auto message = parse_text(text);
  return message ? Error::none : message.error();
}

const std::string root(64, 'a');

// The same text through both parsers: a type that nobody knows tells that it is JSON.
bool is_json(const std::string& value) {
  return refusal_of("{\"type\":\"none\",\"x\":" + value + "}") == Error::unknown_message;
}

}  // namespace

TEST_CASE("every message of a coordinator is JSON that says what the message says") {
  const Root digest = *parse_digest(root);
  const std::vector<Message> messages = {
      Welcome{1, PeerId{7}, true},
      Present{{1, 0xffffffff}, {2}},
      Answer{{digest}, {4294967295u}, {}},
      Introduce{PeerId{4294967295u}, true},
      Introduce{PeerId{4}, false, true},
      Gone{PeerId{2}},
      Resume{PeerId{3}},
      Refusal{"rate-limited"},
  };
  for (const Message& message : messages) {
    CAPTURE(text_of(message));
    CHECK(nlohmann::json::accept(text_of(message)));
    CHECK(read(text_of(message)) == message);
  }
  CHECK(text_of(Answer{{}, {}, {PeerId{3}, PeerId{4}}}) ==
        R"({"type":"answer","roots":[],"peers":[],"introduced":[3,4]})");
  CHECK(text_of(Answer{{}, {}, {}, PeerId{5}}) ==
        R"({"type":"answer","roots":[],"peers":[],"offered":5})");
  CHECK(text_of(Ask{{digest}}).empty());
}

TEST_CASE("a signal is relayed letter by letter") {
  const std::string description = R"({ "type":"offer", "sdp":"v=0\r\n\"\\\u0000\ud83d\ude00" })";
  const std::string candidate = R"({"candidate":"c","sdpMid":null,"more":[1,{"a":2}]})";
  const std::string one = R"({"type":"signal","peer":9,"description":)" + description + "}";
  CHECK(relay(one) == one);
  const std::string other = R"({"type":"signal","peer":9,"candidate":)" + candidate + "}";
  CHECK(relay(other) == other);
  const std::string both = R"({"type":"signal","peer":9,"description":)" + description +
                           R"(,"candidates":[)" + candidate + "," + candidate + "]}";
  CHECK(relay(both) == both);
  CHECK(std::get<Relayed>(*parse_text(both)) ==
        Relayed{PeerId{9}, description, {candidate, candidate}});
}

TEST_CASE("the offer of an ask is relayed letter by letter, its candidates as a signal") {
  const std::string ask = R"({"type":"ask","roots":[")" + root + R"("],"description":)";
  const std::string offer = R"({"type": "offer", "sdp":"v=0\r\n"})";
  CHECK(get<Ask>(read(ask + offer + "}")).offer == offer);
  CHECK(get<Ask>(read(ask + "null}")).offer.empty());
  const auto both = parse_text(ask + offer + R"(,"candidates":[{"candidate":"a"}]})");
  REQUIRE(both);
  const auto* brought = std::get_if<Brought>(&*both);
  REQUIRE(brought);
  CHECK(get<Ask>(brought->ask).offer == offer);
  CHECK(brought->candidates == Relayed{PeerId{}, {}, {R"({"candidate":"a"})"}});
  CHECK(refusal_of(ask + "1}") == Error::malformed_message);
  CHECK(refusal_of(ask + offer + R"(,"candidates":[1]})") == Error::malformed_message);
}

TEST_CASE("a signal that is none is refused for what it is") {
  const auto refused = [](const std::string& members) {
    return refusal_of(R"({"type":"signal",)" + members + "}");
  };
  CHECK(refused(R"("peer":1)") == Error::malformed_message);
  CHECK(refused(R"("peer":1,"candidates":[])") == Error::malformed_message);
  CHECK(refused(R"("peer":1,"candidates":{})") == Error::malformed_message);
  CHECK(refused(R"("peer":1,"candidates":[1])") == Error::malformed_message);
  CHECK(refused(R"("peer":1,"description":[])") == Error::malformed_message);
  CHECK(refused(R"("peer":1,"description":{},"candidate":{})") == Error::malformed_message);
  CHECK(refused(R"("peer":"1","description":{})") == Error::malformed_message);
  CHECK(refused(R"("peer":-1,"description":{})") == Error::malformed_message);
  CHECK(refused(R"("description":{})") == Error::malformed_message);
  const std::string long_one(limits::candidate_text_bytes, 'c');
  CHECK(refused(R"("peer":1,"candidate":{"candidate":")" + long_one + "\"}") ==
        Error::message_too_long);
  std::string many = R"("peer":1,"candidates":[{})";
  for (std::size_t i = 0; i < limits::candidates_waiting; ++i) many += ",{}";
  CHECK(refused(many + "]") == Error::message_too_long);
  CHECK(refusal_of(std::string(limits::signal_bytes + 1, ' ')) == Error::message_too_long);
}

TEST_CASE("what is JSON is taken, and what is not is refused") {
  const std::vector<std::string> good = {
      "0",
      "-0",
      "10",
      "1.5",
      "1e5",
      "1E+5",
      "-1.25e-7",
      "true",
      "false",
      "null",
      "\"\"",
      "\"\\u00e4\\ud83d\\ude00\\\"\\\\\\/\\b\\f\\n\\r\\t\"",
      "[]",
      "{}",
      "[1, 2 ,3]",
      "{\"a\" : [ {\"b\":null} ] }",
      "\"long enough for a step of eight characters \\n and more\"",
  };
  for (const std::string& value : good) {
    CAPTURE(value);
    CHECK(is_json(value));
    CHECK(nlohmann::json::accept(value));
  }
  const std::vector<std::string> bad = {
      "",
      "01",
      "-",
      "1.",
      ".5",
      "1e",
      "+1",
      "0x1",
      "tru",
      "True",
      "nul",
      "NaN",
      "\"",
      "\"\\x\"",
      "\"\\u12\"",
      "\"\\ud800\"",
      "\"\\ud800\\u0041\"",
      "\"\\udc00\"",
      "\"\n\"",
      "[1,]",
      "[",
      "[1 2]",
      "{\"a\"}",
      "{\"a\":}",
      "{a:1}",
      "{\"a\":1,}",
      "{\"a\" 1}",
      "]",
      "1 2",
      "'a'",
      "\"\\",
      "\"\\u",
      std::string("\"a\0b\"", 5),
      std::string("\"\\\0\"", 4),
      "\"12345678\x01\"",
  };
  for (const std::string& value : bad) {
    CAPTURE(value);
    CHECK_FALSE(is_json(value));
    CHECK_FALSE(nlohmann::json::accept(value));
  }
  CHECK(refusal_of("") == Error::malformed_message);
  CHECK(refusal_of("[]") == Error::malformed_message);
  CHECK(refusal_of("null") == Error::malformed_message);
  CHECK(refusal_of(R"({"type":"decline","peer":1} x)") == Error::malformed_message);
  CHECK(refusal_of("\xef\xbb\xbf{\"type\":\"decline\",\"peer\":1}") == Error::none);
}

TEST_CASE("nesting is bounded") {
  const auto nested = [](std::size_t depth) {
    return std::string(depth, '[') + std::string(depth, ']');
  };
  CHECK(is_json(nested(limits::json_depth)));
  CHECK_FALSE(is_json(nested(limits::json_depth + 1)));
  CHECK_FALSE(is_json(std::string(limits::signal_bytes / 2, '[')));
}

TEST_CASE(
    "a member of another type is absent, the last of two counts, and a name may have escapes") {
  CHECK(read(R"({"type":"have","add":[1],"remove":"x"})") == Message{Have{}});
  CHECK(read(R"({"type":"have","peer":1,"t\u0079pe":"decline"})") == Message{Decline{PeerId{1}}});
  CHECK(read(R"({"peer":1e0,"type":"decline"})") == Message{Decline{PeerId{1}}});
  CHECK(refusal_of(R"({"type":"decline","peer":1.5})") == Error::malformed_message);
  CHECK(refusal_of(R"({"type":"decline","peer":1e999})") == Error::malformed_message);
  CHECK(read(R"({"type":"decline","peer":4294967295})") == Message{Decline{PeerId{4294967295}}});
  CHECK(read(R"({"type":"decline","peer":4294967295.0})") == Message{Decline{PeerId{4294967295}}});
  for (const char* const peer : {"4294967296", "999999999999999", "1000000000000001", "-1",
                                 "18446744073709551617", "100000000000000000000000000000000"}) {
    const std::string text = std::string(R"({"type":"decline","peer":)") + peer + "}";
    CAPTURE(text);
    CHECK(refusal_of(text) == Error::malformed_message);
  }
  CHECK(refusal_of(R"({"type":"decline","peer":1,"type":2})") == Error::malformed_message);
}
