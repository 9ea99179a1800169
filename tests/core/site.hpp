// A site on a host that fails the test when the engine breaks a law (tests/core/host.hpp).
#pragma once

#include <doctest/doctest.h>

#include <initializer_list>
#include <string>
#include <utility>
#include <vector>

#include "host.hpp"

namespace peer_cdn {

inline void must_hold(bool holds, const char* what) {
  REQUIRE_MESSAGE(holds, std::string(what));
}

// Its one route takes everything. Of the manifest each file is 64 KiB a piece.
struct Site : Host {
  Site() : Host(must_hold) {}
  Site(std::initializer_list<PluginKind> kinds, const std::vector<ResourceFields>& files,
       Strategy strategy = Strategy::ordered)
      : Host(must_hold) {
    route(kinds, strategy);
    start(files);
    said();
  }
  Site(const List<Plugin>& plugins, const std::vector<ResourceFields>& files) : Host(must_hold) {
    route(plugins);
    start(files);
    said();
  }
};

// One file of so many pieces.
inline std::vector<ResourceFields> file_of(PieceIndex pieces) {
  return {Host::file("/f", 65536.0 * pieces)};
}

}  // namespace peer_cdn
