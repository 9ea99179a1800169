// Law: an accepted range is not empty and lies inside the resource, and the Content-Range that we
// write of it is read back as the same range. An accepted Content-Range is written again with the
// same numbers.
#include "base/range.hpp"

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

using namespace peer_cdn;

namespace {

void check(bool law) {
  if (!law) std::abort();
}

void check_range(std::string_view header, std::uint64_t bytes) {
  const auto range = parse_range(header, bytes);
  if (!range) return;
  check(range->begin < range->end && range->end <= bytes);
  const auto said = parse_content_range(content_range(*range, bytes));
  check(said && said->range == *range && said->total == bytes);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string header(data, data + size);
  for (const std::uint64_t bytes : {std::uint64_t{0}, std::uint64_t{1}, std::uint64_t{1000},
                                    std::uint64_t{1} << 35, ~std::uint64_t{0}}) {
    check_range(header, bytes);
  }
  const auto said = parse_content_range(header);
  if (said) {
    check(said->range.begin < said->range.end);
    if (!said->total) return 0;
    check(said->range.end <= *said->total);
    check(*parse_content_range(content_range(said->range, *said->total)) == *said);
  }
  return 0;
}
