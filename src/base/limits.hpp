// Every bound of the project, named once, each with the reason for its value.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>

#include "base/time.hpp"

namespace peer_cdn::limits {

using namespace std::chrono_literals;

inline constexpr std::uint64_t kib = 1024;
inline constexpr std::uint64_t mib = 1024 * kib;

// --- Resources (DESIGN section 5, Manifest) ---------------------------------------------------
// 2,048 digests of 32 bytes are one 64 KiB digest list: a single small request, one heap page.
inline constexpr std::uint32_t pieces_per_resource = 2048;
// Below 64 KiB WebCrypto's fixed cost per call (40-80 us) would dominate.
inline constexpr std::uint32_t piece_bytes_min = 64 * kib;
// 16 MiB x 2,048 = 32 GiB, more than a browser will store.
inline constexpr std::uint32_t piece_bytes_max = 16 * mib;
inline constexpr std::uint64_t resource_bytes_max = std::uint64_t{piece_bytes_max} * pieces_per_resource;
inline constexpr std::size_t manifest_entries = 10000;
inline constexpr std::size_t path_bytes = 2048;
inline constexpr std::size_t type_bytes = 256;
inline constexpr std::size_t headers_per_resource = 16;
// One header's name and value; servers refuse heads of 8 KiB, and no extra header comes near.
inline constexpr std::size_t header_bytes = 2 * kib;
// The promise of DESIGN section 5: nobody sees a file older than this after a deployment.
inline constexpr Duration manifest_age = 60s;

// --- Storage ------------------------------------------------------------------------------------
// Measured: 30 MB as 1 MiB segments puts in 233 ms and gets in 129; as 64 KiB, 1,010 and 547.
inline constexpr std::uint32_t segment_bytes = 1 * mib;

// --- Requests in the worker ------------------------------------------------------------------------
// A site has a handful of routes; the bound is on what a fetch event may have to visit.
inline constexpr std::size_t routes = 256;
// The router recurses once a segment: bounds its stack. Real paths have fewer than ten.
inline constexpr std::size_t segments_per_route = 32;
inline constexpr std::size_t plugins_per_route = 16;
// Trades latency for offload: how long peers that have the file may take to begin before the origin is
// asked as well. Long enough for a connection over TURN to come up (about 1 s), short of impatience.
inline constexpr Duration hedge_delay = 1500ms;

// --- Between peers ------------------------------------------------------------------------------
// Chromium and Firefox both carry 64 KiB messages; beyond that interoperability ends.
inline constexpr std::uint32_t message_bytes = 64 * kib;
inline constexpr std::uint32_t block_bytes = 32 * kib;
inline constexpr std::size_t pairs_per_page = 30;

// --- With the coordinator -----------------------------------------------------------------------
inline constexpr std::size_t signal_bytes = 16 * kib;

static_assert(block_bytes < message_bytes);
static_assert(piece_bytes_min % block_bytes == 0, "a piece is whole blocks, but for the last");
static_assert(segment_bytes % piece_bytes_min == 0);

}  // namespace peer_cdn::limits
