// What pages report of themselves, where their site asks for it (base/figures.hpp), read and
// summed.
//
// Anybody can write a report. So one that cannot be true is refused, and of one network, and of all
// together, only so many are taken in a minute.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <unordered_map>

#include "base/error.hpp"
#include "base/figures.hpp"
#include "base/result.hpp"
#include "base/time.hpp"

namespace peer_cdn::signal {

// A JSON object of whole numbers: the version, and figures, of which those that are missing are 0.
// A name that we do not know is of a newer page, and is skipped. Errors: message_too_long,
// malformed_message, version_mismatch.
Result<Figures> parse_report(std::string_view text);

class Reports {
 public:
  struct Stats {
    std::uint64_t reports = 0;
    std::uint64_t reports_refused = 0;
    Figures figures{};
  };

  // Of a page in this network, '' if that is not known. Errors: those of parse_report(), and
  // rate_limited.
  Error handle_report(std::string_view text, std::string_view network, Instant now);
  // One that the host refused by itself.
  void handle_refused() { ++stats_.reports_refused; }
  const Stats& stats() const { return stats_; }

 private:
  Error take(std::string_view text, std::string_view network, Instant now);

  Stats stats_;
  std::optional<Instant> minute_;                          // when the minute began
  std::size_t taken_ = 0;                                  // in it
  std::unordered_map<std::size_t, std::size_t> taken_of_;  // by a hash of the network
};

}  // namespace peer_cdn::signal
