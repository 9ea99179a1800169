#include "signal/reports.hpp"

#include <functional>

#include "base/limits.hpp"
#include "base/range.hpp"
#include "base/text.hpp"

namespace peer_cdn::signal {
namespace {

// Walks over a flat JSON object of whole numbers.
class FiguresReader {
 public:
  explicit FiguresReader(std::string_view text) : rest_(text) {}

  bool take(char c) {
    space();
    if (rest_.empty() || rest_.front() != c) return false;
    rest_.remove_prefix(1);
    return true;
  }
  bool at_end() {
    space();
    return rest_.empty();
  }
  std::optional<std::string_view> name() {
    if (!take('"')) return std::nullopt;
    const std::size_t end = rest_.find('"');
    if (end == std::string_view::npos) return std::nullopt;
    const std::string_view name = rest_.substr(0, end);
    rest_.remove_prefix(end + 1);
    for (const char c : name) {
      if (!is_alphanumeric(c)) return std::nullopt;
    }
    return name;
  }
  std::optional<std::uint64_t> number() {
    space();
    std::size_t digits = 0;
    while (digits < rest_.size() && is_digit(rest_[digits])) ++digits;
    const std::string_view number = rest_.substr(0, digits);
    rest_.remove_prefix(digits);
    if (digits > 1 && number.front() == '0') return std::nullopt;
    return parse_length(number);
  }

 private:
  void space() {
    while (!rest_.empty() &&
           (is_space(rest_.front()) || rest_.front() == '\n' || rest_.front() == '\r')) {
      rest_.remove_prefix(1);
    }
  }

  std::string_view rest_;
};

}  // namespace

Result<Figures> parse_report(std::string_view text) {
  if (text.size() > limits::report_bytes) return Error::message_too_long;
  Figures figures{};
  std::uint32_t seen = 0;  // a bit for each figure, and one for the version
  constexpr std::size_t version = figure_count;
  std::optional<std::uint64_t> said_version;
  FiguresReader reader(text);
  if (!reader.take('{')) return Error::malformed_message;
  do {
    const auto name = reader.name();
    if (!name || !reader.take(':')) return Error::malformed_message;
    const auto number = reader.number();
    if (!number) return Error::malformed_message;
    const std::size_t place = *name == "version" ? version : line_of(figure_names, *name);
    if (place > version) continue;
    if (seen >> place & 1) return Error::malformed_message;
    seen |= 1u << place;
    if (place == version) {
      said_version = number;
      continue;
    }
    if (*number > (is_bytes(place) ? limits::reported_bytes : limits::reported_connections)) {
      return Error::malformed_message;
    }
    figures[place] = *number;
  } while (reader.take(','));
  if (!reader.take('}') || !reader.at_end() || !said_version) return Error::malformed_message;
  if (*said_version != limits::report_version) return Error::version_mismatch;
  // What opened was tried.
  for (auto tried = static_cast<std::size_t>(Figure::local_tried); tried < figure_count;
       tried += 2) {
    if (figures[tried + 1] > figures[tried]) return Error::malformed_message;
  }
  return figures;
}

Error Reports::handle_report(std::string_view text, std::string_view network, Instant now) {
  const Error error = take(text, network, now);
  ++(error == Error::none ? stats_.reports : stats_.reports_refused);
  return error;
}

// Whatever is wrong with it counts for the rate: a flood of nonsense is a flood.
Error Reports::take(std::string_view text, std::string_view network, Instant now) {
  if (!minute_ || now >= *minute_ + limits::report_span) {
    minute_ = now;
    taken_ = 0;
    taken_of_.clear();
  }
  if (taken_ >= limits::reports_per_span) return Error::rate_limited;
  if (!network.empty()) {
    std::size_t& of_network = taken_of_[std::hash<std::string_view>{}(network)];
    if (of_network >= limits::reports_per_network) return Error::rate_limited;
    ++of_network;
  }
  ++taken_;
  const auto figures = parse_report(text);
  if (!figures) return figures.error();
  for (std::size_t i = 0; i < figure_count; ++i) stats_.figures[i] += (*figures)[i];
  return Error::none;
}

}  // namespace peer_cdn::signal
