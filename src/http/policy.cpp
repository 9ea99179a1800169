#include "http/policy.hpp"

#include <cstddef>

#include "base/text.hpp"

namespace peer_cdn {
namespace {

// Walks a list of `name[=value]` members, values being tokens or quoted strings (RFC 9110 5.6,
// RFC 9111 5.2). Stops at the first thing that is neither; failed() tells that from the end.
class Directives {
 public:
  explicit Directives(std::string_view text) : rest_(text) {}

  // The next name, or an empty one at the end.
  std::string_view next() {
    while (!rest_.empty() && (is_space(rest_.front()) || rest_.front() == ','))
      rest_.remove_prefix(1);
    if (rest_.empty()) return {};
    const std::string_view name = take_token();
    if (name.empty() || !skip_value()) return fail();
    rest_ = trim(rest_);
    return rest_.empty() || rest_.front() == ',' ? name : fail();
  }

  bool failed() const { return failed_; }

 private:
  std::string_view fail() {
    failed_ = true;
    return {};
  }

  std::string_view take_token() {
    std::size_t length = 0;
    while (length < rest_.size() && is_token_char(rest_[length])) ++length;
    const std::string_view token = rest_.substr(0, length);
    rest_.remove_prefix(length);
    return token;
  }

  bool skip_value() {
    if (rest_.empty() || rest_.front() != '=') return true;
    rest_.remove_prefix(1);
    if (rest_.empty() || rest_.front() != '"') return !take_token().empty();
    for (std::size_t i = 1; i < rest_.size(); ++i) {
      if (rest_[i] == '\\') {
        ++i;
      } else if (rest_[i] == '"') {
        rest_.remove_prefix(i + 1);
        return true;
      }
    }
    return false;
  }

  std::string_view rest_;
  bool failed_ = false;
};

bool is_public(std::string_view cache_control) {
  Directives directives(cache_control);
  for (auto name = directives.next(); !name.empty(); name = directives.next()) {
    if (equals_ignoring_case(name, "private") || equals_ignoring_case(name, "no-store"))
      return false;
  }
  return !directives.failed();
}

bool varies_by_encoding_only(std::string_view vary) {
  Directives names(vary);
  for (auto name = names.next(); !name.empty(); name = names.next()) {
    if (!equals_ignoring_case(name, "accept-encoding")) return false;
  }
  return !names.failed();
}

bool is_worker(std::string_view destination) {
  return destination == "worker" || destination == "sharedworker" || destination == "serviceworker";
}

bool is_document(std::string_view destination) {
  return destination == "document" || destination == "iframe" || destination == "frame" ||
         destination == "embed" || destination == "object";
}

}  // namespace

bool may_route(const RequestFields& request) {
  return request.method == "GET" && request.same_origin && !request.has_authorization &&
         !request.has_bypass && !request.has_condition && !is_worker(request.destination) &&
         request.cache != "only-if-cached";
}

bool may_answer(std::string_view destination) {
  return !is_document(destination);
}

bool may_share(const ResponseFields& response) {
  return (response.status == 200 || response.status == 206) && response.type == "basic" &&
         is_public(response.cache_control) && varies_by_encoding_only(response.vary);
}

}  // namespace peer_cdn
