#include "server/packs.h"

#include <openssl/evp.h>

#include <algorithm>
#include <array>
#include <sstream>

#include "base/error.h"
#include "folders/resolve.h"
#include "graph/prompt.h"
#include "server/file_facts.h"
#include "server/users.h"

namespace easel::server {
namespace {

namespace fs = std::filesystem;

constexpr size_t kMaxPacks = 1000, kMaxText = size_t{16} << 20;
constexpr std::array kTemplateFolders{"example_workflows", "example", "examples", "workflow", "workflows"};

// A small file of a pack, or nothing: packs are other people's.
std::optional<std::string> small_text(const fs::path& path) {
  const auto facts = file_facts(path);
  if (!facts || facts->size > kMaxText) return std::nullopt;
  return read_text(path);
}

// The string of a line `key = "value"`, in either quotes.
std::optional<std::string> assigned(std::string_view line, std::string_view key) {
  const auto skip_spaces = [&] {
    while (!line.empty() && (line.front() == ' ' || line.front() == '\t')) line.remove_prefix(1);
  };
  if (!line.starts_with(key)) return std::nullopt;
  line.remove_prefix(key.size());
  skip_spaces();
  if (!line.starts_with('=')) return std::nullopt;
  line.remove_prefix(1);
  skip_spaces();
  if (line.empty() || (line.front() != '"' && line.front() != '\'')) return std::nullopt;
  const size_t end = line.find(line.front(), 1);
  if (end == std::string_view::npos || end < 2) return std::nullopt;
  return std::string(line.substr(1, end - 1));
}

// WEB_DIRECTORY = "./web" of __init__.py, or web = "web" under [tool.comfy] of pyproject.toml.
std::optional<std::string> web_folder(const fs::path& pack) {
  const auto lines_of = [&](const char* file) { return std::istringstream(small_text(pack / file).value_or("")); };
  auto project = lines_of("pyproject.toml");
  bool ours = false;
  for (std::string line; std::getline(project, line);) {
    if (line.starts_with('[')) ours = line.starts_with("[tool.comfy]");
    if (const auto folder = ours ? assigned(line, "web") : std::nullopt) return folder;
  }
  auto python = lines_of("__init__.py");
  for (std::string line; std::getline(python, line);)
    if (const auto folder = assigned(line, "WEB_DIRECTORY")) return folder;
  return std::nullopt;
}

std::optional<fs::path> web_root(const fs::path& pack) {
  const auto name = web_folder(pack);
  if (!name) return std::nullopt;
  const auto found = folders::resolve(pack, *name, "");
  if (!found || !fs::is_directory(found.path)) return std::nullopt;
  return found.path;
}

std::string quoted(const std::string& name) {
  std::string url;
  for (const unsigned char c : name)
    url += std::isalnum(c) || c == '-' || c == '_' || c == '.' || c == '~' ? std::string(1, static_cast<char>(c))
                                                                           : fmt::format("%{:02X}", c);
  return url;
}

std::optional<OrderedJson> read_object(const fs::path& path) {
  const auto text = small_text(path);
  if (!text) return std::nullopt;
  try {
    OrderedJson object = parse_ordered_json(*text);
    if (object.is_object()) return object;
  } catch (const Error&) {  // a damaged file says nothing
  }
  return std::nullopt;
}

void merge(OrderedJson& into, const OrderedJson& from) {
  for (const auto& [key, value] : from.items()) {
    OrderedJson& there = into[key];
    if (there.is_object() && value.is_object())
      merge(there, value);
    else
      there = value;
  }
}

std::string sha256(const std::string& text) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest;
  unsigned size = 0;
  if (EVP_Digest(text.data(), text.size(), digest.data(), &size, EVP_sha256(), nullptr) != 1)
    fail("sha256: OpenSSL refused");
  std::string hex;
  for (unsigned i = 0; i < size; ++i) hex += fmt::format("{:02x}", digest[i]);
  return hex;
}

}  // namespace

Packs::Packs(const Folders& folders, bool disabled, std::set<std::string> allowed)
    : folders_(folders), disabled_(disabled), allowed_(std::move(allowed)) {}

