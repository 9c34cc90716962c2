#include "wire/messages.h"

#include <array>
#include <type_traits>

#include "base/error.h"
#include "base/utf8.h"
#include "graph/json_reader.h"

namespace easel::wire {
namespace {

constexpr size_t kMaxDepth = 600;  // a little more than a prompt may have

// In the order of the variant.
constexpr std::array kTypes = {"run",
                               "interrupt",
                               "free",
                               "shutdown",
                               "check",
                               "memory_query",
                               "list_models",
                               "hello",
                               "memory",
                               "log",
                               "models",
                               "checked",
                               "execution_start",
                               "execution_cached",
                               "executing",
                               "progress",
                               "progress_state",
                               "executed",
                               "preview",
                               "text",
                               "execution_success",
                               "execution_error",
                               "execution_interrupted",
                               "execution_blocked",
                               "finished"};
static_assert(kTypes.size() == std::variant_size_v<Message>);

// The members of every struct: f(name, member) for each.
template <class F>
void members(F f, Run& m) {
  f("prompt_id", m.prompt_id), f("prompt", m.prompt), f("outputs", m.outputs), f("extra_pnginfo", m.extra_pnginfo);
  f("preview_method", m.preview_method), f("preview_size", m.preview_size);
}
template <class F>
void members(F f, Interrupt& m) {
  f("prompt_id", m.prompt_id);
}
template <class F>
void members(F f, Free& m) {
  f("unload_models", m.unload_models), f("free_memory", m.free_memory);
}
template <class F>
void members(F, Shutdown&) {}
template <class F>
void members(F f, CheckQuestion& m) {
  f("class_type", m.class_type), f("constants", m.constants), f("link_types", m.link_types);
}
template <class F>
void members(F f, Check& m) {
  f("id", m.id), f("questions", m.questions);
}
template <class F>
void members(F f, CheckAnswer& m) {
  f("good", m.good), f("text", m.text), f("exception", m.exception);
}
template <class F>
void members(F f, Checked& m) {
  f("id", m.id), f("answers", m.answers);
}
template <class F>
void members(F, MemoryQuery&) {}
template <class F>
void members(F, ListModels&) {}
template <class F>
void members(F f, Device& m) {
  f("name", m.name), f("type", m.type), f("index", m.index), f("vram_total", m.vram_total), f("vram_free", m.vram_free);
  f("torch_vram_total", m.torch_vram_total), f("torch_vram_free", m.torch_vram_free);
}
template <class F>
void members(F f, Hello& m) {
  f("protocol", m.protocol), f("pid", m.pid), f("version", m.version), f("pytorch_version", m.pytorch_version);
  f("devices", m.devices);
}
template <class F>
void members(F f, Memory& m) {
  f("devices", m.devices), f("resident", m.resident);
}
template <class F>
void members(F f, Log& m) {
  f("level", m.level), f("text", m.text);
}
template <class F>
void members(F f, ModelFile& m) {
  f("folder", m.folder), f("name", m.name), f("kind", m.kind), f("bytes", m.bytes);
}
template <class F>
void members(F f, Models& m) {
  f("files", m.files);
}
template <class F>
void members(F f, ExecutionStart& m) {
  f("prompt_id", m.prompt_id), f("timestamp", m.timestamp);
}
template <class F>
void members(F f, ExecutionCached& m) {
  f("prompt_id", m.prompt_id), f("nodes", m.nodes), f("timestamp", m.timestamp);
}
template <class F>
void members(F f, Executing& m) {
  f("prompt_id", m.prompt_id), f("node", m.node), f("display_node", m.display_node);
}
template <class F>
void members(F f, Progress& m) {
  f("prompt_id", m.prompt_id), f("node", m.node), f("value", m.value), f("max", m.max);
}
template <class F>
void members(F f, NodeProgress& m) {
  f("node_id", m.node_id), f("display_node_id", m.display_node_id), f("real_node_id", m.real_node_id);
  f("parent_node_id", m.parent_node_id), f("state", m.state), f("value", m.value), f("max", m.max);
}
template <class F>
void members(F f, ProgressState& m) {
  f("prompt_id", m.prompt_id), f("nodes", m.nodes);
}
template <class F>
void members(F f, Executed& m) {
  f("prompt_id", m.prompt_id), f("node", m.node), f("display_node", m.display_node), f("output", m.output);
}
template <class F>
void members(F f, Preview& m) {
  f("prompt_id", m.prompt_id), f("node", m.node), f("display_node", m.display_node), f("real_node", m.real_node);
  f("parent_node", m.parent_node), f("mime", m.mime), f("bytes", m.bytes);
}
template <class F>
void members(F f, Text& m) {
  f("prompt_id", m.prompt_id), f("node", m.node), f("text", m.text);
}
template <class F>
void members(F f, ExecutionSuccess& m) {
  f("prompt_id", m.prompt_id), f("timestamp", m.timestamp);
}
template <class F>
void members(F f, ExecutionError& m) {
  f("prompt_id", m.prompt_id), f("node_id", m.node_id), f("node_type", m.node_type), f("executed", m.executed);
  f("exception_message", m.exception_message), f("exception_type", m.exception_type), f("traceback", m.traceback);
  f("current_inputs", m.current_inputs), f("current_outputs", m.current_outputs), f("timestamp", m.timestamp);
}
template <class F>
void members(F f, ExecutionInterrupted& m) {
  f("prompt_id", m.prompt_id), f("node_id", m.node_id), f("node_type", m.node_type), f("executed", m.executed);
  f("timestamp", m.timestamp);
}
template <class F>
void members(F f, ExecutionBlocked& m) {
  f("prompt_id", m.prompt_id), f("node_id", m.node_id), f("node_type", m.node_type), f("executed", m.executed);
  f("message", m.message);
}
template <class F>
void members(F f, Finished& m) {
  f("prompt_id", m.prompt_id), f("status", m.status), f("outputs", m.outputs), f("meta", m.meta);
}

// How a member is written to and read from JSON.
struct Convert {
  static OrderedJson write(OrderedJson& json) { return json; }
  static OrderedJson write(Json& json) { return OrderedJson(json); }
  // CBOR's texts are UTF-8; what is not (a picture) goes as bytes.
  static OrderedJson write(std::string& text) {
    if (is_utf8(text)) return text;
    return OrderedJson::binary({text.begin(), text.end()});
  }
  template <class T>
  static OrderedJson write(std::optional<T>& value) {
    return value ? write(*value) : OrderedJson();
  }
  template <class T>
  static OrderedJson write(std::vector<T>& values) {
    OrderedJson array = OrderedJson::array();
    for (T& value : values) array.push_back(write(value));
    return array;
  }
  template <class T>
  static OrderedJson write(std::map<std::string, T>& values) {
    OrderedJson object = OrderedJson::object();
    for (auto& [name, value] : values) object.push_back({name, write(value)});
    return object;
  }
  template <class T>
  static OrderedJson write(T& value) {
    if constexpr (std::is_arithmetic_v<T>) {
      return value;
    } else {
      OrderedJson object = OrderedJson::object();
      members([&](const char* name, auto& member) { object[name] = write(member); }, value);
      return object;
    }
  }

