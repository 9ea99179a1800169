// Whole swarms on a virtual network, one story each. A failing run prints the one command that
// repeats it; SIM_SEEDS=<n> tries the first so many.
#include "crowd.hpp"
#include "presence.hpp"
#include "stories.hpp"
#include "worker.hpp"

namespace peer_cdn::sim {
namespace {

const File& some_file(World& world) {
  const std::uint64_t piece_bytes = 64 * limits::kib << world.random.below(3);
  return world.file(1 + world.random.below(4 * limits::mib), piece_bytes);
}

}  // namespace

TEST_CASE("two peers move a file, on any network") {
  for_seeds(200, [](std::uint64_t seed) {
    Random random(seed);
    World world(seed, network_of(random));
    const File& file = some_file(world);
    Visitor& seeder = world.add();
    seeder.hold(file, file.geometry.all());
    settle(world, 2s);
    Visitor& leecher = world.add();
    settle(world, random.between(500ms, 1500ms));  // as after start()
    leecher.read(file, file.geometry.all());
    CHECK(world.run_readers(60s));
    check_ended_well(leecher.readings[0]);
    CHECK(leecher.bytes_taken == file.geometry.bytes());
    settle(world, 1s);
    check_world(world);
  });
}

TEST_CASE("ten peers move a file, more than a third of it among themselves") {
  for_seeds(40, [](std::uint64_t seed) {
    Random random(seed);
    Network network = network_of(random);
    // One line serves nine: more slowly, and a reader is better off elsewhere.
    network.bytes_per_second = (4 + random.below(8)) * limits::mib;
    World world(seed, network);
    const File& file = world.file(3 * limits::mib + random.below(limits::mib), 64 * limits::kib);
    world.add().hold(file, file.geometry.all());
    settle(world, 1s);
    for (int i = 0; i < 9; ++i) {
      Visitor& visitor = world.add();
      settle(world, random.between(500ms, 900ms));
      visitor.read(file, file.geometry.all());
    }
    CHECK(world.run_readers(120s));
    std::uint64_t among = 0;
    for (std::size_t i = 1; i < world.visitors.size(); ++i) {
      CAPTURE(i);
      REQUIRE(!world.visitors[i]->readings.empty());
      check_ended_well(world.visitors[i]->readings[0]);
      among += world.visitors[i]->blocks_sent;
    }
    // Nine copies were taken, and one visitor could have sent them all.
    const std::uint64_t in_all = among + world.visitors[0]->blocks_sent;
    CHECK(3 * among > in_all);
    check_world(world);
  });
}

TEST_CASE("nobody has it: a reader is told at once") {
  for_seeds(20, [](std::uint64_t seed) {
    Random random(seed);
    World world(seed, network_of(random));
    const File& file = some_file(world);
    Visitor& visitor = world.add();
    settle(world, 2s);
    visitor.read(file, file.geometry.all());
    CHECK(visitor.readings[0].ended == Error::nobody_has_it);
    check_world(world);
  });
}

TEST_CASE("a liar is found out, and what it sent reaches nobody") {
  for_seeds(60, [](std::uint64_t seed) {
    Random random(seed);
    World world(seed, network_of(random));
    const File& file = some_file(world);
    Visitor& honest = world.add();
    Visitor& liar = world.add();
    liar.faults.lies = random.chance(0.5) ? 1 : 0.05;
    honest.hold(file, file.geometry.all());
    liar.hold(file, file.geometry.all());
    settle(world, 2s);
    Visitor& leecher = world.add();
    settle(world, 1s);
    leecher.read(file, file.geometry.all());
    CHECK(world.run_readers(60s));
    check_ended_well(leecher.readings[0]);
    if (liar.faults.lies == 1 && liar.blocks_sent > 4) {
      CHECK(leecher.reports[Error::wrong_digest] <= 1);
    }
    check_world(world);
  });
}

TEST_CASE("with a liar only, the reader ends and has not one wrong byte") {
  for_seeds(30, [](std::uint64_t seed) {
    Random random(seed);
    World world(seed, network_of(random));
    const File& file = some_file(world);
    Visitor& liar = world.add();
    liar.faults.lies = 1;
    liar.hold(file, file.geometry.all());
    settle(world, 2s);
    Visitor& leecher = world.add();
    settle(world, 1s);
    leecher.read(file, file.geometry.all());
    CHECK(world.run_readers(20s));
    CHECK(leecher.readings[0].next == 0);
    CHECK(leecher.reports[Error::wrong_digest] == 1);
    check_world(world);
  });
}

TEST_CASE("a peer that stalls is passed over, and alone it ends the reader in time") {
  for_seeds(60, [](std::uint64_t seed) {
    Random random(seed);
    // On a slower line, two seconds for the stall and what is in flight elsewhere are too long for
    // a reader: it is better off with the origin.
    Network network = network_of(random);
    network.bytes_per_second += limits::mib;
    World world(seed, network);
    const File& file = some_file(world);
    const bool alone = random.chance(0.5);
    Visitor& staller = world.add();
    staller.faults.stalls_after = static_cast<int>(random.below(20));
    staller.hold(file, file.geometry.all());
    if (!alone) world.add().hold(file, file.geometry.all());
    settle(world, 2s);
    Visitor& leecher = world.add();
    settle(world, 1s);
    leecher.read(file, file.geometry.all());
    CHECK(world.run_readers(60s));
    if (!alone) check_ended_well(leecher.readings[0]);
    check_world(world);
  });
}

TEST_CASE("the only seeder dies in mid-transfer: the reader ends soon, and keeps what it has") {
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
    settle(world, random.between(0ms, 1500ms));
    const Instant died = world.now();
    seeder.die();
    CHECK(world.run_readers(20s));
    const Reading& reading = leecher.readings[0];
    if (!ended_well(reading)) CHECK(reading.ended_at - died <= 8s);
    check_world(world);
  });
}

