// What the exchanges of one worker share.
#pragma once

#include <cstdint>

#include "base/list.hpp"
#include "base/manifest.hpp"
#include "http/command.hpp"
#include "http/holdings.hpp"
#include "http/outlook.hpp"
#include "http/pages.hpp"
#include "http/streams.hpp"
#include "http/writes.hpp"

namespace peer_cdn {

class Part;

struct Commons {
  struct Stored {
    Root root;
    PieceRange run;
  };
  // A run that a page has verified and has yet to store. Browsers end a page's engine without a
  // word, so the host keeps the bytes until the run is stored: it stores them itself if the page is
  // gone.
  struct Handed {
    RunId id;
    PageId page;
    BodyId body;
    Root root;
    PieceRange pieces;
    std::uint32_t most;  // so many fit into memory, if all become as long as this one may
  };
  // The digests of a resource that somebody has open; none until they are there.
  struct Digests {
    Root root;
    DigestList list;
  };

  Outlook outlook;
  Streams streams;
  Holdings holdings;
  Writes writes;
  Pages pages;
  Manifest manifest;
  OwnedList<Digests> lists;
  List<Command> commands;
  // Runs that were stored just now, for whoever wants the same pieces.
  List<Stored> stored;
  List<Part*> parts;    // that are not over
  List<Handed> handed;  // oldest first
  // Runs that pages could not store, and of which pages have yet to hand over the rest.
  List<Stored> unstored;
  std::uint32_t ids = 0;
  bool has_store = false;
  bool has_news = false;           // for the pages, or for the store's records
  bool is_manifest_wrong = false;  // the origin has other bytes
  bool has_lost = false;           // what is kept with the manifest has changed

  bool is_open(const Root& root) const;
  auto opens() const {
    return [this](const Root& root) { return is_open(root); };
  }
  // This run is in the store, or read from memory until it is.
  void hold(const Root& root, PieceRange run) {
    holdings.add(root, run, manifest);
    stored.push_back({root, run});
  }
  // The host keeps this run for the store.
  void write(const Root& root, PieceRange run, bool fits, bool waits);
  // The host keeps a piece that came from this page.
  void hand(PageId page, BodyId body, const Resource& resource, PieceIndex piece);
  // Of the runs that pages handed over: writes those whose page is gone or could not store them,
  // and lets go of those that are stored or too many.
  void settle_handed();
  std::size_t waiting() const;  // for their first byte
  // What the open parts have yet to bring, each at most as much as is wished for.
  Wish add_before(Wish wish) const;
  // An answer of the origin to this exchange was this resource. `says`: its headers are those of
  // the resource's bytes.
  void learn(Resource& resource, ExchangeId exchange, const OriginAnswer& answer, bool says);
  // The origin has no time, as this answer of it says.
  void note_busy(Resource& resource, const OriginAnswer& answer, Instant now);
  // The origin's answer could not be used. It is told once for each resource; what lasts is
  // remembered until the manifest changes.
  void lose(Resource& resource, ExchangeId exchange, Error error);
  // Its record has changed.
  void keep_record(ExchangeId exchange) {
    if (!has_store) return;
    commands.emplace_back(command::KeepRecord{exchange});
    has_news = true;
  }
  // The digests of a resource, if they are there or on their way: some manifests have them.
  Digests* list_of(const Resource& resource);
  Digests* list_of(const Root& root) {
    for (Digests& each : lists) {
      if (each.root == root) return &each;
    }
    return nullptr;
  }
};

}  // namespace peer_cdn
