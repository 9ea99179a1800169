#include "http/head.hpp"

#include "base/range.hpp"

namespace peer_cdn {
namespace {

// What a head says of its own body (RFC 9110 section 8).
constexpr std::string_view of_body = "content-encoding\ncontent-length\ncontent-range\n";
constexpr std::string_view validators = "etag\nlast-modified\n";

}  // namespace

Text entity_tag(const Resource& resource) {
  Text tag;
  tag.push_back('"');
  append_hex(tag, resource.root);
  tag.push_back('"');
  return tag;
}

ResponseHead response_head(const Resource& resource, std::uint32_t status,
                           const std::optional<ByteRange>& range) {
  const Record& record = resource.record;
  ResponseHead head{status, {}, {}};
  if (const std::string_view reason = record.reason(); !reason.empty()) {
    using namespace std::string_view_literals;
    const bool is_seen = status == (record.is_whole() ? 200U : 206U);
    head.reason = is_seen         ? reason
                  : status == 200 ? "OK"sv
                  : status == 206 ? "Partial Content"sv
                                  : "Not Modified"sv;
  }
  const auto add = [&head](std::string_view name, std::string_view value) {
    if (!head.headers.empty()) head.headers.push_back('\n');
    ((head.headers += name) += "\n") += value;
  };
  const bool is_seen = !record.headers().empty();
  // Of a whole answer that was seen all of it is repeated: one that was packed has another length,
  // or none.
  const bool is_repeated = is_seen && record.is_whole() && status == 200;
  for (std::string_view rest = is_seen ? record.headers() : std::string_view(resource.headers);
       !rest.empty();) {
    const std::string_view name = take_line(rest);
    const std::string_view value = take_line(rest);
    if (has_line(validators, name) || (!is_repeated && has_line(of_body, name))) continue;
    if (status == 304 && name.substr(0, 8) == "content-") continue;
    add(name, value);
  }
  const auto add_any = [&add](std::string_view name, std::string_view value) {
    if (!value.empty()) add(name, value);
  };
  const Text own = entity_tag(resource);
  add_any("etag", record.is_given() ? record.etag() : std::string_view(own));
  add_any("last-modified", record.date());
  if (!is_seen && status != 304) {
    add_any("content-type", resource.type);
    add("accept-ranges", "bytes");
  }
  if (is_repeated || status == 304) return head;
  const std::uint64_t total = resource.geometry.bytes();
  Text length;
  append_decimal(length, range ? range->bytes() : total);
  add("content-length", length);
  if (range) add("content-range", content_range(*range, total));
  return head;
}

}  // namespace peer_cdn
