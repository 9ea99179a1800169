#include "base/manifest.hpp"

#include <doctest/doctest.h>

#include <limits>
#include <string>

#include "base/limits.hpp"

namespace peer_cdn {
namespace {

ResourceFields fields(std::string path = "/heavy/app.wasm", char root = 'a') {
  ResourceFields fields;
  fields.path = std::move(path);
  fields.bytes = 32232419;
  fields.piece_bytes = 65536;
  fields.root = std::string(64, root);
  fields.type = "application/wasm";
  return fields;
}

Resource resource(std::string path, char root = 'a', bool any_query = false) {
  ResourceFields from = fields(std::move(path), root);
  from.any_query = any_query;
  auto parsed = parse_resource(from);
  REQUIRE(parsed);
  return parsed.value();
}

TEST_CASE("what a manifest says of a resource is kept as it stands") {
  ResourceFields from = fields("/img/a.webp?v=2");
  from.headers = "Cache-Control\nmax-age=600\nlink\n</a>; rel=preload";
  const auto parsed = parse_resource(from);
  REQUIRE(parsed);
  CHECK(parsed->path == "/img/a.webp?v=2");
  CHECK(parsed->geometry.bytes() == 32232419);
  CHECK(parsed->geometry.count() == 492);
  CHECK(to_hex(parsed->root) == std::string(64, 'a'));
  CHECK(parsed->type == "application/wasm");
  CHECK(parsed->headers == "cache-control\nmax-age=600\nlink\n</a>; rel=preload");
}

TEST_CASE("a resource out of limits or of form is refused") {
  struct Row {
    const char* name;
    void (*change)(ResourceFields&);
  };
  const Row rows[] = {
      {"no path", [](ResourceFields& f) { f.path = ""; }},
      {"a relative path", [](ResourceFields& f) { f.path = "a.png"; }},
      {"another host", [](ResourceFields& f) { f.path = "//evil.example/a"; }},
      {"another host by a backslash", [](ResourceFields& f) { f.path = "/\\evil.example/a"; }},
      {"a fragment", [](ResourceFields& f) { f.path = "/a#b"; }},
      {"a space", [](ResourceFields& f) { f.path = "/a b"; }},
      {"a control character", [](ResourceFields& f) { f.path = "/a\nb"; }},
      {"a letter that URLs encode", [](ResourceFields& f) { f.path = "/\xc3\xa4"; }},
      {"a long path",
       [](ResourceFields& f) { f.path = "/" + std::string(limits::path_bytes, 'a'); }},
      {"no bytes", [](ResourceFields& f) { f.bytes = 0; }},
      {"fewer", [](ResourceFields& f) { f.bytes = -1; }},
      {"a fraction", [](ResourceFields& f) { f.bytes = 1.5; }},
      {"not a number",
       [](ResourceFields& f) { f.bytes = std::numeric_limits<double>::quiet_NaN(); }},
      {"infinity", [](ResourceFields& f) { f.bytes = std::numeric_limits<double>::infinity(); }},
      {"too many pieces", [](ResourceFields& f) { f.bytes = 2048.0 * 65536 + 1; }},
      {"too many bytes", [](ResourceFields& f) { f.bytes = 1e300; }},
      {"no piece size", [](ResourceFields& f) { f.piece_bytes = 0; }},
      {"a small piece", [](ResourceFields& f) { f.piece_bytes = 32768; }},
      {"a large piece", [](ResourceFields& f) { f.piece_bytes = 33554432; }},
      {"no power of two", [](ResourceFields& f) { f.piece_bytes = 65537; }},
      {"2^32 more", [](ResourceFields& f) { f.piece_bytes = 4294967296.0 + 65536; }},
      {"no root", [](ResourceFields& f) { f.root = ""; }},
      {"upper-case digits", [](ResourceFields& f) { f.root = std::string(64, 'A'); }},
      {"a long type", [](ResourceFields& f) { f.type = std::string(limits::type_bytes + 1, 'a'); }},
      {"a line break in the type", [](ResourceFields& f) { f.type = "text/html\r\nx: y"; }},
      {"any query of one query", [](ResourceFields& f) { f.path = "/a?b", f.any_query = true; }},
      {"a header without a name", [](ResourceFields& f) { f.headers = "\nx"; }},
      {"a header's name with a colon", [](ResourceFields& f) { f.headers = "a:\nx"; }},
      {"a line break in a header", [](ResourceFields& f) { f.headers = "a\nx\ny: z"; }},
      {"a long header",
       [](ResourceFields& f) { f.headers = "a\n" + std::string(limits::header_bytes, 'x'); }},
      {"many headers",
       [](ResourceFields& f) {
         for (std::size_t i = 0; i <= limits::headers_per_resource; ++i) f.headers += "a\nb\n";
       }},
      {"the body's length", [](ResourceFields& f) { f.headers = "Content-Length\n5"; }},
      {"the body's encoding", [](ResourceFields& f) { f.headers = "content-encoding\ngzip"; }},
      {"the body's range", [](ResourceFields& f) { f.headers = "content-range\nx"; }},
      {"the body's type", [](ResourceFields& f) { f.headers = "CONTENT-TYPE\ntext/html"; }},
      {"the body's etag", [](ResourceFields& f) { f.headers = "ETag\n\"x\""; }},
      {"digests of fewer pieces", [](ResourceFields& f) { f.digests = std::string(64, 'a'); }},
      {"digests that end early",
       [](ResourceFields& f) { f.digests = std::string(64 * 492 - 1, 'a'); }},
      {"a cookie", [](ResourceFields& f) { f.headers = "set-cookie\na=b"; }},
  };
  CHECK(parse_resource(fields()));
  for (const Row& row : rows) {
    CAPTURE(row.name);
    ResourceFields from = fields();
    row.change(from);
    CHECK(parse_resource(from).error() == Error::malformed_manifest);
  }
}

TEST_CASE("a manifest may have the digests of a resource's pieces") {
  ResourceFields from = fields();
  from.bytes = 3 * from.piece_bytes;
  from.digests = std::string(64, 'a') + std::string(64, 'b') + std::string(64, 'c');
  const auto parsed = parse_resource(from);
  REQUIRE(parsed);
  REQUIRE(parsed->digests.size() == 3);
  CHECK(parsed->digests[1] == *parse_digest(std::string(64, 'b')));
  CHECK(parse_resource(fields())->digests.empty());
}

TEST_CASE("a request is looked up with its query") {
  Manifest manifest;
  REQUIRE(manifest.add(resource("/a", 'a')));
  REQUIRE(manifest.add(resource("/a?v=2", 'b')));
  REQUIRE(manifest.add(resource("/any", 'c', true)));
  CHECK(manifest.size() == 3);
  CHECK(manifest.find("/a")->root == *parse_digest(std::string(64, 'a')));
  CHECK(manifest.find("/a?v=2")->root == *parse_digest(std::string(64, 'b')));
  CHECK(manifest.find("/a?v=3") == nullptr);
  CHECK(manifest.find("/any?x=1&y=?")->path == "/any");
  CHECK(manifest.find("/any")->path == "/any");
  CHECK(manifest.find("/any/") == nullptr);
  CHECK(manifest.find("/A") == nullptr);
  CHECK(manifest.find("") == nullptr);
  CHECK(manifest.find("?") == nullptr);
}

TEST_CASE("a path is found in whatever spelling, and listed once") {
  Manifest manifest;
  REQUIRE(manifest.add(resource("/%40scope/caf%c3%a9.bin", 'a')));
  CHECK(manifest.find("/@scope/caf%C3%A9.bin")->path == "/@scope/caf%c3%a9.bin");
  CHECK(manifest.find("/@s%63ope/caf%C3%A9%2ebin") != nullptr);
  CHECK(manifest.find("/@scope%2Fcaf%C3%A9.bin") == nullptr);
  CHECK(manifest.find("/@scope//caf%C3%A9.bin") == nullptr);
  CHECK(manifest.add(resource("/@scope/caf%C3%A9.bin", 'b')).error() == Error::malformed_manifest);
  REQUIRE(manifest.add(resource("/%61ny", 'c', true)));
  CHECK(manifest.find("/an%79?x=%61")->path == "/any");
  REQUIRE(manifest.add(resource("/q?%61=%62", 'd')));
  CHECK(manifest.find("/q?a=b") == nullptr);
  CHECK(manifest.find("/%71?%61=%62") != nullptr);
}

TEST_CASE("a root is found by the first path that has it") {
  Manifest manifest;
  REQUIRE(manifest.add(resource("/a", 'a')));
  REQUIRE(manifest.add(resource("/copy", 'a')));
  CHECK(manifest.find(*parse_digest(std::string(64, 'a')))->path == "/a");
  CHECK(manifest.find(Root{}) == nullptr);
}

TEST_CASE("a path is listed once, and a root with one length and one piece size") {
  Manifest manifest;
  REQUIRE(manifest.add(resource("/a", 'a')));
  CHECK(manifest.add(resource("/a", 'b')).error() == Error::malformed_manifest);
  ResourceFields other = fields("/b", 'a');
  other.bytes -= 1;
  CHECK(manifest.add(parse_resource(other).value()).error() == Error::malformed_manifest);
  other = fields("/b", 'a');
  other.piece_bytes *= 2;
  CHECK(manifest.add(parse_resource(other).value()).error() == Error::malformed_manifest);
  CHECK(manifest.size() == 1);
  CHECK(manifest.find("/b") == nullptr);
  // A refused entry costs only itself.
  CHECK(manifest.find("/a")->geometry.bytes() == 32232419);
  REQUIRE(manifest.add(resource("/b", 'a')));
  CHECK(manifest.find("/b")->geometry.bytes() == 32232419);
}

TEST_CASE("a manifest has a limit, and what was found stays where it is") {
  Manifest manifest;
  const Resource* first = manifest.add(resource("/0")).value();
  for (std::size_t i = 1; i < limits::manifest_entries; ++i) {
    REQUIRE(manifest.add(resource("/" + std::to_string(i))));
  }
  CHECK(manifest.add(resource("/more")).error() == Error::malformed_manifest);
  const Manifest moved = std::move(manifest);
  CHECK(moved.find("/0") == first);
  CHECK(moved.find(first->root) == first);
}

TEST_CASE("a digest list is as long as the resource has pieces") {
  const auto geometry = Geometry::parse(65537, 65536).value();
  std::vector<std::uint8_t> bytes(64);
  bytes[0] = 1;
  bytes[63] = 2;
  const auto list = DigestList::parse(geometry, bytes);
  REQUIRE(list);
  CHECK(list->size() == 2);
  CHECK((*list)[0].bytes[0] == 1);
  CHECK((*list)[1].bytes[31] == 2);
  for (const std::size_t size : {0U, 32U, 63U, 65U, 96U}) {
    CHECK(DigestList::parse(geometry, std::vector<std::uint8_t>(size)).error() ==
          Error::digests_mismatch);
  }
}

}  // namespace
}  // namespace peer_cdn
