#include "bind/answer.hpp"

#include "base/record.hpp"
#include "base/text.hpp"

namespace peer_cdn::bind {

OriginAnswer answer_of(std::string_view text, unsigned status) {
  OriginAnswer answer;
  answer.status = status;
  answer.type = take_line(text);
  answer.reason = take_line(text);
  answer.headers = text;
#define ANSWER_HEADER(member, header) answer.member = header_of(text, header);
#include "bind/border.def"
  return answer;
}

}  // namespace peer_cdn::bind
