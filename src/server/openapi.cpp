#include "server/openapi.h"

#include "base/error.h"
#include "server/version.h"

namespace easel::server {
namespace {

bool is_param(const std::string& segment) { return segment.size() > 2 && segment.front() == '{'; }

std::string param_name(const std::string& segment) {
  return segment.substr(1, segment.size() - 2 - (segment[segment.size() - 2] == '*'));
}

std::string path_of(const Router::Route& route) {
  std::string path;
  for (const std::string& segment : route.segments)
    path += "/" + (is_param(segment) ? "{" + param_name(segment) + "}" : segment);
  return path;
}

OrderedJson parameters(const Router::Route& route) {
  OrderedJson all = OrderedJson::array();
  for (const std::string& segment : route.segments) {
    if (!is_param(segment)) continue;
    OrderedJson parameter{{"name", param_name(segment)}, {"in", "path"}, {"required", true}};
    if (segment.ends_with("*}")) parameter["description"] = "May hold slashes, as they are or as %2F.";
    parameter["schema"] = schema::text().json;
    all.push_back(std::move(parameter));
  }
  for (const RouteDoc::Argument& argument : route.doc.query)
    all.push_back({{"name", argument.name},
                   {"in", "query"},
                   {"required", argument.required},
                   {"description", argument.about},
                   {"schema", argument.type.json}});
  return all;
}

OrderedJson content(std::string_view type, const Schema& shape) {
  return {{std::string(type), {{"schema", shape ? shape.json : OrderedJson::object()}}}};
}

OrderedJson responses(const RouteDoc& doc) {
  OrderedJson all = OrderedJson::object();
  OrderedJson good{{"description", "Done"}};
  if (doc.answer || doc.answer_type != "application/json") good["content"] = content(doc.answer_type, doc.answer);
  all[std::to_string(doc.status)] = std::move(good);
  for (const auto& [status, about] : doc.also) all[std::to_string(status)] = {{"description", about}};
  return all;
}

// "GET /userdata/{file}" -> "get_userdata_file"
std::string operation_id(const Router::Route& route) {
  std::string id;
  for (const char c : route.method + path_of(route)) {
    const auto byte = static_cast<unsigned char>(c);
    if (std::isalnum(byte))
      id += static_cast<char>(std::tolower(byte));
    else if (!id.empty() && id.back() != '_')
      id += '_';
  }
  while (id.ends_with('_')) id.pop_back();
  return id;
}

}  // namespace

OrderedJson openapi(const Router& router) {
  OrderedJson paths = OrderedJson::object();
  for (const Router::Route& route : router.routes()) {
    if (route.doc.about.empty()) continue;
    OrderedJson operation{{"operationId", operation_id(route)},
                          {"summary", route.doc.about},
                          {"tags", OrderedJson::array({is_param(route.segments[0]) ? "" : route.segments[0]})}};
    if (OrderedJson list = parameters(route); !list.empty()) operation["parameters"] = std::move(list);
    if (route.doc.body) operation["requestBody"] = {{"content", content(route.doc.body_type, route.doc.body)}};
    operation["responses"] = responses(route.doc);
    std::string method = route.method;
    for (char& c : method) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    OrderedJson& path = paths[path_of(route)];
    if (route.under != Under::kBoth)
      path["servers"] = OrderedJson::array({{{"url", route.under == Under::kApiAlone ? "/api" : "/"}}});
    path[method] = std::move(operation);
  }
  return {{"openapi", "3.1.0"},
          {"info",
           {{"title", "easel"},
            {"version", kVersion},
            {"description", fmt::format("The API of ComfyUI {}, and what newer pages ask for. Messages on /ws are not "
                                        "part of this description.",
                                        kComfyVersion)}}},
          {"servers", OrderedJson::array({{{"url", "/api"}}, {{"url", "/"}}})},
          {"paths", std::move(paths)},
          {"components", {{"schemas", named_schemas()}}}};
}

std::string_view openapi_page() {
  return R"html(<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>easel: API</title>
<style>
  body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 60rem; padding: 0 1rem; color: #222; background: #fff }
  h2 { margin: 2rem 0 .5rem; font-size: 1.1rem } summary { cursor: pointer; padding: .2rem 0 }
  code, pre { font: 13px/1.45 ui-monospace, monospace } pre { background: #f4f4f4; padding: .6rem; overflow: auto; max-height: 24rem }
  .method { display: inline-block; width: 4.5rem; font-weight: 600 } .about { color: #666; margin-left: .6rem }
  details { border-bottom: 1px solid #e4e4e4 } details > div { padding: .2rem 0 .8rem 4.5rem }
  @media (prefers-color-scheme: dark) { body { color: #ddd; background: #181818 } pre { background: #242424 } details { border-color: #333 } }
</style>
<h1>easel</h1><p id="about"></p><main></main>
<script>
const el = (tag, text, parent, cls) => {
  const e = document.createElement(tag);
  if (text) e.textContent = text;
  if (cls) e.className = cls;
  if (parent) parent.append(e);
  return e;
};
const show = (title, value, parent) => {
  el('div', title, parent);
  el('pre', JSON.stringify(value, null, 1), parent);
};
fetch('openapi.json').then(r => r.json()).then(api => {
  document.getElementById('about').textContent = api.info.description;
  const main = document.querySelector('main'), groups = new Map();
  const resolve = v => {
    if (Array.isArray(v)) return v.map(resolve);
    if (!v || typeof v !== 'object') return v;
    if (v.$ref) return v.$ref.split('/').pop();
    return Object.fromEntries(Object.entries(v).map(([k, x]) => [k, resolve(x)]));
  };
  for (const [path, item] of Object.entries(api.paths)) {
    for (const [method, op] of Object.entries(item)) {
      if (!op.operationId) continue;
      const tag = op.tags[0];
      if (!groups.has(tag)) { const s = el('section', '', main); el('h2', tag, s); groups.set(tag, s); }
      const details = el('details', '', groups.get(tag)), summary = el('summary', '', details);
      const prefix = item.servers ? (item.servers[0].url === '/' ? '' : item.servers[0].url) : '';
      el('span', method.toUpperCase(), summary, 'method');
      el('code', prefix + path, summary);
      el('span', op.summary, summary, 'about');
      details.addEventListener('toggle', () => {
        if (details.childElementCount > 1) return;
        const box = el('div', '', details);
        for (const p of op.parameters || [])
          el('div', p.name + ' (' + p.in + (p.required ? ', required' : '') + ', ' + (p.schema.type || p.schema.enum || 'any') + ')  ' + (p.description || ''), box);
        for (const [type, c] of Object.entries(op.requestBody?.content || {})) show('takes ' + type, resolve(c.schema), box);
        for (const [status, r] of Object.entries(op.responses)) {
          const c = Object.entries(r.content || {})[0];
          if (c) show(status + ' gives ' + c[0], resolve(c[1].schema), box); else el('div', status + ': ' + r.description, box);
        }
        if (method === 'get' && !path.includes('{')) {
          const button = el('button', 'Try', box), out = el('pre', '', box);
          button.onclick = async () => {
            const r = await fetch((prefix + path).replace(/^\//, ''));
            out.textContent = r.status + ' ' + r.headers.get('content-type') + '\n' + (await r.text()).slice(0, 20000);
          };
        }
      });
    }
  }
  const shapes = el('section', '', main);
  el('h2', 'Shapes', shapes);
  for (const [name, shape] of Object.entries(api.components.schemas)) {
    const details = el('details', '', shapes);
    el('summary', name, details);
    el('pre', JSON.stringify(resolve(shape), null, 1), details);
  }
});
</script>
</html>
)html";
}

}  // namespace easel::server