std::vector<Packs::Pack> Packs::all() const {
  std::vector<Pack> packs;
  for (const fs::path& root : folders_.model_roots("custom_nodes")) {
    std::error_code error;
    for (fs::directory_iterator entry(root, error), end; !error && entry != end; entry.increment(error)) {
      const std::string name = entry->path().filename().string();
      if (name.starts_with('.') || name == "__pycache__" || name.ends_with(".disabled")) continue;
      if (packs.size() >= kMaxPacks || (disabled_ && !allowed_.contains(name))) continue;
      std::error_code unreadable;
      if (fs::is_directory(entry->path(), unreadable)) packs.push_back({name, entry->path()});
    }
  }
  std::ranges::stable_sort(packs, {}, &Pack::name);
  return packs;
}

std::optional<Packs::Pack> Packs::find(const std::string& name) const {
  for (Pack& pack : all())
    if (pack.name == name) return std::move(pack);
  return std::nullopt;
}

std::vector<std::string> Packs::scripts() const {
  std::vector<std::string> urls;
  for (const Pack& pack : all())
    if (const auto root = web_root(pack.folder))
      for (const std::string& file : files_below(*root, true))
        if (file.ends_with(".js")) urls.push_back("/extensions/" + quoted(pack.name) + "/" + file);
  return urls;
}

OrderedJson Packs::templates() const {
  OrderedJson all_templates = OrderedJson::object();
  for (const Pack& pack : all()) {
    OrderedJson names = OrderedJson::array();
    for (const char* folder : kTemplateFolders)
      for (const std::string& file : files_below(pack.folder / folder, false))
        if (file.ends_with(".json")) names.push_back(file.substr(0, file.size() - 5));
    if (!names.empty()) all_templates[pack.name] = std::move(names);
  }
  return all_templates;
}

OrderedJson Packs::translations() const {
  OrderedJson all_languages = OrderedJson::object();
  for (const Pack& pack : all()) {
    std::error_code error;
    for (fs::directory_iterator entry(pack.folder / "locales", error), end; !error && entry != end;
         entry.increment(error)) {
      const std::string language = entry->path().filename().string();
      if (!entry->is_directory(error)) continue;
      OrderedJson& known = all_languages[language];
      if (!known.is_object()) known = OrderedJson::object();
      if (const auto words = read_object(entry->path() / "main.json")) merge(known, *words);
      for (const char* part : {"nodeDefs", "commands", "settings"})
        if (const auto words = read_object(entry->path() / (std::string(part) + ".json")))
          merge(known, OrderedJson{{part, *words}});
    }
  }
  return all_languages;
}

template <class Visit>
void Packs::each_blueprint(Visit visit) const {
  for (const Pack& pack : all())
    for (const std::string& file : files_below(pack.folder / "subgraphs", false))
      if (file.ends_with(".json"))
        if (visit(sha256("custom_node/" + pack.name + "/" + file), pack, file)) return;
}

namespace {
OrderedJson blueprint_entry(const std::string& pack, const std::string& file) {
  return {{"source", "custom_node"},
          {"name", file.substr(0, file.size() - 5)},
          {"info", {{"node_pack", "custom_nodes." + pack}}}};
}
}  // namespace

OrderedJson Packs::blueprints() const {
  OrderedJson entries = OrderedJson::object();
  each_blueprint([&](const std::string& id, const Pack& pack, const std::string& file) {
    entries[id] = blueprint_entry(pack.name, file);
    return false;
  });
  return entries;
}

std::optional<OrderedJson> Packs::blueprint(const std::string& wanted) const {
  std::optional<OrderedJson> found;
  each_blueprint([&](const std::string& id, const Pack& pack, const std::string& file) {
    if (id != wanted) return false;
    if (const auto text = small_text(pack.folder / "subgraphs" / file)) {
      found = blueprint_entry(pack.name, file);
      (*found)["data"] = valid_utf8(*text);
    }
    return true;
  });
  return found;
}

std::optional<fs::path> Packs::web_file(const std::string& name, const std::string& file) const {
  const auto pack = find(name);
  const auto root = pack ? web_root(pack->folder) : std::nullopt;
  if (!root) return std::nullopt;
  const auto found = folders::resolve(*root, "", file, folders::Want::kFile);
  return found ? std::optional(found.path) : std::nullopt;
}

std::optional<fs::path> Packs::template_file(const std::string& name, const std::string& file) const {
  const auto pack = find(name);
  if (!pack) return std::nullopt;
  for (const char* folder : kTemplateFolders)
    if (const auto found = folders::resolve(pack->folder / folder, "", file, folders::Want::kFile)) return found.path;
  return std::nullopt;
}

}  // namespace easel::server