TEST_CASE("one of several dies: the others carry on") {
  for_seeds(60, [](std::uint64_t seed) {
    Random random(seed);
    World world(seed, network_of(random));
    const File& file = some_file(world);
    std::vector<Visitor*> seeders;
    for (int i = 0; i < 3; ++i) {
      seeders.push_back(&world.add());
      seeders.back()->hold(file, file.geometry.all());
    }
    settle(world, 2s);
    Visitor& leecher = world.add();
    settle(world, 1s);
    leecher.read(file, file.geometry.all());
    settle(world, random.between(0ms, 1s));
    seeders[random.below(3)]->die();
    CHECK(world.run_readers(60s));
    check_ended_well(leecher.readings[0]);
    check_world(world);
  });
}

TEST_CASE("a slow reader of a large file holds little memory") {
  for_seeds(2, [](std::uint64_t seed) {
    Network network;
    network.bytes_per_second = 40 * limits::mib;
    World world(seed, network);
    const File& file = world.file(48 * limits::mib, 64 * limits::kib);
    Visitor& seeder = world.add();
    seeder.hold(file, file.geometry.all());
    settle(world, 2s);
    Visitor& leecher = world.add();
    settle(world, 1s);
    // As fast for each of the pieces that 1 MiB of credit holds.
    leecher.read(file, file.geometry.all(), 8 * limits::mib / 16);
    CHECK(world.run_readers(60s));
    check_ended_well(leecher.readings[0]);
    CHECK(leecher.memory_max <= limits::read_ahead_bytes + 6 * limits::mib);
    check_world(world);
  });
}

// How long each of these takes, one after another, of somebody who is idle before.
std::vector<Duration> times_of_small(std::uint64_t seed, bool peers) {
  Random random(seed);
  World world(seed, network_of(random));
  world.origin.bytes_per_second = (1 + random.below(16)) * limits::mib;
  std::vector<const File*> files;
  for (int i = 0; i < 10; ++i) {
    const std::uint64_t bytes = 20 * limits::kib + random.below(200 * limits::kib);
    files.push_back(&world.file(bytes, 256 * limits::kib));
  }
  for (int i = 0; i < 3; ++i) {
    Visitor& holder = world.add();
    for (const File* file : files) holder.hold(*file, file->geometry.all());
  }
  settle(world, 2s);
  Visitor& visitor = world.add();
  visitor.worker = std::make_unique<Worker>(world, visitor, files, !peers);
  settle(world, 1s);
  if (random.chance(0.5)) world.step(visitor, [&](Visitor& v) { v.warm_up(files); });
  std::vector<Duration> times;
  for (const File* file : files) {
    settle(world, random.between(0ms, 3s));
    const Request& request = visitor.fetch(*file);
    CHECK(world.run(60s, [&] { return request.done(); }));
    times.push_back(request.took());
  }
  check_world(world);
  return times;
}

TEST_CASE("small files are as soon with peers as from the network alone") {
  for_seeds(100, [](std::uint64_t seed) {
    const std::vector<Duration> with = times_of_small(seed, true);
    const std::vector<Duration> without = times_of_small(seed, false);
    for (std::size_t i = 0; i < with.size(); ++i) {
      CAPTURE(i);
      CHECK(to_ms(with[i]) <= 1.05 * to_ms(without[i]));
    }
  });
}

