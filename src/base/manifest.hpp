// The manifest: which files a site shares. Nothing else opts a file in, and the digests that all
// bytes are checked against follow from its roots.
//
// Fields come in, not text: the border parses the JSON. What is valid is decided here, for every
// build.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "base/bytes.hpp"
#include "base/list.hpp"
#include "base/pieces.hpp"
#include "base/record.hpp"
#include "base/result.hpp"
#include "base/text.hpp"
#include "base/time.hpp"

namespace peer_cdn {

// The digests of a resource's pieces. The caller of parse() has checked the list against the root.
class DigestList {
 public:
  // The list of a resource of one piece is the root itself. digests_mismatch if the length is not
  // 32 bytes for each piece.
  static Result<DigestList> parse(const Geometry& geometry, ByteSpan bytes);
  // The same of 64 hex digits for each piece, or of nothing. False if they are not as many.
  bool read(const Geometry& geometry, std::string_view hex);
  DigestList() = default;
  // Of a resource of one piece.
  explicit DigestList(const Root& root) { digests_.push_back(root); }
  const Digest& operator[](PieceIndex piece) const { return digests_[piece]; }
  // One that is not there yet: a list has a digest at the least.
  bool empty() const { return digests_.empty(); }
  std::size_t size() const { return digests_.size(); }

 private:
  List<Digest> digests_;
};

// What was learned of an origin that does not treat a question for a part as one for the whole.
struct Forms {
  bool has_no_parts = false;  // it refused a part, and was asked for the whole
  bool lost_whole = false;    // what made its last answer of no use is no word on a part
};

// One listed file, valid by construction.
struct Resource {
  Text path;  // a key of base/path.hpp, with "?query" where the entry has one
  Geometry geometry;
  Root root;
  Text type;               // the manifest's, until the origin's was seen
  bool any_query = false;  // a request's query is ignored when the resource is looked up
  Text headers;            // a lower-case name and a value, a line each
  DigestList digests{};    // if the manifest has them
  // What was learned of its origin. Why its last answer could not be used: wrong_digest where only
  // the bytes were others.
  Error lost = Error::none;
  Forms forms{};
  Deadline busy_until{};     // it is not asked more than the page asks
  bool is_broken = false;    // then: its heads are good, and its bodies cannot be read
  Deadline written_until{};  // a page may be changing it
  Record record{};
  std::uint32_t record_asker = 0;  // the exchange for which it is read from the store
  bool is_record_read = false;     // from there, or it has none

  // Only the page's own requests go to its origin, which has no time or cannot be read.
  bool is_spared(Instant now) const { return busy_until && !busy_until.has_passed(now); }

  // Its bytes may be the right ones still, and others when the write has come.
  bool is_being_written(Instant now) const {
    return written_until && !written_until.has_passed(now);
  }

  // What its origin sends as its type, where that was seen.
  void learn_type() {
    const std::string_view seen = header_of(record.headers(), "content-type");
    if (!seen.empty()) type = seen;
  }
};

// What a manifest's JSON says of one path, before it is checked.
struct ResourceFields {
  Text path;
  double bytes = 0;
  double piece_bytes = 0;
  Text root;
  Text type;
  bool any_query = false;
  Text headers;    // a name and a value, a line each
  Text digests{};  // of its pieces, 64 digits each; or nothing
};

// Refused with malformed_manifest: a path that is not absolute or is too long; a fraction, or a
// number out of limits; a root that is not a digest; a type or header that is too long or is not
// printable ASCII; a header that the worker sets itself (content-length, etag, ...); any_query with
// a path that has a query; digests that are not one for each piece.
Result<Resource> parse_resource(const ResourceFields& fields);

// Refused with malformed_manifest: a fraction, and what Geometry::parse() refuses.
Result<Geometry> parse_geometry(double bytes, double piece_bytes);

class Manifest {
 public:
  // A manifest moves and does not copy. What find() gave stays valid in the moved-to manifest.
  Manifest() = default;
  Manifest(Manifest&&) = default;
  Manifest& operator=(Manifest&&) = default;

  // Refused with malformed_manifest: one entry too many (limits::manifest_entries), a path that is
  // listed already, a root that is listed with another length or piece size.
  Result<Resource*> add(Resource resource);
  // The entry for a request's path and query ("/a?b"), however they are spelled: the exact one, or
  // one of that path that has any_query.
  Resource* find(std::string_view path_and_query) const;
  Resource* find(const Root& root) const;
  // The entry of exactly this path.
  Resource* find_path(std::string_view path) const;
  std::size_t size() const { return by_path_.size(); }
  OwnedList<Resource>& resources() { return resources_; }
  const OwnedList<Resource>& resources() const { return resources_; }

 private:
  // Where it is, or would be.
  std::size_t place_of(std::string_view path) const;
  std::size_t place_of(const Root& root) const;

  // Sorted pointers instead of hash tables: the worker is 2 KB gzip smaller, and a look-up copies
  // no path. A manifest's paths mostly come sorted, so they are appended.
  OwnedList<Resource> resources_;
  List<Resource*> by_path_;
  List<Resource*> by_root_;  // for each root the path that came first
};

}  // namespace peer_cdn
