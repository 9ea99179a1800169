#include "signal/wants.hpp"

#include <algorithm>
#include <utility>

namespace peer_cdn::signal {
namespace {

constexpr std::string_view digits =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
constexpr std::size_t digit_bits = 6;
constexpr std::size_t cell_digits = 4;
constexpr std::size_t cell_bits = cell_digits * digit_bits;

// Of the file that is at `i` in the list, in its cell.
constexpr std::uint32_t bit_of(std::size_t i) {
  return 1u << (cell_bits - 1 - i % cell_bits);
}

int value_of(char c) {
  if (c >= 'A' && c <= 'Z') return c - 'A';
  if (c >= 'a' && c <= 'z') return c - 'a' + 26;
  if (c >= '0' && c <= '9') return c - '0' + 52;
  return c == '+' ? 62 : c == '/' ? 63 : -1;
}

// Reads base64 digits bit by bit. They were checked before.
class Bits {
 public:
  explicit Bits(std::string_view text) : text_(text), left_(digit_bits * text.size()) {}
  std::size_t left() const { return left_; }
  bool take() {
    const std::size_t at = digit_bits * text_.size() - left_--;
    const int digit = value_of(text_[at / digit_bits]);
    return (digit >> (digit_bits - 1 - at % digit_bits) & 1) != 0;
  }

 private:
  std::string_view text_;
  std::size_t left_;
};

// Runs of cells that are to be told, as "<first cell>:<digits>,...".
class Runs {
 public:
  void add(std::size_t at, std::uint32_t cell) {
    if (next_ != at || text_.empty()) {
      if (!text_.empty()) text_ += ',';
      text_ += std::to_string(at) + ':';
    }
    for (std::size_t i = cell_digits; i-- > 0;) text_ += digits[cell >> (digit_bits * i) & 63];
    next_ = at + 1;
  }
  std::string take() { return std::move(text_); }

 private:
  std::string text_;
  std::size_t next_ = 0;
};

}  // namespace

Result<std::vector<CutMark>> read_wants(std::string_view text) {
  std::vector<CutMark> wanted;
  if (text.empty()) return wanted;
  for (const char c : text) {
    if (value_of(c) < 0) return Error::malformed_message;
  }
  const auto low_bits = static_cast<std::size_t>(value_of(text.front()));
  if (low_bits >= limits::wants_bits) return Error::malformed_message;
  Bits bits(text.substr(1));
  std::uint64_t mark = 0;
  while (bits.left() > 0) {
    std::uint64_t gap = 0;
    bool is_one = true;
    while (bits.left() > 0 && (is_one = bits.take())) ++gap;
    if (is_one) break;  // ones that fill the last digit
    if (bits.left() < low_bits) return Error::malformed_message;
    for (std::size_t i = 0; i < low_bits; ++i) gap = gap << 1 | (bits.take() ? 1 : 0);
    mark += gap;
    if (mark >> limits::wants_bits != 0) return Error::malformed_message;
    if (wanted.size() == limits::manifest_entries) return Error::message_too_long;
    wanted.push_back(static_cast<CutMark>(mark));
  }
  return wanted;
}

Audience::Audience(std::vector<CutMark> wanted, const Presence& presence)
    : wants_all_(false),
      wanted_(std::move(wanted)),
      told_(cells_of(presence)),
      newest_(told_),
      came_(told_.size()) {}

std::uint32_t Audience::add(PeerId peer) {
  members_.push_back(peer);
  return static_cast<std::uint32_t>(members_.size() - 1);
}

PeerId Audience::remove(std::uint32_t position) {
  const PeerId last = members_.back();
  members_[position] = last;
  members_.pop_back();
  return last;
}

std::vector<std::uint32_t> Audience::cells_of(const Presence& presence) const {
  std::vector<std::uint32_t> cells((wanted_.size() + cell_bits - 1) / cell_bits);
  for (std::size_t i = 0; i < wanted_.size(); ++i) {
    if (presence.has(wanted_[i])) cells[i / cell_bits] |= bit_of(i);
  }
  return cells;
}

void Audience::handle_came(Mark mark) {
  const auto same = std::equal_range(wanted_.begin(), wanted_.end(), cut(mark));
  for (auto each = same.first; each != same.second; ++each) {
    const auto i = static_cast<std::size_t>(each - wanted_.begin());
    newest_[i / cell_bits] |= bit_of(i);
    came_[i / cell_bits] = true;
  }
}

std::string Audience::all() const {
  Runs runs;
  for (std::size_t i = 0; i < newest_.size(); ++i) {
    if (newest_[i] != 0) runs.add(i, newest_[i]);
  }
  return runs.take();
}

std::string Audience::changes(const Presence& presence) {
  const std::vector<std::uint32_t> before = std::exchange(told_, cells_of(presence));
  const std::vector<std::uint32_t> newest = std::exchange(newest_, told_);
  const std::vector<bool> came = std::exchange(came_, std::vector<bool>(told_.size()));
  Runs runs;
  // What came and went again only newcomers were told. What went and came again is told once more:
  // who asked for it in between heard that nobody has it.
  for (std::size_t i = 0; i < told_.size(); ++i) {
    if (told_[i] != before[i] || told_[i] != newest[i] || came[i]) runs.add(i, told_[i]);
  }
  return runs.take();
}

}  // namespace peer_cdn::signal
