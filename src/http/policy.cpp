#include "http/policy.hpp"

#include "base/text.hpp"

namespace peer_cdn {
namespace {

bool is_worker(std::string_view destination) {
  return has_line("worker\nsharedworker\nserviceworker", destination);
}

bool is_document(std::string_view destination) {
  return has_line("document\niframe\nframe\nembed\nobject", destination);
}

bool is_script(std::string_view destination) {
  return has_line("script\naudioworklet\npaintworklet", destination);
}

// "text/css" of "text/CSS; charset=utf-8".
bool is_essence(std::string_view type, std::string_view essence) {
  return equals_ignoring_case(trim(type.substr(0, type.find(';'))), essence);
}

// As RFC 9239 has it, and its older name. Other names are left to the origin with the rest.
bool is_javascript(std::string_view type) {
  return is_essence(type, "text/javascript") || is_essence(type, "application/javascript");
}

// Whether one of these lines is in a text. std::string_view::find() of more than a character is a
// tenth of a KB.
bool has_any(std::string_view text, std::string_view words) {
  while (!words.empty()) {
    const std::string_view word = take_line(words);
    for (std::size_t i = 0; i < text.size(); ++i) {
      if (text.substr(i, word.size()) == word) return true;
    }
  }
  return false;
}

}  // namespace

bool may_route(const RequestFields& request) {
  return is_read(request) && request.same_origin && !request.has_authorization &&
         !request.has_bypass && !is_worker(request.destination) &&
         request.cache != "only-if-cached";
}

bool is_read(const RequestFields& request) {
  return has_line("GET\nHEAD", request.method);
}

bool is_write(const RequestFields& request) {
  return request.same_origin && !has_line("GET\nHEAD\nOPTIONS\nTRACE", request.method);
}

bool is_plain(const RequestFields& request) {
  return request.method == "GET" && !request.has_condition;
}

bool may_answer(const RequestFields& request) {
  return request.is_followed && !is_document(request.destination);
}

CacheUse cache_use(std::string_view mode) {
  enum { reload, no_store, no_cache };
  const std::size_t which = line_of("reload\nno-store\nno-cache", mode);
  return {which > no_store, which != reload, which != no_store, which == no_cache};
}

Repeatable Repeatable::of(const RequestFields& request) {
  return {!request.has_integrity && !request.has_range && !request.has_condition &&
              !request.lacks_referrer,
          request.mode == "no-cors", !cache_use(request.cache).takes_held, request.is_discreet};
}

OriginRequest Repeatable::request(bool whole, bool reload) const {
  if (!whole) return {false, CacheMode::no_store, is_no_cors};
  const bool is_changed = reload && !is_past_cache;
  return {is_own && !is_changed, is_changed ? CacheMode::reload : CacheMode::page, false};
}

bool suits(std::string_view destination, std::string_view type) {
  if (is_script(destination)) return is_javascript(type);
  if (destination == "style") return is_essence(type, "text/css");
  if (destination == "json") return has_any(type, "json");
  return true;
}

bool is_compressible(std::string_view type) {
  return has_any(type, "text/\njson\njavascript\nxml\nwasm\nfont/ttf\nfont/otf");
}

bool is_usable(std::uint32_t status, std::string_view destination, std::string_view type) {
  if (status >= 400) return status < 404 && destination.empty();
  return !is_essence(type, "text/html") || suits(destination, type);
}

}  // namespace peer_cdn
