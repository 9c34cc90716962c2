// The nodes as the server knows them: the declarations of nodes.json joined with the files there are at this moment.
#pragma once
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "folders/folders.h"
#include "graph/validate.h"

namespace easel::server {

class Catalog {
 public:
  Catalog(Registry registry, const Folders& folders);

  const Registry& registry() const { return registry_; }
  const FileQueries& files() const { return files_; }

  // The text of GET /object_info, plain and packed, each with its ETag; made anew only when a file list has changed.
  // Any thread.
  struct Text {
    std::shared_ptr<const std::string> json, gzip;
    std::string tag, gzip_tag;
  };
  Text all();
  OrderedJson one(const std::string& id) const;  // {id: info}, or {}

 private:
  std::string list_signature() const;

  const Registry registry_;
  const FileQueries files_;
  std::vector<FileSource> sources_;  // each once

  std::mutex mutex_;
  std::string signature_;
  Text text_;
};

}  // namespace easel::server
