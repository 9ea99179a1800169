// What the store holds: its runs by root, as its keys and those who write say, and what leaves it
// so that another run fits.
#pragma once

#include <cstdint>
#include <optional>

#include "base/ids.hpp"
#include "base/limits.hpp"
#include "base/list.hpp"
#include "base/pieces.hpp"
#include "base/result.hpp"

namespace peer_cdn {

class Manifest;

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
  // The roots to drop, and forgotten here, so that the run fits. `is_full`: the browser refused it,
  // whatever the quota. `is_open` says which roots a response has open. storage_full if that cannot
  // be done without those.
  template <class IsOpen>
  Result<List<Root>> make_room(const Root& root, PieceRange run, bool is_full,
                               const Manifest& manifest, IsOpen&& is_open) {
    for (Entry& each : entries_) {
      // Its last runs may be written after its response has ended: it does not give way to itself.
      each.open = is_open(each.root) || (each.root == root && !run.empty());
    }
    return make_room(root, run, is_full, manifest);
  }
  // What the manifest does not list any more and no response has open, forgotten here.
  template <class IsOpen>
  List<Root> drop_unlisted(const Manifest& manifest, IsOpen&& is_open) {
    for (Entry& each : entries_) each.open = is_open(each.root);
    return drop_unlisted(manifest);
  }

 private:
  struct Entry {
    Root root;
    List<PieceRange> runs;
    std::uint64_t bytes = 0;
    bool open = false;
  };
  const Entry* find(const Root& root) const;
  void drop(const Root& root);
  Result<List<Root>> make_room(const Root& root, PieceRange run, bool is_full,
                               const Manifest& manifest);
  List<Root> drop_unlisted(const Manifest& manifest);

  OwnedList<Entry> entries_;  // oldest first
  std::uint64_t used_bytes_ = 0;
  std::uint64_t quota_bytes_ = limits::store_bytes;
};

}  // namespace peer_cdn
