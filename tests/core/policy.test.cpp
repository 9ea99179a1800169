#include "http/policy.hpp"

#include <doctest/doctest.h>

#include <string_view>
#include <vector>

namespace peer_cdn {
namespace {

RequestFields plain() {
  return {"GET", true, "image", "default", false, false, false};
}

TEST_CASE("a same-origin GET or HEAD may be routed, and nothing that is not one") {
  CHECK(may_route(plain()));
  struct Row {
    std::string_view name;
    void (*change)(RequestFields&);
    bool routed;
  };
  const Row rows[] = {
      {"POST", [](RequestFields& r) { r.method = "POST"; }, false},
      {"HEAD", [](RequestFields& r) { r.method = "HEAD"; }, true},
      {"another origin", [](RequestFields& r) { r.same_origin = false; }, false},
      {"Authorization", [](RequestFields& r) { r.has_authorization = true; }, false},
      {"our bypass header", [](RequestFields& r) { r.has_bypass = true; }, false},
      {"If-None-Match", [](RequestFields& r) { r.has_condition = true; }, true},
      {"a worker's script", [](RequestFields& r) { r.destination = "worker"; }, false},
      {"a shared worker's script", [](RequestFields& r) { r.destination = "sharedworker"; }, false},
      {"a service worker's script", [](RequestFields& r) { r.destination = "serviceworker"; },
       false},
      {"only-if-cached", [](RequestFields& r) { r.cache = "only-if-cached"; }, false},
      {"fetch()", [](RequestFields& r) { r.destination = ""; }, true},
      {"a script", [](RequestFields& r) { r.destination = "script"; }, true},
      {"a document", [](RequestFields& r) { r.destination = "document"; }, true},
      {"no-store", [](RequestFields& r) { r.cache = "no-store"; }, true},
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

TEST_CASE("a listed resource is not answered where only the origin can tell what the page asks") {
  CHECK(may_answer(plain()));
  for (const std::string_view destination : {"document", "iframe", "frame", "embed", "object"}) {
    CAPTURE(destination);
    RequestFields request = plain();
    request.destination = destination;
    CHECK_FALSE(may_answer(request));
  }
  RequestFields unfollowed = plain();
  unfollowed.is_followed = false;
  CHECK(may_route(unfollowed));
  CHECK_FALSE(may_answer(unfollowed));
}

TEST_CASE("the origin is asked as the page asked, as far as a worker can repeat it") {
  struct Row {
    std::string_view name;
    void (*change)(RequestFields&);
    bool whole;
    bool reload;
    OriginRequest request;
  };
  const auto fetches = [](RequestFields& r) {
    r.mode = "cors";
    r.destination = "";
  };
  const auto element = [](RequestFields& r) {
    r.mode = "cors";
    r.destination = "image";
  };
  const Row rows[] = {
      {"fetch() of all", fetches, true, false, {true, CacheMode::page, false}},
      {"a window", fetches, false, false, {false, CacheMode::no_store, false}},
      {"past the HTTP cache", fetches, true, true, {false, CacheMode::reload, false}},
      {"no-store",
       [](RequestFields& r) { r.cache = "no-store"; },
       true,
       true,
       {true, CacheMode::page, false}},
      {"reload",
       [](RequestFields& r) { r.cache = "reload"; },
       true,
       true,
       {true, CacheMode::page, false}},
      {"an image",
       [](RequestFields& r) { r.mode = "no-cors"; },
       true,
       false,
       {true, CacheMode::page, false}},
      {"a window of a video",
       [](RequestFields& r) { r.mode = "no-cors"; },
       false,
       false,
       {false, CacheMode::no_store, true}},
      {"an element across origins", element, true, false, {true, CacheMode::page, false}},
      {"a window of that", element, false, false, {false, CacheMode::no_store, false}},
      {"the same, reloaded", element, true, true, {false, CacheMode::reload, false}},
      {"with integrity",
       [](RequestFields& r) {
         r.mode = "cors";
         r.destination = "script";
         r.has_integrity = true;
       },
       true,
       false,
       {}},
      {"with a range",
       [](RequestFields& r) {
         r.mode = "cors";
         r.destination = "video";
         r.has_range = true;
       },
       true,
       false,
       {}},
      {"with a condition", [](RequestFields& r) { r.has_condition = true; }, true, false, {}},
      {"without a referrer", [](RequestFields& r) { r.lacks_referrer = true; }, true, false, {}},
  };
  for (const Row& row : rows) {
    CAPTURE(row.name);
    RequestFields request = plain();
    row.change(request);
    const OriginRequest asked = Repeatable::of(request).request(row.whole, row.reload);
    CHECK(asked.is_own == row.request.is_own);
    CHECK(asked.cache == row.request.cache);
    CHECK(asked.is_same_origin == row.request.is_same_origin);
  }
}

TEST_CASE("a cache mode says of what we hold what it says of the HTTP cache") {
  struct Row {
    std::string_view mode;
    CacheUse use;
  };
  const Row rows[] = {
      {"default", {true, true, true, false}},  {"force-cache", {true, true, true, false}},
      {"no-cache", {true, true, true, true}},  {"no-store", {false, true, false, false}},
      {"reload", {false, false, true, false}},
  };
  for (const Row& row : rows) {
    CAPTURE(row.mode);
    const CacheUse use = cache_use(row.mode);
    CHECK(use.takes_held == row.use.takes_held);
    CHECK(use.asks_peers == row.use.asks_peers);
    CHECK(use.stores == row.use.stores);
    CHECK(use.validates == row.use.validates);
  }
}

TEST_CASE("only a GET without a condition asks for a body, whatever the client has") {
  CHECK(is_plain(plain()));
  RequestFields head = plain();
  head.method = "HEAD";
  CHECK_FALSE(is_plain(head));
  RequestFields conditional = plain();
  conditional.has_condition = true;
  CHECK_FALSE(is_plain(conditional));
}

TEST_CASE("texts, and what is as good as text, are likely to be compressed") {
  for (const char* each : {"text/html", "application/json", "text/javascript", "image/svg+xml",
                           "application/wasm", "font/ttf", "application/ld+json"}) {
    CAPTURE(each);
    CHECK(is_compressible(each));
  }
  for (const char* each : {"", "video/mp4", "image/webp", "font/woff2", "application/zip"}) {
    CAPTURE(each);
    CHECK_FALSE(is_compressible(each));
  }
}

TEST_CASE("a script needs a script's type, a style CSS, and the rest takes any") {
  struct Row {
    std::string_view destination;
    std::string_view type;
    bool suits;
  };
  const Row rows[] = {
      {"script", "text/javascript", true},
      {"script", "Text/JavaScript ; charset=utf-8", true},
      {"script", "application/javascript", true},
      {"script", "application/octet-stream", false},
      {"script", "text/plain", false},
      {"script", "", false},
      {"audioworklet", "text/css", false},
      {"style", "text/css;charset=utf-8", true},
      {"style", "text/plain", false},
      {"json", "application/manifest+json", true},
      {"json", "text/plain", false},
      {"image", "application/octet-stream", true},
      {"", "", true},
      {"video", "text/plain", true},
  };
  for (const Row& row : rows) {
    CAPTURE(row.destination);
    CAPTURE(row.type);
    CHECK(suits(row.destination, row.type) == row.suits);
  }
}

TEST_CASE("an error, and a page in place of a script, are of no use") {
  CHECK(is_usable(200, "image", "text/html"));
  CHECK(is_usable(200, "script", "text/plain"));
  CHECK(is_usable(304, "", ""));
  CHECK_FALSE(is_usable(404, "", ""));
  CHECK_FALSE(is_usable(401, "image", ""));
  for (const std::uint32_t refusal : {400U, 401U, 403U}) CHECK(is_usable(refusal, "", ""));
  CHECK_FALSE(is_usable(503, "image", "image/png"));
  CHECK_FALSE(is_usable(200, "script", "text/html; charset=utf-8"));
  CHECK_FALSE(is_usable(200, "style", "text/html"));
}

}  // namespace
}  // namespace peer_cdn
