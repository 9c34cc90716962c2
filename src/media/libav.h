// libav's handles with owners, and a file opened for reading or writing through them. Private to this room.
#pragma once
extern "C" {
#include <libavcodec/avcodec.h>
#include <libavformat/avformat.h>
#include <libswresample/swresample.h>
#include <libswscale/swscale.h>
}

#include <exception>
#include <memory>
#include <string>
#include <string_view>

#include "media/picture.h"
#include "media/stream.h"

namespace easel::media::libav {

template <auto kFree>
struct Freed {
  template <class T>
  void operator()(T* what) const {
    kFree(&what);
  }
};
struct FreedScaler {
  void operator()(SwsContext* scaler) const { sws_freeContext(scaler); }
};
struct FreedIo {
  void operator()(AVIOContext* io) const {
    av_freep(&io->buffer);
    avio_context_free(&io);
  }
};
struct FreedFormat {
  void operator()(AVFormatContext* format) const { avformat_free_context(format); }
};
using Packet = std::unique_ptr<AVPacket, Freed<av_packet_free>>;
using Frame = std::unique_ptr<AVFrame, Freed<av_frame_free>>;
using Codec = std::unique_ptr<AVCodecContext, Freed<avcodec_free_context>>;
using Resampler = std::unique_ptr<SwrContext, Freed<swr_free>>;
using Scaler = std::unique_ptr<SwsContext, FreedScaler>;

Packet make_packet();  // Throw Error without memory.
Frame make_frame();

std::string reason(int error);  // libav's words for its error number

// Names and values for libav's open calls; freed with the object.
class Options {
 public:
  Options() = default;
  Options(std::initializer_list<std::pair<const char*, std::string>> entries) {
    for (const auto& [name, value] : entries) set(name, value);
  }
  ~Options() { av_dict_free(&entries_); }
  Options(const Options&) = delete;
  Options& operator=(const Options&) = delete;

  void set(const char* name, const std::string& value) { av_dict_set(&entries_, name, value.c_str(), 0); }
  AVDictionary** get() { return &entries_; }

 private:
  AVDictionary* entries_ = nullptr;
};

// A file being read. Only containers and decoders of a short list are used, and no file besides this one.
class Input {
 public:
  // Opens it and finds out what its streams are. `who` opens the messages.
  Input(std::string_view who, SeekableSource source);
  Input(const Input&) = delete;
  Input& operator=(const Input&) = delete;

  AVFormatContext* operator->() const { return format_.get(); }
  // The stream of this kind that libav prefers, or the last or first of them; -1 if there is none.
  int best(AVMediaType kind) const;
  int first(AVMediaType kind, bool last) const;
  Codec decoder(int stream, int threads) const;
  // The next packet of any stream; false at the end (or where the rest cannot be read).
  bool read(AVPacket* packet);
  // Tags of the container, then those of streams; of a name that stands twice the first.
  TextChunks metadata() const;
  double seconds() const;  // 0 if unknown

  std::string_view who() const { return who_; }
  const std::string& name() const { return source_.name; }

 private:
  struct Closed {
    void operator()(AVFormatContext* format) const { avformat_close_input(&format); }
  };
  static int read_bytes(void* self, uint8_t* out, int size);
  static int64_t seek(void* self, int64_t offset, int whence);
  void rethrow();

  std::string who_;
  SeekableSource source_;
  uint64_t at_ = 0;
  std::exception_ptr problem_;  // what the source threw; must not cross libav
  std::unique_ptr<AVIOContext, FreedIo> io_;
  std::unique_ptr<AVFormatContext, Closed> format_;
};

// The frames of one stream of an input that outlives it.
class Decoder {
 public:
  Decoder(Input& input, int stream, int threads)
      : input_(input), stream_(stream), codec_(input.decoder(stream, threads)) {}

  // Decodes the next frame into frame(); false at the end. Damaged packets are passed over, up to a bound.
  bool next();
  AVFrame& frame() { return *frame_; }
  const AVCodecContext& codec() const { return *codec_; }

 private:
  bool feed();  // the stream's next packet, or its end, to the decoder; false if it is refused

  Input& input_;
  int stream_;
  Codec codec_;
  Packet packet_ = make_packet();
  Frame frame_ = make_frame();
};

// A frame of this size with memory as libav likes it: aligned, and with room behind its rows.
Frame make_picture(int format, int width, int height);

// A file being written.
class Output {
 public:
  Output(std::string_view who, SeekableSink sink, const char* container, const TextChunks& metadata);
  Output(const Output&) = delete;
  Output& operator=(const Output&) = delete;

  AVFormatContext* operator->() const { return format_.get(); }
  bool wants_global_header() const { return format_->oformat->flags & AVFMT_GLOBALHEADER; }
  AVStream* add_stream();
  AVStream* add_stream(const AVCodecContext& codec);
  void begin(Options& options);  // after all streams are added
  void write(AVPacket* packet);  // timestamps in its stream's time base; takes the packet's content
  void end();

  // Sends a frame (none: the end) to an encoder and writes what comes out of it.
  void encode(AVCodecContext* codec, AVStream* stream, const AVFrame* frame);

  std::string_view who() const { return who_; }
  // Throws what the sink threw, else Error, if `result` is an error.
  void check(int result, std::string_view what);

 private:
  static int write_bytes(void* self, uint8_t* bytes, int size);
  static int64_t seek(void* self, int64_t offset, int whence);

  std::string who_;
  SeekableSink sink_;
  int64_t at_ = 0, size_ = 0;
  std::exception_ptr problem_;
  std::unique_ptr<AVIOContext, FreedIo> io_;
  std::unique_ptr<AVFormatContext, FreedFormat> format_;
};

// Opens an encoder of this name; `prepare` fills in what it needs to know. Throws Error if it is missing or refuses.
Codec open_encoder(const Output& output, const char* name,
                   const std::function<void(AVCodecContext&, const AVCodec&)>& prepare, Options& options);

}  // namespace easel::media::libav
