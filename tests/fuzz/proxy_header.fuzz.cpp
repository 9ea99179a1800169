// Laws: a header is inside what came, and within its bound. Whatever comes after it, and wherever
// what came is cut, the header is the same: cut inside of it, it goes on. The address that is read
// is written in a line again, and read as the same.
#include "signal/proxy_header.hpp"

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "base/limits.hpp"

using namespace peer_cdn;
using namespace peer_cdn::signal;

namespace {

void check(bool law) {
  if (!law) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const ByteSpan bytes(data, size);
  const auto header = read_proxy_header(bytes);
  if (!header) {
    check(header.error() == Error::malformed_message || header.error() == Error::message_too_long);
    return 0;
  }
  if (!*header) {
    check(size < limits::proxy_header_bytes);
    return 0;
  }
  const ProxyHeader& found = **header;
  check(found.bytes > 0 && found.bytes <= size && found.bytes <= limits::proxy_header_bytes);
  for (std::size_t cut = 0; cut < found.bytes; ++cut) {
    const auto part = read_proxy_header(bytes.first(cut));
    check(part && !*part);
  }
  const auto whole = read_proxy_header(bytes.first(found.bytes));
  check(whole && *whole && (*whole)->bytes == found.bytes && (*whole)->address == found.address);
  if (found.address.size() == 0) return 0;
  const std::string address(std::string_view(found.address));
  const std::string family = address.find(':') == std::string::npos ? "TCP4 " : "TCP6 ";
  const std::string line = "PROXY " + family + address + " " + address + " 1 2\r\n";
  const auto again = read_proxy_header(bytes_of(line));
  check(again && *again && (*again)->address == found.address);
  return 0;
}
