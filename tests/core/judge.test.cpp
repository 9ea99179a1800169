#include "base/judge.hpp"

#include <doctest/doctest.h>

#include <string>
#include <string_view>

#include "vectors.hpp"

namespace peer_cdn {
namespace {

OriginAnswer good() {
  OriginAnswer answer;
  answer.status = 200;
  answer.type = "basic";
  return answer;
}

TEST_CASE("every answer of the vectors is judged as they say") {
  for (const auto& row : read_vectors("answers", "answers")) {
    CAPTURE(row["case"].get<std::string>());
    const auto& said = row["answer"];
    const auto text = [&said](const char* name) { return said.value(name, std::string()); };
    const std::string type = said.value("type", std::string("basic"));
    const std::string cache_control = text("cache-control");
    const std::string vary = text("vary");
    const std::string content_range = text("content-range");
    const std::string encoding = text("content-encoding");
    const std::string length = text("content-length");
    OriginAnswer answer;
    answer.status = said["status"].get<std::uint32_t>();
    answer.type = type;
    answer.cache_control = cache_control;
    answer.vary = vary;
    answer.content_range = content_range;
    answer.content_encoding = encoding;
    answer.content_length = length;
    OriginQuestion asked;
    asked.total = row["bytes"].get<std::uint64_t>();
    asked.whole = !row.contains("asked");
    asked.range = {0, asked.total};
    if (!asked.whole) {
      asked.range = {row["asked"][0].get<std::uint64_t>(), row["asked"][1].get<std::uint64_t>()};
    }
    const Judgement judgement = judge(answer, asked);
    const Error error = error_of(judgement.verdict);
    CHECK(code(error) == row.value("code", std::string("none")));
    if (error != Error::none) continue;
    CHECK(judgement.range.begin == row["holds"][0].get<std::uint64_t>());
    CHECK(judgement.range.end == row["holds"][1].get<std::uint64_t>());
  }
}

TEST_CASE("a body of another length than its answer's is another file, or a broken connection") {
  struct Row {
    Error seen;
    bool whole;
    Error means;
  };
  const Row rows[] = {
      {Error::none, true, Error::origin_changed},
      {Error::none, false, Error::origin_unreachable},
      {Error::wrong_length, true, Error::origin_changed},
      {Error::wrong_length, false, Error::origin_changed},
      {Error::origin_unreachable, true, Error::origin_unreachable},
      {Error::origin_unusable, false, Error::origin_unusable},
      {Error::digests_mismatch, true, Error::digests_mismatch},
  };
  for (const Row& row : rows) {
    CAPTURE(code(row.seen));
    CAPTURE(row.whole);
    CHECK(judge_end(row.seen, row.whole) == row.means);
  }
}

TEST_CASE(
    "a good status is a manifest to be read, one that is gone is none, and all else says nothing") {
  struct Case {
    std::uint32_t status;
    ManifestAnswer answer;
  };
  const Case cases[] = {
      {200, ManifestAnswer::read},     {203, ManifestAnswer::read},
      {404, ManifestAnswer::none},     {410, ManifestAnswer::none},
      {0, ManifestAnswer::unusable},   {304, ManifestAnswer::unusable},
      {400, ManifestAnswer::unusable}, {401, ManifestAnswer::unusable},
      {403, ManifestAnswer::unusable}, {416, ManifestAnswer::unusable},
      {429, ManifestAnswer::unusable}, {451, ManifestAnswer::unusable},
      {500, ManifestAnswer::unusable}, {503, ManifestAnswer::unusable},
  };
  for (const Case& each : cases) {
    CAPTURE(each.status);
    CHECK(judge_manifest(each.status) == each.answer);
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
    OriginAnswer response = good();
    response.cache_control = row.cache_control;
    CHECK(may_share(response) == row.shared);
  }
}

TEST_CASE(
    "an answer that varies by more than its encoding, and by what no GET has, is never shared") {
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
      {"Origin", true},
      {"accept-encoding, Origin, Access-Control-Request-Headers,access-control-request-method",
       true},
      {"Origin, Cookie", false},
      {"X-Origin", false},
      {"Accept Encoding", false},
      {"Accept-Encoding;", false},
  };
  for (const Row& row : rows) {
    CAPTURE(row.vary);
    OriginAnswer response = good();
    response.vary = row.vary;
    CHECK(may_share(response) == row.shared);
  }
}

TEST_CASE("only whole or partial content of our own origin is shared") {
  for (const std::uint32_t status : {0U, 201U, 204U, 301U, 304U, 404U, 416U, 500U}) {
    CAPTURE(status);
    OriginAnswer response = good();
    response.status = status;
    CHECK(!may_share(response));
  }
  OriginAnswer partial = good();
  partial.status = 206;
  CHECK(may_share(partial));
  for (const std::string_view type : {"opaque", "cors", "opaqueredirect", "error", "default", ""}) {
    CAPTURE(type);
    OriginAnswer response = good();
    response.type = type;
    CHECK(!may_share(response));
  }
}

}  // namespace
}  // namespace peer_cdn
