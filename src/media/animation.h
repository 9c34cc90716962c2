// Animated pictures, written frame by frame as SaveAnimatedWEBP and SaveAnimatedPNG do. One thread at a time an object.
#pragma once
#include <cstdint>
#include <memory>
#include <string>

#include "media/picture.h"
#include "media/stream.h"

namespace easel::media {

struct AnimationOptions {
  int width = 0, height = 0;
  int milliseconds = 166;  // each frame; see frame_milliseconds
  TextChunks metadata;     // "prompt", "workflow", …: JSON text, best as ASCII (escaped); else it is UTF-8
};
// As ComfyUI has it: 1000 / fps, cut to a whole number. Throws Error unless 0.01 <= fps <= 1000.
int frame_milliseconds(double fps);

// WebP for ever repeating; a single frame gives a still picture. Tags are EXIF: 0x0110 "prompt:…", then 0x010F,
// 0x010E, … for the others in their order. Throws Error.
class WebpAnimation {
 public:
  // quality 0..100 (effort if lossless); effort 0 fastest .. 6 slowest, 4 by default
  WebpAnimation(const AnimationOptions& options, bool lossless = true, int quality = 80, int effort = 4);
  ~WebpAnimation();

  void add(const Picture& frame);  // RGB or RGBA of width × height
  std::string finish();            // the file; at least one frame must have been added

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// APNG for ever repeating; a single frame gives a plain PNG. Tags are "comf" chunks (name, NUL, text) behind the
// pictures. `frames` stands at the file's front and must be what is added. Throws Error.
class PngAnimation {
 public:
  PngAnimation(ByteSink out, const AnimationOptions& options, uint32_t frames, int level = 4);

  void add(const Picture& frame);  // all of one number of channels
  void finish();

 private:
  void chunk(const char* type, const std::string& data);

  ByteSink out_;
  AnimationOptions options_;
  uint32_t frames_, added_ = 0, sequence_ = 0;
  int level_, channels_ = 0;
};

}  // namespace easel::media
