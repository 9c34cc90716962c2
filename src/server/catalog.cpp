#include "server/catalog.h"

#include <algorithm>
#include <functional>

#include "base/error.h"
#include "folders/listing.h"
#include "folders/resolve.h"
#include "server/middleware.h"

namespace easel::server {
namespace {

FileQueries queries(const Folders& folders) {
  return {
      .choices =
          [&folders](const FileSource& source) {
            const auto* root = folders.directory(source.folder);
            std::vector<std::string> names = root ? folders::list_files(*root) : folders.list(source.folder);
            if (source.kind == "vae") {
              for (auto& tiny : folders::tiny_vaes(folders.list("vae_approx"))) names.push_back(std::move(tiny));
              return names;
            }
            std::erase_if(names, [&](const std::string& name) { return !folders::is_of_kind(name, source.kind); });
            return names;
          },
      .exists =
          [&folders](const FileSource& source, const std::string& value) {
            const auto [name, type] = folders::split_annotation(value, source.folder);
            const auto* root = folders.directory(type);
            return root && folders::resolve(*root, "", name, folders::Want::kFile);
          },
  };
}

}  // namespace

Catalog::Catalog(Registry registry, const Folders& folders) : registry_(std::move(registry)), files_(queries(folders)) {
  for (const Node& node : registry_.all())
    for (const Input& input : node.inputs) {
      const bool known = std::ranges::any_of(sources_, [&](const FileSource& source) {
        return source.folder == input.source.folder && source.kind == input.source.kind;
      });
      if (!input.source.folder.empty() && !known) sources_.push_back(input.source);
    }
}

std::string Catalog::list_signature() const {
  std::string names;
  for (const FileSource& source : sources_) {
    for (const std::string& name : files_.choices(source)) (names += name) += '\0';
    names += '\1';
  }
  return names;
}

Catalog::Text Catalog::all() {
  std::string signature = list_signature();
  std::lock_guard lock(mutex_);
  if (text_.json && signature == signature_) return text_;
  std::string json = "{";
  for (const Node& node : registry_.all()) {
    if (json.size() > 1) json += ", ";
    (json += Json(node.id).dump()) += ": ";
    json += object_info(node, files_.choices).dump(-1, ' ', false, OrderedJson::error_handler_t::replace);
  }
  json += "}";
  const std::string tag = fmt::format("{:x}-{:x}", json.size(), std::hash<std::string>()(json));
  auto packed = std::make_shared<const std::string>(gzip(json));
  text_ = {std::make_shared<const std::string>(std::move(json)), std::move(packed), "\"" + tag + "\"",
           "\"" + tag + "-gzip\""};
  signature_ = std::move(signature);
  return text_;
}

OrderedJson Catalog::one(const std::string& id) const {
  OrderedJson entry = OrderedJson::object();
  if (const Node* node = registry_.find(id)) entry[id] = object_info(*node, files_.choices);
  return entry;
}

}  // namespace easel::server
