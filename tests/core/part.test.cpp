#include "http/part.hpp"

#include <doctest/doctest.h>

#include <string>

#include "base/limits.hpp"
#include "site.hpp"

using namespace peer_cdn;
using namespace std::chrono_literals;

namespace {

constexpr auto cache = PluginKind::cache;
constexpr auto delegate = PluginKind::delegate;
constexpr auto network = PluginKind::network;

constexpr PageId page{7};
constexpr PageId other{8};

bool has(const std::string& said, const std::string& what) {
  return said.find(what) != std::string::npos;
}

// A file of 40 pieces that somebody has; a page is asked for it.
struct Delegated : Site {
  ExchangeId id;
  Delegated() : Site({delegate, network}, file_of(40)) {
    hello(page);
    id = open("/f");
    CHECK(said() == "ask page 7 of b1 for 0-40");
  }
};

// A file of 40 pieces that the origin gives.
struct Alone : Site {
  ExchangeId id;
  Alone() : Site({network}, file_of(40)) {
    hello(page);
    id = open("/f");
    list_came(id);
    head(stream(1));
    said();
  }
};

// A file of 40 pieces that the store has.
struct Stored : Site {
  ExchangeId id;
  Stored() : Site({cache, network}, file_of(40)) {
    for (const PieceRange run : {PieceRange{0, 4}, {4, 16}, {16, 32}, {32, 40}}) hold('a', run);
    hello(page);
    id = open("/f");
    list_came(id);
    CHECK(said() == "need list x1; read b1 run 0-4 for 0-4");
  }
};

// Readers read, the origin and the store give what they are asked for, until nothing is left.
void finish(Site& site) {
  for (int turn = 0; turn < 200 && !site.is_empty(); ++turn) {
    for (std::uint32_t number = 1; site.body(number) != BodyId{}; ++number) {
      site.pull(site.body(number), 4 * limits::mib);
      if (site.store_job(site.body(number)) != JobId{}) site.read(site.body(number));
    }
    for (std::uint32_t number = 1; site.stream(number) != 0; ++number) {
      const auto at = site.streams.find(site.stream(number));
      if (at != site.streams.end() && !at->second.has_head) site.head(site.stream(number));
      site.bring(site.stream(number));
    }
  }
  CHECK(site.is_empty());
}

}  // namespace

// --- The store -----------------------------------------------------------------------------------

TEST_CASE("runs are read one after another, as far as the reader is") {
  Stored site;
  site.read(site.body(1));
  CHECK(site.said() == "open b1; respond x1 plugin 0 with b1; read b1 run 4-16 for 4-16");
  site.pull(site.body(1), 4 * limits::mib);
  site.read(site.body(1));
  CHECK(site.said() == "close b1 job 1; read b1 run 16-32 for 16-32");
  site.read(site.body(1));
  site.read(site.body(1));
  CHECK(site.counts == "2621440 cache, 0 peers, 0 origin, 0 wasted");
  CHECK(site.is_empty());
}

TEST_CASE("a run that is gone is not held any more, and another one that has the piece is read") {
  Stored site;
  site.hold('a', {2, 16});
  site.hold('a', {0, 3});
  site.run_gone(site.body(1), site.store_job(site.body(1)));
  CHECK(site.said() == "read b1 run 0-3 for 0-3");
  site.read(site.body(1));
  CHECK(has(site.said(), "read b1 run 2-16 for 3-16"));
  site.read(site.body(1));
  site.cancel(site.body(1));
  site.said();
  site.open("/f");
  CHECK(site.said() == "read b2 run 0-3 for 0-3");
}

TEST_CASE("what another body found to be gone is not read: nothing is said of it to the store") {
  Stored site;
  site.open("/f", "bytes=1048576-");
  CHECK(site.said() == "read b2 run 16-32 for 16-32");
  site.read(site.body(1));
  CHECK(site.said() == "open b1; respond x1 plugin 0 with b1; read b1 run 4-16 for 4-16");
  site.run_gone(site.body(2), site.store_job(site.body(2)));
  site.said();
  site.read(site.body(1));
  CHECK(site.said() == "close b1 job 1; read b1 run 32-40 for 32-40");
  site.cancel(site.body(1));
}

TEST_CASE("what the store lost before the first byte is asked of the next plugin") {
  Stored site;
  site.run_gone(site.body(1), site.store_job(site.body(1)));
  CHECK(site.said() ==
        "close b1 job 1; break b1 storage-lost; open s1 of b2 for 0-4; "
        "read b2 run 4-16 for 4-16");
  site.open("/f");
  CHECK(has(site.said(), "open s2 of b3 for 0-4") == false);
}

TEST_CASE("what the store lost later the origin gives at that very byte") {
  Stored site;
  site.read(site.body(1));
  site.said();
  site.run_gone(site.body(1), site.store_job(site.body(1)));
  CHECK(site.said() == "close b1 job 1; open s1 of b1 for 4-16; read b1 run 16-32 for 16-32");
  site.head(site.stream(1));
  site.pull(site.body(1), 4 * limits::mib);
  site.bring(site.stream(1));
  site.read(site.body(1));
  site.read(site.body(1));
  CHECK(site.counts == "1835008 cache, 0 peers, 786432 origin, 0 wasted");
  CHECK(site.is_empty());
}

