// Nodes without torch: what graph, wire, store and server are tested with.
#pragma once
#include <functional>
#include <string>
#include <vector>

#include "graph/node.h"

namespace easel::test {

// Nodes that do one thing each: TestInt, TestText, TestAdd, TestSleep, TestFail, TestCrash, TestOutOfMemory, TestRange,
// TestSum, TestShow, TestFingerprint, TestOptional. `ran`, if given, is called with the node's id and class whenever
// one runs.
struct Probe {
  std::function<void(const std::string& node, const std::string& type)> ran;
  std::function<Json()> fingerprint;  // of TestFingerprint
};
void add_test_nodes(Registry& registry, Probe probe = {});

// Nodes that are lazy, block, expand, run beside others, take undeclared inputs, check what they are given:
// TestChoose, TestBlock, TestLoop, TestDoubleOdd, TestCycle, TestExpandBadly, TestBeside, TestInOrder, TestFailBeside,
// TestVariadic, TestRaw, TestChecked, TestCheckedTypes. `ran` hears of TestBeside only, from the thread on which it
// runs.
void add_power_nodes(Registry& registry, Probe probe = {});

// Stand-ins for the ComfyUI nodes that the recordings in parity/api use, with their declarations: EmptyImage,
// ImageInvert, SaveImage, PreviewImage, LoadImage, StringConcatenate, RegexReplace and PreviewAny run, the rest is
// there to be validated.
void add_recorded_nodes(Registry& registry, const std::string& output_directory, const std::string& temp_directory);

}  // namespace easel::test
