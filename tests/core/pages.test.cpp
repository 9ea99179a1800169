#include "http/pages.hpp"

#include <doctest/doctest.h>

#include <optional>
#include <vector>

using namespace peer_cdn;
using namespace std::chrono_literals;

namespace {

Root root_of(std::uint32_t mark) {
  Root root;
  for (std::size_t i = 0; i < sizeof mark; ++i) {
    root.bytes[i] = static_cast<std::uint8_t>(mark >> (24 - 8 * i));
  }
  return root;
}

}  // namespace

TEST_CASE("the requester is asked, or else the page that is there longest") {
  Pages pages;
  CHECK_FALSE(pages.choose({1}));
  pages.handle_hello({1}, Instant(1s));
  pages.handle_hello({2}, Instant(2s));
  pages.handle_hello({3}, Instant(3s));
  CHECK(pages.choose({2}) == PageId{2});
  CHECK(pages.choose({}) == PageId{1});
  CHECK(pages.choose({9}) == PageId{1});
  // A second hello does not make it the youngest.
  pages.handle_hello({1}, Instant(4s));
  CHECK(pages.choose({}) == PageId{1});
  pages.handle_bye({1});
  CHECK(pages.choose({1}) == PageId{2});
  pages.handle_bye({9});
  pages.handle_bye({3});
  pages.handle_bye({2});
  CHECK_FALSE(pages.choose({2}));
}

TEST_CASE("a page that was silent is asked by others when every other page was silent too") {
  Pages pages;
  for (const std::uint32_t each : {1U, 2U, 3U}) pages.handle_hello({each}, Instant(1s));
  pages.handle_silent({1});
  CHECK(pages.choose({}) == PageId{2});
  CHECK(pages.choose({1}) == PageId{1});
  pages.handle_silent({2});
  pages.handle_silent({9});
  CHECK(pages.choose({}) == PageId{3});
  pages.handle_heard({2}, Instant(1h));
  CHECK(pages.choose({}) == PageId{2});
  for (const std::uint32_t each : {2U, 3U}) pages.handle_silent({each});
  CHECK(pages.choose({}) == PageId{1});
}

TEST_CASE("a request waits for a hello only while no page is known in the worker's first moments") {
  Pages pages;
  CHECK_FALSE(pages.hello_until(Instant(0s)));
  pages.handle_start(Instant(10s));
  CHECK(pages.hello_until(Instant(10s)) == Instant(10s + limits::ack_wait));
  CHECK_FALSE(pages.hello_until(Instant(10s + limits::ack_wait)));
  pages.handle_hello({1}, Instant(10s));
  CHECK_FALSE(pages.hello_until(Instant(10s)));
  pages.handle_bye({1});
  CHECK(pages.hello_until(Instant(10s)));
}

TEST_CASE("a page that was heard lately may take longer to say that it got a request") {
  Pages pages;
  CHECK(pages.ack_wait({1}, Instant(0s)) == limits::ack_wait);
  pages.handle_heard({1}, Instant(0s));
  CHECK(pages.ack_wait({1}, Instant(0s)) == limits::ack_wait);
  pages.handle_hello({1}, Instant(0s));
  CHECK(pages.ack_wait({1}, Instant(0s)) == limits::busy_ack_wait);
  CHECK(pages.ack_wait({2}, Instant(0s)) == limits::ack_wait);
  const Instant later = Instant(limits::heard_memory);
  CHECK(pages.ack_wait({1}, later - 1us) == limits::busy_ack_wait);
  CHECK(pages.ack_wait({1}, later) == limits::ack_wait);
  pages.handle_heard({1}, later);
  CHECK(pages.ack_wait({1}, later) == limits::busy_ack_wait);
  pages.handle_silent({1});
  CHECK(pages.ack_wait({1}, later) == limits::ack_wait);
}

TEST_CASE("somebody may have what a page was told of, and anything by a page that told nothing") {
  const Root here = root_of(0x01020304);
  const Root other = root_of(0x01020305);
  Pages pages;
  CHECK_FALSE(pages.may_be_present(here));  // nobody is there to be asked
  pages.handle_hello({1}, Instant(0s));
  CHECK(pages.may_be_present(here));
  pages.handle_present({1}, {}, 0);
  CHECK_FALSE(pages.may_be_present(here));
  pages.handle_present({1}, {mark_of(here), mark_of(here)}, 2);
  CHECK(pages.may_be_present(here));
  CHECK_FALSE(pages.may_be_present(other));
  pages.handle_present({1}, {mark_of(other), mark_of(here), 7}, 1);
  CHECK_FALSE(pages.may_be_present(here));
  CHECK(pages.may_be_present(other));
  // A page that is not known tells nothing; one that comes has yet to tell.
  pages.handle_present({2}, {mark_of(here)}, 1);
  CHECK_FALSE(pages.may_be_present(here));
  pages.handle_hello({2}, Instant(0s));
  CHECK(pages.may_be_present(here));
  pages.handle_present({2}, {}, 0);
  CHECK_FALSE(pages.may_be_present(here));
  // After a hello a page tells all anew.
  pages.handle_hello({1}, Instant(1s));
  pages.handle_present({1}, {}, 0);
  CHECK_FALSE(pages.may_be_present(other));
}
