// Films, by libav: frames go in and come out one at a time and are never gathered. One thread at a time an object.
#pragma once
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "media/picture.h"
#include "media/sound.h"
#include "media/stream.h"

namespace easel::media {

enum class VideoKind { kMp4, kWebm };         // the container
enum class VideoCodec { kH264, kVp9, kAv1 };  // H.264 goes into MP4, the others into WebM

struct VideoOptions {
  int width = 0, height = 0;  // at most 16384 each
  Ratio fps{24, 1};
  VideoCodec codec = VideoCodec::kH264;
  std::optional<double> crf;  // H.264 0..51, 23 if not given; VP9 and AV1 0..63, 32 if not given: less is better
  // Sound beside the pictures: AAC in MP4, Opus in WebM.
  int sound_rate = 0, sound_channels = 0;  // 0: none
  TextChunks metadata;                     // container tags: "prompt" and "workflow" as JSON text
};

// H.264 as yuv420p (an odd last row or column is left out: the format knows even sizes only), VP9 as yuv420p, AV1 as
// 10-bit yuv420p: what SaveVideo and SaveWEBM write. Throws Error.
class VideoWriter {
 public:
  VideoWriter(SeekableSink out, const VideoOptions& options);
  ~VideoWriter();  // without finish, what was written is no whole file

  // RGB or RGBA (alpha is dropped) of width × height.
  void add(const Picture& frame);
  // Any number of samples, -1..1, channel after channel (channels × n). Whatever the order of add and add_sound, each
  // stream goes on where it was; interleaving them keeps memory small.
  void add_sound(std::span<const float> samples);
  // Ends the file; nothing may be added after it. At least one frame must have been.
  void finish();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

struct VideoInfo {
  int width = 0, height = 0;  // upright: as next() gives frames
  Ratio fps;                  // average; 1 if the file does not say
  int64_t frames = 0;         // as the file says, or duration × fps; 0 if it says neither
  double seconds = 0;         // 0 if the file does not say
  std::string container;      // libav's names: "mov,mp4,m4a,3gp,3g2,mj2"
  std::string codec;          // libav's name: "h264"
  std::optional<SoundInfo> sound;
  TextChunks metadata;  // tags of the container, then those of streams; WebM's names in lower case
};

// Reads MP4, MOV, WebM, Matroska, AVI, MPEG, FLV, ASF, Ogg, GIF. Only what such files usually hold is decoded, no other
// file is ever opened. Frames are RGB, upright (90° turns are applied), of one size (a film that changes its size is
// scaled to its first). Throws Error for no film, one cut short before its first frame, too many pixels.
class VideoReader {
 public:
  explicit VideoReader(SeekableSource source);
  ~VideoReader();

  const VideoInfo& info() const;
  // The next frame; nothing at the end. Damage in the middle skips to the next whole frame, as players do.
  std::optional<Picture> next();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// The same packets in a container of their own, nothing decoded; these tags are put to the old ones, replacing those of
// the same name: what SaveVideo does with a film that was loaded and is H.264 already. Throws Error if MP4 or WebM
// cannot hold them.
void copy_streams(SeekableSource source, SeekableSink out, VideoKind kind, const TextChunks& metadata);

}  // namespace easel::media
