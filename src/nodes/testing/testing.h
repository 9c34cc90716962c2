// Nodes with which the graph engine is tested from outside (--testing-nodes): those that ComfyUI's own execution tests
// name, with their names, inputs and behaviour.
#pragma once
#include "graph/node.h"
#include "nodes/ports.h"

namespace easel {

void add_testing_nodes(Registry&);  // all of the following

void add_stub_nodes(Registry&);       // images, masks and numbers out of nothing
void add_power_nodes(Registry&);      // lazy inputs, checks, fingerprints, undeclared inputs, blockers
void add_expanding_nodes(Registry&);  // nodes that put graphs in their place
void add_loop_nodes(Registry&);       // while and for, by expansion
void add_list_nodes(Registry&);       // lists and accumulations
void add_number_nodes(Registry&);     // arithmetic and conditions
void add_beside_nodes(Registry&);     // nodes that run beside others

namespace testing {

constexpr int64_t kSide = 512;  // of the pictures that stand for numbers

// Declares a node of this family.
void add(Registry& registry, Node node);
Output any_output(std::string name = "");  // of type "*"
Image flat_image(double value, int64_t height = kSide, int64_t width = kSide, int64_t batch_size = 1);

}  // namespace testing
}  // namespace easel