TEST_CASE("a run whose bytes went bad is dropped, and counts as wasted") {
  Stored site;
  site.read(site.body(1));
  site.said();
  site.digest(site.body(1), site.store_job(site.body(1)), 4, 2);
  CHECK(site.said() ==
        "drop run 4-16 of b1; close b1 job 1; open s1 of b1 for 4-16; "
        "read b1 run 16-32 for 16-32");
  site.cancel(site.body(1));
  CHECK(site.counts == "262144 cache, 0 peers, 0 origin, 65536 wasted");
  CHECK(site.is_empty());
}

TEST_CASE("a run that cannot be read ends its job, and is not read again by this body") {
  Stored site;
  site.read(site.body(1));
  site.said();
  site.end(site.body(1), site.store_job(site.body(1)), Error::storage_lost);
  CHECK(site.said() == "close b1 job 1; open s1 of b1 for 4-16; read b1 run 16-32 for 16-32");
  site.cancel(site.body(1));
  CHECK(site.is_empty());
}

TEST_CASE("what is said of a job that was closed, or never given, is not heard") {
  Stored site;
  const JobId job = site.store_job(site.body(1));
  site.read(site.body(1));
  site.read(site.body(1));
  site.said();
  for (const JobId late : {job, JobId{99}}) {
    site.run_gone(site.body(1), late);
    site.end(site.body(1), late, Error::storage_lost);
    if (Part* part = site.engine.part(site.body(1))) {
      part->handle_page_pending(late, true);
      part->handle_page_alive(late, site.now);
      part->handle_page_reply(late, 200, 40 * 65536, site.now);
    }
    site.hear();
  }
  CHECK(site.said().empty());
  site.cancel(site.body(1));
  CHECK(site.is_empty());
}

// --- A page --------------------------------------------------------------------------------------

TEST_CASE("a page that does not say that it got a request is given up, sooner the next time") {
  Delegated site;
  site.wait(limits::busy_ack_wait - 1us);
  CHECK(site.said().empty());
  site.wait(1us);
  CHECK(has(site.said(), "close b1 job 1; break b1 no-page; open s1 of b2 for 0-40"));
  site.list_came(site.id);
  site.head(site.stream(1));
  site.bring(site.stream(1), 1);
  site.cancel(site.body(2));
  CHECK(site.is_empty());
  // It may be frozen.
  site.said();
  site.open("/f");
  CHECK(site.said() == "read b3 run 0-1 for 0-1; ask page 7 of b3 for 1-40");
  site.wait(limits::ack_wait);
  CHECK(has(site.said(), "break b3 no-page"));
}

TEST_CASE("a page that says that it is there is waited for") {
  Delegated site;
  site.page_alive(site.body(1));
  site.wait(1h);
  CHECK(site.said().empty());
  CHECK(*site.engine.next_timeout() - site.now == limits::page_look_wait);
  site.page_piece(site.body(1), 0);
  site.cancel(site.body(1));
  CHECK(site.is_empty());
}

TEST_CASE("a page that goes before the first piece: another one is asked for the same") {
  Delegated site;
  site.hello(other);
  site.page_alive(site.body(1));
  site.gone(page);
  CHECK(site.said() == "close b1 job 1; ask page 8 of b1 for 0-40");
  CHECK(site.find(site.body(1), site.page_job(site.body(1)))->credit == limits::bridge_bytes);
  // That one has its own time to say that it got it.
  site.wait(limits::busy_ack_wait);
  CHECK(has(site.said(), "break b1 no-page"));
}

TEST_CASE("a page is looked for as it is asked, then each second as long as it is") {
  Delegated site;
  CHECK(site.looked_for.back() == page);
  const auto looks = [&] { return std::exchange(site.looked_for, {}).size(); };
  looks();
  for (int second = 0; second < 3; ++second) {
    site.page_alive(site.body(1));
    site.wait(limits::page_look_wait - 1us);
    CHECK(looks() == 0);
    site.wait(1us);
    CHECK(looks() == 1);
  }
  site.cancel(site.body(1));
  site.wait(10 * limits::page_look_wait);
  CHECK(looks() == 0);
}

TEST_CASE("each hello has all pages looked for: those that went make room") {
  Site site({network}, file_of(1));
  site.hello(page);
  CHECK(site.looked_for == std::vector{page});
  site.hello(other);
  CHECK(site.looked_for == std::vector{page, page, other});
}

TEST_CASE("the last page that goes before the first piece: the network begins") {
  Delegated site;
  site.gone(page);
  CHECK(site.said() ==
        "close b1 job 1; break b1 no-page; through x1 plugin 1 own listed; "
        "drop unlisted");
  site.answer(site.id, 1, true);
  CHECK(site.said() == "respond x1 plugin 1; over x1");
  CHECK(site.is_empty());
}

TEST_CASE("a page that goes after the first piece: the origin goes on, whoever else is there") {
  Delegated site;
  site.hello(other);
  site.page_piece(site.body(1), 0);
  site.said();
  site.gone(other);  // not the one that is asked
  CHECK(site.said().empty());
  site.hello(other);
  site.gone(page);
  CHECK(site.said() ==
        "close b1 job 1; open s1 of b1 for 1-40; need list x1; release and store 0-1");
  site.cancel(site.body(1));
  CHECK(site.is_empty());
}

