#include "server/schema.h"

namespace easel::server {
namespace schema {

Schema any() { return {OrderedJson::object()}; }
Schema text() { return {{{"type", "string"}}}; }
Schema integer() { return {{{"type", "integer"}}}; }
Schema number() { return {{{"type", "number"}}}; }
Schema boolean() { return {{{"type", "boolean"}}}; }

Schema one_of(std::initializer_list<const char*> words) {
  OrderedJson choices = OrderedJson::array();
  for (const char* word : words) choices.push_back(word);
  return {{{"type", "string"}, {"enum", std::move(choices)}}};
}

Schema list(const Schema& item) { return {{{"type", "array"}, {"items", item.json}}}; }
Schema map(const Schema& value) { return {{{"type", "object"}, {"additionalProperties", value.json}}}; }

Schema object(std::initializer_list<Member> members) {
  OrderedJson properties = OrderedJson::object(), required = OrderedJson::array();
  for (const Member& member : members) {
    const bool always = member.name.ends_with('*');
    const std::string name(member.name.substr(0, member.name.size() - always));
    properties[name] = member.type.json;
    if (always) required.push_back(name);
  }
  Schema made{{{"type", "object"}, {"properties", std::move(properties)}}};
  if (!required.empty()) made.json["required"] = std::move(required);
  return made;
}

Schema nullable(Schema type) { return {{{"anyOf", OrderedJson::array({std::move(type.json), {{"type", "null"}}})}}}; }

Schema ref(std::string_view name) { return {{{"$ref", "#/components/schemas/" + std::string(name)}}}; }

}  // namespace schema

OrderedJson named_schemas() {
  using namespace schema;
  const Schema prompt = map(ref("PromptNode"));
  const Schema queue_item{
      {{"type", "array"},
       {"description", "[number, prompt_id, prompt, extra_data, outputs_to_execute]"},
       {"prefixItems", OrderedJson::array({number().json, text().json, prompt.json, any().json, list(text()).json})},
       {"minItems", 5},
       {"maxItems", 5}}};
  const Schema status = object(
      {{"status_str*", one_of({"success", "error"})}, {"completed*", boolean()}, {"messages*", list(list(any()))}});
  const Schema error_text = object({{"error*", text()}});
  OrderedJson all = OrderedJson::object();
  const auto add = [&](const char* name, Schema made) { all[name] = std::move(made.json); };
  add("PromptNode", object({{"class_type*", text()}, {"inputs*", map(any())}, {"_meta", any()}}));
  add("Prompt", prompt);
  add("PromptError",
      object(
          {{"error*", object({{"type*", text()}, {"message*", text()}, {"details*", text()}, {"extra_info*", any()}})},
           {"node_errors*", map(ref("NodeErrors"))}}));
  add("NodeErrors",
      object({{"errors*",
               list(object({{"type*", text()}, {"message*", text()}, {"details*", text()}, {"extra_info*", any()}}))},
              {"dependent_outputs*", list(text())},
              {"class_type*", text()}}));
  add("QueueItem", queue_item);
  add("Outputs", map(map(list(any()))));
  add("RunStatus", status);
  add("HistoryEntry", object({{"prompt*", ref("QueueItem")},
                              {"outputs*", ref("Outputs")},
                              {"status*", ref("RunStatus")},
                              {"meta*", map(any())}}));
  add("File", object({{"name*", text()}, {"subfolder*", text()}, {"type*", text()}}));
  add("UserFile", object({{"path*", text()}, {"size*", integer()}, {"modified*", number()}, {"created*", number()}}));
  add("NodeInfo", object({{"input*", any()},
                          {"input_order*", map(list(text()))},
                          {"output*", list(any())},
                          {"output_is_list*", list(boolean())},
                          {"output_name*", list(text())},
                          {"name*", text()},
                          {"display_name*", nullable(text())},
                          {"description*", text()},
                          {"python_module*", text()},
                          {"category*", text()},
                          {"output_node*", boolean()}}));
  add("Job", object({{"id*", text()},
                     {"status*", one_of({"pending", "in_progress", "completed", "failed", "cancelled"})},
                     {"priority", number()},
                     {"create_time*", integer()},
                     {"execution_start_time", integer()},
                     {"execution_end_time", integer()},
                     {"execution_error", any()},
                     {"outputs_count", integer()},
                     {"previewable_outputs_count", integer()},
                     {"preview_output", any()},
                     {"workflow_id", text()}}));
  add("Error", error_text);
  return all;
}

}  // namespace easel::server
