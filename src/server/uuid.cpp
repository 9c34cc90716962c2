#include "server/uuid.h"

#include <boost/uuid/random_generator.hpp>
#include <boost/uuid/uuid_io.hpp>

namespace easel::server {

std::string make_uuid(bool dashes) {
  thread_local boost::uuids::random_generator generate;
  std::string text = boost::uuids::to_string(generate());
  if (!dashes) std::erase(text, '-');
  return text;
}

}  // namespace easel::server
