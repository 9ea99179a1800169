// The manifest: the trust root, and the only opt-in to sharing (DESIGN section 5).
//
// Fields, not text, come in: the edge parses the JSON, this decides what is valid in every build.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/pieces.hpp"
#include "base/result.hpp"

namespace peer_cdn {

// One listed file, valid by construction.
struct Resource {
  std::string path;  // "/static/app.wasm", with "?query" where the entry has one
  Geometry geometry;
  Root root;
  std::string type;        // the manifest's, until the origin's was seen
  bool any_query = false;  // the query of a request is ignored when it is looked up
  std::vector<std::pair<std::string, std::string>> headers;  // lower-case names
  Error lost = Error::none;  // why the origin's answer could not be used, when that was last so
};

// What a manifest's JSON says of one path, before it is believed.
struct ResourceFields {
  std::string path;
  double bytes = 0;
  double piece_bytes = 0;
  std::string root;
  std::string type;
  bool any_query = false;
  std::vector<std::pair<std::string, std::string>> headers;
};

// malformed_manifest for: a path that is not absolute or is too long, a fraction or a number out of
// limits, a root that is not a digest, a type or header that is too long or has other than
// printable ASCII, a header that the response head owns (content-length, content-encoding,
// content-range, set-cookie, etag, ...), any_query with a path that has a query.
Result<Resource> parse_resource(const ResourceFields& fields);

// malformed_manifest for a fraction, and for what Geometry::parse() refuses.
Result<Geometry> parse_geometry(double bytes, double piece_bytes);

class Manifest {
 public:
  // Moves and does not copy: what find() gave stays valid in the moved-to manifest.
  Manifest() = default;
  Manifest(Manifest&&) = default;
  Manifest& operator=(Manifest&&) = default;

  // malformed_manifest when full (limits::manifest_entries), the path is listed twice, or its root
  // is listed with another length.
  Result<Resource*> add(Resource resource);
  // The entry for a request's path and query ("/a?b"): exact, or by path alone for any_query.
  Resource* find(std::string_view path_and_query) const;
  Resource* find(const Root& root) const;
  std::size_t size() const { return by_path_.size(); }

 private:
  Resource* find_path(std::string_view path) const;

  // Sorted pointers instead of hash tables: 2 KB gzip less in the worker, and look-ups without a
  // copy of the path. A manifest's paths mostly come sorted, so that they are appended.
  std::vector<std::unique_ptr<Resource>> resources_;
  std::vector<Resource*> by_path_;
  std::vector<Resource*> by_root_;  // of each root the first path that came
};

// The digests of a resource's pieces, checked against its root by whoever made the list.
class DigestList {
 public:
  // For one piece the list is the root itself. digests_mismatch if the length is not 32 x count.
  static Result<DigestList> parse(const Geometry& geometry, std::vector<std::uint8_t> bytes);
  const Digest& operator[](PieceIndex piece) const { return digests_[piece]; }
  std::size_t size() const { return digests_.size(); }

 private:
  std::vector<Digest> digests_;
};

}  // namespace peer_cdn