// Pieces [begin, end) of the page that is asked.
void hand_over(Site& site, PieceRange pieces, PieceSource from = PieceSource::peers) {
  for (PieceIndex piece = pieces.begin; piece < pieces.end; ++piece) {
    site.page_piece(site.body(1), piece, from);
    site.pull(site.body(1), 65536);
  }
}

TEST_CASE("what a page handed over and has not stored is stored when that page is gone") {
  Delegated site;
  site.hello(other);
  hand_over(site, {0, 20});
  CHECK(site.handed.size() == 2);
  site.said();
  site.gone(other);
  CHECK(site.said().empty());
  site.gone(page);
  CHECK(has(site.said(), "release and store 0-16; release and store 16-20"));
  CHECK(site.handed.empty());
  // It is read from memory until it is written.
  site.hello(page);
  site.open("/f");
  CHECK(has(site.said(), "read b2 run 0-16 for 0-16"));
}

TEST_CASE("what a page could not store is stored by the worker when it has all of that run") {
  Delegated site;
  hand_over(site, {0, 8});
  site.said();
  site.unstored('a', {0, 16});
  site.unstored('b', {0, 8});
  CHECK(site.said().empty());
  hand_over(site, {8, 20});
  CHECK(has(site.said(), "release and store 0-16"));
  CHECK(site.handed.size() == 1);
  site.unstored('a', {16, 20});
  CHECK(has(site.said(), "release and store 16-20"));
  CHECK(site.handed.empty());
}

TEST_CASE("what a page handed over is let go of when all of its run is stored") {
  struct Case {
    PieceRange stored;
    std::string said;
  };
  const Case cases[] = {{{0, 16}, "release"}, {{0, 10}, ""}, {{1, 16}, ""}, {{0, 12}, "release"}};
  for (const Case& each : cases) {
    CAPTURE(each.stored.begin);
    CAPTURE(each.stored.end);
    Delegated site;
    hand_over(site, {0, 12});
    site.said();
    site.stored('a', each.stored);
    CHECK(site.said() == each.said);
  }
}

TEST_CASE("what this visitor had, what is wrong and what is not to be stored is not kept") {
  Delegated site;
  hand_over(site, {0, 2}, PieceSource::store);
  CHECK(site.handed.empty());
  site.stored('a', {2, 4});
  hand_over(site, {2, 4});
  CHECK(site.handed.empty());
  hand_over(site, {4, 5}, PieceSource::origin);
  CHECK(site.handed.size() == 1);

  // Not of the length that the manifest says.
  site.page_piece(site.body(1), site.page_job(site.body(1)), 5, 1000);
  CHECK(site.handed.size() == 1);
  site.gone(page);
  CHECK(has(site.said(), "release and store 4-5"));

  Site quiet({delegate, network}, file_of(40));
  quiet.hello(page);
  quiet.asks.fields.cache = "no-store";
  quiet.open("/f");
  hand_over(quiet, {0, 2});
  CHECK(quiet.handed.empty());
}

TEST_CASE("of what pages hand over and do not store, the newest runs are kept") {
  Site site({delegate, network}, file_of(1600));
  site.hello(page);
  site.open("/f");
  hand_over(site, {0, 1600});
  REQUIRE(site.handed.size() == limits::unwritten_bytes / limits::segment_bytes);
  for (const auto& [run, pieces] : site.handed) CHECK(pieces.begin >= 1600 - 32 * 16);
}

TEST_CASE("a page that owes pieces, and says nothing for long, is given up") {
  Delegated site;
  site.page_piece(site.body(1), 0);
  site.said();
  site.wait(limits::bridge_stall);
  CHECK(site.said().empty());
  site.page_alive(site.body(1));
  site.wait(limits::bridge_stall);
  CHECK(site.said().empty());
  site.wait(1s);
  CHECK(site.said() == "close b1 job 1; open s1 of b1 for 1-40; need list x1");
  site.cancel(site.body(1));
  CHECK(site.is_empty());
}

TEST_CASE("pieces out of order, of a wrong length or of a job that was closed are wasted") {
  SUBCASE("out of order") {
    Delegated site;
    site.page_piece(site.body(1), 0);
    site.page_piece(site.body(1), 2);
    CHECK(has(site.said(), "close b1 job 1; open s1 of b1 for 1-40"));
    site.cancel(site.body(1));
    CHECK(site.counts == "0 cache, 65536 peers, 0 origin, 65536 wasted");
    CHECK(site.is_empty());
  }
  SUBCASE("of a wrong length") {
    Delegated site;
    site.page_piece(site.body(1), 0);
    site.page_piece(site.body(1), site.page_job(site.body(1)), 1, 65535);
    CHECK(has(site.said(), "close b1 job 1; open s1 of b1 for 1-40"));
    site.cancel(site.body(1));
    CHECK(site.counts == "0 cache, 65536 peers, 0 origin, 65535 wasted");
  }
  SUBCASE("late") {
    Delegated site;
    const JobId job = site.page_job(site.body(1));
    site.page_piece(site.body(1), 0);
    site.page_end(site.body(1), Error::peer_gone);
    site.said();
    site.page_piece(site.body(1), job, 1, 65536);
    CHECK(site.said().empty());
    site.cancel(site.body(1));
    CHECK(site.counts == "0 cache, 65536 peers, 0 origin, 65536 wasted");
  }
}

