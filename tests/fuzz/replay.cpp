// Stands in for libFuzzer in ordinary builds: every seed file, then mutations of them, always the same ones.
//
//   fuzz_NAME [--rounds N] [--seconds S] [files and folders…]
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <random>
#include <string>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);
extern "C" __attribute__((weak)) int LLVMFuzzerInitialize(int* argc, char*** argv);

namespace {

constexpr size_t kLongest = 1 << 16;  // bytes of a mutated input

std::string crash_file;
std::string_view current;

// A crash leaves its input behind, as libFuzzer does.
void on_crash(int signal) {
  const int fd = open(crash_file.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (fd >= 0 && write(fd, current.data(), current.size()) >= 0) {
    static constexpr char kNote[] = "replay: the input is kept beside this program, as .crash\n";
    [[maybe_unused]] const ssize_t said = write(STDERR_FILENO, kNote, sizeof kNote - 1);
  }
  std::signal(signal, SIG_DFL);
  raise(signal);
}

void run(const std::string& input) {
  // Of exactly its size: reading behind its end is then seen by the sanitizers.
  const std::unique_ptr<uint8_t[]> copy(new uint8_t[input.size()]);
  std::memcpy(copy.get(), input.data(), input.size());
  current = input;
  LLVMFuzzerTestOneInput(copy.get(), input.size());
}

std::vector<std::string> read_seeds(const std::vector<std::string>& paths) {
  namespace fs = std::filesystem;
  std::vector<fs::path> files;
  for (const fs::path path : paths) {
    if (!fs::is_directory(path)) files.push_back(path);
    if (fs::is_directory(path)) std::copy(fs::directory_iterator(path), {}, std::back_inserter(files));
  }
  std::sort(files.begin(), files.end());
  std::vector<std::string> seeds;
  for (const fs::path& path : files) {
    std::ifstream file(path, std::ios::binary);
    seeds.emplace_back(std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>());
  }
  return seeds;
}

class Mutator {
 public:
  explicit Mutator(const std::vector<std::string>& seeds) : seeds_(seeds) {}

  std::string next() {
    std::string input = seeds_[below(seeds_.size())];
    if (input.size() > kLongest) input.resize(kLongest);
    for (size_t edit = below(4) + 1; edit > 0; --edit) change(input);
    return input;
  }

 private:
  size_t below(size_t bound) { return bound ? random_() % bound : 0; }

  void change(std::string& input) {
    const size_t at = below(input.size() + 1);
    switch (below(8)) {
      case 0:  // a byte
        if (at < input.size()) input[at] = static_cast<char>(random_());
        break;
      case 1:  // a bit
        if (at < input.size()) input[at] = static_cast<char>(input[at] ^ (1 << below(8)));
        break;
      case 2:
        input.erase(at, below(16) + 1);
        break;
      case 3:
        input.resize(at);
        break;
      case 4:
        input.insert(at, 1, "{}[]\",:0-9e.\n\r\0/%;="[below(20)]);
        break;
      case 5:
        overwrite(input, at);
        break;
      case 6:  // a piece of itself once more
        if (input.size() < kLongest) input.insert(at, input.substr(below(input.size()), below(64) + 1));
        break;
      default:  // the end of another seed
        const std::string& other = seeds_[below(seeds_.size())];
        input = input.substr(0, at) + other.substr(below(other.size()), kLongest);
    }
  }

  // A number that lies about a size.
  void overwrite(std::string& input, size_t at) {
    static constexpr uint64_t kLies[] = {0,         1,          0x7f,      0xff,       0x7fff,     0xffff,
                                         INT32_MAX, UINT32_MAX, INT64_MAX, UINT64_MAX, 1ull << 32, 1ull << 60};
    const uint64_t lie = kLies[below(std::size(kLies))];
    const size_t width = size_t{1} << below(4);
    if (at + width > input.size()) return;
    std::memcpy(input.data() + at, &lie, width);
    if (below(2))
      std::reverse(input.begin() + static_cast<ptrdiff_t>(at), input.begin() + static_cast<ptrdiff_t>(at + width));
  }

  const std::vector<std::string>& seeds_;
  std::mt19937 random_{20240501};
};

}  // namespace

int main(int argc, char** argv) {
  if (LLVMFuzzerInitialize) LLVMFuzzerInitialize(&argc, &argv);
  size_t rounds = 20'000;
  double seconds = 15;
  std::vector<std::string> paths;
  for (int i = 1; i < argc; ++i) {
    const std::string word = argv[i];
    if (word == "--rounds" && i + 1 < argc) {
      rounds = std::stoul(argv[++i]);
    } else if (word == "--seconds" && i + 1 < argc) {
      seconds = std::stod(argv[++i]);
    } else {
      paths.push_back(word);
    }
  }
  crash_file = std::string(argv[0]) + ".crash";
  for (const int signal : {SIGSEGV, SIGABRT, SIGBUS, SIGFPE, SIGILL}) std::signal(signal, on_crash);

  const std::vector<std::string> seeds = read_seeds(paths);
  if (seeds.empty()) {
    std::fprintf(stderr, "replay: no seed in the folders given\n");
    return 1;
  }
  run("");
  for (const std::string& seed : seeds) run(seed);
  Mutator mutator(seeds);
  const auto start = std::chrono::steady_clock::now();
  const auto elapsed = [&] { return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count(); };
  size_t done = 0;
  for (; done < rounds && elapsed() < seconds; ++done) run(mutator.next());
  std::printf("%zu seeds, %zu mutations in %.1f s\n", seeds.size(), done, elapsed());
}
