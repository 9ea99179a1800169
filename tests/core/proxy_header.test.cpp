#include "signal/proxy_header.hpp"

#include <doctest/doctest.h>

#include <string>

#include "base/limits.hpp"

using namespace peer_cdn;
using namespace peer_cdn::signal;

namespace {

// "<bytes> <address>", "goes on", or the error's code.
std::string said_of(std::string_view text) {
  const auto header = read_proxy_header(bytes_of(text));
  if (!header) return std::string(code(header.error()));
  if (!*header) return "goes on";
  const ProxyHeader& found = **header;
  return std::to_string(found.bytes) + " " + std::string(std::string_view(found.address));
}

std::string binary(char command, char family, std::string_view rest) {
  std::string text("\r\n\r\n\0\r\nQUIT\n", 12);
  text += command;
  text += family;
  text += static_cast<char>(rest.size() >> 8);
  text += static_cast<char>(rest.size());
  return text + std::string(rest);
}

const std::string v4 =
    binary(0x21, 0x11, std::string_view("\xcb\0\x71\x07\x0a\0\0\x01\x12\x34\x1f\x90", 12));
const std::string v6_addresses(
    "\x20\x01\x0d\xb8\0\x01\0\x02\0\x03\0\x04\0\x05\0\x06"
    "\xfe\x80\0\0\0\0\0\0\0\0\0\0\0\0\0\x01\x12\x34\x1f\x90",
    36);

}  // namespace

TEST_CASE("a line names the visitor's address, and what follows it is the connection's") {
  CHECK(said_of("PROXY TCP4 203.0.113.7 10.0.0.1 56324 443\r\nGET /") == "43 203.0.113.7");
  CHECK(said_of("PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n") ==
        "56 255.255.255.255");
  CHECK(said_of("PROXY TCP6 2001:db8::7 ::1 1 0\r\n") == "32 2001:db8:0:0:0:0:0:7");
  CHECK(said_of("PROXY TCP6 2001:DB8:1:2:3:4:5:6 :: 1 2\r\n") == "40 2001:db8:1:2:3:4:5:6");
  CHECK(said_of("PROXY TCP6 1:: ::2:3 1 2\r\n") == "26 1:0:0:0:0:0:0:0");
  CHECK(said_of("PROXY TCP6 ::ffff:203.0.113.7 ::1 1 2\r\n") == "39 203.0.113.7");
  CHECK(said_of("PROXY TCP6 64:ff9b::203.0.113.7 ::1 1 2\r\n") == "41 64:ff9b:0:0:0:0:cb00:7107");
  CHECK(said_of("PROXY TCP6 ffff:f...f:ffff ::1 1 2\r\n") == "malformed-message");
}

TEST_CASE("a proxy may not know whose connection it is") {
  CHECK(said_of("PROXY UNKNOWN\r\nGET") == "15 ");
  CHECK(said_of("PROXY UNKNOWN whatever it says\r\n") == "32 ");
  CHECK(said_of(binary(0x21, 0x00, "")) == "16 ");
  CHECK(said_of(binary(0x21, 0x31, std::string(216, 'x'))) == "232 ");
  CHECK(said_of(binary(0x20, 0x00, "")) == "16 ");
  // Of its own connection a proxy may say anything.
  CHECK(said_of(binary(0x20, 0x7f, "abc")) == "19 ");
}

TEST_CASE("a binary header names the visitor's address, and may say more") {
  CHECK(said_of(v4) == "28 203.0.113.7");
  CHECK(said_of(v4 + "GET /") == "28 203.0.113.7");
  CHECK(said_of(binary(0x21, 0x11, v4.substr(16) + std::string("\x04\0\x01x", 4))) ==
        "32 203.0.113.7");
  CHECK(said_of(binary(0x21, 0x21, v6_addresses)) == "52 2001:db8:1:2:3:4:5:6");
}

TEST_CASE("a header that has not come whole goes on, wherever it is cut") {
  for (const std::string& header :
       {std::string("PROXY TCP4 203.0.113.7 10.0.0.1 56324 443\r\n"),
        std::string("PROXY UNKNOWN\r\n"), v4, binary(0x21, 0x21, v6_addresses)}) {
    for (std::size_t bytes = 0; bytes < header.size(); ++bytes) {
      CAPTURE(bytes);
      CHECK(said_of(header.substr(0, bytes)) == "goes on");
    }
    CHECK(said_of(header).substr(0, 3) == std::to_string(header.size()) + " ");
  }
}