// How long a large file takes of somebody whose only peers have slow lines.
Duration time_of_large(std::uint64_t seed, bool peers) {
  Random random(seed);
  World world(seed, Network{.delay = 15ms, .window = 80 * limits::kib});
  world.origin.bytes_per_second = (2 + random.below(20)) * limits::mib;
  const std::uint64_t bytes = (8 + random.below(90)) * limits::mib;
  const File& file = world.file(bytes, 128 * limits::kib);
  for (std::uint64_t i = 0; i <= random.below(3); ++i) {
    const std::uint64_t up = 30'000 + random.below(400'000);
    world.add(Line{10ms, up, 4 * limits::mib}).hold(file, file.geometry.all());
  }
  settle(world, 2s);
  Visitor& visitor = world.add(Line{5ms, 4 * limits::mib, 40 * limits::mib});
  visitor.worker = std::make_unique<Worker>(world, visitor, world.files(), !peers);
  settle(world, 1s);
  if (random.chance(0.5)) {
    world.step(visitor, [&](Visitor& v) { v.warm_up(world.files()); });
    settle(world, 3s);
  }
  const Request& request = visitor.fetch(file);
  CHECK(world.run(10min, [&] { return request.done(); }));
  check_world(world);
  return request.took();
}

// With peers a file takes hardly longer than without.
void check_hardly_later(std::uint64_t seed, Duration (*time_of)(std::uint64_t seed, bool peers),
                        Duration more) {
  const double with = to_ms(time_of(seed, true));
  const double without = to_ms(time_of(seed, false));
  CAPTURE(with);
  CAPTURE(without);
  CHECK(with <= 1.5 * without + to_ms(more));
}

TEST_CASE("a large file is hardly later where the only peers are slow") {
  for_seeds(40, [](std::uint64_t seed) { check_hardly_later(seed, time_of_large, 3s); });
}

// How long 16 MiB take where few peers are slower than the origin, which is far away.
Duration time_beside_slower(std::uint64_t seed, bool peers) {
  Random random(seed);
  World world(seed, Network{.delay = random.between(5ms, 40ms),
                            .window = (40 + random.below(200)) * limits::kib});
  world.origin.bytes_per_second = (2 + random.below(6)) * limits::mib;
  const File& file = world.file(16 * limits::mib, 128 * limits::kib);
  for (std::uint64_t i = 0; i <= random.below(3); ++i) {
    const std::uint64_t up = limits::mib / 2 + random.below(2 * limits::mib);
    world.add(Line{10ms, up, 8 * limits::mib}).hold(file, file.geometry.all());
  }
  settle(world, 2s);
  Visitor& visitor = world.add(Line{5ms, 4 * limits::mib, 8 * limits::mib});
  visitor.worker = std::make_unique<Worker>(world, visitor, world.files(), !peers);
  settle(world, 1s);
  const Request& request = visitor.fetch(file);
  CHECK(world.run(10min, [&] { return request.done(); }));
  check_world(world);
  return request.took();
}

TEST_CASE("a file is hardly later where few peers are slower than an origin that is far away") {
  for_seeds(40, [](std::uint64_t seed) { check_hardly_later(seed, time_beside_slower, 3s); });
}

// How long a file takes of somebody whose only peer has just been frozen.
Duration time_of_frozen(std::uint64_t seed, bool peers) {
  Random random(seed);
  World world(seed, network_of(random));
  world.origin.bytes_per_second = (1 + random.below(20)) * limits::mib;
  const std::uint64_t bytes = limits::mib + 1 + random.below(3 * limits::mib);
  const File& before = world.file(bytes, 64 * limits::kib);
  const File& file = world.file(bytes + 1, 64 * limits::kib);
  Visitor& holder = world.add();
  for (const File* each : world.files()) holder.hold(*each, each->geometry.all());
  settle(world, 2s);
  Visitor& visitor = world.add();
  visitor.worker = std::make_unique<Worker>(world, visitor, world.files(), !peers);
  settle(world, 1s);
  const Request& first = visitor.fetch(before);
  CHECK(world.run(10min, [&] { return first.done(); }));
  settle(world, random.between(0ms, 5s));
  holder.sleep(5min);
  const Request& request = visitor.fetch(file);
  CHECK(world.run(1min, [&] { return request.done(); }));
  CHECK(request.passed == file.geometry.bytes());
  check_world(world);
  return request.took();
}

TEST_CASE("a file is hardly later where the only peer is frozen") {
  for_seeds(60, [](std::uint64_t seed) { check_hardly_later(seed, time_of_frozen, 800ms); });
}

