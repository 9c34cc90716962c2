// All nodes of easel, in the order of the menu.
#pragma once
#include "nodes/families.h"

namespace easel {

void add_all_nodes(Registry& registry, const Services& services);

}  // namespace easel
