// The texts kept in a file that easel or ComfyUI wrote: "prompt", "workflow" and whatever else stands there.
#pragma once
#include "media/picture.h"
#include "media/stream.h"

namespace easel::media {

// PNG (tEXt, zTXt, iTXt, comf chunks), WebP (EXIF "name:text"), without decoding a pixel. Empty if there is none.
// Throws Error if the bytes are neither, or damaged.
TextChunks picture_metadata(std::string_view bytes);

// Films and sound: the container's tags. Throws Error if libav knows no such file.
TextChunks media_metadata(SeekableSource source);

}  // namespace easel::media
