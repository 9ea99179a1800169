#include "http/head.hpp"

#include "base/range.hpp"

namespace peer_cdn {
Text entity_tag(const Resource& resource) {
  Text tag = "\"";
  append_hex(tag, resource.root);
  tag.push_back('"');
  return tag;
}

ResponseHead response_head(const Resource& resource, const std::optional<ByteRange>& range) {
  ResponseHead head;
  Text& lines = head.headers;
  lines += resource.headers;
  const auto add = [&lines](std::string_view name_and_line_end) -> Text& {
    if (!lines.empty() && lines.back() != '\n') lines.push_back('\n');
    return lines += name_and_line_end;
  };
  const std::uint64_t total = resource.geometry.bytes();
  append_decimal(add("content-length\n"), range ? range->bytes() : total);
  if (!resource.type.empty()) add("content-type\n") += resource.type;
  add("accept-ranges\nbytes");
  add("etag\n") += entity_tag(resource);
  if (range) {
    head.status = 206;
    add("content-range\n") += content_range(*range, total);
  }
  return head;
}

}  // namespace peer_cdn
