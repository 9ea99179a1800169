// What a manifest lists, as far as other visitors are concerned: the marks of all files, so that
// the coordinator says which of them anybody has, and the heaviest files, for which connections are
// made ahead of need.
#pragma once

#include <cstddef>

#include "base/flat.hpp"
#include "base/ids.hpp"
#include "base/limits.hpp"
#include "base/list.hpp"
#include "base/pieces.hpp"
#include "signal/message.hpp"

namespace peer_cdn::peer {

class Listing {
 public:
  struct File {
    Root root;
    Geometry geometry;
  };

  // In the order of the manifest. A root that is listed again, and what is listed beyond a
  // manifest's end, changes nothing.
  void add(const Root& root, const Geometry& geometry) {
    const Mark mark = mark_of(root);
    if (marks_.contains(mark) || marks_.size() == limits::manifest_entries) return;
    marks_.insert(mark);
    std::size_t place = 0;
    while (place < heaviest_.size() && heaviest_[place].geometry.bytes() < geometry.bytes()) {
      ++place;
    }
    heaviest_.insert(place, {root, geometry});
    if (heaviest_.size() > limits::listed_roots) heaviest_.erase(std::size_t{0});
  }
  const FlatSet<Mark>& marks() const { return marks_; }
  // The heaviest last; of equals the one that was listed first.
  const List<File>& heaviest() const { return heaviest_; }

 private:
  FlatSet<Mark> marks_;
  List<File> heaviest_;
};

}  // namespace peer_cdn::peer
