// Reads one table of tests/vectors/<name>.json, the tables that the JavaScript tests read too.
#pragma once

#include <doctest/doctest.h>

#include <cstdio>
#include <nlohmann/json.hpp>
#include <string>

namespace peer_cdn {

inline nlohmann::ordered_json read_vectors(const std::string& name, const std::string& table) {
  const std::string path = std::string(TESTS_DIR) + "/vectors/" + name + ".json";
  std::FILE* file = std::fopen(path.c_str(), "rb");
  REQUIRE_MESSAGE(file, path);
  auto json = nlohmann::ordered_json::parse(file, nullptr, /*allow_exceptions=*/false);
  std::fclose(file);
  REQUIRE_MESSAGE(!json.is_discarded(), path);
  REQUIRE_MESSAGE(json.contains(table), table);
  return json[table];
}

}  // namespace peer_cdn
