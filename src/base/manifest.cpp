#include "base/manifest.hpp"

#include <algorithm>
#include <cstring>

#include "base/limits.hpp"
#include "base/path.hpp"
#include "base/text.hpp"

namespace peer_cdn {
namespace {

// Headers that the worker sets itself, and those that hold for one connection or one visitor only.
constexpr std::string_view owned_headers =
    "accept-ranges\n"
    "age\n"
    "connection\n"
    "content-encoding\n"
    "content-length\n"
    "content-range\n"
    "content-type\n"
    "date\n"
    "etag\n"
    "keep-alive\n"
    "last-modified\n"
    "set-cookie\n"
    "set-cookie2\n"
    "trailer\n"
    "transfer-encoding\n"
    "upgrade\n"
    "x-content-type-options\n";

// An absolute path as URL.pathname + URL.search give it: nothing in it that a URL parser would read
// as another host, a fragment or another path.
bool is_path(std::string_view path) {
  if (path.empty() || path.size() > limits::path_bytes || path[0] != '/') return false;
  if (path.size() > 1 && path[1] == '/') return false;
  return std::all_of(path.begin(), path.end(),
                     [](char c) { return c > ' ' && c < '\x7f' && c != '\\' && c != '#'; });
}

bool is_field_value(std::string_view value) {
  return std::all_of(value.begin(), value.end(),
                     [](char c) { return c == '\t' || (c >= ' ' && c < '\x7f'); });
}

// A name and a value, a line each. Makes the names lower-case. False: they cannot be used.
bool take_headers(Text& headers) {
  std::string_view rest = headers;
  for (std::size_t count = 0; !rest.empty(); ++count) {
    char* letters = headers.begin() + (headers.size() - rest.size());
    const std::string_view name = take_line(rest);
    const std::string_view value = take_line(rest);
    if (count == limits::headers_per_resource ||
        name.size() + value.size() > limits::header_bytes || !is_token(name) ||
        !is_field_value(value)) {
      return false;
    }
    for (std::size_t i = 0; i < name.size(); ++i) letters[i] = to_lower(letters[i]);
    if (has_line(owned_headers, name)) return false;
  }
  return true;
}

// A whole number from 1 to max, else 0.
std::uint64_t whole(double value, std::uint64_t max) {
  if (!(value >= 1 && value <= static_cast<double>(max))) return 0;
  const auto number = static_cast<std::uint64_t>(value);
  return static_cast<double>(number) == value ? number : 0;
}

bool is_before_path(const Resource* resource, std::string_view path) {
  return resource->path < path;
}

bool is_before_root(const Resource* resource, const Root& root) {
  return std::memcmp(resource->root.bytes.data(), root.bytes.data(), Digest::bytes_size) < 0;
}

}  // namespace

Result<Geometry> parse_geometry(double bytes, double piece_bytes) {
  return Geometry::parse(whole(bytes, limits::resource_bytes_max),
                         whole(piece_bytes, limits::piece_bytes_max));
}

Result<Resource> parse_resource(const ResourceFields& fields) {
  // any_query looks up a path without its query, which a path with a query never equals.
  const bool is_ambiguous =
      fields.any_query && std::string_view(fields.path).find('?') != std::string_view::npos;
  const auto geometry = parse_geometry(fields.bytes, fields.piece_bytes);
  const auto root = parse_digest(fields.root);
  if (!is_path(fields.path) || is_ambiguous || !geometry || !root ||
      fields.type.size() > limits::type_bytes || !is_field_value(fields.type)) {
    return Error::malformed_manifest;
  }
  Resource resource{path_key(fields.path), *geometry,        *root,
                    fields.type,           fields.any_query, fields.headers};
  if (!take_headers(resource.headers) || !resource.digests.read(*geometry, fields.digests)) {
    return Error::malformed_manifest;
  }
  return resource;
}

Result<Resource*> Manifest::add(Resource resource) {
  if (by_path_.size() >= limits::manifest_entries) return Error::malformed_manifest;
  if (find_path(resource.path)) return Error::malformed_manifest;
  // A root names one content, cut in one way. Two lengths of it would share one place in the store.
  const Resource* twin = find(resource.root);
  if (twin && (twin->geometry.bytes() != resource.geometry.bytes() ||
               twin->geometry.piece_bytes() != resource.geometry.piece_bytes())) {
    return Error::malformed_manifest;
  }
  Resource* added = &resources_.add(new Resource(std::move(resource)));
  by_path_.insert(place_of(added->path), added);
  if (!twin) by_root_.insert(place_of(added->root), added);
  return added;
}

std::size_t Manifest::place_of(std::string_view path) const {
  const auto at = std::lower_bound(by_path_.begin(), by_path_.end(), path, is_before_path);
  return static_cast<std::size_t>(at - by_path_.begin());
}

std::size_t Manifest::place_of(const Root& root) const {
  const auto at = std::lower_bound(by_root_.begin(), by_root_.end(), root, is_before_root);
  return static_cast<std::size_t>(at - by_root_.begin());
}

Resource* Manifest::find_path(std::string_view path) const {
  const std::size_t at = place_of(path);
  return at < by_path_.size() && by_path_[at]->path == path ? by_path_[at] : nullptr;
}

Resource* Manifest::find(std::string_view path_and_query) const {
  const Text key = path_key(path_and_query);
  if (Resource* exact = find_path(key)) return exact;
  const std::size_t query = std::string_view(key).find('?');
  if (query == std::string_view::npos) return nullptr;
  Resource* bare = find_path(std::string_view(key).substr(0, query));
  return bare && bare->any_query ? bare : nullptr;
}

Resource* Manifest::find(const Root& root) const {
  const std::size_t at = place_of(root);
  return at < by_root_.size() && by_root_[at]->root == root ? by_root_[at] : nullptr;
}

bool DigestList::read(const Geometry& geometry, std::string_view hex) {
  constexpr std::size_t digits = 2 * Digest::bytes_size;
  for (; hex.size() >= digits; hex.remove_prefix(digits)) {
    const auto digest = parse_digest(hex.substr(0, digits));
    if (!digest) return false;
    digests_.push_back(*digest);
  }
  return hex.empty() && (digests_.empty() || digests_.size() == geometry.count());
}

Result<DigestList> DigestList::parse(const Geometry& geometry, ByteSpan bytes) {
  if (bytes.size() != std::size_t{geometry.count()} * Digest::bytes_size) {
    return Error::digests_mismatch;
  }
  DigestList list;
  for (std::size_t at = 0; at < bytes.size(); at += Digest::bytes_size) {
    Digest digest;
    std::memcpy(digest.bytes.data(), bytes.data() + at, Digest::bytes_size);
    list.digests_.push_back(digest);
  }
  return list;
}

}  // namespace peer_cdn
