#include "media/picture.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstring>

#include "base/error.h"
#include "media/codecs.h"

namespace easel::media {
namespace {

using namespace std::string_view_literals;
constexpr std::string_view kPngMark = "\x89PNG\r\n\x1a\n"sv;

std::optional<Format> format_of(std::string_view bytes) {
  if (bytes.starts_with(kPngMark)) return Format::kPng;
  if (bytes.starts_with("\xff\xd8\xff"sv)) return Format::kJpeg;
  if (bytes.size() >= 12 && bytes.starts_with("RIFF") && bytes.substr(8, 4) == "WEBP") return Format::kWebp;
  return std::nullopt;
}

[[noreturn]] void fail_unknown(std::string_view bytes) {
  const std::string_view brand = bytes.size() >= 12 && bytes.substr(4, 4) == "ftyp" ? bytes.substr(8, 4) : "";
  const char* kind = bytes.starts_with("GIF8")                                      ? "GIF"
                     : bytes.starts_with("BM")                                      ? "BMP"
                     : bytes.starts_with("II*\0"sv) || bytes.starts_with("MM\0*"sv) ? "TIFF"
                     : brand == "avif" || brand == "avis"                           ? "AVIF"
                     : brand == "heic" || brand == "heix" || brand == "mif1"        ? "HEIC"
                     : bytes.starts_with("<svg") || bytes.starts_with("<?xml")      ? "SVG"
                                                                                    : nullptr;
  if (kind) fail("decode: {} pictures are not read; convert it to PNG, JPEG or WebP", kind);
  fail("decode: {} bytes that are no PNG, JPEG or WebP; perhaps the file is damaged or no picture", bytes.size());
}

int big_endian(std::string_view bytes, size_t at) {
  uint32_t value;
  std::memcpy(&value, bytes.data() + at, 4);
  return static_cast<int>(__builtin_bswap32(value));
}

// For each channel of the result, the channel of `from` it copies; -1: opaque.
Picture with_channels(const Picture& from, std::initializer_list<int> sources) {
  Picture out{
      .width = from.width, .height = from.height, .channels = static_cast<int>(sources.size()), .text = from.text};
  const size_t count = static_cast<size_t>(from.width) * static_cast<size_t>(from.height);
  out.pixels.resize(count * sources.size());
  const uint8_t* in = from.pixels.data();
  uint8_t* to = out.pixels.data();
  for (size_t i = 0; i < count; ++i, in += from.channels) {
    for (const int source : sources) *to++ = source < 0 ? 255 : in[source];
  }
  return out;
}

// How one side is resampled: for each place of the result the first source place and the weights from there on (a
// triangle as wide as the step, so that shrinking averages).
struct Taps {
  int first;
  std::vector<float> weights;
};

std::vector<Taps> triangle(int from, int to) {
  const double scale = static_cast<double>(from) / to, support = std::max(scale, 1.0);
  std::vector<Taps> taps(static_cast<size_t>(to));
  for (int i = 0; i < to; ++i) {
    const double center = (i + 0.5) * scale;
    const int first = std::max(0, static_cast<int>(center - support + 0.5)),
              last = std::min(from, static_cast<int>(center + support + 0.5));
    Taps& tap = taps[static_cast<size_t>(i)];
    tap.first = first;
    double sum = 0;
    for (int k = first; k < last; ++k) {
      const double weight = std::max(0.0, 1 - std::abs(k + 0.5 - center) / support);
      tap.weights.push_back(static_cast<float>(weight));
      sum += weight;
    }
    for (float& weight : tap.weights) weight = static_cast<float>(weight / sum);
  }
  return taps;
}

// One direction: `lines` lines; places of a line lie `step` bytes apart, lines `line_step`.
void resample(const uint8_t* from, uint8_t* to, const std::vector<Taps>& taps, size_t lines, size_t from_line,
              size_t to_line, size_t from_step, size_t to_step, size_t channels) {
  for (size_t line = 0; line < lines; ++line) {
    for (size_t i = 0; i < taps.size(); ++i) {
      const uint8_t* source = from + line * from_line + static_cast<size_t>(taps[i].first) * from_step;
      for (size_t c = 0; c < channels; ++c) {
        float sum = 0;
        for (size_t k = 0; k < taps[i].weights.size(); ++k) sum += taps[i].weights[k] * source[k * from_step + c];
        to[line * to_line + i * to_step + c] = static_cast<uint8_t>(std::clamp(sum + 0.5f, 0.0f, 255.0f));
      }
    }
  }
}

}  // namespace

void check_size(std::string_view kind, int64_t width, int64_t height, int64_t bytes_per_pixel) {
  if (width < 1 || height < 1) fail("decode: the {} says it is {} × {} pixels", kind, width, height);
  if (width * height > kMaxPixels || width * height * bytes_per_pixel > kMaxDecodedBytes) {
    fail("decode: a {} of {} × {} pixels, at most {} are taken", kind, width, height,
         std::min(kMaxPixels, kMaxDecodedBytes / bytes_per_pixel));
  }
}

std::optional<PictureInfo> probe(std::string_view bytes) {
  const auto format = format_of(bytes);
  if (!format) return std::nullopt;
  std::optional<std::pair<int, int>> size;
  if (*format == Format::kPng && bytes.size() >= 24) size = {big_endian(bytes, 16), big_endian(bytes, 20)};
  if (*format == Format::kJpeg) size = jpeg_size(bytes);
  if (*format == Format::kWebp) size = webp_size(bytes);
  if (!size || size->first < 1 || size->second < 1) return std::nullopt;
  return PictureInfo{*format, size->first, size->second};
}

Picture decode(std::string_view bytes) {
  const auto format = format_of(bytes);
  if (!format) fail_unknown(bytes);
  return *format == Format::kPng    ? decode_png(bytes)
         : *format == Format::kJpeg ? decode_jpeg(bytes)
                                    : decode_webp(bytes);
}

std::vector<Picture> decode_frames(std::string_view bytes) {
  if (format_of(bytes) == Format::kWebp) return decode_webp_frames(bytes);
  std::vector<Picture> one;
  one.push_back(decode(bytes));
  return one;
}

std::string read_picture_file(const std::filesystem::path& path) {
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);  // a FIFO must not hold us
  struct stat info;
  const bool readable = fd >= 0 && fstat(fd, &info) == 0 && S_ISREG(info.st_mode) && info.st_size <= kMaxFileBytes;
  std::string bytes(readable ? static_cast<size_t>(info.st_size) : 0, '\0');
  size_t done = 0;
  while (done < bytes.size()) {
    const ssize_t part = read(fd, bytes.data() + done, bytes.size() - done);
    if (part <= 0) break;
    done += static_cast<size_t>(part);
  }
  if (fd >= 0) close(fd);
  if (!readable || done < bytes.size()) {
    fail("decode_file: '{}' cannot be read, is no regular file or has more than {} bytes", path.string(),
         kMaxFileBytes);
  }
  return bytes;
}

