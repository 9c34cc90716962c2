#include "media/libav.h"

#include <algorithm>
#include <mutex>
#include <thread>

#include "base/error.h"
#include "base/json.h"
#include "base/utf8.h"

namespace easel::media::libav {
namespace {

constexpr int kBuffer = 1 << 16;
constexpr size_t kMaxAllocation = size_t{1} << 30;  // that libav may make at once, whatever a file claims
constexpr int64_t kMaxProbe = 16 << 20;             // bytes read to learn what the streams are
constexpr unsigned kMaxStreams = 64;
constexpr int kMaxFruitless = 1000;  // packets refused in a row

// What people have. Everything else libav knows (playlists, network formats, games' codecs) is only a danger.
constexpr const char* kContainers =
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,flv,asf,mpeg,mpegts,ogg,gif,flac,mp3,wav,aiff,aac,w64,caf";
constexpr const char* kDecoders =
    "h264,hevc,vp8,vp9,libdav1d,mpeg4,mpeg2video,mpeg1video,msmpeg4v3,msmpeg4,wmv1,wmv2,wmv3,flv,mjpeg,gif,theora,"
    "prores,"
    "ffv1,rawvideo,png,aac,mp3float,mp3,mp2float,flac,opus,vorbis,alac,ac3,eac3,wmav1,wmav2,adpcm_ms,adpcm_ima_wav,pcm_"
    "u8,"
    "pcm_s8,pcm_s16le,pcm_s24le,pcm_s32le,pcm_f32le,pcm_f64le,pcm_s16be,pcm_s24be,pcm_s32be,pcm_f32be,pcm_alaw,pcm_"
    "mulaw";

void start_libav() {
  static std::once_flag once;
  std::call_once(once, [] {
    av_log_set_level(AV_LOG_QUIET);  // what matters comes back as an error
    av_max_alloc(kMaxAllocation);
  });
}

std::unique_ptr<AVIOContext, FreedIo> make_io(bool writing, void* self, int (*read)(void*, uint8_t*, int),
                                              int (*write)(void*, uint8_t*, int),
                                              int64_t (*seek)(void*, int64_t, int)) {
  auto* buffer = static_cast<uint8_t*>(av_malloc(kBuffer));
  AVIOContext* io = buffer ? avio_alloc_context(buffer, kBuffer, writing, self, read, write, seek) : nullptr;
  if (!io) {
    av_free(buffer);
    throw std::bad_alloc();
  }
  return std::unique_ptr<AVIOContext, FreedIo>(io);
}

template <class T>
T owned(decltype(T().get()) made) {
  if (!made) throw std::bad_alloc();
  return T(made);
}

void add_tags(TextChunks& out, const AVDictionary* tags, bool lower) {
  for (const AVDictionaryEntry* tag = nullptr; (tag = av_dict_get(tags, "", tag, AV_DICT_IGNORE_SUFFIX));) {
    std::string name = tag->key, value = tag->value;
    if (!is_utf8(name) || !is_utf8(value)) continue;
    if (lower) std::transform(name.begin(), name.end(), name.begin(), [](unsigned char c) { return std::tolower(c); });
    const bool known = std::any_of(out.begin(), out.end(), [&](const auto& entry) { return entry.first == name; });
    if (!known) out.emplace_back(std::move(name), std::move(value));
  }
}

}  // namespace

Packet make_packet() { return owned<Packet>(av_packet_alloc()); }
Frame make_frame() { return owned<Frame>(av_frame_alloc()); }

std::string reason(int error) {
  char text[AV_ERROR_MAX_STRING_SIZE] = "";
  av_strerror(error, text, sizeof text);
  return text;
}

Input::Input(std::string_view who, SeekableSource source) : who_(who), source_(std::move(source)) {
  start_libav();
  io_ = make_io(false, this, read_bytes, nullptr, seek);
  AVFormatContext* format = avformat_alloc_context();
  if (!format) throw std::bad_alloc();
  format->pb = io_.get();
  format->max_streams = kMaxStreams;
  format->probesize = kMaxProbe;
  format->format_whitelist = av_strdup(kContainers);
  format->codec_whitelist = av_strdup(kDecoders);
  format->protocol_whitelist = av_strdup("none");                              // no file but this one
  const int opened = avformat_open_input(&format, nullptr, nullptr, nullptr);  // frees it on failure
  if (opened >= 0) format_.reset(format);
  rethrow();
  if (opened < 0) {
    fail("{}: '{}' cannot be opened ({}); perhaps it is no film or sound, or was cut short", who_, source_.name,
         reason(opened));
  }
  const int known = avformat_find_stream_info(format, nullptr);
  rethrow();
  if (known < 0) fail("{}: '{}' is damaged ({})", who_, source_.name, reason(known));
}

int Input::read_bytes(void* self, uint8_t* out, int size) {
  auto& input = *static_cast<Input*>(self);
  try {
    const size_t came = input.source_.read(input.at_, {reinterpret_cast<std::byte*>(out), static_cast<size_t>(size)});
    input.at_ += came;
    return came ? static_cast<int>(came) : AVERROR_EOF;
  } catch (...) {
    input.problem_ = std::current_exception();
    return AVERROR(EIO);
  }
}

int64_t Input::seek(void* self, int64_t offset, int whence) {
  auto& input = *static_cast<Input*>(self);
  const auto size = static_cast<int64_t>(input.source_.size);
  if (whence & AVSEEK_SIZE) return size;
  whence &= ~AVSEEK_FORCE;
  const int64_t from = whence == SEEK_CUR ? static_cast<int64_t>(input.at_) : whence == SEEK_END ? size : 0;
  if (offset < -from || offset > INT64_MAX - from) return AVERROR(EINVAL);
  input.at_ = static_cast<uint64_t>(from + offset);
  return from + offset;
}

void Input::rethrow() {
  if (problem_) std::rethrow_exception(std::exchange(problem_, nullptr));
}

int Input::best(AVMediaType kind) const {
  return std::max(-1, av_find_best_stream(format_.get(), kind, -1, -1, nullptr, 0));
}

int Input::first(AVMediaType kind, bool last) const {
  int found = -1;
  for (int i = 0; i < static_cast<int>(format_->nb_streams); ++i) {
    if (format_->streams[i]->codecpar->codec_type == kind && (found < 0 || last)) found = i;
  }
  return found;
}

Codec Input::decoder(int stream, int threads) const {
  const AVStream& from = *format_->streams[stream];
  const AVCodec* known = avcodec_find_decoder(from.codecpar->codec_id);
  if (!known)
    fail("{}: '{}' is of codec '{}', which is not read", who_, source_.name, avcodec_get_name(from.codecpar->codec_id));
  Codec codec = owned<Codec>(avcodec_alloc_context3(known));
  int result = avcodec_parameters_to_context(codec.get(), from.codecpar);
  codec->pkt_timebase = from.time_base;
  codec->thread_count = threads;
  codec->max_pixels = kMaxPixels;
  Options options{{"codec_whitelist", kDecoders}};
  if (result >= 0) result = avcodec_open2(codec.get(), known, options.get());
  if (result < 0)
    fail("{}: '{}' is of codec '{}', which is not read ({})", who_, source_.name, known->name, reason(result));
  return codec;
}

bool Input::read(AVPacket* packet) {
  const int result = av_read_frame(format_.get(), packet);
  rethrow();
  return result >= 0;
}

TextChunks Input::metadata() const {
  const bool lower = std::string_view(format_->iformat->name).find("matroska") != std::string_view::npos;
  TextChunks out;
  add_tags(out, format_->metadata, lower);
  for (unsigned i = 0; i < format_->nb_streams; ++i) add_tags(out, format_->streams[i]->metadata, lower);
  return out;
}

double Input::seconds() const {
  return format_->duration > 0 ? static_cast<double>(format_->duration) / AV_TIME_BASE : 0;
}

bool Decoder::feed() {
  do {
    av_packet_unref(packet_.get());
    if (!input_.read(packet_.get())) {
      avcodec_send_packet(codec_.get(), nullptr);
      return true;
    }
  } while (packet_->stream_index != stream_);
  return avcodec_send_packet(codec_.get(), packet_.get()) >= 0;
}

bool Decoder::next() {
  for (int fruitless = 0; fruitless <= kMaxFruitless;) {
    const int result = avcodec_receive_frame(codec_.get(), frame_.get());
    if (result >= 0) return true;
    if (result == AVERROR_EOF) return false;
    if (result != AVERROR(EAGAIN) || !feed()) ++fruitless;
  }
  return false;
}

Frame make_picture(int format, int width, int height) {
  Frame frame = make_frame();
  frame->format = format;
  frame->width = width;
  frame->height = height;
  if (av_frame_get_buffer(frame.get(), 0) < 0) throw std::bad_alloc();
  return frame;
}

Output::Output(std::string_view who, SeekableSink sink, const char* container, const TextChunks& metadata)
    : who_(who), sink_(std::move(sink)) {
  start_libav();
  AVFormatContext* format = nullptr;
  check(avformat_alloc_output_context2(&format, nullptr, container, nullptr), container);
  format_.reset(format);
  io_ = make_io(true, this, nullptr, write_bytes, seek);
  format_->pb = io_.get();
  format_->flags |= AVFMT_FLAG_CUSTOM_IO;
  for (const auto& [name, text] : metadata) {
    if (name.empty() || !is_utf8(name) || !is_utf8(text) || (name + text).find('\0') != std::string::npos)
      fail("{}: the tag '{}' is no text", who_, valid_utf8(name));
    av_dict_set(&format_->metadata, name.c_str(), text.c_str(), 0);
  }
}

void Output::check(int result, std::string_view what) {
  if (problem_) std::rethrow_exception(std::exchange(problem_, nullptr));
  if (result < 0) fail("{}: {}: {}", who_, what, reason(result));
}

int Output::write_bytes(void* self, uint8_t* bytes, int size) {
  auto& output = *static_cast<Output*>(self);
  if (output.problem_) return AVERROR(EIO);
  try {
    output.sink_(static_cast<uint64_t>(output.at_), {reinterpret_cast<std::byte*>(bytes), static_cast<size_t>(size)});
  } catch (...) {
    output.problem_ = std::current_exception();
    return AVERROR(EIO);
  }
  output.at_ += size;
  output.size_ = std::max(output.size_, output.at_);
  return size;
}

int64_t Output::seek(void* self, int64_t offset, int whence) {
  auto& output = *static_cast<Output*>(self);
  if (whence & AVSEEK_SIZE) return output.size_;
  whence &= ~AVSEEK_FORCE;
  const int64_t to = offset + (whence == SEEK_CUR ? output.at_ : whence == SEEK_END ? output.size_ : 0);
  if (to < 0) return AVERROR(EINVAL);
  return output.at_ = to;
}

AVStream* Output::add_stream() {
  AVStream* stream = avformat_new_stream(format_.get(), nullptr);
  if (!stream) throw std::bad_alloc();
  return stream;
}

AVStream* Output::add_stream(const AVCodecContext& codec) {
  AVStream* stream = add_stream();
  stream->time_base = codec.time_base;
  if (codec.codec_type == AVMEDIA_TYPE_VIDEO) stream->avg_frame_rate = codec.framerate;
  check(avcodec_parameters_from_context(stream->codecpar, &codec), "the codec's parameters");
  return stream;
}

void Output::begin(Options& options) {
  check(avformat_write_header(format_.get(), options.get()), "the container refuses what it should hold");
}

void Output::write(AVPacket* packet) { check(av_interleaved_write_frame(format_.get(), packet), "writing"); }

void Output::end() {
  const int result = av_write_trailer(format_.get());
  avio_flush(io_.get());
  check(result < 0 ? result : io_->error, "writing the end");
}

void Output::encode(AVCodecContext* codec, AVStream* stream, const AVFrame* frame) {
  check(avcodec_send_frame(codec, frame), "the encoder refuses a frame");
  const Packet packet = make_packet();
  for (;;) {
    const int result = avcodec_receive_packet(codec, packet.get());
    if (result == AVERROR(EAGAIN) || result == AVERROR_EOF) return;
    check(result, "the encoder fails");
    if (!packet->duration && codec->codec_type == AVMEDIA_TYPE_VIDEO) packet->duration = 1;
    packet->stream_index = stream->index;
    av_packet_rescale_ts(packet.get(), codec->time_base, stream->time_base);
    write(packet.get());
  }
}

Codec open_encoder(const Output& output, const char* name,
                   const std::function<void(AVCodecContext&, const AVCodec&)>& prepare, Options& options) {
  const AVCodec* known = avcodec_find_encoder_by_name(name);
  if (!known) fail("{}: this libav has no encoder '{}'", output.who(), name);
  Codec codec = owned<Codec>(avcodec_alloc_context3(known));
  codec->thread_count = static_cast<int>(std::clamp(std::thread::hardware_concurrency(), 1u, 16u));
  if (output.wants_global_header()) codec->flags |= AV_CODEC_FLAG_GLOBAL_HEADER;
  prepare(*codec, *known);
  const int result = avcodec_open2(codec.get(), known, options.get());
  if (result < 0) {
    const std::string what =
        codec->codec_type == AVMEDIA_TYPE_VIDEO
            ? fmt::format("{} × {} pixels", codec->width, codec->height)
            : fmt::format("{} channels at {} Hz", codec->ch_layout.nb_channels, codec->sample_rate);
    fail("{}: the encoder '{}' refuses {} ({})", output.who(), name, what, reason(result));
  }
  return codec;
}

}  // namespace easel::media::libav