TEST_CASE("by its source each piece is counted: the page had it, peers, the origin") {
  Delegated site;
  site.page_piece(site.body(1), 0, PieceSource::store);
  site.page_piece(site.body(1), 1, PieceSource::peers, 77);
  site.page_piece(site.body(1), 2, PieceSource::origin);
  site.cancel(site.body(1));
  CHECK(site.counts == "65536 cache, 65536 peers, 65536 origin, 77 wasted");
  CHECK(site.is_empty());
}

TEST_CASE(
    "a page that gives the whole resource in one reply: the worker checks it, and stores it") {
  Delegated site;
  site.page_alive(site.body(1));
  site.page_reply(site.body(1), 40 * 65536);
  CHECK(site.said() == "need list x1; check b1 0-40");
  site.list_came(site.id);
  site.pull(site.body(1), 4 * limits::mib);
  site.digest_all(site.body(1), site.page_job(site.body(1)));
  CHECK(site.said() ==
        "open b1; respond x1 plugin 0 with b1; store b1 0-4; store b1 4-16; "
        "store b1 16-32; store b1 32-40; close b1 job 1; finish b1; over x1; "
        "drop unlisted");
  CHECK(site.counts == "0 cache, 2621440 peers, 0 origin, 0 wasted");
  CHECK(site.is_empty());
}

TEST_CASE("a reply of another length, and one whose bytes are wrong, are of no use") {
  Delegated site;
  SUBCASE("shorter") {
    site.page_reply(site.body(1), 40 * 65536 - 1);
  }
  SUBCASE("longer") {
    site.page_reply(site.body(1), 40 * 65536 + 1);
  }
  SUBCASE("of another status") {
    site.page_reply(site.body(1), 40 * 65536, 404);
  }
  SUBCASE("larger than a reply may be") {
    site.page_reply(site.body(1), limits::reply_bytes + 1);
  }
  SUBCASE("wrong") {
    site.page_reply(site.body(1), 40 * 65536);
    site.list_came(site.id);
    site.digest(site.body(1), site.page_job(site.body(1)), 0, 2);
  }
  SUBCASE("its list is not there") {
    site.page_reply(site.body(1), 40 * 65536);
    site.no_list(site.id);
    site.page_end(site.body(1), Error::digests_mismatch);
  }
  CHECK(has(site.said(), "close b1 job 1; break b1 "));
  CHECK(site.bodies.size() == 2);
}

TEST_CASE("a page is given credit, a quarter of a megabyte at a time as it is passed on") {
  Delegated site;
  const auto credit = [&site] {
    return site.bodies.at(site.body(1).value).jobs.begin()->second.credit;
  };
  CHECK(credit() == limits::bridge_bytes);
  for (PieceIndex piece = 0; piece < 4; ++piece) {
    site.page_piece(site.body(1), piece);
    CHECK(credit() == limits::bridge_bytes + (piece == 3 ? limits::grant_bytes : 0));
  }
  // The reader takes no more for now.
  for (PieceIndex piece = 4; piece < 16; ++piece) site.page_piece(site.body(1), piece);
  CHECK(credit() == limits::bridge_bytes + limits::grant_bytes);
  site.pull(site.body(1), limits::mib);
  CHECK(credit() == limits::bridge_bytes + 4 * limits::grant_bytes);
  site.cancel(site.body(1));
  CHECK(site.is_empty());
}

TEST_CASE("pieces of a page that came for nothing give their credit back") {
  Delegated site;
  site.page_alive(site.body(1));
  // The origin helps out behind two pieces that the store turns out not to have.
  site.stored('a', {0, 2});
  site.page_pending(site.body(1), false);
  site.wait(5s);
  site.list_came(site.id);
  for (std::uint32_t number = 1; number < 4; ++number) {
    site.head(site.stream(number));
    site.bring(site.stream(number));
  }
  site.run_gone(site.body(1), site.store_job(site.body(1)));
  const auto is_sending = [&site] {
    const Host::Job* job = site.find(site.body(1), site.page_job(site.body(1)));
    return job && job->next < job->pieces.end && job->credit >= 65536;
  };
  while (is_sending()) {
    Host::Job& job = *site.find(site.body(1), site.page_job(site.body(1)));
    job.credit -= 65536;
    site.page_piece(site.body(1), job.next);
    site.pull(site.body(1), 4 * limits::mib);
  }
  CHECK(site.is_empty());
}

// --- Answers of the origin
// ------------------------------------------------------------------------

TEST_CASE("two readers share one answer, which one of them stores") {
  Site site({network}, file_of(4));
  const ExchangeId id = site.open("/f");
  site.open("/f");
  CHECK(site.said() == "open s1 of b1 for 0-4 whole; need list x1");
  site.list_came(id);
  site.head(site.stream(1));
  site.bring(site.stream(1));
  const std::string said = site.said();
  CHECK(has(said, "finish b1"));
  CHECK(has(said, "finish b2"));
  CHECK(has(said, "store b1 0-4"));
  CHECK_FALSE(has(said, "store b2"));
  CHECK(site.is_empty());
}

