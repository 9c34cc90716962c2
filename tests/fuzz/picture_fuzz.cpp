// A picture somebody uploads, through every decoder and back out, and what is kept in it.
#include <cstdlib>

#include "base/error.h"
#include "base/json.h"
#include "media/metadata.h"
#include "media/picture.h"

using namespace easel;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  const auto info = media::probe(bytes);
  try {
    if (info && info->format != media::Format::kJpeg) Json(media::picture_metadata(bytes)).dump();
    if (info && int64_t{info->width} * info->height > 1'000'000) return 0;  // allowed, but slow
    for (const media::Picture& frame : media::decode_frames(bytes)) {
      if (media::decode(media::encode_png(frame, 1)).pixels != frame.pixels) std::abort();
      if (!frame.text.empty()) Json(frame.text).dump();
    }
  } catch (const Error& error) {
    Json(error.what()).dump();  // must be fit to be shown
  }
  return 0;
}