// Some four of them, fast and slow, and another one after them. What the origin sent beyond a copy.
std::uint64_t beyond_a_copy(std::uint64_t seed, bool one_leaves) {
  Random random(seed);
  World world(seed, network_of(random));
  world.origin.bytes_per_second = (1 + random.below(8)) * limits::mib;
  const std::uint64_t bytes = 2 * limits::mib + random.below(10 * limits::mib);
  const File& file = world.file(bytes, 128 * limits::kib);
  Visitor& visitor = world.add();
  std::vector<Request*> requests;
  const auto all_done = [&] {
    return std::all_of(requests.begin(), requests.end(), [](auto* each) { return each->done(); });
  };
  for (int i = 0; i < 4; ++i) {
    settle(world, random.between(0ms, 2s));
    const std::uint64_t slow = limits::mib / 4 + random.below(4 * limits::mib);
    requests.push_back(&visitor.fetch(file, random.chance(0.5) ? slow : 0));
  }
  if (one_leaves) {
    settle(world, random.between(0ms, 1s));
    visitor.abort(*requests[random.below(requests.size())]);
  }
  CHECK(world.run(10min, all_done));
  settle(world, 1s);
  requests.push_back(&visitor.fetch(file));
  CHECK(world.run(10min, all_done));
  for (const Request* each : requests) CHECK((each->is_aborted || each->passed == bytes));
  check_world(world);
  return world.origin.bytes_sent - bytes;
}

TEST_CASE("fetches of one file by one visitor take one copy of the origin between them") {
  for_seeds(40, [](std::uint64_t seed) { CHECK(beyond_a_copy(seed, false) == 0); });
}

TEST_CASE("of fetches of one file one leaves, and the others have it for hardly more than a copy") {
  for_seeds(40, [](std::uint64_t seed) { CHECK(beyond_a_copy(seed, true) <= limits::mib); });
}

TEST_CASE("a crowd that the origin is much too slow for shares what it sends") {
  Plan plan;
  plan.visitors = 30;
  plan.over = Duration(0);
  plan.bytes = 17 * limits::mib;
  plan.origin_rate = 250'000;
  const Outcome outcome = simulate(plan);
  CHECK(outcome.violations.empty());
  CHECK(outcome.failed == 0);
  // Their first pieces alone take the origin 16 s; each for itself would wait for 35 minutes.
  CHECK(outcome.copies < 6);
  CHECK(outcome.p95_ms < 300'000);
}

TEST_CASE("a few who want at once what nobody has ask the origin for long stretches") {
  double requests = 0;
  constexpr std::uint64_t crowds = 12;
  for (std::uint64_t seed = 1; seed <= crowds; ++seed) {
    Plan plan;
    plan.seed = seed;
    plan.visitors = 4;
    plan.over = Duration(0);
    plan.bytes = 9 * limits::mib;
    plan.origin_rate = 4'000'000;
    const Outcome outcome = simulate(plan);
    CHECK(outcome.violations.empty());
    requests += outcome.origin_requests / crowds;
  }
  // Stretches as in a crowd are 16.
  CHECK(requests < 13.5);
}

TEST_CASE("where no connection comes up, files are soon not held up by peers") {
  for_seeds(40, [](std::uint64_t seed) {
    Random random(seed);
    Network network = network_of(random);
    network.unreachable = 1;
    World world(seed, network);
    const File& file = some_file(world);
    for (std::uint64_t i = 0; i <= random.below(4); ++i)
      world.add().hold(file, file.geometry.all());
    settle(world, 2s);
    Visitor& leecher = world.add();
    settle(world, 1s);
    Duration held_up{};
    for (int i = 0; i < 100; ++i) {
      leecher.read(file, file.geometry.all());
      CHECK(world.run_readers(10s));
      held_up += leecher.readings.back().ended_at - leecher.readings.back().opened;
      settle(world, 1s);
    }
    // The first pairs, and a few tries later: 3 s each, of 100 s and more.
    CHECK(held_up < 20s);
    CHECK(leecher.readings.back().ended_at - leecher.readings.back().opened < 4s);
    check_world(world);
  });
}

}  // namespace peer_cdn::sim

TEST_CASE("what presence costs a process does not grow with the crowd, nor with what changes") {
  using namespace peer_cdn;
  sim::PresencePlan plan;
  plan.files = 1000;
  for (const std::uint32_t visitors : {500u, 5000u}) {
    for (const std::uint32_t changes : {100u, 1000u}) {
      plan.visitors = visitors;
      plan.changes = changes;
      CAPTURE(visitors);
      CAPTURE(changes);
      const sim::PresenceCost cost = presence_cost(plan);
      const double joins = visitors / 60.0;
      // A batch at the end of the minute is paid for after it.
      const double late = visitors / 60.0;
      CHECK(cost.process_writes <= limits::presence_sends_per_second + joins + late);
      CHECK(cost.join_bytes <= plan.files / 6 + 100);
      CHECK(cost.visitor_messages <= 1000 / to_ms(limits::presence_wait));
      CHECK(cost.visitor_bytes <= cost.visitor_messages * (plan.files / 6 + 100));
      CHECK(cost.bus_bytes <= 4 * changes + 200);
    }
  }
}
