#include "swarm/wire.hpp"

namespace peer_cdn::swarm::wire {
namespace {

enum Type : std::uint8_t {
  hello,
  want,
  have,
  have_not,
  update,
  request,
  cancel,
  reject,
  done,
  claim,
};

void write(FrameWriter& writer, const List<Block>& blocks) {
  for (const Block& block : blocks) {
    writer.number(block.piece).number(block.offset).number(block.bytes);
  }
}

Block read_block(FrameReader& reader) {
  Block block;
  block.piece = reader.number<std::uint32_t>();
  block.offset = reader.number<std::uint32_t>();
  block.bytes = reader.number<std::uint32_t>();
  return block;
}

}  // namespace

Result<Message> parse_message(ByteSpan frame) {
  if (frame.size() > limits::message_bytes) return Error::message_too_long;
  FrameReader reader(frame);
  const auto type = reader.number<std::uint8_t>();
  // Every message begins with a number: the version in a hello, else the handle.
  const auto number = reader.number<std::uint32_t>();
  if (type > Type::claim) return Error::unknown_message;
  Message message = Hello{number};
  switch (type) {
    case Type::hello:
      break;
    case Type::want:
      message = Want{number, reader.digest()};
      break;
    case Type::have: {
      const ByteSpan bitfield = reader.take(reader.remaining());
      if (bitfield.empty() || bitfield.size() > bitfield_bytes_max) {
        return Error::malformed_message;
      }
      message = Have{number, Bytes(bitfield.begin(), bitfield.end())};
      break;
    }
    case Type::have_not:
      message = Not{number};
      break;
    case Type::update:
    case Type::claim: {
      PieceRange pieces;
      pieces.begin = reader.number<std::uint32_t>();
      pieces.end = reader.number<std::uint32_t>();
      if (pieces.empty()) return Error::malformed_message;
      if (type == Type::update) {
        message = Update{number, pieces};
      } else {
        message = Claim{number, pieces, reader.number<std::uint32_t>()};
      }
      break;
    }
    case Type::done:
      message = Done{number};
      break;
    default: {
      const std::size_t count = reader.remaining() / block_reference_bytes;
      if (count == 0 || count > blocks_max) return Error::malformed_message;
      List<Block> blocks;
      for (std::size_t i = 0; i < count; ++i) blocks.push_back(read_block(reader));
      if (type == Type::request) {
        message = Request{number, std::move(blocks)};
      } else if (type == Type::cancel) {
        message = Cancel{number, std::move(blocks)};
      } else {
        message = Reject{number, std::move(blocks)};
      }
    }
  }
  if (!reader.ok()) return Error::malformed_message;
  // A later version may have a longer hello; the version alone decides.
  if (reader.remaining() > 0 && type != Type::hello) return Error::malformed_message;
  return message;
}

Bytes encode(const Message& message) {
  FrameWriter writer;
  writer.number(static_cast<std::uint8_t>(message.index()));
  if (const auto* hello = get_if<Hello>(&message)) {
    writer.number(hello->version);
  } else if (const auto* want = get_if<Want>(&message)) {
    writer.number(want->handle).digest(want->root);
  } else if (const auto* have = get_if<Have>(&message)) {
    writer.number(have->handle).bytes(have->bitfield);
  } else if (const auto* not_held = get_if<Not>(&message)) {
    writer.number(not_held->handle);
  } else if (const auto* update = get_if<Update>(&message)) {
    writer.number(update->handle).number(update->pieces.begin).number(update->pieces.end);
  } else if (const auto* request = get_if<Request>(&message)) {
    write(writer.number(request->handle), request->blocks);
  } else if (const auto* cancel = get_if<Cancel>(&message)) {
    write(writer.number(cancel->handle), cancel->blocks);
  } else if (const auto* reject = get_if<Reject>(&message)) {
    write(writer.number(reject->handle), reject->blocks);
  } else if (const auto* done = get_if<Done>(&message)) {
    writer.number(done->handle);
  } else if (const auto* claim = get_if<Claim>(&message)) {
    writer.number(claim->handle).number(claim->pieces.begin).number(claim->pieces.end);
    writer.number(claim->rank);
  }
  return writer.finish();
}

Result<BlockHeader> parse_block_header(ByteSpan header, std::size_t message_bytes) {
  FrameReader reader(header);
  BlockHeader parsed;
  parsed.handle = reader.number<std::uint32_t>();
  parsed.block = read_block(reader);
  if (!reader.ok()) return Error::malformed_message;
  if (parsed.block.bytes == 0 || parsed.block.bytes > limits::block_bytes ||
      message_bytes != block_header_bytes + parsed.block.bytes) {
    return Error::wrong_length;
  }
  return parsed;
}

Bytes encode(const BlockHeader& header) {
  FrameWriter writer;
  writer.number(header.handle);
  writer.number(header.block.piece).number(header.block.offset).number(header.block.bytes);
  return writer.finish();
}

}  // namespace peer_cdn::swarm::wire
