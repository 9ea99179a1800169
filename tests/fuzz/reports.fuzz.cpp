// Laws: a report that is read has only figures that can be true, and is the same when it is
// written and read again. Each report is counted once. Only one that is taken changes the sums.
#include "signal/reports.hpp"

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "base/limits.hpp"

using namespace peer_cdn;
using namespace peer_cdn::signal;

namespace {

void check(bool law) {
  if (!law) std::abort();
}

std::string text_of(const Figures& figures) {
  std::string text = "{\"version\":" + std::to_string(limits::report_version);
  std::string_view names = figure_names;
  for (const std::uint64_t figure : figures) {
    const std::size_t end = names.find('\n');
    text += ",\"" + std::string(names.substr(0, end)) + "\":" + std::to_string(figure);
    names.remove_prefix(end + 1);
  }
  return text + "}";
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  const auto figures = parse_report(text);
  Reports reports;
  const Error error = reports.handle_report(text, "a network", Instant{});
  check(reports.stats().reports + reports.stats().reports_refused == 1);
  if (!figures) {
    check(figures.error() == Error::malformed_message ||
          figures.error() == Error::message_too_long || figures.error() == Error::version_mismatch);
    check(error == figures.error() && reports.stats().figures == Figures{});
    return 0;
  }
  check(size <= limits::report_bytes);
  check(error == Error::none && reports.stats().figures == *figures);
  for (std::size_t i = 0; i < figure_count; ++i) {
    check((*figures)[i] <= (is_bytes(i) ? limits::reported_bytes : limits::reported_connections));
  }
  for (auto i = static_cast<std::size_t>(Figure::local_tried); i < figure_count; i += 2) {
    check((*figures)[i + 1] <= (*figures)[i]);
  }
  const auto again = parse_report(text_of(*figures));
  check(again && *again == *figures);
  return 0;
}