TEST_CASE("a reader that comes late is given what came already") {
  Alone site;
  site.bring(site.stream(1), 6);
  CHECK(site.said() == "store b1 0-4");
  SUBCASE("of the whole") {
    site.open("/f");
    // It reads what was stored, and joins behind it.
    CHECK(has(site.said(), "read b2 run 0-4 for 0-4"));
  }
  SUBCASE("of a part that is on its way") {
    site.open("/f", "bytes=300000-399999");
    CHECK(site.said() == "open b2; respond x2 plugin 0 with b2");
  }
  SUBCASE("of a part that is far ahead") {
    site.open("/f", "bytes=2500000-2500009");
    CHECK(site.said().empty());
  }
  finish(site);
}

TEST_CASE("a reader that goes leaves the answer to the others") {
  Alone site;
  site.open("/f", "bytes=100000-");
  site.bring(site.stream(1), 2);
  site.said();
  site.cancel(site.body(1));
  CHECK(site.said() == "store b1 0-2; break b1 cancelled; over x1");
  finish(site);
  CHECK(site.counts == "0 cache, 0 peers, 2521440 origin, 0 wasted");
}

TEST_CASE("an answer that a body reads on both sides of what is stored is closed once") {
  Site site({network}, file_of(10));
  site.open("/f");
  site.stored('a', {2, 3});
  site.open("/f");
  CHECK(site.said() == "open s1 of b1 for 0-10 whole; need list x1; read b2 run 2-3 for 2-3");
  SUBCASE("it is refused, and goes to both pages") {
    site.head(site.stream(1), 429);
    CHECK(has(site.said(), "pass s1 as b2; "));
  }
  SUBCASE("it breaks off") {
    site.stream_end(site.stream(1), Error::origin_unreachable);
    CHECK(has(site.said(), "close s1; "));
    for (auto& [id, request] : site.requests) site.answer({id}, 0, true);
  }
  CHECK(site.is_empty());
}

TEST_CASE("a request that turns out not to be needed in the moment it was planned is not made") {
  Site site({network}, file_of(160));
  site.hello(page);
  const ExchangeId id = site.open("/f");
  // The origin does not know ranges: this answer gives all that is left.
  site.head(site.stream(1), 200);
  site.list_came(id);
  for (const PieceRange run : {PieceRange{52, 64}, {64, 80}, {80, 96}, {96, 100}}) {
    site.stored('a', run);
  }
  site.said();
  // It joins that answer, would read what is stored, and ask for what is far ahead.
  site.open("/f", "bytes=3276800-");
  CHECK(site.said() == "read b2 run 52-64 for 52-64; close b2 job 2");
  CHECK(site.streams.size() == 1);
  finish(site);
}

TEST_CASE("a whole answer whose first piece is wrong is the page's as it is, under its own head") {
  Site site({network}, file_of(4));
  const ExchangeId id = site.open("/f");
  site.list_came(id);
  site.said();
  site.head(site.stream(1));
  CHECK(site.said() == "open b1; respond x1 plugin 0 with b1");
  site.stream_piece(site.stream(1), 0, 2);
  CHECK(site.said() ==
        "spill s1 to b1; close s1; report x1 origin-changed; over x1; keep manifest; fetch "
        "manifest; drop unlisted");
  CHECK(site.is_empty());
}

TEST_CASE("under another tag than pages are given, a head waits for its first piece") {
  Site site({network}, file_of(4));
  ExchangeId id = site.open("/f");
  site.list_came(id);
  site.head_of(site.stream(1), 200, "etag\n\"one\"");
  site.bring(site.stream(1));
  site.asks.fields.cache = "reload";
  id = site.open("/f");
  site.said();
  site.head_of(site.stream(2), 200, "etag\n\"two\"");
  CHECK(site.said().empty());
  const auto said_of_tag = [&](const char* tag) {
    site.ask("GET", "/f", std::string("\n\n\n\n\"") + tag + "\"");
    return site.said();
  };
  SUBCASE("right: under the tag that was given first, and the other one counts too") {
    site.bring(site.stream(2), 1);
    CHECK(has(site.said(), "open b2; respond x2 plugin 0 with b2"));
    CHECK(header_of(site.engine.exchange(id)->head().headers, "etag") == "\"one\"");
    site.bring(site.stream(2));
    CHECK(has(said_of_tag("two"), "empty 304"));
  }
  SUBCASE("wrong: with its own head, and its tag says nothing of the bytes that are listed") {
    site.stream_piece(site.stream(2), 0, 2);
    CHECK(has(site.said(),
              "spill s2 to b2 with its head; close s2; report x2 origin-changed; "
              "respond x2 plugin 0 with b2"));
    // The same bytes in another manifest.
    site.list(file_of(4));
    site.manifest_fetched(true, false);
    CHECK(has(said_of_tag("two"), "through"));
    CHECK(has(said_of_tag("one"), "empty 304"));
  }
  SUBCASE("without a digest list: with its own head") {
    site.stream_end(site.stream(2), Error::digests_mismatch);
    CHECK(has(site.said(), "spill s2 to b2 with its head"));
  }
}

