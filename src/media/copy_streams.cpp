#include <algorithm>
#include <array>
#include <cstring>

#include "base/error.h"
#include "media/libav.h"
#include "media/metadata.h"
#include "media/video.h"

namespace easel::media {
namespace {

// What containers say of themselves; the new one says its own.
constexpr std::array kOwnTags = {"major_brand",  "minor_version", "compatible_brands", "encoder",
                                 "handler_name", "vendor_id",     "language",          "duration"};

TextChunks merged(TextChunks tags, const TextChunks& added) {
  std::erase_if(
      tags, [](const auto& tag) { return std::find(kOwnTags.begin(), kOwnTags.end(), tag.first) != kOwnTags.end(); });
  for (const auto& [name, text] : added) {
    const auto same = std::find_if(tags.begin(), tags.end(), [&](const auto& tag) { return tag.first == name; });
    same == tags.end() ? tags.emplace_back(name, text) : * same = {name, text};
  }
  return tags;
}

bool is_copied(const AVStream& stream) {
  const AVMediaType kind = stream.codecpar->codec_type;
  return (kind == AVMEDIA_TYPE_VIDEO || kind == AVMEDIA_TYPE_AUDIO) &&
         !(stream.disposition & AV_DISPOSITION_ATTACHED_PIC);
}

void add_copy(libav::Output& output, const AVStream& from) {
  AVStream* to = output.add_stream();
  output.check(avcodec_parameters_copy(to->codecpar, from.codecpar), "the stream's parameters");
  to->codecpar->codec_tag = 0;  // the other container's
  to->time_base = from.time_base;
  to->avg_frame_rate = from.avg_frame_rate;
  size_t size = 0;
  const uint8_t* turn = av_stream_get_side_data(&from, AV_PKT_DATA_DISPLAYMATRIX, &size);
  uint8_t* copy = turn ? av_stream_new_side_data(to, AV_PKT_DATA_DISPLAYMATRIX, size) : nullptr;
  if (copy) std::memcpy(copy, turn, size);
}

}  // namespace

void copy_streams(SeekableSource source, SeekableSink out, VideoKind kind, const TextChunks& metadata) {
  libav::Input input("copy_streams", std::move(source));
  const bool mp4 = kind == VideoKind::kMp4;
  libav::Output output("copy_streams", std::move(out), mp4 ? "mp4" : "webm", merged(input.metadata(), metadata));
  std::vector<int> places(input->nb_streams, -1);
  int streams = 0;
  for (unsigned i = 0; i < input->nb_streams; ++i) {
    if (!is_copied(*input->streams[i])) continue;
    places[i] = streams++;
    add_copy(output, *input->streams[i]);
  }
  if (!streams) fail("copy_streams: '{}' has neither pictures nor sound", input.name());
  libav::Options choices;
  if (mp4) choices.set("movflags", "use_metadata_tags");
  output.begin(choices);
  const libav::Packet packet = libav::make_packet();
  while (input.read(packet.get())) {
    const auto from = static_cast<size_t>(packet->stream_index);
    if (from >= places.size() || places[from] < 0) {
      av_packet_unref(packet.get());
      continue;
    }
    const AVStream* to = output->streams[places[from]];
    av_packet_rescale_ts(packet.get(), input->streams[from]->time_base, to->time_base);
    packet->stream_index = to->index;
    packet->pos = -1;
    output.write(packet.get());
  }
  output.end();
}

TextChunks media_metadata(SeekableSource source) {
  return libav::Input("media_metadata", std::move(source)).metadata();
}

}  // namespace easel::media
