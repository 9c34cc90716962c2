// Changing every entry of a set of conditionings.
#pragma once
#include "nodes/ports.h"

namespace easel {

template <class F>
ConditioningSet each(ConditioningSet set, const F& change) {
  for (Conditioning& entry : set.entries) change(entry);
  return set;
}

}  // namespace easel