TEST_CASE("the tag of an answer with other bytes is not given for those that are listed") {
  Site site({delegate, network}, file_of(4));
  const ExchangeId id = site.open("/f");
  site.list_came(id);
  site.head_of(site.stream(1), 200, "etag\n\"new\"");
  site.stream_piece(site.stream(1), 0, 2);
  site.list(file_of(4));
  site.manifest_fetched(true, false);
  const ExchangeId next = site.open("/f");
  site.head_of(site.stream(2), 200, "etag\n\"old\"");
  CHECK(header_of(site.engine.exchange(next)->head().headers, "etag") == "\"old\"");
}

TEST_CASE("a tag that was given with right bytes stays, though others follow them") {
  Site site({network}, file_of(4));
  const ExchangeId id = site.open("/f");
  site.list_came(id);
  site.head_of(site.stream(1), 200, "etag\n\"one\"");
  site.bring(site.stream(1), 2);
  site.stream_piece(site.stream(1), 2, 2);
  CHECK(header_of(site.engine.exchange(id)->head().headers, "etag") == "\"one\"");
}

TEST_CASE("what the head of other bytes taught is forgotten though the first who read it left") {
  Site site({network}, file_of(4));
  const ExchangeId id = site.open("/f");
  site.list_came(id);
  site.head_of(site.stream(1), 200, "etag\n\"one\"");
  site.bring(site.stream(1));
  site.asks.fields.cache = "reload";
  site.open("/f");
  site.open("/f");
  site.head_of(site.stream(2), 200, "etag\n\"two\"");
  site.cancel(site.body(2));
  site.stream_piece(site.stream(2), 0, 2);
  site.list(file_of(4));
  site.manifest_fetched(true, false);
  site.said();
  site.ask("GET", "/f", "\n\n\n\n\"two\"");
  CHECK(has(site.said(), "through"));
}

TEST_CASE("who waits for an answer whose page gave up its own Request gets one by another") {
  Site site({network}, file_of(4));
  const ExchangeId id = site.open("/f");
  site.open("/f");
  CHECK(site.said() == "open s1 of b1 for 0-4 whole; need list x1");
  site.cancel(site.body(1));
  site.said();
  site.stream_end(site.stream(1), Error::cancelled);
  CHECK(site.said() == "open s1 of b2 for 0-4 whole remade");
  site.list_came(id);
  site.head(site.stream(1));
  site.bring(site.stream(1));
  CHECK(has(site.said(), "finish b2"));
}

TEST_CASE("all who have the head of an answer that turns out wrong get its bytes") {
  Site site({network}, file_of(4));
  const ExchangeId id = site.open("/f");
  site.open("/f");
  site.list_came(id);
  site.head(site.stream(1));
  site.said();
  SUBCASE("its first piece is wrong") {
    site.stream_piece(site.stream(1), 0, 2);
  }
  SUBCASE("it goes on behind the end") {
    site.stream_end(site.stream(1), Error::wrong_length);
  }
  CHECK(site.said() ==
        "spill s1 to b1; report x1 origin-changed; spill s1 to b2; close s1; over x1; over "
        "x2; keep manifest; fetch manifest; drop unlisted");
  CHECK(site.is_empty());
}

TEST_CASE("who asked for a part has no head before the bytes, and is never given the whole") {
  Site site({network}, {Host::file("/f", 5000)});
  const ExchangeId id = site.open("/f", "bytes=0-9");
  CHECK(site.said() == "open s1 of b1 for 0-1 whole");
  site.head(site.stream(1));
  CHECK(site.said().empty());
  SUBCASE("right") {
    site.bring(site.stream(1));
    CHECK(has(site.said(), "open b1; "));
  }
  SUBCASE("wrong: the request goes on by itself") {
    site.stream_piece(site.stream(1), 0, 2);
    CHECK(site.said() ==
          "close s1; break b1 origin-changed; report x1 origin-changed; through x1 plugin 0 "
          "own listed; keep manifest; fetch manifest; drop unlisted");
    site.answer(id, 0, true);
  }
  CHECK(site.is_empty());
}

TEST_CASE("a wrong piece behind the first one is asked for again, and ends the body") {
  Site site({network}, file_of(4));
  const ExchangeId id = site.open("/f");
  site.list_came(id);
  site.head(site.stream(1));
  site.bring(site.stream(1), 1);
  site.said();
  site.stream_piece(site.stream(1), 1, 2);
  CHECK(site.said() == "store b1 0-1; close s1; open s2 of b1 for 1-4");
  site.head(site.stream(2));
  site.stream_piece(site.stream(2), 1, 2);
  CHECK(site.said() ==
        "close s2; break b1 origin-changed; report x1 origin-changed; over x1; keep "
        "manifest; fetch manifest; drop unlisted");
  CHECK(site.is_empty());
}

