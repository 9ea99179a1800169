// What the store holds: its runs by root, as its keys and those who write say, and what leaves it
// so that another run fits.
#pragma once

#include <array>
#include <cstdint>
#include <optional>

#include "base/ids.hpp"
#include "base/limits.hpp"
#include "base/list.hpp"
#include "base/pieces.hpp"
#include "base/result.hpp"

namespace peer_cdn {

class Manifest;

// The bytes that the store may take: what the site asks for, or else half of what the browser
// offers, at most limits::store_bytes. Not a positive number: nothing was asked, or is known.
std::uint64_t store_quota(double asked_bytes, double browser_bytes);

class Holdings {
 public:
  // The bytes that it may take; 0 where neither the site nor the browser says.
  void set_quota(double asked_bytes, double browser_bytes);
  void clear();
  // A run is stored, or about to be; an empty one: there is but a digest list. The order of the
  // calls is the age of the roots. The same run again changes nothing.
  void add(const Root& root, PieceRange run, const Manifest& manifest);
  // A run is gone, or its bytes went bad. What it took counts until the store is listed anew.
  void forget(const Root& root, PieceRange run);

  bool holds(const Root& root) const { return find(root) != nullptr; }
  PieceSet pieces(const Root& root, std::uint32_t count) const;
  // The run that holds this piece and reaches furthest.
  std::optional<PieceRange> run_with(const Root& root, PieceIndex piece) const;
  bool is_over_quota() const { return used_bytes_ > quota_bytes_; }
  // Whether that run fits.
  bool fits(const Root& root, PieceRange run, const Manifest& manifest) const;
  // Adds the roots to drop, forgotten here, so that the run fits: what the manifest does not list
  // any more before what it lists, the oldest before the newer. `is_full`: the browser refused the
  // run, whatever the quota. `is_open` says which roots a response has open. storage_full if that
  // cannot be done without those: then nothing is dropped for nothing.
  template <class IsOpen>
  // NOLINTNEXTLINE(readability-function-size): as below, and who is open
  Error make_room(const Root& root, PieceRange run, bool is_full, const Manifest& manifest,
                  IsOpen&& is_open, List<Root>& dropped) {
    mark_open(is_open);
    return make_room(root, run, is_full, manifest, dropped);
  }
  // What the manifest does not list any more and no response has open, forgotten here.
  template <class IsOpen>
  List<Root> drop_unlisted(const Manifest& manifest, IsOpen&& is_open) {
    mark_open(is_open);
    return drop_unlisted(manifest);
  }

 private:
  struct Entry {
    Root root;
    List<PieceRange> runs;
    std::uint64_t bytes = 0;
    bool open = false;
    Entry* next = nullptr;  // on its shelf
    // The place of this run; their number if it is not there.
    std::size_t place(PieceRange run) const {
      std::size_t at = 0;
      while (at < runs.size() && !(runs[at] == run)) ++at;
      return at;
    }
  };
  template <class IsOpen>
  void mark_open(const IsOpen& is_open) {
    for (Entry& each : entries_) each.open = is_open(each.root);
  }
  // Where its shelf has it, or has room for it.
  Entry** place(const Root& root);
  const Entry* find(const Root& root) const { return *const_cast<Holdings*>(this)->place(root); }
  void drop(const Root& root);
  Error make_room(const Root& root, PieceRange run, bool is_full, const Manifest& manifest,
                  List<Root>& dropped);
  List<Root> drop_unlisted(const Manifest& manifest);

  OwnedList<Entry> entries_;  // oldest first
  // The same by a root's first byte: 40 of 10,000 roots share a shelf. Sorted pointers would cost a
  // worker that lists such a store 200 MB of moved memory.
  std::array<Entry*, 256> shelves_{};
  std::uint64_t used_bytes_ = 0;
  std::uint64_t quota_bytes_ = limits::store_bytes;
};

}  // namespace peer_cdn
