#include "swarm/upload.hpp"

#include <doctest/doctest.h>

namespace peer_cdn::swarm {
namespace {

using namespace std::chrono_literals;
constexpr Instant start = Instant(100s);
constexpr std::uint32_t full = limits::block_bytes;

Requested request(PieceIndex piece, wire::Handle handle = 1) {
  Root root;
  root.bytes.fill(static_cast<std::uint8_t>(handle));
  return {handle, root, {piece, 0, full}};
}

// Bytes of all the blocks that may go now.
std::uint64_t send_all(Upload& upload, Instant now) {
  std::uint64_t sent = 0;
  for (; upload.ready(now); sent += full) upload.take(full);
  return sent;
}

}  // namespace

TEST_CASE("a rate is kept over time, whatever the rhythm of asking") {
  for (const std::uint64_t rate : {64 * limits::kib, 1 * limits::mib, 10 * limits::mib}) {
    for (const Duration tick : {Duration(1ms), Duration(7ms), Duration(100ms)}) {
      CAPTURE(rate);
      Upload upload;
      upload.handle_options({true, rate, 0}, start);
      std::uint64_t sent = 0;
      for (Instant now = start; now < start + 10s; now += tick) sent += send_all(upload, now);
      CHECK(sent <= 10 * rate + rate / 4 + 2 * full);
      CHECK(sent + full >= 10 * rate * 9 / 10);
    }
  }
}

TEST_CASE("a rate is kept after an hour in which nothing was asked") {
  constexpr std::uint64_t rate = 64 * limits::kib;
  Upload upload;
  upload.handle_options({true, rate, 0}, start);
  std::uint64_t sent = 0;
  for (Instant now = start + 1h; now < start + 1h + 2s; now += 10ms) sent += send_all(upload, now);
  CHECK(sent <= 2 * rate + 2 * full);
}

TEST_CASE("a rate is kept while the caps are said again and again, as a slider says them") {
  constexpr std::uint64_t rate = 64 * limits::kib;
  Upload upload;
  std::uint64_t sent = 0;
  for (Instant now = start; now < start + 10s; now += 10ms) {
    upload.handle_options({now.time_since_epoch() / 10ms % 7 != 0, rate + sent % 100, 0}, now);
    sent += send_all(upload, now);
  }
  CHECK(sent <= 10 * rate + rate / 4 + 2 * full);
  CHECK(sent + full >= 10 * rate * 9 / 10);
}

TEST_CASE("what a higher rate has saved up is not sent under a lower one") {
  Upload upload;
  upload.handle_options({true, 100 * limits::mib, 0}, start);
  CHECK(upload.ready(start + 1s));
  upload.handle_options({true, 64 * limits::kib, 0}, start + 1s);
  CHECK(send_all(upload, start + 1s) <= 2 * full);
}

TEST_CASE("next_ready is when the next block may go, and not before") {
  Upload upload;
  upload.handle_options({true, 64 * limits::kib, 0}, start);
  while (upload.ready(start)) upload.take(full + 100);
  const auto next = upload.next_ready();
  REQUIRE(next);
  CHECK_FALSE(upload.ready(*next - 1us));
  CHECK(upload.ready(*next));
}

TEST_CASE("the total is a cap, and off is off") {
  Upload upload;
  upload.handle_options({true, 0, 100000}, start);
  CHECK(upload.ready(start));
  for (int i = 0; i < 4; ++i) upload.take(full);
  CHECK_FALSE(upload.on());
  CHECK_FALSE(upload.ready(start + 1min));
  upload.handle_options({true, 0, 0}, start);
  CHECK(upload.on());
  upload.handle_options({false, 0, 0}, start);
  CHECK_FALSE(upload.ready(start));
}

TEST_CASE("a channel has room until the least target is full, the host's part included") {
  SendBuffer buffer;
  PieceIndex piece = 0;
  while (buffer.has_room()) buffer.release(request(piece++), start);
  CHECK(piece == limits::buffered_min / full);
  buffer.handle_sent(full, start);  // it went from the host into the channel
  CHECK_FALSE(buffer.has_room());
  buffer.handle_buffered(0, start + 1ms);
  CHECK(buffer.has_room());
}

TEST_CASE("a fast channel holds more, but never beyond the most") {
  SendBuffer buffer;
  Instant now = start;
  for (int i = 0; i < 5000; ++i) {  // 32 MiB/s: 250 ms would be 8 MiB
    buffer.release(request(0), now);
    buffer.handle_sent(full, now);
    now += 1ms;
    buffer.handle_buffered(0, now);
  }
  std::uint64_t bytes = 0;
  while (buffer.has_room()) {
    buffer.release(request(0), now);
    bytes += full;
  }
  CHECK(bytes == limits::buffered_max);
}

TEST_CASE("an unreadable block gives its room back, and is named") {
  SendBuffer buffer;
  buffer.release(request(1), start);
  buffer.release(request(2), start);
  CHECK(buffer.handle_unreadable(request(0).root, 3) == std::nullopt);
  const auto lost = buffer.handle_unreadable(request(0).root, 2);
  REQUIRE(lost);
  CHECK(lost->block.piece == 2);
}

TEST_CASE("more is sent while half is left, and with no less than a moment's bytes") {
  CHECK(refill_at(0) == limits::buffered_low);
  CHECK(refill_at(2 * limits::buffered_low) == limits::buffered_low);
  CHECK(refill_at(limits::buffered_max) == limits::buffered_max / 2);
}

TEST_CASE("one peer's requests are first come, first served, and bounded") {
  Asker asker;
  for (PieceIndex i = 0; i < limits::requests_from_peer; ++i) CHECK(asker.queue(request(i)));
  CHECK_FALSE(asker.queue(request(0)));
  CHECK(asker.take().block.piece == 0);
  CHECK(asker.cancel(1, request(5).block));
  CHECK_FALSE(asker.cancel(1, request(5).block));
  CHECK_FALSE(asker.cancel(2, request(6).block));
  CHECK(asker.take_all(1).size() == limits::requests_from_peer - 2);
  CHECK(asker.empty());
}

TEST_CASE("wants are bounded in number and in rate") {
  Asker asker;
  const Root root = request(0).root;
  for (wire::Handle i = 1; i <= limits::wants_per_pair; ++i) CHECK(asker.want(i, root, start));
  CHECK_FALSE(asker.want(1000, root, start));
  for (wire::Handle i = 1; i <= limits::wants_per_pair; ++i) asker.done(i);
  std::uint32_t more = 0;
  for (wire::Handle i = 2000; asker.want(i, root, start); ++i, ++more) asker.done(i);
  CHECK(more == limits::wants_burst - limits::wants_per_pair);
  CHECK(asker.want(5000, root, start + 1s));
}

}  // namespace peer_cdn::swarm
