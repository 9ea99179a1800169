#include "http/head.hpp"

#include "base/range.hpp"

namespace peer_cdn {
namespace {

// Decimal digits of a number: std::to_string would bring in the machinery of formatting.
std::string decimal(std::uint64_t number) {
  char digits[20];
  std::size_t at = sizeof digits;
  do {
    digits[--at] = static_cast<char>('0' + number % 10);
    number /= 10;
  } while (number > 0);
  return std::string(digits + at, sizeof digits - at);
}

}  // namespace

std::string entity_tag(const Resource& resource) {
  return '"' + to_hex(resource.root) + '"';
}

ResponseHead response_head(const Resource& resource, const std::optional<ByteRange>& range) {
  ResponseHead head;
  std::string& lines = head.headers;
  lines = resource.headers;
  const auto add = [&lines](const char* name, const std::string& value) {
    if (!lines.empty() && lines.back() != '\n') lines += '\n';
    ((lines += name) += '\n') += value;
  };
  const std::uint64_t total = resource.geometry.bytes();
  add("content-length", decimal(range ? range->bytes() : total));
  if (!resource.type.empty()) add("content-type", resource.type);
  add("accept-ranges", "bytes");
  add("etag", entity_tag(resource));
  if (range) {
    head.status = 206;
    add("content-range", content_range(*range, total));
  }
  return head;
}

}  // namespace peer_cdn