Picture decode_file(const std::filesystem::path& path) { return decode(read_picture_file(path)); }

Picture to_rgb(const Picture& picture) {
  return picture.channels == 3  ? picture
         : picture.channels < 3 ? with_channels(picture, {0, 0, 0})
                                : with_channels(picture, {0, 1, 2});
}

Picture to_rgba(const Picture& picture) {
  switch (picture.channels) {
    case 1:
      return with_channels(picture, {0, 0, 0, -1});
    case 2:
      return with_channels(picture, {0, 0, 0, 1});
    case 3:
      return with_channels(picture, {0, 1, 2, -1});
    default:
      return picture;
  }
}

Picture fit_within(const Picture& picture, int size) {
  const double ratio = static_cast<double>(picture.width) / picture.height;
  const int width = ratio >= 1 ? size : std::max(1, static_cast<int>(std::lround(size * ratio)));
  const int height = ratio <= 1 ? size : std::max(1, static_cast<int>(std::lround(size / ratio)));
  if (width == picture.width && height == picture.height) return picture;
  const auto channels = static_cast<size_t>(picture.channels), from_row = static_cast<size_t>(picture.width) * channels,
             row = static_cast<size_t>(width) * channels;
  std::vector<uint8_t> narrow(row * static_cast<size_t>(picture.height));
  resample(picture.pixels.data(), narrow.data(), triangle(picture.width, width), static_cast<size_t>(picture.height),
           from_row, row, channels, channels, channels);
  Picture out{.width = width, .height = height, .channels = picture.channels};
  out.pixels.resize(row * static_cast<size_t>(height));
  resample(narrow.data(), out.pixels.data(), triangle(picture.height, height), static_cast<size_t>(width), channels,
           channels, row, row, channels);
  return out;
}

std::string merge_alpha(const Picture& original, const Picture& mask) {
  if (original.width != mask.width || original.height != mask.height) {
    fail("merge_alpha: a mask of {} × {} for a picture of {} × {} pixels; they must be equal", mask.width, mask.height,
         original.width, original.height);
  }
  Picture merged = to_rgba(original);
  const Picture alpha = to_rgba(mask);
  for (size_t i = 3; i < merged.pixels.size(); i += 4) merged.pixels[i] = alpha.pixels[i];
  return encode_png(merged, 4, original.text);
}

}  // namespace easel::media
