// Sound, by libav: samples are float32, -1..1, channel after channel. One thread at a time an object.
#pragma once
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "media/picture.h"
#include "media/stream.h"

namespace easel::media {

inline constexpr int kMaxSoundChannels = 8;
inline constexpr int64_t kMaxSamples = int64_t{1} << 29;  // channels × length that read_sound takes: 2 GiB

enum class SoundKind { kFlac, kMp3, kOpus };

struct SoundOptions {
  SoundKind kind = SoundKind::kFlac;
  int rate = 44100;     // samples a second of what is added, 1..768000; Opus is resampled to the next rate it knows
  int channels = 2;     // FLAC and Opus up to 8, MP3 up to 2
  int64_t bitrate = 0;  // MP3, Opus: bits a second; 0: MP3 by quality (V0), Opus as libopus likes
  TextChunks metadata;  // container tags: "prompt" and "workflow" as JSON text
};

// FLAC of 16 bits, MP3 (MPEG layer 3), Opus in Ogg: what SaveAudio, SaveAudioMP3 and SaveAudioOpus write. Throws Error.
class SoundWriter {
 public:
  SoundWriter(SeekableSink out, const SoundOptions& options);
  ~SoundWriter();  // without finish, what was written is no whole file

  // channels × n samples, channel after channel.
  void add(std::span<const float> samples);
  void finish();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

struct SoundInfo {
  int rate = 0, channels = 0;
  double seconds = 0;     // 0 if the file does not say
  std::string container;  // libav's names: "flac"
  std::string codec;
  TextChunks metadata;
};

// A block of sound: channels × length samples, channel after channel.
struct Sound {
  int rate = 0, channels = 0;
  std::vector<float> samples;
  int64_t length() const { return channels ? static_cast<int64_t>(samples.size()) / channels : 0; }
};

// Reads the sound of FLAC, MP3, Ogg (Opus, Vorbis), WAV, AIFF, AAC, M4A and of films. Throws Error for a file without
// sound, and for one that changes its rate or channels.
class SoundReader {
 public:
  // Of several tracks, `last` takes the last (as LoadVideo does), otherwise the first (as LoadAudio does).
  explicit SoundReader(SeekableSource source, bool last = false);
  ~SoundReader();

  const SoundInfo& info() const;
  // The next block, of whatever length; nothing at the end.
  std::optional<Sound> next();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// All of it. Throws Error when it is more than `most` samples.
Sound read_sound(SeekableSource source, bool last = false, int64_t most = kMaxSamples);

}  // namespace easel::media
