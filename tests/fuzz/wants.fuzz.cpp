// Law: a list that is read is sorted, and no longer than a manifest. Cells that are read are the
// same when they are written and read again. Pages that say lists, change them, come and go are
// told what is there of their own list, and nothing else: when all is told the bits are those of
// the roots that are announced.
#include "signal/wants.hpp"

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "signal/coordinator.hpp"

using namespace peer_cdn;
using namespace peer_cdn::signal;
using namespace std::chrono_literals;

namespace {

void check(bool law) {
  if (!law) std::abort();
}

constexpr std::uint8_t files = 8;

// Its mark begins with the number of the file, as a cut mark.
Root root_of(std::uint8_t file) {
  Root root;
  const Mark mark = Mark{file} << (32 - limits::wants_bits);
  for (std::size_t i = 0; i < 4; ++i)
    root.bytes[i] = static_cast<std::uint8_t>(mark >> (24 - 8 * i));
  return root;
}

// The first bits of a list of all files, in a Rice code without low bits: 0, then a gap of 1 each.
std::string wants_of(std::size_t count) {
  const std::array<const char*, 5> lists{"", "AX", "AVf", "AVX", "AVV"};
  return lists[count % lists.size()];
}

struct Page {
  PeerId peer;
  std::string wants;
  std::vector<bool> told;
};

class Site {
 public:
  void step(std::uint8_t what, std::uint8_t with) {
    Page& page = pages_[with % pages_.size()];
    if (what % 5 == 0 && page.peer.value == 0) {
      page.peer = *coordinator_.handle_connect("https://a", now_);
      page.wants = wants_of(with / pages_.size());
      Hello hello{version, std::string(32, 'a')};
      hello.wants = page.wants;
      coordinator_.handle_message(page.peer, hello, now_);
    } else if (what % 5 == 1 && page.peer.value != 0) {
      page.wants = wants_of(with / pages_.size());
      coordinator_.handle_message(page.peer, Want{page.wants}, now_);
    } else if (what % 5 == 2 && page.peer.value != 0) {
      const List<Root> root{root_of(with / 16 % files)};
      const bool adds = (what & 128) != 0;
      coordinator_.handle_message(page.peer, adds ? Have{root, {}} : Have{{}, root}, now_);
      has_[with % pages_.size()][with / 16 % files] = adds;
    } else if (what % 5 == 3 && page.peer.value != 0) {
      coordinator_.handle_disconnect(page.peer, now_);
      page.peer = PeerId{};
      has_[with % pages_.size()] = {};
    } else {
      now_ += 10s;
      coordinator_.handle_timeout(now_);
    }
    drain();
  }

  void end() {
    now_ += 10s;
    coordinator_.handle_timeout(now_);
    drain();
    for (const Page& page : pages_) {
      if (page.peer.value == 0) continue;
      const std::vector<CutMark> wanted = read_wants(page.wants).value();
      for (std::size_t i = 0; i < wanted.size(); ++i) {
        const bool is_there = std::any_of(has_.begin(), has_.end(), [&](const auto& has) {
          return wanted[i] < files && has[wanted[i]];
        });
        check((i < page.told.size() && page.told[i]) == is_there);
      }
    }
  }

 private:
  void drain() {
    while (auto output = coordinator_.poll_output()) {
      const auto* tell = std::get_if<Tell>(&*output);
      const auto* all = std::get_if<TellAll>(&*output);
      if (tell) hear(tell->peer, tell->message);
      if (all) {
        for (const PeerId peer : all->peers) hear(peer, all->message);
      }
      if (const auto* close = std::get_if<Close>(&*output)) {
        for (std::size_t i = 0; i < pages_.size(); ++i) {
          if (pages_[i].peer != close->peer) continue;
          pages_[i].peer = PeerId{};
          has_[i] = {};
        }
      }
    }
  }

  // Lists here are shorter than a cell.
  void hear(PeerId peer, const Message& message) {
    const auto* present = get_if<Present>(&message);
    if (!present) return;
    check(present->set.has_value() && present->add.empty() && present->remove.empty());
    for (Page& page : pages_) {
      if (page.peer != peer) continue;
      if (present->whole) page.told.assign(files_per_cell, false);
      const auto cells = read_cells(*present->set);
      check(cells && cells->size() <= 1);
      for (const Cell& cell : *cells) {
        check(cell.index == 0);
        for (std::size_t i = 0; i < files_per_cell; ++i)
          page.told[i] = (cell.bits & bit_of(i)) != 0;
      }
    }
  }

  Coordinator coordinator_{1};
  Instant now_{1h};
  std::array<Page, 4> pages_;
  std::array<std::array<bool, files>, 4> has_{};
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto list = read_wants(text);
  if (list) {
    check(list->size() <= limits::manifest_entries && std::is_sorted(list->begin(), list->end()));
    check(list->empty() || list->back() >> limits::wants_bits == 0);
  }
  const auto cells = read_cells(text);
  if (cells) check(read_cells(write_cells(*cells)).value() == *cells);
  Site site;
  for (std::size_t i = 0; i + 1 < size; i += 2) site.step(data[i], data[i + 1]);
  site.end();
  return 0;
}
