// operator new and delete of the worker's module: blocks of powers of two, each kept for the next
// of its size. Emscripten's malloc can do much more, and is a kilobyte of what every visitor
// downloads before anything else. memchr for the same reason: Emscripten's is made for long texts,
// and five times as much code.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <new>

extern "C" char __heap_base;  // of the linker

namespace {

struct Block {
  Block* next;
};
constexpr std::size_t head_bytes = 8;  // in front of a block: which size it has
constexpr std::size_t page_bytes = 65536;
constexpr std::size_t bytes_max = std::size_t{1} << 30;  // of one block: nothing comes near

Block* unused[32];  // by the size's logarithm
std::uintptr_t top = 0;
std::uintptr_t end = 0;

}  // namespace

void* operator new(std::size_t bytes) {
  if (bytes > bytes_max) std::abort();
  const auto size = static_cast<unsigned>(32 - __builtin_clz((bytes + head_bytes - 1) | 15));
  if (Block* block = unused[size]) {
    unused[size] = block->next;
    return block;
  }
  if (top == 0) {
    top = (reinterpret_cast<std::uintptr_t>(&__heap_base) + 15) & ~std::uintptr_t{15};
    end = __builtin_wasm_memory_size(0) * page_bytes;
  }
  const std::size_t block_bytes = std::size_t{1} << size;
  if (end - top < block_bytes) {
    const std::size_t pages = (block_bytes + page_bytes - 1) / page_bytes;
    if (__builtin_wasm_memory_grow(0, pages) == SIZE_MAX) std::abort();
    end += pages * page_bytes;
  }
  *reinterpret_cast<std::uint32_t*>(top) = size;
  void* block = reinterpret_cast<void*>(top + head_bytes);
  top += block_bytes;
  return block;
}

void operator delete(void* block) noexcept {
  if (!block) return;
  const std::uint32_t size = reinterpret_cast<std::uint32_t*>(block)[-2];
  auto* free = static_cast<Block*>(block);
  free->next = unused[size];
  unused[size] = free;
}

void operator delete(void* block, std::size_t /*bytes*/) noexcept {
  operator delete(block);
}

extern "C" void* memchr(const void* bytes, int wanted, std::size_t count) {
  const auto* at = static_cast<const unsigned char*>(bytes);
  while (count > 0 && *at != static_cast<unsigned char>(wanted)) ++at, --count;
  return count > 0 ? const_cast<unsigned char*>(at) : nullptr;
}
