#include "signal/bus.hpp"

#include <doctest/doctest.h>

#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "signal/json.hpp"

using namespace peer_cdn;
using namespace peer_cdn::signal;
using namespace peer_cdn::signal::bus;

namespace {

Root root_of(std::uint8_t n) {
  Root root;
  root.bytes[0] = n;
  return root;
}

std::string frame_of(const Head& head, const std::vector<Record>& records) {
  Text text;
  append_head(text, head);
  for (const Record& record : records) append_record(text, record);
  return std::string(std::string_view(text));
}

const std::string browser(32, 'a');
const std::vector<Record> examples = {
    Changes{"https://a.example", {1, 2}, {3}},
    Seek{"https://a.example", PeerId{7}, browser, {PeerId{8}, PeerId{9}}},
    Bye{},
    Start{},
    All{true, false, "https://a.example", {1, 0xffffffff}},
    Look{5,
         true,
         "https://a.example",
         PeerId{7},
         browser,
         {{1, 2}, {3, 4}},
         {PeerId{8}},
         {{root_of(1), 3}}},
    Seen{5, false, PeerId{7}, {{root_of(1), 2, {{PeerId{8}, browser}}}, {root_of(2), 0, {}}}},
    Pass{PeerId{7}, {PeerId{8}, R"({"type":"offer","sdp":"v=0"})", {R"({"candidate":""})"}}},
    Part{PeerId{7}, PeerId{8}, true},
    Again{PeerId{7}, PeerId{8}, browser},
};

}  // namespace

TEST_CASE("every record is read as it was written, alone and among others") {
  const Head head{0x0123456789abcdef, 42, true};
  for (const Record& record : examples) {
    const auto frame = read_frame(bytes_of(frame_of(head, {record})));
    REQUIRE(frame);
    CHECK(*frame == Frame{head, {record}});
  }
  const auto frame = read_frame(bytes_of(frame_of(head, examples)));
  REQUIRE(frame);
  CHECK(frame->records == examples);
}

TEST_CASE("a frame that ends too early is refused wherever it ends") {
  const std::string whole = frame_of({1, 1, false}, {examples[5], examples[7]});
  const std::size_t first = frame_of({1, 1, false}, {examples[5]}).size();
  for (std::size_t bytes = 0; bytes < whole.size(); ++bytes) {
    CHECK(bool(read_frame(bytes_of(whole.substr(0, bytes)))) ==
          (bytes == head_bytes || bytes == first));
  }
}

TEST_CASE("what is beyond a limit, or no text of JSON, is refused") {
  const auto error = [](const Record& record) {
    return read_frame(bytes_of(frame_of({1, 1, false}, {record}))).error();
  };
  const std::string site = "https://a.example";
  CHECK(error(Changes{std::string(limits::site_bytes + 1, 'a'), {}, {}}) ==
        Error::malformed_message);
  CHECK(error(All{false, false, site, std::vector<Mark>(limits::marks_per_record + 1)}) ==
        Error::malformed_message);
  CHECK(error(Seek{site, PeerId{}, browser, {}}) == Error::malformed_message);
  CHECK(error(Seek{site, PeerId{1}, std::string(32, 'A'), {}}) == Error::malformed_message);
  CHECK(error(Seek{site, PeerId{1}, "a", {}}) == Error::malformed_message);
  CHECK(error(Pass{PeerId{1}, {PeerId{2}, "{", {}}}) == Error::malformed_message);
  CHECK(error(Pass{PeerId{1}, {PeerId{2}, "[]", {}}}) == Error::malformed_message);
  CHECK(error(Pass{PeerId{1}, {PeerId{2}, "{}},{", {}}}) == Error::malformed_message);
  CHECK(error(Pass{PeerId{1}, {PeerId{2}, "{\"a\":\"\xff\"}", {}}}) == Error::malformed_message);
}

TEST_CASE("the longest signal that a visitor may send is passed on, whoever sends it to whom") {
  const std::string begin = R"({"type":"signal","peer":1,"description":)", end = "}";
  const std::size_t room = limits::signal_bytes - begin.size() - end.size();
  const std::string description = R"({"sdp":")" + std::string(room - 10, 'a') + R"("})";
  auto said = parse_text(begin + description + end);
  REQUIRE(said);
  const std::vector<Record> records = {
      Pass{PeerId{0xffffffff}, std::get<Relayed>(std::move(said.value()))}, Start{}};
  const auto frame = read_frame(bytes_of(frame_of({1, 1, false}, records)));
  REQUIRE(frame);
  CHECK(frame->records == records);
}

TEST_CASE("a frame of another version says so") {
  std::string frame = frame_of({1, 1, true}, {});
  frame[0] = 2;
  CHECK(read_frame(bytes_of(frame)).error() == Error::version_mismatch);
  CHECK(read_frame({}).error() == Error::malformed_message);
}
