#include "signal/wants.hpp"

#include "base/text.hpp"

namespace peer_cdn::signal {
namespace {

constexpr std::string_view digits =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
constexpr std::size_t digit_bits = 6;
constexpr std::size_t cell_digits = files_per_cell / digit_bits;

// -1 if it is none.
int value_of(char c) {
  if (c >= 'A' && c <= 'Z') return c - 'A';
  if (c >= 'a' && c <= 'z') return c - 'a' + 26;
  if (c >= '0' && c <= '9') return c - '0' + 52;
  return c == '+' ? 62 : c == '/' ? 63 : -1;
}

// Writes base64 digits bit by bit.
class BitWriter {
 public:
  explicit BitWriter(std::string& text) : text_(text) {}
  void put(bool bit) {
    value_ = value_ << 1 | (bit ? 1 : 0);
    if (++count_ < digit_bits) return;
    text_.append(digits, value_, 1);
    value_ = count_ = 0;
  }
  // The last bits of the value, so many.
  void put(std::uint32_t value, std::size_t count) {
    while (count-- > 0) put((value >> count & 1) != 0);
  }
  // Any base64 decoder takes groups of four digits.
  void fill() {
    while (count_ > 0 || text_.size() % 4 != 0) put(true);
  }

 private:
  std::string& text_;
  std::size_t value_ = 0;
  std::size_t count_ = 0;
};

// Reads base64 digits bit by bit. They were checked before.
class BitReader {
 public:
  explicit BitReader(std::string_view text) : text_(text), left_(digit_bits * text.size()) {}
  std::size_t left() const { return left_; }
  bool take() {
    const std::size_t at = digit_bits * text_.size() - left_--;
    return (value_of(text_[at / digit_bits]) >> (digit_bits - 1 - at % digit_bits) & 1) != 0;
  }

 private:
  std::string_view text_;
  std::size_t left_;
};

}  // namespace

// A manifest has so few files that each gap has low bits: k is log2 of the mean gap.
std::string write_wants(const FlatSet<Mark>& marks) {
  std::string text;
  if (marks.size() == 0) return text;
  std::size_t low_bits = 0;
  while (low_bits < limits::wants_bits - 1 &&
         marks.size() << (low_bits + 1) <= std::size_t{1} << limits::wants_bits) {
    ++low_bits;
  }
  BitWriter bits(text);
  bits.put(static_cast<std::uint32_t>(low_bits), digit_bits);
  CutMark last = 0;
  for (const Mark mark : marks) {
    const std::uint32_t gap = cut(mark) - last;
    last = cut(mark);
    for (std::uint32_t i = gap >> low_bits; i > 0; --i) bits.put(true);
    bits.put(false);
    bits.put(gap, low_bits);
  }
  bits.fill();
  return text;
}

Result<std::vector<CutMark>> read_wants(std::string_view text) {
  std::vector<CutMark> wanted;
  if (text.empty()) return wanted;
  for (const char c : text) {
    if (value_of(c) < 0) return Error::malformed_message;
  }
  const auto low_bits = static_cast<std::size_t>(value_of(text.front()));
  if (low_bits >= limits::wants_bits) return Error::malformed_message;
  BitReader bits(text.substr(1));
  std::uint64_t mark = 0;
  while (bits.left() > 0) {
    std::uint64_t gap = 0;
    bool is_one = true;
    while (bits.left() > 0 && (is_one = bits.take())) ++gap;
    if (is_one) break;  // ones that fill the last digits
    if (bits.left() < low_bits) return Error::malformed_message;
    for (std::size_t i = 0; i < low_bits; ++i) gap = gap << 1 | (bits.take() ? 1 : 0);
    mark += gap;
    if (mark >> limits::wants_bits != 0) return Error::malformed_message;
    if (wanted.size() == limits::manifest_entries) return Error::message_too_long;
    wanted.push_back(static_cast<CutMark>(mark));
  }
  return wanted;
}

std::string write_cells(const List<Cell>& cells) {
  std::string text;
  std::uint32_t next = 0;
  for (const Cell& cell : cells) {
    if (cell.index != next || text.empty()) {
      if (!text.empty()) text += ',';
      text += std::to_string(cell.index) + ':';
    }
    for (std::size_t shift = files_per_cell; shift > 0;) {
      shift -= digit_bits;
      text += digits[cell.bits >> shift & 63];
    }
    next = cell.index + 1;
  }
  return text;
}

Result<List<Cell>> read_cells(std::string_view text) {
  List<Cell> cells;
  while (!text.empty()) {
    std::uint32_t index = 0;
    std::size_t size = 0;
    for (; size < text.size() && is_digit(text[size]) && index < limits::manifest_entries; ++size) {
      index = 10 * index + static_cast<std::uint32_t>(text[size] - '0');
    }
    if (size == 0 || size == text.size() || text[size] != ':') return Error::malformed_message;
    text.remove_prefix(size + 1);
    do {
      Cell cell{index++};
      for (std::size_t i = 0; i < cell_digits; ++i) {
        const int value = i < text.size() ? value_of(text[i]) : -1;
        if (value < 0) return Error::malformed_message;
        cell.bits = cell.bits << digit_bits | static_cast<std::uint32_t>(value);
      }
      cells.push_back(cell);
      text.remove_prefix(cell_digits);
    } while (!text.empty() && text.front() != ',');
    if (text == ",") return Error::malformed_message;
    if (!text.empty()) text.remove_prefix(1);
  }
  return cells;
}

}  // namespace peer_cdn::signal
