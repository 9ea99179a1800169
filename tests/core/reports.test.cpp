#include "signal/reports.hpp"

#include <doctest/doctest.h>

#include <string>

#include "base/limits.hpp"

namespace peer_cdn::signal {
namespace {

using namespace std::chrono_literals;
constexpr Instant start = Instant(10s);
constexpr std::string_view good = R"({"version":1,"fromPeers":5})";

std::string said_of(std::string_view text) {
  const auto figures = parse_report(text);
  if (!figures) return std::string(code(figures.error()));
  std::string said;
  for (const std::uint64_t figure : *figures) said += std::to_string(figure) + " ";
  return said;
}

}  // namespace

TEST_CASE("a report is a flat object of whole numbers") {
  CHECK(said_of(R"({"version":1,"fromPeers":1,"fromOrigin":2,"fromCache":3,"wasted":4,)"
                R"("localTried":6,"localOpen":5,"directTried":7,"directOpen":7,)"
                R"("relayedTried":9,"relayedOpen":0})") == "1 2 3 4 6 5 7 7 9 0 ");
  CHECK(said_of(" {\r\n\t\"wasted\" : 7 , \"version\" : 1 } ") == "0 0 0 7 0 0 0 0 0 0 ");
  CHECK(said_of(R"({"version":1})") == "0 0 0 0 0 0 0 0 0 0 ");
}

TEST_CASE("a figure that we do not know is of a newer page, and is skipped") {
  CHECK(said_of(R"({"version":1,"fromSpace":9,"wasted":1})") == "0 0 0 1 0 0 0 0 0 0 ");
}

TEST_CASE("what is no report is refused") {
  for (const std::string_view text : {
           "",
           " ",
           "null",
           "[]",
           "1",
           "{}",
           "{",
           "{\"version\":1",
           "{\"version\":1}}",
           "{\"version\":1},",
           "{\"version\":1,}",
           "{,\"version\":1}",
           "{\"version\" 1}",
           "{version:1}",
           "{'version':1}",
           "{\"wasted\":1}",
           "{\"version\":\"1\"}",
           "{\"version\":1,\"wasted\":-1}",
           "{\"version\":1,\"wasted\":1.5}",
           "{\"version\":1,\"wasted\":1e9}",
           "{\"version\":1,\"wasted\":01}",
           "{\"version\":1,\"wasted\":+1}",
           "{\"version\":1,\"wasted\":null}",
           "{\"version\":1,\"wasted\":NaN}",
           "{\"version\":1,\"wasted\":[1]}",
           "{\"version\":1,\"wasted\":{}}",
           "{\"version\":1,\"wasted\":}",
           "{\"version\":1,\"wasted\":1,\"wasted\":1}",
           "{\"version\":1,\"version\":1}",
           "{\"version\":1,\"was\\u0074ed\":1}",
           "{\"version\":1,\"\xff\":1}",
           "{\"version\":1,\"wasted\":18446744073709551617}",
           "{\"version\":1,\"localTried\":1,\"localOpen\":2}",
           "{\"version\":1,\"relayedOpen\":1}",
       }) {
    CAPTURE(text);
    CHECK(said_of(text) == "malformed-message");
  }
  CHECK(said_of(std::string_view("{\"version\":1}\0", 14)) == "malformed-message");
  CHECK(said_of(R"({"version":2})") == "version-mismatch");
}

TEST_CASE("a number that no page can have is refused") {
  const auto with = [](const std::string& name, std::uint64_t number) {
    return said_of("{\"version\":1,\"" + name + "\":" + std::to_string(number) + "}");
  };
  CHECK(with("fromPeers", limits::reported_bytes) == "1099511627776 0 0 0 0 0 0 0 0 0 ");
  CHECK(with("fromPeers", limits::reported_bytes + 1) == "malformed-message");
  CHECK(with("directTried", limits::reported_connections) == "0 0 0 0 0 0 10000 0 0 0 ");
  CHECK(with("directTried", limits::reported_connections + 1) == "malformed-message");
}

TEST_CASE("a report is no longer than it may be") {
  std::string text(good);
  text.insert(1, limits::report_bytes - text.size(), ' ');
  CHECK(said_of(text) == "5 0 0 0 0 0 0 0 0 0 ");
  CHECK(said_of(text + " ") == "message-too-long");
}

TEST_CASE("reports are summed, and what is refused adds nothing") {
  Reports reports;
  CHECK(reports.handle_report(good, "", start) == Error::none);
  CHECK(reports.handle_report(R"({"version":1,"fromPeers":6,"wasted":1})", "", start) ==
        Error::none);
  CHECK(reports.handle_report(R"({"version":1,"fromPeers":6,"wasted":-1})", "", start) ==
        Error::malformed_message);
  reports.handle_refused();
  CHECK(reports.stats().reports == 2);
  CHECK(reports.stats().reports_refused == 2);
  CHECK(reports.stats().figures == Figures{11, 0, 0, 1});
}

TEST_CASE("of one network so many are taken in a minute, good or not, and others are not harmed") {
  Reports reports;
  for (std::size_t i = 0; i < limits::reports_per_network; ++i) {
    CHECK(reports.handle_report(i % 2 ? good : "nonsense", "192.0.2.1", start) !=
          Error::rate_limited);
  }
  CHECK(reports.handle_report(good, "192.0.2.1", start) == Error::rate_limited);
  CHECK(reports.handle_report(good, "192.0.2.2", start) == Error::none);
  CHECK(reports.handle_report(good, "", start) == Error::none);
  const Instant later = start + limits::report_span;
  CHECK(reports.handle_report(good, "192.0.2.1", later - 1ms) == Error::rate_limited);
  CHECK(reports.handle_report(good, "192.0.2.1", later) == Error::none);
}

TEST_CASE("of all together so many are taken in a minute") {
  Reports reports;
  for (std::size_t i = 0; i < limits::reports_per_span; ++i) reports.handle_report(good, "", start);
  CHECK(reports.stats().reports == limits::reports_per_span);
  CHECK(reports.handle_report(good, "192.0.2.1", start) == Error::rate_limited);
  CHECK(reports.handle_report(good, "", start + limits::report_span) == Error::none);
}

}  // namespace peer_cdn::signal
