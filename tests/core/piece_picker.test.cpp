// Pictures: one character a piece.
//   availability '0'-'9'   state '.' missing, 'f' in flight, 's' shared, '#' done
//   read-ahead ' ' outside, 'u' urgent, 'a' the rest   peer has 'x'
#include "swarm/piece_picker.hpp"

#include <doctest/doctest.h>

#include <string>
#include <string_view>

namespace peer_cdn::swarm {
namespace {

using State = PiecePicker::State;

PieceSet set_of(std::string_view picture) {
  PieceSet set(static_cast<std::uint32_t>(picture.size()));
  for (PieceIndex i = 0; i < picture.size(); ++i) {
    if (picture[i] == 'x') set.add(i);
  }
  return set;
}

PiecePicker picker_of(std::string_view available, std::string_view states, std::uint64_t seed = 1) {
  const auto count = static_cast<std::uint32_t>(available.size());
  PiecePicker picker(count, seed);
  char peers = '0';
  for (const char c : available) peers = std::max(peers, c);
  for (char peer = '0'; peer < peers; ++peer) {
    PieceSet have(count);
    for (PieceIndex i = 0; i < count; ++i) {
      if (available[i] > peer) have.add(i);
    }
    picker.add_peer(have);
  }
  for (PieceIndex i = 0; i < count; ++i) {
    if (states[i] == 'f') picker.set(i, State::in_flight);
    if (states[i] == 's') picker.set(i, State::shared);
    if (states[i] == '#') picker.set(i, State::done);
  }
  return picker;
}

std::vector<ReadAhead> aheads_of(std::string_view picture) {
  const auto begin = picture.find_first_not_of(' ');
  if (begin == std::string_view::npos) return {};
  const auto end = picture.find_last_not_of(' ') + 1;
  ReadAhead ahead;
  ahead.pieces = {static_cast<PieceIndex>(begin), static_cast<PieceIndex>(end)};
  for (const char c : picture) ahead.urgent += c == 'u' ? 1 : 0;
  return {ahead};
}

// The pieces that the peer is asked for, one after another, until none is left.
std::string picks(PiecePicker picker, std::string_view has, std::string_view ahead) {
  std::string order;
  while (const auto piece = picker.pick(set_of(has), aheads_of(ahead))) {
    order.push_back(static_cast<char>('0' + *piece));
    picker.set(*piece, State::in_flight);
  }
  return order;
}

}  // namespace

TEST_CASE("the urgent part is asked for in order, the rest rarest first, nothing beyond") {
  struct Case {
    const char *available, *states, *has, *ahead, *order;
  };
  const Case cases[] = {
      // From one peer everything comes in order.
      {"11111111", "........", "xxxxxxxx", "uuaaaa  ", "012345"},
      // The rarest first, but not before what is urgent.
      {"22222212", "........", "xxxxxxxx", "uuu   u ", "0123"},
      {"33331323", "........", "xxxxxxxx", "uaaaaa  ", "04"},
      // A piece that the peer has not, or that is in flight or done, is not asked for.
      {"22222222", "#f.s....", "xxxx  xx", "uuuu    ", "2"},
      {"11111111", "........", "        ", "uuuuuuuu", ""},
      {"11111111", "........", "xxxxxxxx", "        ", ""},
      // A read-ahead in the middle: a seek.
      {"11111111", "........", "xxxxxxxx", "     uua", "567"},
  };
  for (const Case& c : cases) {
    CAPTURE(c.available);
    CAPTURE(c.states);
    CAPTURE(c.ahead);
    const std::string order = picks(picker_of(c.available, c.states), c.has, c.ahead);
    CHECK(order.substr(0, std::string_view(c.order).size()) == c.order);
  }
}

TEST_CASE(
    "of pieces that some have two pages prefer different ones, of pieces that all have the next") {
  const auto order_of = [](std::uint64_t seed, bool somebody_has_none) {
    PiecePicker picker = picker_of("22222222", "........", seed);
    if (somebody_has_none) picker.add_peer(set_of("        "));
    return picks(picker, "xxxxxxxx", "aaaaaaaa");
  };
  CHECK(order_of(1, true).size() == 8);
  CHECK(order_of(1, true) != order_of(2, true));
  CHECK(order_of(1, false) == "01234567");
}

TEST_CASE(
    "beyond the urgent part a peer keeps to its lane, and leaves others theirs while it can") {
  const std::vector<PieceRange> others = {{2, 4}, {6, 8}};
  PiecePicker picker = picker_of("22222222", "........");
  std::string order;
  while (const auto piece =
             picker.pick(set_of("xxxxxxxx"), aheads_of("uaaaaaaa"), {{4, 6}, others})) {
    order.push_back(static_cast<char>('0' + *piece));
    picker.set(*piece, State::in_flight);
  }
  CHECK(order == "04512367");
  // A rare piece goes first, whatever lane it is in.
  picker = picker_of("22222212", "........");
  CHECK(picker.pick(set_of("xxxxxxxx"), aheads_of("aaaaaaaa"), {{4, 6}, others}) == 6U);
}

TEST_CASE("the furthest piece of the last read-ahead") {
  const PiecePicker picker = picker_of("22222222", "..#...f.");
  CHECK(picker.pick_last(set_of("xxxxxxxx"), aheads_of("uuaaaaa ")) == 5U);
  CHECK(picker.pick_last(set_of("xxx     "), aheads_of("uuaaaaa ")) == 1U);
  CHECK(picker.pick_last(set_of("  x   x "), aheads_of("uuaaaaa ")) == std::nullopt);
}

TEST_CASE("a piece in flight is shared once, the nearest first, and only inside the read-ahead") {
  PiecePicker picker = picker_of("22222222", "#ffsff..");
  const PieceSet all = set_of("xxxxxxxx");
  const auto aheads = aheads_of("uuuua   ");
  CHECK(picker.pick_shared(all, aheads) == 1U);
  picker.set(1, State::shared);
  CHECK(picker.pick_shared(all, aheads) == 2U);
  picker.set(2, State::shared);
  CHECK(picker.pick_shared(all, aheads) == 4U);
  picker.set(4, State::shared);
  CHECK(picker.pick_shared(all, aheads) == std::nullopt);
}

TEST_CASE("nothing is shared while a piece of the read-ahead is missing") {
  const PiecePicker picker = picker_of("22222222", "#ff.ff..");
  CHECK(picker.pick_shared(set_of("xxxxxxxx"), aheads_of("uuuua   ")) == std::nullopt);
  CHECK(picker.pick_shared(set_of("xxxxxxxx"), aheads_of("uuu     ")) == 1U);
}

TEST_CASE("the pieces of a peer that left do not count") {
  PiecePicker picker = picker_of("2222", "....");
  picker.add_peer(set_of("xx  "));
  picker.remove_peer(set_of("xx x"));
  // Piece 3 is rare now, 0 and 1 are as before.
  CHECK(picker.pick(set_of("xxxx"), aheads_of("aaaa")) == 3U);
}

TEST_CASE("several readers are served in their order, urgent parts first") {
  PiecePicker picker = picker_of("11111111", "........");
  const std::vector<ReadAhead> aheads = {{{0, 4}, 1}, {{6, 8}, 1}};
  std::string order;
  while (const auto piece = picker.pick(set_of("xxxxxxxx"), aheads)) {
    order.push_back(static_cast<char>('0' + *piece));
    picker.set(*piece, State::in_flight);
  }
  CHECK(order == "061237");
}

}  // namespace peer_cdn::swarm
