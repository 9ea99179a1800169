// Runs a fuzz target once on every file of the folders it is given: the corpus as a regression
// test, without libFuzzer.
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

int main(int argc, char** argv) {
  int files = 0;
  for (int i = 1; i < argc; ++i) {
    if (!std::filesystem::is_directory(argv[i])) continue;
    for (const auto& entry : std::filesystem::directory_iterator(argv[i])) {
      if (!entry.is_regular_file()) continue;
      std::ifstream stream(entry.path(), std::ios::binary);
      const std::vector<char> text((std::istreambuf_iterator<char>(stream)), {});
      std::printf("%s\n", entry.path().filename().c_str());
      std::fflush(stdout);
      // A copy of the exact size, so that a sanitizer sees a read past its end.
      const std::vector<std::uint8_t> bytes(text.begin(), text.end());
      LLVMFuzzerTestOneInput(bytes.data(), bytes.size());
      ++files;
    }
  }
  // A target without a corpus still has to stand the empty input.
  LLVMFuzzerTestOneInput(nullptr, 0);
  std::printf("%d inputs\n", files + 1);
  return 0;
}
