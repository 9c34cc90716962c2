// Pictures: bytes <-> pixels. The kind of a file is told by its first bytes, never by its name. Stateless; any thread.
#pragma once
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace easel::media {

// A picture of more pixels is refused before a byte of it is allocated (PIL's own limit), and so are more decoded
// bytes.
inline constexpr int64_t kMaxPixels = 178'956'970;
inline constexpr int64_t kMaxDecodedBytes = int64_t{2} << 30;

using TextChunks = std::vector<std::pair<std::string, std::string>>;  // keyword, text (UTF-8)

struct Picture {
  int width = 0, height = 0;
  int channels = 3;             // 1 grey, 2 grey+alpha, 3 RGB, 4 RGBA
  std::vector<uint8_t> pixels;  // height × width × channels, rows without padding
  std::vector<uint16_t> wide;   // 16-bit grey PNG only: height × width, 0..65535; pixels then hold the high bytes
  TextChunks text;              // PNG tEXt, zTXt, iTXt

  bool has_alpha() const { return channels == 2 || channels == 4; }
};

enum class Format { kPng, kJpeg, kWebp };

struct PictureInfo {
  Format format;
  int width = 0, height = 0;  // as stored: before the EXIF orientation is applied
};

// What the bytes begin as, from their header alone. Nothing if it is no picture that decode takes.
std::optional<PictureInfo> probe(std::string_view bytes);

// Decodes PNG, JPEG, WebP (the first frame), upright: the EXIF orientation is applied as PIL's exif_transpose does.
// Modes as PIL gives them: palette becomes RGB, or RGBA if it has transparency; 16-bit colour keeps its high bytes;
// CMYK becomes RGB; a tRNS colour of a grey or RGB picture is ignored. ICC profiles are ignored. Throws Error for
// anything cut short, damaged, too large, or of another kind.
Picture decode(std::string_view bytes);
Picture decode_file(const std::filesystem::path& path);
std::string read_picture_file(
    const std::filesystem::path& path);  // its bytes; regular files only, at most kMaxFileBytes
inline constexpr int64_t kMaxFileBytes = int64_t{1} << 30;

// All frames of an animated WebP (RGBA if any has alpha), else the one picture. All frames together keep
// kMaxDecodedBytes.
std::vector<Picture> decode_frames(std::string_view bytes);

// A copy with 3 or 4 channels, as PIL's convert("RGB") / convert("RGBA").
Picture to_rgb(const Picture& picture);
Picture to_rgba(const Picture& picture);

// 8-bit grey, grey+alpha, RGB or RGBA. level 0..9. Text is written as tEXt: it should be ASCII (escaped JSON), other
// characters must fit latin-1, else the chunk is written as iTXt.
std::string encode_png(const Picture& picture, int level = 4, const TextChunks& text = {});
// Grey or RGB; alpha is dropped. quality 1..100.
std::string encode_jpeg(const Picture& picture, int quality = 95);
// quality 0..100; lossless keeps every pixel (quality is then effort).
std::string encode_webp(const Picture& picture, int quality = 80, bool lossless = false);

// Scaled, up or down, to the largest size that fits size × size (PIL's ImageOps.contain, bilinear with antialiasing).
Picture fit_within(const Picture& picture, int size);

// POST /upload/mask: the original's RGB with the alpha of `mask`, as PNG of level 4 with the original's text chunks.
// Throws Error when their sizes differ.
std::string merge_alpha(const Picture& original, const Picture& mask);

}  // namespace easel::media
