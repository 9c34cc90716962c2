// Where films and sound come from and go to: bytes by position, so that libav's containers can seek without a file
// name.
#pragma once
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace easel::media {

// Gets bytes and the place in the file where they belong, mostly in order; a container's sizes come last, at its front.
// What it throws (a full disk) comes out of the writer's add or finish. folders::OutputFile::write_at fits.
using SeekableSink = std::function<void(uint64_t at, std::span<const std::byte> bytes)>;
// Gets bytes in order. folders::OutputFile::write fits.
using ByteSink = std::function<void(std::span<const std::byte> bytes)>;

struct SeekableSource {
  std::string name;  // stands in messages
  uint64_t size = 0;
  std::function<size_t(uint64_t at, std::span<std::byte> out)> read;  // how many bytes came; 0: no more
};

// A regular file (a FIFO or device is refused without waiting for it). Throws Error.
SeekableSource open_source(const std::filesystem::path& path);
// Bytes that outlive the source.
SeekableSource memory_source(std::string_view bytes, std::string name = "bytes");

// Numerator and denominator; both above 0.
struct Ratio {
  int num = 1, den = 1;
  double value() const { return static_cast<double>(num) / den; }
};
// A frame rate as ComfyUI rounds it: to the thousandth. Throws Error unless 0.001 <= fps <= 1000.
Ratio frame_rate(double fps);

}  // namespace easel::media
