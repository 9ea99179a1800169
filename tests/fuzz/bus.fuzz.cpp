// Laws: whatever comes over the bus, no frame harms a coordinator, and what it tells its visitors
// is within bounds and JSON. A frame that is valid is read as it would be written again.
//
// Input: a byte that says how many bytes the next frame has, times four, and the frame; again and
// again. A frame's head is ours where its first byte is odd, so that records are reached soon.
#include "signal/bus.hpp"

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "signal/coordinator.hpp"
#include "signal/json.hpp"

using namespace peer_cdn;
using namespace peer_cdn::signal;

namespace {

void check(bool law) {
  if (!law) std::abort();
}

constexpr Instant start{std::chrono::hours(1)};

void check_text(const Text& text) {
  check(text.size() <= 2 * limits::signal_bytes + 1024);
  check(nlohmann::json::accept(std::string_view(text)));
}

// Nothing that the bus says reaches anybody who is not here.
void drain(Coordinator& coordinator, const std::vector<PeerId>& peers, Instant now) {
  const auto is_here = [&](PeerId peer) {
    check(std::find(peers.begin(), peers.end(), peer) != peers.end());
  };
  while (auto output = coordinator.poll_output()) {
    Text text;
    if (const auto* tell = std::get_if<Tell>(&*output)) {
      is_here(tell->peer);
      append_text(text, tell->message);
    } else if (const auto* relay = std::get_if<Relay>(&*output)) {
      is_here(relay->signal.peer);
      append_text(text, relay->from, relay->signal);
    } else if (const auto* all = std::get_if<TellAll>(&*output)) {
      for (const PeerId peer : all->peers) is_here(peer);
      append_text(text, all->message);
    } else {
      continue;
    }
    check_text(text);
  }
  while (auto publish = coordinator.poll_publish(now)) {
    check(publish->frame.size() <= limits::bus_frame_bytes);
    check(static_cast<bool>(bus::read_frame(bytes_of(publish->frame))));
  }
}

void check_again(ByteSpan bytes) {
  const auto frame = bus::read_frame(bytes);
  if (!frame) return;
  Text text;
  bus::append_head(text, frame->head);
  for (const bus::Record& record : frame->records) bus::append_record(text, record);
  const auto again = bus::read_frame(bytes_of(text));
  check(again && *again == *frame);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  Coordinator coordinator{1};
  Instant now = start;
  coordinator.handle_bus_open(1, now);
  std::vector<PeerId> peers;
  Root root;
  root.bytes[0] = 1;
  for (const char browser : {'a', 'b', 'c'}) {
    const auto peer = coordinator.handle_connect("https://a", now);
    peers.push_back(*peer);
    // Numbers that an input can name.
    Hello hello{version, std::string(32, browser), PeerId{static_cast<std::uint32_t>(browser)}};
    hello.peers = {PeerId{1}, PeerId{2}};
    hello.lean = browser == 'b';
    coordinator.handle_message(*peer, hello, now);
    peers.back() = hello.peer;
    peers.push_back(*peer);
    if (browser != 'c') coordinator.handle_message(hello.peer, Have{{root}, {}}, now);
  }
  drain(coordinator, peers, now);
  for (std::size_t at = 0; at < size;) {
    const std::size_t count = std::min(size - at - 1, std::size_t{4} * data[at]);
    std::vector<std::uint8_t> frame(data + at + 1, data + at + 1 + count);
    at += count + 1;
    if (!frame.empty() && (frame[0] & 1) != 0) {
      Text head;
      // In step, or after a frame that is missing.
      bus::append_head(head, {2, frame[0] == 255 ? 9u : 0u, false});
      frame.erase(frame.begin());
      frame.insert(frame.begin(), head.begin(), head.end());
    }
    check_again(frame);
    now += std::chrono::milliseconds(count % 64);
    coordinator.handle_frame(frame, now);
    coordinator.handle_message(PeerId{'a'}, Ask{{root}}, now);
    coordinator.handle_timeout(now);
    drain(coordinator, peers, now);
  }
  for (const PeerId peer : peers) coordinator.handle_disconnect(peer, now);
  drain(coordinator, peers, now);
  check(coordinator.stats().peers == 0);
  return 0;
}
