#include "http/policy.hpp"

#include <doctest/doctest.h>

#include <string_view>
#include <vector>

namespace peer_cdn {
namespace {

RequestFields plain() {
  return {"GET", true, "image", "default", false, false, false};
}

ResponseFields good() {
  return {200, "basic", "", ""};
}

TEST_CASE("a plain same-origin GET may be routed, and nothing that is not one") {
  CHECK(may_route(plain()));
  struct Row {
    std::string_view name;
    void (*change)(RequestFields&);
    bool routed;
  };
  const Row rows[] = {
      {"POST", [](RequestFields& r) { r.method = "POST"; }, false},
      {"HEAD", [](RequestFields& r) { r.method = "HEAD"; }, false},
      {"another origin", [](RequestFields& r) { r.same_origin = false; }, false},
      {"Authorization", [](RequestFields& r) { r.has_authorization = true; }, false},
      {"our bypass header", [](RequestFields& r) { r.has_bypass = true; }, false},
      {"If-None-Match", [](RequestFields& r) { r.has_condition = true; }, false},
      {"a worker's script", [](RequestFields& r) { r.destination = "worker"; }, false},
      {"a shared worker's script", [](RequestFields& r) { r.destination = "sharedworker"; }, false},
      {"a service worker's script", [](RequestFields& r) { r.destination = "serviceworker"; },
       false},
      {"only-if-cached", [](RequestFields& r) { r.cache = "only-if-cached"; }, false},
      {"fetch()", [](RequestFields& r) { r.destination = ""; }, true},
      {"a script", [](RequestFields& r) { r.destination = "script"; }, true},
      {"a document", [](RequestFields& r) { r.destination = "document"; }, true},
      {"no-store speaks of the HTTP cache", [](RequestFields& r) { r.cache = "no-store"; }, true},
      {"no-cache", [](RequestFields& r) { r.cache = "no-cache"; }, true},
      {"reload", [](RequestFields& r) { r.cache = "reload"; }, true},
  };
  for (const Row& row : rows) {
    CAPTURE(row.name);
    RequestFields request = plain();
    row.change(request);
    CHECK(may_route(request) == row.routed);
  }
}

TEST_CASE("a public answer may be shared, a personal one never") {
  struct Row {
    std::string_view cache_control;
    bool shared;
  };
  const Row rows[] = {
      {"", true},
      {"public, max-age=600", true},
      {"no-cache", true},
      {"max-age=0,must-revalidate", true},
      {"immutable, s-maxage=\"5\"", true},
      {", ,public,", true},
      {"community=\"private\"", true},
      {"community=\"a, no-store\"", true},
      {"x=\"a\\\", private\", public", true},
      {"private", false},
      {"PRIVATE", false},
      {"no-store", false},
      {"public, No-Store", false},
      {"max-age=600,private", false},
      {"private=\"set-cookie\"", false},
      {"no-store=1", false},
      {"x=\"a\", private", false},
      {"x=\"a\\\\\", private", false},
      // What cannot be read may have meant private.
      {"public; private", false},
      {"x=\"unclosed, public", false},
      {"x=\"ends in a backslash\\", false},
      {"max-age = 5", false},
      {"=5", false},
      {"x=", false},
      {"\"private\"", false},
  };
  for (const Row& row : rows) {
    CAPTURE(row.cache_control);
    ResponseFields response = good();
    response.cache_control = row.cache_control;
    CHECK(may_share(response) == row.shared);
  }
}

TEST_CASE("an answer that varies by more than its encoding is never shared") {
  struct Row {
    std::string_view vary;
    bool shared;
  };
  const Row rows[] = {
      {"", true},
      {"Accept-Encoding", true},
      {"accept-encoding , ACCEPT-ENCODING,", true},
      {"*", false},
      {"Cookie", false},
      {"Accept-Encoding, Cookie", false},
      {"Accept-Encoding, *", false},
      {"Origin", false},
      {"Accept Encoding", false},
      {"Accept-Encoding;", false},
  };
  for (const Row& row : rows) {
    CAPTURE(row.vary);
    ResponseFields response = good();
    response.vary = row.vary;
    CHECK(may_share(response) == row.shared);
  }
}

TEST_CASE("only whole or partial content of our own origin is shared") {
  for (const std::uint32_t status : {0U, 201U, 204U, 301U, 304U, 404U, 416U, 500U}) {
    CAPTURE(status);
    ResponseFields response = good();
    response.status = status;
    CHECK(!may_share(response));
  }
  ResponseFields partial = good();
  partial.status = 206;
  CHECK(may_share(partial));
  for (const std::string_view type : {"opaque", "cors", "opaqueredirect", "error", "default", ""}) {
    CAPTURE(type);
    ResponseFields response = good();
    response.type = type;
    CHECK(!may_share(response));
  }
}

}  // namespace
}  // namespace peer_cdn
