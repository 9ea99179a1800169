#include "http/conditions.hpp"

#include <doctest/doctest.h>

#include <string>

#include "http/head.hpp"

using namespace peer_cdn;

namespace {

// Its origin gave "one" and a date first, and "two" and W/"weak" later.
Resource known() {
  ResourceFields fields;
  fields.path = "/a";
  fields.bytes = 1000;
  fields.piece_bytes = 65536;
  fields.root = std::string(64, 'a');
  Resource resource = parse_resource(fields).value();
  resource.record.learn("etag\n\"one\"\nlast-modified\nWed, 21 Oct 2015 07:28:00 GMT", true);
  resource.record.learn("etag\n\"two\"", true);
  resource.record.learn("etag\nW/\"weak\"", false);
  return resource;
}

struct Row {
  const char* asked;
  Conditions conditions;
  Condition result;
};

}  // namespace

TEST_CASE("a Range counts if If-Range names what was ever given for the bytes") {
  const Row rows[] = {
      {"no condition", {"bytes=0-9"}, Condition::holds},
      {"the first tag", {"bytes=0-9", "\"one\""}, Condition::holds},
      {"a later one", {"bytes=0-9", "\"two\""}, Condition::holds},
      {"the date", {"bytes=0-9", "Wed, 21 Oct 2015 07:28:00 GMT"}, Condition::holds},
      {"another tag", {"bytes=0-9", "\"three\""}, Condition::origin},
      {"a weak one", {"bytes=0-9", "W/\"one\""}, Condition::origin},
      {"a weak one that was given", {"bytes=0-9", "W/\"weak\""}, Condition::origin},
      {"another date", {"bytes=0-9", "Wed, 21 Oct 2015 07:28:01 GMT"}, Condition::origin},
      {"without a Range it says nothing", {"", "\"three\""}, Condition::holds},
  };
  for (const Row& row : rows) {
    CAPTURE(row.asked);
    CHECK(evaluate(row.conditions, known()) == row.result);
  }
  const Resource resource = known();
  const Text own = entity_tag(resource);
  CHECK(evaluate({"bytes=0-9", own}, resource) == Condition::holds);
}

TEST_CASE("other conditions are answered where every validator was given for the bytes") {
  const Row rows[] = {
      {"the tag", {"", "", "", "", "\"one\""}, Condition::not_modified},
      {"a later one", {"", "", "", "", "\"two\""}, Condition::not_modified},
      {"one of several", {"", "", "", "", "\"x, y\" , \"two\""}, Condition::not_modified},
      {"any", {"", "", "", "", "*"}, Condition::not_modified},
      {"a weak one of the same", {"", "", "", "", "W/\"one\""}, Condition::not_modified},
      {"one that was given weak", {"", "", "", "", "W/\"weak\""}, Condition::not_modified},
      {"its strong one", {"", "", "", "", "\"weak\""}, Condition::not_modified},
      {"another", {"", "", "", "", "\"x\""}, Condition::origin},
      {"not closed", {"", "", "", "", "\"one"}, Condition::origin},
      {"no tag", {"", "", "", "", "one"}, Condition::origin},
      {"the date", {"", "", "", "", "", "Wed, 21 Oct 2015 07:28:00 GMT"}, Condition::not_modified},
      {"another date", {"", "", "", "", "", "Wed, 21 Oct 2025 07:28:00 GMT"}, Condition::origin},
      {"a tag goes before the date",
       {"", "", "", "", "\"x\"", "Wed, 21 Oct 2015 07:28:00 GMT"},
       Condition::origin},
      {"must match", {"", "", "\"one\""}, Condition::holds},
      {"must match one", {"", "", "\"x\", \"two\""}, Condition::holds},
      {"must be there", {"", "", "*"}, Condition::holds},
      {"a weak one matches nothing", {"", "", "W/\"weak\""}, Condition::origin},
      {"must match another", {"", "", "\"x\""}, Condition::origin},
      {"unmodified since", {"", "", "", "Wed, 21 Oct 2015 07:28:00 GMT"}, Condition::holds},
      {"since another date", {"", "", "", "Wed, 21 Oct 2010 07:28:00 GMT"}, Condition::origin},
      {"a match and a range", {"bytes=0-9", "", "\"one\""}, Condition::holds},
      {"both ways", {"", "", "\"one\"", "", "\"one\""}, Condition::not_modified},
  };
  for (const Row& row : rows) {
    CAPTURE(row.asked);
    CHECK(evaluate(row.conditions, known()) == row.result);
  }
}

TEST_CASE("of bytes whose origin was never seen only our own tag is known") {
  ResourceFields fields;
  fields.path = "/a";
  fields.bytes = 1000;
  fields.piece_bytes = 65536;
  fields.root = std::string(64, 'a');
  const Resource resource = parse_resource(fields).value();
  const Text own = entity_tag(resource);
  CHECK(evaluate({"", "", "", "", own}, resource) == Condition::not_modified);
  CHECK(evaluate({"", "", "", "", "\"x\""}, resource) == Condition::origin);
  CHECK(evaluate({"bytes=0-9", "\"x\""}, resource) == Condition::origin);
}

TEST_CASE("lines are read in order, and what is missing is empty") {
  const Conditions of = Conditions::of("bytes=0-9\n \"a\" \n\n\n*");
  CHECK(of.range == "bytes=0-9");
  CHECK(of.if_range == "\"a\"");
  CHECK(of.if_match.empty());
  CHECK(of.if_none_match == "*");
  CHECK(of.if_modified_since.empty());
  CHECK(of.any());
  CHECK_FALSE(Conditions::of("bytes=0-9\n\"a\"").any());
}
