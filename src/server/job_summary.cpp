#include "server/job_summary.h"

#include <algorithm>
#include <array>

#include "base/json.h"

namespace easel::server {
namespace {

constexpr size_t kMaxText = 1024;  // of a text that is shown in the list

bool ends_with_one_of(std::string name, std::initializer_list<const char*> endings) {
  std::ranges::transform(name, name.begin(), [](unsigned char c) { return std::tolower(c); });
  return std::ranges::any_of(endings, [&](const char* ending) { return name.ends_with(ending); });
}

std::string text_of(const OrderedJson& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_string() ? found->get<std::string>() : "";
}

bool is_visual(const std::string& media, const OrderedJson& file) {
  if (media == "images" || media == "video" || media == "gifs" || media == "audio" || media == "3d") return true;
  const std::string format = text_of(file, "format");
  if (format.starts_with("video/") || format.starts_with("audio/") || format.starts_with("image/")) return true;
  return ends_with_one_of(text_of(file, "filename"),
                          {".png", ".jpg", ".jpeg", ".webp", ".gif", ".mp4", ".webm", ".mov", ".mp3", ".wav", ".flac",
                           ".opus", ".ogg", ".glb", ".gltf", ".obj", ".fbx", ".usdz"});
}

bool is_text_file(const OrderedJson& file) {
  return ends_with_one_of(text_of(file, "filename"), {".txt", ".md", ".json", ".csv", ".srt", ".vtt", ".html"});
}

// Cut at a whole character.
std::string clipped(const std::string& text, bool& cut) {
  cut = text.size() > kMaxText;
  if (!cut) return text;
  size_t end = kMaxText;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) --end;
  return text.substr(0, end);
}

// The outputs of a run, looked through once: the best kind to show is the lowest.
struct Outputs {
  enum Kind { kSaved, kShown, kTextFile, kText, kKinds };
  int64_t count = 0, previewable = 0;
  std::array<OrderedJson, kKinds> first;

  void take(const std::string& node, const std::string& media, const OrderedJson& item) {
    ++count;
    OrderedJson preview;
    Kind kind;
    if (item.is_object() && is_visual(media, item)) {
      kind = text_of(item, "type") == "output" ? kSaved : kShown;
      preview = item;
    } else if (item.is_object() && is_text_file(item)) {
      kind = kTextFile;
      preview = item;
    } else if (item.is_string() && media == "text") {
      bool cut = false;
      kind = kText;
      preview = {{"content", clipped(item.get<std::string>(), cut)}};
      if (cut) preview["truncated"] = true;
    } else {
      return;
    }
    ++previewable;
    if (!first[kind].is_null()) return;
    preview["nodeId"] = node;
    preview["mediaType"] = kind == kTextFile ? "text" : media;
    first[kind] = std::move(preview);
  }
};

Outputs look_through(const OrderedJson& outputs) {
  Outputs found;
  if (!outputs.is_object()) return found;
  for (const auto& [node, ui] : outputs.items()) {
    if (!ui.is_object()) continue;
    for (const auto& [media, items] : ui.items())
      if (media != "animated" && items.is_array())
        for (const auto& item : items) found.take(node, media, item);
  }
  return found;
}

OrderedJson error_of(const OrderedJson& data) {
  OrderedJson error;
  for (const char* key : {"prompt_id", "node_id", "node_type", "executed", "exception_message", "exception_type",
                          "traceback", "timestamp"})
    if (const auto found = data.find(key); found != data.end()) error[key] = *found;
  return error;
}

// Stops at the first string that stands at workflow.id.
class FindWorkflowId : public nlohmann::json_sax<Json> {
 public:
  std::string id;

  bool start_object(size_t) override { return ++depth_, true; }
  bool end_object() override { return leave(); }
  bool start_array(size_t) override { return ++depth_, true; }
  bool end_array() override { return leave(); }
  bool key(std::string& name) override {
    if (depth_ == 1) in_workflow_ = name == "workflow";
    at_id_ = depth_ == 2 && in_workflow_ && name == "id";
    return true;
  }
  bool string(std::string& text) override {
    if (at_id_ && depth_ == 2) id = text;
    return !at_id_;
  }
  bool null() override { return value(); }
  bool boolean(bool) override { return value(); }
  bool number_integer(int64_t) override { return value(); }
  bool number_unsigned(uint64_t) override { return value(); }
  bool number_float(double, const std::string&) override { return value(); }
  bool binary(Json::binary_t&) override { return value(); }
  bool parse_error(size_t, const std::string&, const nlohmann::detail::exception&) override { return false; }

 private:
  bool value() { return !at_id_; }
  bool leave() { return --depth_, true; }
  int depth_ = 0;
  bool in_workflow_ = false, at_id_ = false;
};

}  // namespace

store::Summary summarize(const store::Result& result) {
  store::Summary summary;
  const OrderedJson status = OrderedJson::parse(result.status, nullptr, false);
  OrderedJson details = OrderedJson::object();
  if (status.is_object()) {
    summary.state = text_of(status, "status_str") == "success" ? "completed" : "failed";
    for (const auto& message : status.value("messages", OrderedJson::array())) {
      if (!message.is_array() || message.size() != 2 || !message[0].is_string() || !message[1].is_object()) continue;
      const std::string type = message[0];
      const int64_t time = message[1].value("timestamp", int64_t{0});
      if (type == "execution_start") summary.started = time;
      if (type == "execution_success" || type == "execution_error" || type == "execution_interrupted")
        summary.ended = time;
      if (type == "execution_interrupted") summary.state = "cancelled";
      if (type == "execution_error") details["execution_error"] = error_of(message[1]);
    }
  }
  const Outputs outputs = look_through(OrderedJson::parse(result.outputs, nullptr, false));
  details["outputs_count"] = outputs.count;
  details["previewable_outputs_count"] = outputs.previewable;
  const auto best = std::ranges::find_if(outputs.first, [](const OrderedJson& each) { return !each.is_null(); });
  if (best != outputs.first.end()) details["preview_output"] = *best;
  summary.details = details.dump(-1, ' ', false, OrderedJson::error_handler_t::replace);
  return summary;
}

std::string workflow_id(const std::string& extra_pnginfo) {
  FindWorkflowId finder;
  Json::sax_parse(extra_pnginfo, &finder);
  constexpr size_t kMaxId = 256;
  return finder.id.size() <= kMaxId ? finder.id : "";
}

}  // namespace easel::server
