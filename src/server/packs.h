// What packages of custom nodes bring for the page: scripts, example workflows, translations, blueprints. Their Python
// is read for one string, never run. Everything is looked up when it is asked for, so a new package needs no restart.
#pragma once
#include <filesystem>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/json.h"
#include "folders/folders.h"

namespace easel::server {

class Packs {
 public:
  // disabled: only those named in `allowed` are served (--disable-all-custom-nodes, --whitelist-custom-nodes).
  Packs(const Folders& folders, bool disabled, std::set<std::string> allowed);

  // URL paths of every pack's scripts, as /extensions lists them.
  std::vector<std::string> scripts() const;
  // {pack: [names of example workflows]}
  OrderedJson templates() const;
  // {language: {nodeDefs, commands, settings, …}}, later packs over earlier ones.
  OrderedJson translations() const;
  // {id: {source, name, info}} of subgraphs/*.json; one() adds "data", the file's text.
  OrderedJson blueprints() const;
  std::optional<OrderedJson> blueprint(const std::string& id) const;

  // The file of a pack's web folder, or of its example workflows; nothing for a name that leaves them.
  std::optional<std::filesystem::path> web_file(const std::string& pack, const std::string& name) const;
  std::optional<std::filesystem::path> template_file(const std::string& pack, const std::string& name) const;

 private:
  struct Pack {
    std::string name;
    std::filesystem::path folder;
  };
  std::vector<Pack> all() const;  // sorted by name
  std::optional<Pack> find(const std::string& name) const;
  template <class Visit>
  void each_blueprint(Visit visit) const;

  const Folders& folders_;
  const bool disabled_;
  const std::set<std::string> allowed_;
};

}  // namespace easel::server
