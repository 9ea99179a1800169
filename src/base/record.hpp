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
  void learn(std::string_view headers, bool whole, bool has_reason = false);
  // A page sees the head: the tag that it is given, unless it was given another before. True if
  // that is new.
  bool give(std::string_view own_etag);

  // Tag and date as they were first given, and so ever after. Empty: none was.
  std::string_view etag() const { return line(1); }
  std::string_view date() const { return line(2); }
  bool is_given() const { return !text_.empty(); }
  // An answer with these headers has another tag or date than pages are given. Its bytes may be
  // others, too.
  bool denies(std::string_view headers) const;
  // Whether a page was ever given this tag or date for the resource's bytes.
  bool knows(std::string_view validator) const;
  // As the origin sent them last, a name and a value, a line each; empty if that was not seen.
  std::string_view headers() const { return rest(4); }
  // They are those of a whole answer, with its length and encoding.
  bool is_whole() const { return has(0, '1'); }
  // It sends the phrase of a status (HTTP/1.1).
  bool has_reason() const { return has(1, '1'); }

  const Text& text() const { return text_; }
  void read(std::string_view text) {
    if (!is_given()) text_ = text;
  }

 private:
  bool has(std::size_t flag, char value) const {
    return line(0).size() > flag && line(0)[flag] == value;
  }
  std::string_view rest(unsigned line) const;
  std::string_view line(unsigned number) const;
  void write(std::string_view flags, std::string_view etag, std::string_view date,
             std::string_view others, std::string_view headers);

  // Lines: whether it is whole and has phrases, the tag and the date that were given first, those
  // that the origin gave later (a tab between), and the headers. Or nothing, if no page was given
  // anything.
  Text text_;
};

}  // namespace peer_cdn