  static void read(const OrderedJson& json, OrderedJson& value) { value = json; }
  static void read(const OrderedJson& json, Json& value) { value = json; }
  static void read(const OrderedJson& json, std::string& text) {
    if (json.is_binary()) {
      text.assign(json.get_binary().begin(), json.get_binary().end());
    } else {
      text = json.get<std::string>();
    }
  }
  template <class T>
  static void read(const OrderedJson& json, std::optional<T>& value) {
    if (!json.is_null()) read(json, value.emplace());
  }
  template <class T>
  static void read(const OrderedJson& json, std::vector<T>& values) {
    for (const OrderedJson& item : json.get_ref<const OrderedJson::array_t&>()) read(item, values.emplace_back());
  }
  template <class T>
  static void read(const OrderedJson& json, std::map<std::string, T>& values) {
    for (const auto& [name, value] : json.get_ref<const OrderedJson::object_t&>()) read(value, values[name]);
  }
  template <class T>
  static void read(const OrderedJson& json, T& value) {
    if constexpr (std::is_arithmetic_v<T>) {
      value = json.get<T>();
    } else {
      members([&](const char* name, auto& member) { read(json.at(name), member); }, value);
    }
  }
};

// Tries the alternatives of the variant one after another.
template <size_t I = 0>
Message read_message(const std::string& type, const OrderedJson& json) {
  if constexpr (I == kTypes.size()) {
    fail("wire: a message of unknown type '{}' came", valid_utf8(type));
  } else {
    if (type != kTypes[I]) return read_message<I + 1>(type, json);
    std::variant_alternative_t<I, Message> message;
    Convert::read(json, message);
    return message;
  }
}

}  // namespace

std::string encode(Message message) {
  OrderedJson json = std::visit([](auto& one) { return Convert::write(one); }, message);
  json["type"] = kTypes[message.index()];
  std::string cbor;
  OrderedJson::to_cbor(json, cbor);
  return cbor;
}

Message decode(const std::string& cbor) {
  JsonReader<OrderedJson> reader("wire: a frame that is no message came", kMaxDepth, cbor.size());
  OrderedJson::sax_parse(cbor, &reader, OrderedJson::input_format_t::cbor);
  const OrderedJson json = reader.take();
  try {
    return read_message(json.at("type").get<std::string>(), json);
  } catch (const OrderedJson::exception& error) {
    fail("wire: a message without its proper fields came: {}", valid_utf8(error.what()));
  }
}

}  // namespace easel::wire
