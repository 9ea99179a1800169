#include "http/chain.hpp"

#include <cstdlib>
#include <random>
#include <sstream>
#include <string>
#include <vector>

#include "base/limits.hpp"
#include "vectors.hpp"

namespace peer_cdn {
namespace {

Chain chain_of(Strategy strategy, const std::vector<PluginKind>& kinds) {
  Chain chain(strategy);
  for (const PluginKind kind : kinds) chain.add(kind);
  return chain;
}

std::string text(const Chain::Output& output) {
  struct Name {
    std::string operator()(const Chain::Start& o) { return "start " + std::to_string(o.plugin); }
    std::string operator()(const Chain::Abort& o) { return "abort " + std::to_string(o.plugin); }
    std::string operator()(const Chain::Respond& o) {
      return "respond " + std::to_string(o.plugin);
    }
    std::string operator()(const Chain::Put& o) { return "put " + std::to_string(o.plugin); }
    std::string operator()(const Chain::GiveUp& o) { return "give-up " + std::to_string(o.plugin); }
    std::string operator()(const Chain::FallThrough&) { return "fall-through"; }
  };
  return std::visit(Name{}, output);
}

PluginKind kind(const std::string& name) {
  if (name == "cache") return PluginKind::cache;
  if (name == "delegate") return PluginKind::delegate;
  if (name == "network") return PluginKind::network;
  REQUIRE(name == "user");
  return PluginKind::user;
}

void apply(Chain& chain, const std::string& event, Instant now) {
  std::istringstream words(event);
  std::string verb, answer;
  std::uint32_t plugin = 0;
  words >> verb >> plugin >> answer;
  if (verb == "start") return chain.start(now);
  if (verb == "timeout") return chain.handle_timeout(now);
  if (verb == "pending") return chain.handle_pending(plugin, limits::hedge_delay, now);
  REQUIRE(verb == "answer");
  if (answer == "null") return chain.handle_answer(plugin, Answer::null, now);
  if (answer == "stored") return chain.handle_answer(plugin, Answer::stored_response, now);
  REQUIRE(answer == "response");
  chain.handle_answer(plugin, Answer::response, now);
}

TEST_CASE("a request goes through its plugins as the documentation promises") {
  REQUIRE(limits::hedge_delay == std::chrono::milliseconds(1500));
  for (const auto& row : read_vectors("chains", "chains")) {
    CAPTURE(row["case"].get<std::string>());
    std::vector<PluginKind> plugins;
    for (const auto& name : row["plugins"]) plugins.push_back(kind(name.get<std::string>()));
    Chain chain =
        chain_of(row["strategy"] == "ordered" ? Strategy::ordered : Strategy::fastest, plugins);
    double at = 0;
    for (const auto& step : row["steps"]) {
      at = step.value("at", at);
      CAPTURE(step["do"].get<std::string>());
      apply(chain, step["do"].get<std::string>(), instant_from_ms(at));
      std::vector<std::string> out;
      while (const auto output = chain.poll_output()) out.push_back(text(*output));
      CHECK(out == step["out"].get<std::vector<std::string>>());
      if (!step.contains("wakes")) continue;
      const auto wakes = chain.next_timeout();
      CHECK(wakes.has_value() == !step["wakes"].is_null());
      if (wakes && !step["wakes"].is_null()) CHECK(to_ms(*wakes) == step["wakes"].get<double>());
    }
  }
}

TEST_CASE("whatever the plugins do, a request ends once and leaves nothing running") {
  const unsigned seed = std::random_device{}();
  CAPTURE(seed);
  std::mt19937 random(seed);
  const auto upto = [&](std::uint32_t n) { return static_cast<std::uint32_t>(random() % n); };
  for (int round = 0; round < 2000; ++round) {
    const Strategy strategy = upto(2) == 0 ? Strategy::ordered : Strategy::fastest;
    std::vector<PluginKind> plugins(upto(5));
    for (auto& plugin : plugins) plugin = static_cast<PluginKind>(upto(4));
    Chain chain = chain_of(strategy, plugins);
    std::vector<bool> running(plugins.size()), started(plugins.size());
    int ended = 0;
    double at = 0;
    const auto drain = [&] {
      while (const auto output = chain.poll_output()) {
        if (const auto* start = std::get_if<Chain::Start>(&*output)) {
          CHECK(!started[start->plugin]);
          started[start->plugin] = running[start->plugin] = true;
          CHECK(ended == 0);
        } else if (const auto* abort = std::get_if<Chain::Abort>(&*output)) {
          CHECK(running[abort->plugin]);
          running[abort->plugin] = false;
        } else if (const auto* give_up = std::get_if<Chain::GiveUp>(&*output)) {
          CHECK(running[give_up->plugin]);
          running[give_up->plugin] = false;
        } else if (std::holds_alternative<Chain::Respond>(*output) ||
                   std::holds_alternative<Chain::FallThrough>(*output)) {
          ++ended;
        } else if (const auto* put = std::get_if<Chain::Put>(&*output)) {
          CHECK(ended == 1);
          CHECK(started[put->plugin]);
        }
      }
    };
    chain.start(instant_from_ms(at));
    drain();
    while (!chain.done()) {
      at += upto(20'000);
      const Instant now = instant_from_ms(at);
      const std::uint32_t plugin = upto(static_cast<std::uint32_t>(plugins.size()));
      switch (upto(3)) {
        case 0:
          chain.handle_pending(plugin, limits::hedge_delay, now);
          break;
        case 1:
          chain.handle_timeout(now);
          break;
        default:
          chain.handle_answer(plugin, static_cast<Answer>(upto(3)), now);
          running[plugin] = false;
      }
      drain();
    }
    CHECK(ended == 1);
    CHECK(!chain.next_timeout());
    for (std::size_t i = 0; i < running.size(); ++i) CHECK(!running[i]);
  }
}

}  // namespace
}  // namespace peer_cdn