TEST_CASE("an answer that breaks off is asked for again at that very byte, a few times") {
  Alone site;
  site.bring(site.stream(1), 5);
  site.said();
  site.stream_end(site.stream(1), Error::origin_unreachable);
  CHECK(site.said() == "store b1 4-5; close s1; open s2 of b1 for 5-40 after 250");
  site.wait(250ms);
  site.stream_end(site.stream(2), Error::origin_unreachable);
  CHECK(site.said() == "close s2; open s3 of b1 for 5-40 after 500");
  site.wait(500ms);
  site.stream_end(site.stream(3), Error::origin_unreachable);
  CHECK(site.said() ==
        "close s3; break b1 origin-unreachable; report x1 origin-unreachable; over x1; drop "
        "unlisted");
  CHECK(site.is_empty());
}

TEST_CASE("what is said of a stream that was closed, or never opened, is not heard") {
  Alone site;
  const StreamId stream = site.stream(1);
  site.bring(stream, 1);
  site.stream_end(stream, Error::origin_unreachable);
  site.said();
  for (const StreamId late : {stream, StreamId{99}, StreamId{}}) {
    site.engine.handle_stream_head(late, Host::answer_of(200, {}), site.now);
    site.engine.handle_stream_piece(late, 1, 65536, Digest(), site.now);
    site.engine.handle_stream_rate(late, 65536, site.now);
    site.engine.handle_stream_end(late, Error::none, site.now);
    site.hear();
  }
  CHECK(site.said().empty());
  site.cancel(site.body(1));
  CHECK(site.is_empty());
}

TEST_CASE("what comes faster than it is written is passed on, and not all of it is stored") {
  Site site({network}, file_of(1600));
  site.hello(page);
  site.list_came(site.open("/f"));
  finish(site);
  const std::string said = site.said();
  CHECK(has(said, "finish b1"));
  std::size_t stored = 0;
  for (std::size_t at = 0; (at = said.find("store b1", at)) != std::string::npos; ++at) ++stored;
  CHECK(stored == limits::unwritten_bytes_max / limits::segment_bytes);
}

TEST_CASE("what a store cannot take is not put there by this body any more") {
  Alone site;
  site.bring(site.stream(1), 4);
  CHECK(has(site.said(), "store b1 0-4"));
  site.engine.handle_store_done(site.body(1), Host::root_of('a'), {0, 4}, StoreOutcome::failed);
  site.pull(site.body(1), 4 * limits::mib);
  site.bring(site.stream(1));
  CHECK(site.said() == "close s1; finish b1; over x1; drop unlisted");
  CHECK(site.is_empty());
  // Nothing of it is held.
  site.open("/f");
  CHECK(has(site.said(), "open s2 of b2 for 0-40"));
}

TEST_CASE("what does not fit is stored once there is room, and not read before") {
  Site site({network}, file_of(40));
  site.hello(page);
  site.engine.handle_store_begin(65536 * 10, 0);
  const ExchangeId id = site.open("/f");
  site.list_came(id);
  site.head(site.stream(1));
  site.pull(site.body(1), 4 * limits::mib);
  site.bring(site.stream(1));
  CHECK(site.said() ==
        "open s1 of b1 for 0-40 whole; need list x1; open b1; respond x1 plugin 0 with b1; store "
        "b1 0-4; store b1 4-16 without room; store b1 16-32 without room; store b1 32-40 without "
        "room; close s1; finish b1; over x1; drop unlisted");
  CHECK(site.is_empty());
}

TEST_CASE("a run that somebody else stored is read, and not fetched") {
  Alone site;
  site.bring(site.stream(1), 1);
  site.said();
  site.stored('a', {16, 32});
  finish(site);
  CHECK(site.counts == "1048576 cache, 0 peers, 1572864 origin, 0 wasted");
}

// --- Digest lists --------------------------------------------------------------------------------

TEST_CASE(
    "what was stored meanwhile is read, though a page was asked that has brought nothing yet") {
  Delegated site;
  site.stored('a', {0, 16});
  CHECK(has(site.said(), "read b1 run 0-16 for 0-4"));
  site.list_came(site.id);
  site.read(site.body(1));
  CHECK(has(site.said(), "open b1; respond x1 plugin 0 with b1"));
}

TEST_CASE("a digest list is asked for once by all who want its resource, at once or later") {
  Site site({network}, file_of(4));
  const ExchangeId first = site.open("/f");
  CHECK(has(site.said(), "need list x1"));
  site.open("/f");
  CHECK(site.said().empty());
  site.list_came(first);
  site.open("/f");
  CHECK(site.said().empty());
  site.head(site.stream(1));
  site.bring(site.stream(1));
  CHECK(site.is_empty());
  site.said();
  site.open("/f", "bytes=0-9");
  CHECK(!has(site.said(), "need list"));
}

TEST_CASE("a digest list that had not come when everybody left is asked for anew") {
  Site site({network}, file_of(4));
  const ExchangeId first = site.open("/f");
  site.cancel(site.body(1));
  site.list_came(first);
  site.said();
  site.open("/f");
  CHECK(has(site.said(), "need list x2"));
}

