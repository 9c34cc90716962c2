// Samples of any length to one encoded stream of an Output. Private to this room.
#pragma once
extern "C" {
#include <libavutil/audio_fifo.h>
}

#include <span>
#include <vector>

#include "media/libav.h"

namespace easel::media::libav {

class SoundEncoder {
 public:
  // Adds its stream to the output. `rate` is resampled where the encoder does not know it: to the next rate above,
  // else to its highest. bitrate: bits a second; 0: MP3 by quality (V0), else
  // as the encoder likes.
  SoundEncoder(Output& output, const char* encoder, int rate, int channels, int64_t bitrate);

  // channels × n, channel after channel, -1..1.
  void add(std::span<const float> samples);
  void finish();

 private:
  struct FreedQueue {
    void operator()(AVAudioFifo* queue) const { av_audio_fifo_free(queue); }
  };
  Frame frame_of(int length);
  void push(const uint8_t* const* planes, int length);
  void drain(int least);

  Output& output_;
  int channels_;
  Codec codec_;
  AVStream* stream_ = nullptr;
  Resampler resampler_;
  std::unique_ptr<AVAudioFifo, FreedQueue> queue_;  // of what does not fill a frame yet
  int64_t written_ = 0;                             // samples, at the encoder's rate
};

}  // namespace easel::media::libav
