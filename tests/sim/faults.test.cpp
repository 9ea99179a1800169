// A thousand small runs in which everything goes wrong that can: loss, reordering, repeated
// messages, lies, stalls, deaths, sleep, a coordinator that restarts, an origin that fails, and
// peers that break the protocol. A failing run prints the one command that repeats it.
#include "stories.hpp"
#include "worker.hpp"

namespace peer_cdn::sim {
namespace {

const File& small_file(World& world) {
  const std::uint64_t piece_bytes = 64 * limits::kib << world.random.below(2);
  return world.file(1 + world.random.below(limits::mib), piece_bytes);
}

Network faulty_network(Random& random) {
  Network network = network_of(random);
  network.loss = random.chance(0.3) ? 0.1 : network.loss;
  network.jitter = random.between(0ms, 100ms);
  network.unreachable = random.chance(0.3) ? 0.3 : 0;
  network.repeats = random.chance(0.5) ? 0.2 : 0;
  return network;
}

Faults some_faults(Random& random) {
  Faults faults;
  if (random.chance(0.2)) faults.lies = 0.05;
  if (random.chance(0.2)) faults.stalls_after = static_cast<int>(random.below(60));
  if (random.chance(0.2)) faults.loses = 0.02;
  if (random.chance(0.2)) faults.rogue = static_cast<Rogue>(random.below(rogues));
  return faults;
}

void start_reading(World& world, Visitor& visitor, const File& file) {
  const auto begin = static_cast<PieceIndex>(world.random.below(file.geometry.count()));
  const swarm::OriginHelp help{world.random.chance(0.5), world.random.between(0ms, 1500ms)};
  visitor.read(file, {begin, file.geometry.count()},
               world.random.chance(0.3) ? limits::mib : std::uint64_t{0}, help);
}

// One thing that a visitor, or its fate, does.
void something_happens(World& world, Visitor& visitor, const File& file) {
  Random& random = world.random;
  if (random.chance(0.04)) return visitor.die();
  if (random.chance(0.04)) return visitor.sleep(random.between(100ms, 5min));
  if (random.chance(0.02)) return world.restart_coordinator();
  if (random.chance(0.04)) return visitor.lose_paths();
  if (random.chance(0.04)) {
    return world.step(visitor, [&](Visitor& v) { v.peer.handle_network_changed(world.now()); });
  }
  if (random.chance(0.2)) {
    return world.step(visitor, [&](Visitor& v) {
      v.peer.handle_listed(file.root, file.geometry, world.now());
      v.peer.handle_list_complete(world.now());
      v.peer.handle_idle(false, false, world.now());
    });
  }
  if (!visitor.readings.empty() && random.chance(0.2)) {
    const Reading& reading = visitor.readings.back();
    if (!reading.ended && !reading.closed) visitor.close(visitor.readings.size() - 1);
  } else if (visitor.readings.size() < 20) {
    start_reading(world, visitor, file);
  }
}

bool is_fetching(const World& world) {
  return std::any_of(world.visitors.begin(), world.visitors.end(), [](const auto& visitor) {
    if (!visitor->alive || !visitor->worker) return false;
    const auto& requests = visitor->worker->requests;
    return !std::all_of(requests.begin(), requests.end(), [](auto& each) { return each->done(); });
  });
}

}  // namespace

TEST_CASE("whatever goes wrong, what must hold holds") {
  for_seeds(1000, [](std::uint64_t seed) {
    Random random(seed);
    World world(seed, faulty_network(random));
    world.origin.fails = random.chance(0.3) ? 0.1 : 0;
    world.origin.lies = random.chance(0.2) ? 0.1 : 0;
    std::vector<const File*> files;
    for (int i = 0; i < 2; ++i) files.push_back(&small_file(world));
    const std::uint64_t visitors = 3 + random.below(4);
    for (std::uint64_t i = 0; i < visitors; ++i) {
      Visitor& visitor = world.add();
      visitor.faults = some_faults(random);
      const File& file = *files[random.below(2)];
      const auto begin = static_cast<PieceIndex>(random.below(file.geometry.count()));
      if (random.chance(0.6)) {
        visitor.hold(file, {random.chance(0.5) ? 0 : begin, file.geometry.count()});
      }
    }
    for (int step = 0; step < 30; ++step) {
      settle(world, random.between(0ms, 400ms));
      Visitor& visitor = *world.visitors[random.below(visitors)];
      if (!visitor.alive || world.now() < visitor.asleep_until) continue;
      something_happens(world, visitor, *files[random.below(2)]);
    }
    CHECK(world.run_readers(10min));
    settle(world, 2s);
    check_world(world);
  });
}

TEST_CASE("a fetch through the worker ends, and with all of it where the origin is good") {
  for_seeds(200, [](std::uint64_t seed) {
    Random random(seed);
    World world(seed, faulty_network(random));
    const bool good = random.chance(0.7);
    world.origin.fails = good ? 0 : 0.1;
    world.origin.lies = good || random.chance(0.5) ? 0 : 0.1;
    std::vector<const File*> files;
    for (int i = 0; i < 3; ++i) files.push_back(&small_file(world));
    files.push_back(&world.file(3 * limits::mib, 128 * limits::kib));
    const std::uint64_t visitors = 2 + random.below(4);
    for (std::uint64_t i = 0; i < visitors; ++i) {
      Visitor& visitor = world.add();
      visitor.faults = some_faults(random);
      if (random.chance(0.5)) {
        const File& file = *files[random.below(4)];
        visitor.hold(file, file.geometry.all());
      }
      if (random.chance(0.5)) world.step(visitor, [&](Visitor& v) { v.warm_up(files); });
    }
    for (int i = 0; i < 20; ++i) {
      settle(world, random.between(0ms, 2s));
      Visitor& visitor = *world.visitors[random.below(world.visitors.size())];
      if (random.chance(0.03)) visitor.die();
      if (!visitor.alive || world.now() < visitor.asleep_until) continue;
      const bool is_slow = random.chance(0.3);
      visitor.fetch(*files[random.below(4)],
                    is_slow ? limits::reader_rate_min + random.below(limits::mib) : 0);
      if (random.chance(0.05)) visitor.sleep(random.between(100ms, 1min));
      if (world.now() < visitor.asleep_until || random.chance(0.8)) continue;
      const auto& requests = visitor.worker->requests;
      settle(world, random.between(0ms, 500ms));
      visitor.abort(*requests[random.below(requests.size())]);
    }
    CHECK(world.run(5min, [&] { return !is_fetching(world); }));
    for (const auto& visitor : world.visitors) {
      if (!visitor->alive || !visitor->worker || !good) continue;
      for (const auto& request : visitor->worker->requests) {
        CHECK((request->is_aborted || request->passed == request->file.geometry.bytes()));
      }
    }
    check_world(world);
  });
}

TEST_CASE("who breaks the protocol is cut off by its name, and the transfer goes on") {
  std::map<Rogue, int> cut_off;
  for_seeds(240, [&](std::uint64_t seed) {
    Random random(seed);
    World world(seed, network_of(random));
    world.network.repeats = 0.1;
    const File& file = world.file(limits::mib + random.below(2 * limits::mib), 64 * limits::kib);
    Visitor& honest = world.add();
    Visitor& rogue = world.add();
    rogue.faults.rogue = static_cast<Rogue>(1 + seed % (rogues - 1));
    honest.hold(file, file.geometry.all());
    rogue.hold(file,
               rogue.faults.rogue == Rogue::advertises ? PieceRange{0, 1} : file.geometry.all());
    settle(world, 2s);
    Visitor& leecher = world.add();
    settle(world, 1s);
    leecher.read(file, file.geometry.all());
    CHECK(world.run_readers(60s));
    check_ended_well(leecher.readings[0]);
    settle(world, 5s);
    CAPTURE(static_cast<int>(rogue.faults.rogue));
    for (const auto& wronged : leecher.wronged) {
      CAPTURE(code(wronged.first));
      CHECK(leecher.reports[wronged.first] > 0);
      ++cut_off[rogue.faults.rogue];
    }
    if (rogue.faults.rogue == Rogue::advertises) {
      cut_off[rogue.faults.rogue] += leecher.reports[Error::peer_stalled];
    } else if (!leecher.wronged.empty()) {
      CHECK(leecher.other(rogue.peer_id()) == nullptr);
      CHECK(leecher.peer.swarm().is_banned(rogue.peer_id()));
    }
    check_world(world);
  });
  if (std::getenv("SIM_SEED") != nullptr) return;
  // Each kind was at it.
  for (int kind = 1; kind < rogues; ++kind) {
    CAPTURE(kind);
    CHECK(cut_off[static_cast<Rogue>(kind)] > 0);
  }
}

TEST_CASE("a peer that claims all and brings nothing holds up one file, and not the next") {
  for_seeds(30, [](std::uint64_t seed) {
    Random random(seed);
    World world(seed, network_of(random));
    Visitor& rogue = world.add();
    rogue.faults.rogue = Rogue::claims;
    const File* files[2];
    for (const File*& file : files) {
      file = &world.file(9 * limits::mib, 128 * limits::kib);
      rogue.hold(*file, {0, 1});
    }
    settle(world, 2s);
    Visitor& reader = world.add();
    settle(world, 1s);
    Duration took[2];
    for (std::size_t i = 0; i < 2; ++i) {
      reader.read(*files[i], files[i]->geometry.all(), 0, {1, 200ms});
      CHECK(world.run_readers(2min));
      check_ended_well(reader.readings[i]);
      took[i] = reader.readings[i].ended_at - reader.readings[i].opened;
      settle(world, 5s);
    }
    CHECK(took[1] + 2 * limits::claim_wait < took[0]);
    CHECK_FALSE(reader.peer.swarm().is_banned(rogue.peer_id()));
    check_world(world);
  });
}

TEST_CASE("a coordinator that restarts ends no transfer, and is found again") {
  for_seeds(60, [](std::uint64_t seed) {
    Random random(seed);
    World world(seed, network_of(random));
    const File& file = world.file(2 * limits::mib, 64 * limits::kib);
    Visitor& seeder = world.add();
    seeder.hold(file, file.geometry.all());
    settle(world, 2s);
    Visitor& leecher = world.add();
    settle(world, 1s);
    leecher.read(file, file.geometry.all());
    CHECK(world.run(5s, [&] { return leecher.readings[0].next > 0; }));
    settle(world, random.between(0ms, 300ms));
    world.restart_coordinator();
    CHECK(world.run_readers(60s));
    check_ended_well(leecher.readings[0]);
    settle(world, 5s);
    Visitor& later = world.add();
    settle(world, 1s);
    later.read(file, file.geometry.all());
    CHECK(world.run_readers(60s));
    check_ended_well(later.readings[0]);
    check_world(world);
  });
}

TEST_CASE("pairs outlive a coordinator that restarts, and none is made twice") {
  for_seeds(60, [](std::uint64_t seed) {
    World world(seed, network_of(*std::make_unique<Random>(seed)));
    const File& film = world.file(limits::mib, 64 * limits::kib);
    const File& song = world.file(limits::mib, 64 * limits::kib);
    Visitor& seeder = world.add();
    seeder.hold(film, film.geometry.all());
    seeder.hold(song, song.geometry.all());
    settle(world, 2s);
    Visitor& leecher = world.add();
    settle(world, 1s);
    leecher.read(film, film.geometry.all());
    CHECK(world.run_readers(60s));
    world.restart_coordinator();
    settle(world, 5s);
    leecher.read(song, song.geometry.all());
    CHECK(world.run_readers(60s));
    for (const Reading& reading : leecher.readings) check_ended_well(reading);
    CHECK(seeder.pairs_made == 1);
    CHECK(leecher.pairs_made == 1);
    check_world(world);
  });
}

TEST_CASE("a path that is lost is found again on the same connection") {
  for_seeds(60, [](std::uint64_t seed) {
    Random random(seed);
    World world(seed, network_of(random));
    const File& file = world.file(4 * limits::mib, 64 * limits::kib);
    Visitor& seeder = world.add();
    seeder.hold(file, file.geometry.all());
    settle(world, 2s);
    Visitor& leecher = world.add();
    settle(world, 1s);
    leecher.read(file, file.geometry.all());
    settle(world, random.between(300ms, 900ms));
    leecher.lose_paths();
    const bool told = random.chance(0.5);
    if (told) {
      Visitor& who = random.chance(0.5) ? seeder : leecher;
      world.step(who, [&](Visitor& v) { v.peer.handle_network_changed(world.now()); });
    }
    CHECK(world.run_readers(60s));
    if (told && leecher.pairs_made > 0) check_ended_well(leecher.readings[0]);
    settle(world, 15s);
    leecher.read(file, file.geometry.all());
    CHECK(world.run_readers(60s));
    check_ended_well(leecher.readings.back());
    CHECK(leecher.pairs_made == 1);
    check_world(world);
  });
}

TEST_CASE("a page that is idle has pairs before it asks for anything") {
  for_seeds(20, [](std::uint64_t seed) {
    Random random(seed);
    World world(seed, network_of(random));
    const File& file = world.file(2 * limits::mib, 64 * limits::kib);
    for (int i = 0; i < 6; ++i) world.add().hold(file, file.geometry.all());
    settle(world, 2s);
    Visitor& idler = world.add();
    settle(world, 1s);
    for (int i = 0; i < 6; ++i) {
      world.step(idler, [&](Visitor& v) {
        v.peer.handle_listed(file.root, file.geometry, world.now());
        v.peer.handle_list_complete(world.now());
        v.peer.handle_idle(false, false, world.now());
      });
      settle(world, limits::idle_interval);
    }
    CHECK(idler.peer.swarm().open_pairs().size() == limits::pairs_warm_min);
    idler.read(file, file.geometry.all());
    CHECK(world.run_readers(60s));
    check_ended_well(idler.readings[0]);
    check_world(world);
  });
}

TEST_CASE("a laptop that sleeps in mid-transfer wakes up to an end or to the rest") {
  for_seeds(60, [](std::uint64_t seed) {
    Random random(seed);
    World world(seed, network_of(random));
    const File& file = world.file(2 * limits::mib, 64 * limits::kib);
    Visitor& seeder = world.add();
    seeder.hold(file, file.geometry.all());
    settle(world, 2s);
    Visitor& leecher = world.add();
    settle(world, 1s);
    leecher.read(file, file.geometry.all());
    settle(world, random.between(300ms, 900ms));
    const bool server_sleeps = random.chance(0.5);
    Visitor& sleeper = server_sleeps ? seeder : leecher;
    sleeper.sleep(random.between(1s, 10min));
    if (server_sleeps) CHECK(world.run_readers(15s));
    settle(world, std::max(Duration(0), sleeper.asleep_until - world.now()));
    CHECK(world.run_readers(15s));
    // And after a while all is as it was.
    settle(world, 3min);
    leecher.read(file, file.geometry.all());
    CHECK(world.run_readers(60s));
    check_ended_well(leecher.readings.back());
    check_world(world);
  });
}

}  // namespace peer_cdn::sim