TEST_CASE("what is no header is refused as soon as that is certain") {
  for (const char* text : {"G",
                           "GET / HTTP/1.1\r\n",
                           "PROXY\r\n",
                           "proxy TCP4 1.2.3.4 1.2.3.4 1 2\r\n",
                           "\r\nX",
                           "PROXY TCP4 1.2.3.4 1.2.3.4 1 2\n",
                           "PROXY TCP4 1.2.3 1.2.3.4 1 2\r\n",
                           "PROXY TCP4 1.2.3.4.5 1.2.3.4 1 2\r\n",
                           "PROXY TCP4 1.2.3.256 1.2.3.4 1 2\r\n",
                           "PROXY TCP4 1.2.3.04 1.2.3.4 1 2\r\n",
                           "PROXY TCP4 1.2.3.4 1.2.3.4 1\r\n",
                           "PROXY TCP4 1.2.3.4 1.2.3.4 1 65536\r\n",
                           "PROXY TCP4 1.2.3.4 1.2.3.4 01 2\r\n",
                           "PROXY TCP4 1.2.3.4 1.2.3.4 1 2 \r\n",
                           "PROXY TCP4  1.2.3.4 1.2.3.4 1 2\r\n",
                           "PROXY TCP4 1.2.3.4 1.2.3.4 -1 2\r\n",
                           "PROXY TCP4 ::1 ::1 1 2\r\n",
                           "PROXY TCP6 1.2.3.4 1.2.3.4 1 2\r\n",
                           "PROXY TCP6 1:2:3:4:5:6:7 ::1 1 2\r\n",
                           "PROXY TCP6 1:2:3:4:5:6:7:8:9 ::1 1 2\r\n",
                           "PROXY TCP6 1::2::3 ::1 1 2\r\n",
                           "PROXY TCP6 1:2:3:4:5:6:7:8:: ::1 1 2\r\n",
                           "PROXY TCP6 ::12345 ::1 1 2\r\n",
                           "PROXY TCP6 ::g ::1 1 2\r\n",
                           "PROXY TCP6 :1:2:3:4:5:6:7 ::1 1 2\r\n",
                           "PROXY TCP6 1.2.3.4::1 ::1 1 2\r\n",
                           "PROXY TCP6 1:2:3:4:5:6:7: ::1 1 2\r\n",
                           "PROXY TCP6 fe80::1%eth0 ::1 1 2\r\n",
                           "PROXY UDP4 1.2.3.4 1.2.3.4 1 2\r\n"}) {
    CAPTURE(text);
    CHECK(said_of(text) == "malformed-message");
  }
  CHECK(said_of(binary(0x11, 0x11, v4.substr(16))) == "malformed-message");  // version 1
  CHECK(said_of(binary(0x22, 0x11, v4.substr(16))) == "malformed-message");  // a command
  CHECK(said_of(binary(0x21, 0x12, v4.substr(16))) == "malformed-message");  // UDP
  CHECK(said_of(binary(0x21, 0x11, "short")) == "malformed-message");
  CHECK(said_of(binary(0x21, 0x21, v4.substr(16))) == "malformed-message");
}

TEST_CASE("a header that is too long is refused before it has come") {
  const std::string line = "PROXY UNKNOWN ";
  CHECK(said_of(line + std::string(105 - line.size(), 'x') + "\r\n") == "107 ");
  CHECK(said_of(line + std::string(106 - line.size(), 'x') + "\r\n") == "message-too-long");
  CHECK(said_of(line + std::string(107 - line.size(), 'x')) == "message-too-long");
  CHECK(said_of(binary(0x21, 0x00, std::string(limits::proxy_header_bytes - 16, 'x'))) == "4096 ");
  CHECK(said_of(
            binary(0x21, 0x00, std::string(limits::proxy_header_bytes - 15, 'x')).substr(0, 16)) ==
        "message-too-long");
}
