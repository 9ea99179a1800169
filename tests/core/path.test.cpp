#include "base/path.hpp"

#include "vectors.hpp"

namespace peer_cdn {
namespace {

TEST_CASE("a path is compared as file servers read it") {
  for (const auto& row : read_vectors("paths", "paths")) {
    CAPTURE(row["case"].get<std::string>());
    const Text key = path_key(row["path"].get<std::string>());
    CHECK(std::string(std::string_view(key)) == row["key"].get<std::string>());
  }
}

}  // namespace
}  // namespace peer_cdn
