// JSON schemas for what routes take and give, short enough to stand in a route's own line:
//
//   object({{"clear", boolean()}, {"delete", list(text())}})        every member may be absent
//   object({{"prompt_id*", text()}})                                a '*': the member is always there
//   ref("HistoryEntry")                                             one of named_schemas()
#pragma once
#include <initializer_list>
#include <string>
#include <string_view>

#include "base/json.h"

namespace easel::server {

struct Schema {
  OrderedJson json;  // null: nothing is said
  explicit operator bool() const { return !json.is_null(); }
};

namespace schema {

struct Member {
  std::string_view name;
  Schema type;
};

Schema any();
Schema text();
Schema integer();
Schema number();
Schema boolean();
Schema one_of(std::initializer_list<const char*> words);
Schema list(const Schema& item);
Schema map(const Schema& value);  // an object with any keys
Schema object(std::initializer_list<Member> members);
Schema nullable(Schema type);
Schema ref(std::string_view name);

}  // namespace schema

// The shapes that several routes share: {name: schema}.
OrderedJson named_schemas();

// What a route says about itself, for /openapi.json.
struct RouteDoc {
  struct Argument {
    std::string_view name;
    Schema type;
    std::string_view about;
    bool required = false;
  };
  struct Status {
    int status;
    std::string_view about;
  };
  std::string_view about;
  std::vector<Argument> query{};
  Schema body{};               // none: no body is read
  Schema answer{};             // of 200; none: what answer_type says, or nothing
  std::vector<Status> also{};  // other answers than 200 and the usual 404 and 405
  std::string_view body_type = "application/json";
  std::string_view answer_type = "application/json";
  int status = 200;  // of success
};

}  // namespace easel::server
