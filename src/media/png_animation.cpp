#include "base/error.h"
#include "media/animation.h"
#include "media/codecs.h"

namespace easel::media {
namespace {

void append(std::string& out, uint32_t value, int size = 4) {
  for (int shift = 8 * (size - 1); shift >= 0; shift -= 8) out += static_cast<char>(value >> shift);
}

}  // namespace

PngAnimation::PngAnimation(ByteSink out, const AnimationOptions& options, uint32_t frames, int level)
    : out_(std::move(out)), options_(options), frames_(frames), level_(level) {
  if (frames == 0 || frames > 1'000'000) fail("write_apng: {} frames; 1 to 1000000 are possible", frames);
  if (level < 0 || level > 9) fail("write_apng: a compression level of {}; 0 to 9 are possible", level);
}

void PngAnimation::chunk(const char* type, const std::string& data) {
  const std::string bytes = png_chunk(type, data);
  out_(std::as_bytes(std::span(bytes)));
}

// Frames are whole PNG files first; of the first all chunks are taken, of the others the pixels.
// https://www.w3.org/TR/png-3/#apng-frame-based-animation
void PngAnimation::add(const Picture& frame) {
  if (frame.width != options_.width || frame.height != options_.height || (added_ && frame.channels != channels_)) {
    fail("write_apng: a frame of {} × {} pixels of {} channels; {} × {}, all of a kind, are wanted", frame.width,
         frame.height, frame.channels, options_.width, options_.height);
  }
  if (added_ == frames_) fail("write_apng: more than the {} frames announced", frames_);
  channels_ = frame.channels;
  const std::string file = encode_png(frame, level_);
  if (!added_) {
    out_(std::as_bytes(std::span(file).first(8)));
    chunk("IHDR", std::string(png_chunks(file).front().content));
    std::string count;
    append(count, frames_);
    append(count, 0);  // for ever
    if (frames_ > 1) chunk("acTL", count);
  }
  if (frames_ > 1) {
    uint32_t delay = static_cast<uint32_t>(options_.milliseconds), unit = 1000;
    if (delay > 0xffff) delay /= 10, unit /= 10;
    std::string control;
    append(control, sequence_++);
    append(control, static_cast<uint32_t>(frame.width));
    append(control, static_cast<uint32_t>(frame.height));
    append(control, 0);
    append(control, 0);
    append(control, delay, 2);
    append(control, unit, 2);
    append(control, 0, 2);  // stay as it is, replace what was
    chunk("fcTL", control);
  }
  for (const PngChunk& part : png_chunks(file)) {
    if (part.name != "IDAT") continue;
    std::string data;
    if (added_) append(data, sequence_++);
    chunk(added_ ? "fdAT" : "IDAT", data.append(part.content));
  }
  ++added_;
}

void PngAnimation::finish() {
  if (added_ != frames_) fail("write_apng: {} frames of {} came", added_, frames_);
  for (const auto& [name, text] : options_.metadata) chunk("comf", name + '\0' + text);
  chunk("IEND", "");
}

}  // namespace easel::media
