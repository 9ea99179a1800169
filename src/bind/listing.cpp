// A manifest and routes as browsers read them, for those who look at a site from outside: the
// command line's `manifest --check` and `doctor`; and what the judge says of answers.
#include <emscripten/bind.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/error.hpp"
#include "base/judge.hpp"
#include "base/manifest.hpp"
#include "http/router.hpp"

namespace {

using namespace peer_cdn;

class Listing {
 public:
  // Whether browsers take the entry. Headers: a name and a value, a line each.
  bool add(const std::string& path, double bytes, double piece_bytes, const std::string& root,
           const std::string& type, bool any_query, const std::string& headers,
           const std::string& digests) {
    auto resource =
        parse_resource({path, bytes, piece_bytes, root, type, any_query, headers, digests});
    if (!resource) return false;
    const auto added = manifest_.add(std::move(resource.value()));
    if (!added) return false;
    added_.push_back({*added, path});
    return true;
  }
  // The path, as the manifest spells it, of the entry for a request's path and query; or nothing.
  std::string find(const std::string& path_and_query) const {
    const Resource* resource = manifest_.find(path_and_query);
    for (const Added& each : added_) {
      if (each.resource == resource) return each.path;
    }
    return {};
  }

 private:
  struct Added {
    const Resource* resource;
    std::string path;
  };

  Manifest manifest_;
  std::vector<Added> added_;
};

class Routes {
 public:
  // Whether a worker takes the route.
  bool add(const std::string& path) { return static_cast<bool>(router_.add(path)); }
  // Whether a request's path (no query) is of one of them, if its regexps match.
  bool take(const std::string& path) const {
    return router_.match(path, [](std::uint32_t, std::string_view) { return true; }).has_value();
  }

 private:
  Router router_;
};

// Why an answer of the origin cannot be shared, by the bytes that were asked for; '' if it can.
std::string judge_answer(std::uint32_t status, const std::string& cache_control,
                         const std::string& vary, const std::string& content_range,
                         const std::string& content_encoding, const std::string& content_length,
                         double total, double begin) {
  OriginAnswer answer;
  answer.status = status;
  answer.type = "basic";
  answer.cache_control = cache_control;
  answer.vary = vary;
  answer.content_range = content_range;
  answer.content_encoding = content_encoding;
  answer.content_length = content_length;
  const auto bytes = static_cast<std::uint64_t>(total);
  const auto from = static_cast<std::uint64_t>(begin);
  const Judgement judgement = judge(answer, {bytes, {from, bytes}, from == 0});
  return std::string(code_or_nothing(error_of(judgement.verdict)));
}

}  // namespace

EMSCRIPTEN_BINDINGS(peer_cdn_listing) {
  emscripten::class_<Listing>("Listing")
      .constructor<>()
      .function("add", &Listing::add)
      .function("find", &Listing::find);
  emscripten::class_<Routes>("Routes")
      .constructor<>()
      .function("add", &Routes::add)
      .function("take", &Routes::take);
  emscripten::function("judgeAnswer", &judge_answer);
}
