// One decoder and one encoder a format, behind media::decode and the encode functions. All throw Error.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "media/picture.h"

namespace easel::media {

Picture decode_png(std::string_view bytes);
Picture decode_jpeg(std::string_view bytes);
Picture decode_webp(std::string_view bytes);
std::vector<Picture> decode_webp_frames(std::string_view bytes);

// Width and height from the header; nothing if it is damaged.
std::optional<std::pair<int, int>> jpeg_size(std::string_view bytes);
std::optional<std::pair<int, int>> webp_size(std::string_view bytes);

// Throws Error unless so many pixels, at so many bytes each, may be decoded.
void check_size(std::string_view kind, int64_t width, int64_t height, int64_t bytes_per_pixel);

// The orientation (1 to 8) that EXIF data asks for, with or without its "Exif\0\0"; 1 where it says nothing sensible.
int exif_orientation(std::string_view exif);
// The texts (ASCII entries) of EXIF data's first directory, by tag; and such data, with that directory alone.
using ExifTexts = std::vector<std::pair<uint16_t, std::string>>;
ExifTexts exif_texts(std::string_view exif);
std::string make_exif(ExifTexts texts);

// Latin-1 as UTF-8.
std::string from_latin1(std::string_view text);

// A chunk of a PNG: its content, its name's four letters. Throws Error for a file that ends within one.
struct PngChunk {
  std::string_view name, content;
};
std::vector<PngChunk> png_chunks(std::string_view bytes);
// Such a chunk as it stands in a file, with length and checksum.
std::string png_chunk(std::string_view name, std::string_view content);
// What the IDAT chunks of a picture hold. level 0..9.
std::string pack_png_pixels(const Picture& picture, int level);

// The EXIF chunk of a WebP; empty if there is none.
std::string webp_exif(std::string_view bytes);

// The picture turned and mirrored as that orientation asks (PIL's exif_transpose).
Picture upright(Picture picture, int orientation);

}  // namespace easel::media
