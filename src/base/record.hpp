// What this browser knows of how the origin sends a resource: the headers that it sent last, and
// the validators that pages were given. Kept in the store beside the bytes, over the lives of
// workers, as the text that it is here.
#pragma once

#include <string_view>

#include "base/text.hpp"

namespace peer_cdn {

// The value of a header in lines of names (lower-case) and values, one after another; nothing (no
// data) if it is not there.
std::string_view header_of(std::string_view lines, std::string_view name);
bool has_header(std::string_view lines, std::string_view name);

class Record {
 public:
  // An answer of the origin that holds the resource's bytes has these headers.
  void learn(std::string_view headers, bool whole, std::string_view reason = {});
  // A page sees the head: the tag that it is given, unless it was given another before. True if
  // that is new.
  bool give(std::string_view own_etag);

  // Tag and date as they were first given, and so ever after. Empty: none was.
  std::string_view etag() const { return line(1); }
  std::string_view date() const { return line(2); }
  bool is_given() const { return !text_.empty(); }
  // An answer with these headers has a tag or a date that was never given for these bytes, or lacks
  // one. Its bytes may be others, too.
  bool denies(std::string_view headers) const;
  // Whether a page was ever given this tag or date for the resource's bytes.
  bool knows(std::string_view validator) const;
  // As the origin sent them last, a name and a value, a line each; empty if that was not seen.
  std::string_view headers() const { return rest(4); }
  // They are those of a whole answer, with its length and encoding.
  bool is_whole() const { return is_given() && text_[0] == '1'; }
  // The phrase of its status, which HTTP/2 has not.
  std::string_view reason() const;

  const Text& text() const { return text_; }
  void read(std::string_view text) {
    if (!is_given()) text_ = text;
  }

 private:
  std::string_view rest(unsigned line) const;
  std::string_view line(unsigned number) const;
  void write(std::string_view form, std::string_view etag, std::string_view date,
             std::string_view others, std::string_view headers);

  // Lines: whether it is whole (1 or 0) and its phrase, the tag and the date that were given first,
  // those that the origin gave later (a tab between), and the headers. Or nothing, if no page was
  // given anything.
  Text text_;
};

}  // namespace peer_cdn
