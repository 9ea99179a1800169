#include "http/news.hpp"

#include <doctest/doctest.h>

using namespace peer_cdn;
using namespace std::chrono_literals;

namespace {

constexpr Instant start{5s};
constexpr bool calm = true;

TEST_CASE("news of a while go out together") {
  News news;
  CHECK_FALSE(news.next_timeout());
  CHECK_FALSE(news.goes_out(calm, start));
  news.handle(start);
  news.handle(start + limits::progress_wait / 2);
  CHECK(news.next_timeout() == Deadline(start + limits::progress_wait));
  CHECK_FALSE(news.goes_out(calm, start + limits::progress_wait - 1us));
  CHECK(news.goes_out(calm, start + limits::progress_wait));
  CHECK_FALSE(news.next_timeout());
  CHECK_FALSE(news.goes_out(calm, start + 1h));
}

TEST_CASE("news wait while a response has no first byte, but not for long") {
  News news;
  news.handle(start);
  const Instant due = start + limits::progress_wait;
  CHECK_FALSE(news.goes_out(!calm, due - 1us));
  CHECK_FALSE(news.goes_out(!calm, due));
  CHECK(news.next_timeout() == Deadline(due + limits::calm_wait));
  SUBCASE("it begins") {
    CHECK(news.goes_out(calm, due + 1us));
  }
  SUBCASE("another one always waits") {
    CHECK_FALSE(news.goes_out(!calm, due + limits::calm_wait - 1us));
    CHECK(news.goes_out(!calm, due + limits::calm_wait));
  }
  CHECK_FALSE(news.next_timeout());
}

}  // namespace