TEST_CASE("of the digest lists that nobody reads by, the oldest are asked for anew") {
  std::vector<ResourceFields> files;
  for (std::size_t i = 0; i <= limits::lists_kept; ++i) {
    files.push_back(Host::file("/" + std::to_string(i), 4 * 65536, "0123456789abcdef"[i]));
  }
  Site site({network}, files);
  for (std::size_t i = 0; i < files.size(); ++i) {
    site.list_came(site.open(std::string_view(files[i].path)));
    site.cancel(site.body(static_cast<std::uint32_t>(i + 1)));
  }
  site.said();
  site.open("/1");
  CHECK(!has(site.said(), "need list"));
  site.open("/0");
  CHECK(has(site.said(), "need list"));
}

TEST_CASE("one piece is its own list") {
  Site site({network}, file_of(1));
  site.open("/f");
  CHECK(site.said() == "open s1 of b1 for 0-1 whole");
}

TEST_CASE("a list is good whose digest is the root, and of the right length") {
  struct Case {
    std::string name;
    std::uint32_t status;
    Digest digest;
    std::size_t digests;
    Error error;
  };
  const Digest root = Host::root_of('a');
  const Case cases[] = {
      {"good", 200, root, 4, Error::none},
      {"another one", 200, Host::root_of('b'), 4, Error::digests_mismatch},
      {"too short", 200, root, 3, Error::digests_mismatch},
      {"too long", 200, root, 5, Error::digests_mismatch},
      {"not there", 404, root, 4, Error::digests_mismatch},
      {"trouble that passes", 503, root, 4, Error::origin_unreachable},
  };
  for (const Case& each : cases) {
    CAPTURE(each.name);
    Site site({network}, file_of(4));
    site.open("/f");
    const std::string list(each.digests * Digest::bytes_size, '\0');
    CHECK(site.engine.handle_list(root, each.status, each.digest, list) == each.error);
  }
  Site nobody({network}, file_of(4));
  CHECK(nobody.engine.handle_list(root, 200, root, std::string(128, '\0')) == Error::none);
}

TEST_CASE("without a list nothing can be checked: the origin answers for itself") {
  Site site({network}, file_of(4));
  const ExchangeId id = site.open("/f");
  site.head(site.stream(1));
  site.said();
  site.no_list(id);
  site.stream_end(site.stream(1), Error::digests_mismatch);
  CHECK(site.said() ==
        "spill s1 to b1; close s1; report x1 digests-mismatch; over x1; keep manifest; fetch "
        "manifest; drop unlisted");
  CHECK(site.is_empty());
  // It is asked for again by the next who needs it, under a manifest that may be another one.
  site.list(file_of(4));
  site.manifest_fetched(true, true);
  site.open("/f");
  CHECK(has(site.said(), "need list x2"));
}

TEST_CASE("a list that could not be had when nobody waited for it any more is nobody's loss") {
  Site site({network}, file_of(4));
  const ExchangeId first = site.open("/f");
  site.stream_end(site.stream(1), Error::origin_unreachable);
  // The browser's own request found the origin again.
  site.passed(first, 200);
  site.answer(first, 0, true);
  site.said();
  const ExchangeId second = site.open("/f");
  CHECK(site.said() == "open s2 of b2 for 0-4 whole; need list x2");
  SUBCASE("before the other one came") {
    site.no_list(first);
    site.list_came(second);
  }
  SUBCASE("after it") {
    site.list_came(second);
    site.no_list(first);
  }
  site.head(site.stream(2));
  site.bring(site.stream(2), 1);
  // Who joins is told again what came.
  site.open("/f");
  site.bring(site.stream(2));
  CHECK(site.said().find("report x") == std::string::npos);
  CHECK(site.is_empty());
}

// --- How it goes ---------------------------------------------------------------------------------

TEST_CASE("how it goes is told now and then, and when it is over") {
  Alone site;
  site.wait(limits::progress_wait - 1us);
  site.bring(site.stream(1), 1);
  CHECK(site.counts.empty());
  site.wait(1us);
  site.bring(site.stream(1), 1);
  CHECK(site.counts == "0 cache, 0 peers, 131072 origin, 0 wasted");
  site.bring(site.stream(1), 1);
  CHECK(site.counts == "0 cache, 0 peers, 131072 origin, 0 wasted");
  site.cancel(site.body(1));
  CHECK(site.counts == "0 cache, 0 peers, 196608 origin, 0 wasted");
}

TEST_CASE("how long peers take is learned from pages that were connected") {
  Delegated site;
  site.page_alive(site.body(1));
  site.wait(100ms);
  SUBCASE("not connected") {
    site.page_pending(site.body(1), false);
    site.page_piece(site.body(1), 0);
    CHECK_FALSE(site.engine.outlook().peers().measured());
    CHECK(site.engine.outlook().is_warm());
  }
  SUBCASE("connected") {
    site.page_pending(site.body(1), true);
    site.page_piece(site.body(1), 0);
    CHECK(site.engine.outlook().peers().first() == 100ms);
  }
  SUBCASE("in vain") {
    site.page_pending(site.body(1), true);
    site.page_end(site.body(1), Error::peer_gone);
    CHECK(site.engine.outlook().peers().first() == 100ms);
  }
  SUBCASE("the page had it") {
    site.page_pending(site.body(1), true);
    site.page_piece(site.body(1), 0, PieceSource::store);
    CHECK_FALSE(site.engine.outlook().peers().measured());
  }
}
