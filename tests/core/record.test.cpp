#include "base/record.hpp"

#include <doctest/doctest.h>

#include <string>

#include "base/limits.hpp"

using namespace peer_cdn;

TEST_CASE("the validators that were given first stay, and later ones are known") {
  Record record;
  CHECK_FALSE(record.is_given());
  record.learn("etag\n\"one\"\nlast-modified\nMonday", true);
  record.learn("etag\n\"two\"\nlast-modified\nTuesday", true);
  CHECK(record.etag() == "\"one\"");
  CHECK(record.date() == "Monday");
  for (const char* each : {"\"one\"", "\"two\"", "Monday", "Tuesday"}) CHECK(record.knows(each));
  CHECK_FALSE(record.knows("\"three\""));
}

TEST_CASE("an answer with another tag or date than pages are given denies what is known") {
  Record record;
  CHECK_FALSE(record.denies("etag\n\"one\""));
  record.learn("etag\n\"one\"\nlast-modified\nMonday", true);
  CHECK_FALSE(record.denies("last-modified\nMonday\netag\n\"one\""));
  for (const char* each : {"", "etag\n\"one\"", "last-modified\nMonday\netag\n\"two\"",
                           "etag\n\"one\"\nlast-modified\nTuesday"}) {
    CAPTURE(each);
    CHECK(record.denies(each));
  }
}

TEST_CASE("whatever tag and date were given for these bytes deny nothing, and none at all does") {
  Record record;
  record.learn("etag\n\"one\"\nlast-modified\nMonday", true);
  record.learn("etag\n\"two\"\nlast-modified\nTuesday", true);
  for (const char* each :
       {"etag\n\"two\"\nlast-modified\nTuesday", "etag\n\"two\"\nlast-modified\nMonday"}) {
    CHECK_FALSE(record.denies(each));
  }
  CHECK(record.denies("etag\n\"two\""));
  CHECK(record.denies("etag\n\"three\"\nlast-modified\nMonday"));
  Record tagless;
  tagless.learn("last-modified\nMonday", true);
  CHECK_FALSE(tagless.denies("last-modified\nMonday"));
  CHECK(tagless.denies("etag\n\"one\"\nlast-modified\nMonday"));
}

TEST_CASE("the phrase of a status is kept with the form of its answer") {
  Record record;
  record.learn("x\ny", false, "Partly");
  CHECK(record.reason() == "Partly");
  CHECK_FALSE(record.is_whole());
  record.learn("x\ny", true, "Very Fine");
  record.learn("x\ny", false, "Partly");
  CHECK(record.reason() == "Very Fine");
  CHECK(record.is_whole());
  record.learn("x\ny", true);
  CHECK(record.reason().empty());
  CHECK(Record().reason().empty());
}

TEST_CASE("our own tag stays where it was given first, and an origin without any gives none") {
  Record ours;
  CHECK(ours.give("\"own\""));
  CHECK_FALSE(ours.give("\"own\""));
  ours.learn("etag\n\"one\"\ncontent-type\nvideo/mp4", true);
  CHECK(ours.etag() == "\"own\"");
  CHECK(ours.knows("\"one\""));
  CHECK(header_of(ours.headers(), "content-type") == "video/mp4");

  Record none;
  none.learn("content-type\nvideo/mp4", true);
  CHECK(none.is_given());
  CHECK(none.etag().empty());
  CHECK_FALSE(none.give("\"own\""));
}

TEST_CASE("the headers of a whole answer stay when a part comes later") {
  Record record;
  record.learn("content-length\n10", false);
  CHECK_FALSE(record.is_whole());
  record.learn("content-encoding\ngzip", true);
  CHECK(record.is_whole());
  record.learn("content-length\n10", false);
  CHECK(record.headers() == "content-encoding\ngzip");
  CHECK(record.is_whole());
}

TEST_CASE("what it is in the store it is when it is read, unless something was given meanwhile") {
  Record record;
  record.learn("etag\n\"one\"\nx-own\na b", true);
  record.learn("etag\n\"two\"", true);
  Record read;
  read.read(record.text());
  CHECK(read.text() == std::string_view(record.text()));
  CHECK(read.knows("\"two\""));
  Record given;
  given.give("\"own\"");
  given.read(record.text());
  CHECK(given.etag() == "\"own\"");
  for (const char* text : {"", "\n", "1", "1\n\n\n\n\n\n", "x\ny"}) {
    Record odd;
    odd.read(text);
    CHECK_FALSE(odd.knows("\"one\""));
    odd.learn("etag\n\"one\"", true);
    CHECK(odd.knows("\"one\""));
  }
}

TEST_CASE("it does not grow without end") {
  Record record;
  for (int i = 0; i < 2000; ++i) {
    record.learn("etag\n\"" + std::to_string(i) + "\"", true);
  }
  CHECK(record.etag() == "\"0\"");
  CHECK(record.knows("\"1999\""));
  CHECK(record.text().size() < 2 * limits::record_bytes);
  record.learn("x-long\n" + std::string(limits::record_bytes, 'x'), true);
  CHECK(record.headers().empty());
}
