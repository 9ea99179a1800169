#include "base/judge.hpp"

#include <algorithm>
#include <cstddef>
#include <optional>

#include "base/range.hpp"
#include "base/text.hpp"

namespace peer_cdn {
namespace {

constexpr std::uint32_t status_ok = 200;
constexpr std::uint32_t status_partial = 206;

std::string_view take_token(std::string_view& rest) {
  std::size_t length = 0;
  while (length < rest.size() && is_token_char(rest[length])) ++length;
  const std::string_view token = rest.substr(0, length);
  rest.remove_prefix(length);
  return token;
}

// A value behind a name, if there is one. False if it is none.
bool skip_value(std::string_view& rest) {
  if (rest.empty() || rest.front() != '=') return true;
  rest.remove_prefix(1);
  if (rest.empty() || rest.front() != '"') return !take_token(rest).empty();
  for (std::size_t i = 1; i < rest.size(); ++i) {
    if (rest[i] == '\\') {
      ++i;
    } else if (rest[i] == '"') {
      rest.remove_prefix(i + 1);
      return true;
    }
  }
  return false;
}

// Whether a list has only members `name[=value]` of such names. Values are tokens or quoted strings
// (RFC 9110 5.6, RFC 9111 5.2).
bool has_only(std::string_view rest, bool (*is_good)(std::string_view name)) {
  for (;;) {
    while (!rest.empty() && (is_space(rest.front()) || rest.front() == ',')) rest.remove_prefix(1);
    if (rest.empty()) return true;
    const std::string_view name = take_token(rest);
    if (name.empty() || !skip_value(rest) || !is_good(name)) return false;
    rest = trim(rest);
    if (!rest.empty() && rest.front() != ',') return false;
  }
}

bool is_public(std::string_view cache_control) {
  return has_only(cache_control, [](std::string_view name) {
    return !equals_ignoring_case(name, "private") && !equals_ignoring_case(name, "no-store");
  });
}

// Only by the encoding, which the browser takes off, or by what no GET of this origin has: servers
// that know CORS name it to all.
bool varies_for_nobody(std::string_view vary) {
  return has_only(vary, [](std::string_view name) {
    constexpr std::string_view preflight = "access-control-request-";
    return equals_ignoring_case(name, "accept-encoding") || equals_ignoring_case(name, "origin") ||
           equals_ignoring_case(name.substr(0, preflight.size()), preflight);
  });
}

bool is_identity(std::string_view encoding) {
  return encoding.empty() || equals_ignoring_case(encoding, "identity");
}

// The Content-Length of an encoded body is not the resource's. One that cannot be parsed says
// nothing.
bool says_another_length(const OriginAnswer& answer, std::uint64_t total) {
  if (!is_identity(answer.content_encoding)) return false;
  const auto length = parse_length(answer.content_length);
  return length && *length != total;
}

Judgement judge_part(const OriginAnswer& answer, const OriginQuestion& asked) {
  const auto part = parse_content_range(answer.content_range);
  // A part of an encoded body cannot be decoded. A whole body reaches us decoded.
  if (!part || !is_identity(answer.content_encoding)) return {Verdict::unusable, {}};
  if (part->total.value_or(asked.total) != asked.total || part->range.end > asked.total) {
    return {Verdict::changed, {}};
  }
  if (part->range.begin != asked.range.begin) return {Verdict::unusable, {}};
  return {Verdict::take, part->range};
}

}  // namespace

Judgement judge(const OriginAnswer& answer, const OriginQuestion& asked) {
  if (is_busy(answer.status)) return {Verdict::busy, {}};
  // A 416 to a question without a range says nothing about the resource's length.
  if (is_gone(answer.status) || (answer.status == 416 && !asked.whole))
    return {Verdict::changed, {}};
  if (!may_share(answer)) return {Verdict::unusable, {}};
  if (answer.status == status_partial) return judge_part(answer, asked);
  if (says_another_length(answer, asked.total)) return {Verdict::changed, {}};
  return {Verdict::take, {0, asked.total}};
}

bool is_gone(std::uint32_t status) {
  return status == 404 || status == 410;
}

ManifestAnswer judge_manifest(std::uint32_t status) {
  if (is_gone(status)) return ManifestAnswer::none;
  return status / 100 == 2 ? ManifestAnswer::read : ManifestAnswer::unusable;
}

bool is_busy(std::uint32_t status) {
  // A server will not learn what it cannot do.
  const bool is_ability = status == 501 || status == 505;
  return status == 408 || status == 425 || status == 429 || (status >= 500 && !is_ability);
}

Duration busy_time(std::string_view retry_after, Duration otherwise, Duration most) {
  const auto seconds = parse_length(retry_after);
  if (!seconds) return otherwise;
  const auto bound = static_cast<std::uint64_t>(most / std::chrono::seconds(1));
  return std::chrono::seconds(std::min(*seconds, bound));
}

Error told(Error error) {
  return error == Error::wrong_digest ? Error::origin_changed : error;
}

Error error_of(Verdict verdict) {
  switch (verdict) {
    case Verdict::take:
      return Error::none;
    case Verdict::changed:
      return Error::origin_changed;
    case Verdict::unusable:
      return Error::origin_unusable;
    case Verdict::busy:
      return Error::origin_unreachable;
  }
  return Error::none;
}

// A body that goes on is another file, and so is a whole one that ends early. A part that ends
// early is a broken connection.
Error judge_end(Error seen, bool whole) {
  if (seen == Error::wrong_length) return Error::origin_changed;
  if (seen != Error::none) return seen;
  return whole ? Error::origin_changed : Error::origin_unreachable;
}

bool may_share(const OriginAnswer& answer) {
  return (answer.status == status_ok || answer.status == status_partial) &&
         answer.type == "basic" && is_public(answer.cache_control) &&
         varies_for_nobody(answer.vary);
}

}  // namespace peer_cdn
