// Run: a typed function, boxed. The types of its sockets are read off its signature by one template.
//
//   Latent empty_latent(Context&, int64_t width, int64_t height, int64_t batch_size);
//
// Parameters: an optional leading Context&; then one per declared input, in order: T, std::optional<T> (an optional
// input), Lazy<T> (worked out only if Needs asks for it), std::vector<T> (the whole list; then every parameter must be
// one), Link (the link itself, of an input with raw_link); at the end perhaps Others (links to undeclared inputs).
// Results: void, T, std::tuple<T…>, Ui (only ui), WithUi<T…>; a std::vector<T> among them is an output list. Returned
// itself is for nodes whose outputs change: graphs in their place, blockers; their outputs declare their types.
#pragma once
#include <functional>
#include <optional>
#include <tuple>
#include <type_traits>
#include <vector>

#include "graph/context.h"
#include "graph/port.h"

namespace easel {

// What a node shows under itself: {"images": [{"filename", "subfolder", "type"}]}. Values are always lists.
struct Ui {
  OrderedJson data = OrderedJson::object();
};

template <class... T>
struct WithUi {
  std::tuple<T...> results;
  Ui ui;
};

// The value of a lazy input: nothing if it was not needed.
template <class T>
struct Lazy : std::optional<T> {
  using std::optional<T>::optional;
};

// Linked inputs that are not declared, as the prompt has them: {"input2", value}, …
struct Others {
  std::vector<std::pair<std::string, Value>> values;
  const Value* find(std::string_view name) const {
    for (const auto& [key, value] : values)
      if (key == name) return &value;
    return nullptr;
  }
};

// What one call gives. A slot of an output list holds all its values, any other slot one.
struct Returned {
  std::vector<std::vector<Value>> slots;
  OrderedJson ui = nullptr;  // null when the node shows nothing
  // Nodes to run before this one is done (graph_builder.h). A Link among the values stands for what that output gives.
  std::optional<std::vector<PromptNode>> expand = std::nullopt;
  std::optional<Blocker> blocked = std::nullopt;  // fills every slot
};

// One argument: one value for a plain parameter, all values of the list for a list parameter, none if not connected.
using Argument = std::vector<Value>;

struct Parameter {
  std::string type;  // Port<T>::type
  bool optional = false, list = false, lazy = false, others = false;
};

namespace detail {
template <class T>
struct Param {
  static constexpr bool optional = false, list = false, lazy = false;
  using Element = T;
  static T from(const Argument& argument) {
    if (argument.empty()) fail("a required input has no value");
    return Port<T>::from(argument.front());
  }
};
template <class T>
struct Param<std::optional<T>> {
  static constexpr bool optional = true, list = false, lazy = false;
  using Element = T;
  static std::optional<T> from(const Argument& argument) {
    if (argument.empty() || argument.front().empty()) return std::nullopt;
    return Port<T>::from(argument.front());
  }
};
template <class T>
struct Param<std::vector<T>> {
  static constexpr bool optional = false, list = true, lazy = false;
  using Element = T;
  static std::vector<T> from(const Argument& argument) {
    std::vector<T> values;
    for (const Value& value : argument) values.push_back(Port<T>::from(value));
    return values;
  }
};
template <class T>
struct Param<Lazy<T>> : Param<std::optional<T>> {
  static constexpr bool optional = false, lazy = true;
  static Lazy<T> from(const Argument& argument) {
    if (argument.empty() || argument.front().empty()) return {};
    return {Port<T>::from(argument.front())};
  }
};

template <class T>
struct Slot {
  static constexpr bool is_list = false;
  using Element = T;
  static std::vector<Value> wrap(T value) { return {Port<T>::wrap(std::move(value))}; }
};
template <class T>
struct Slot<std::vector<T>> {
  static constexpr bool is_list = true;
  using Element = T;
  static std::vector<Value> wrap(std::vector<T> list) {
    std::vector<Value> values;
    for (T& value : list) values.push_back(Port<T>::wrap(std::move(value)));
    return values;
  }
};

struct OutputType {
  std::string type;
  bool is_list;
};

template <class R>
struct Result {
  static std::vector<OutputType> types() { return {{Port<typename Slot<R>::Element>::type, Slot<R>::is_list}}; }
  static Returned wrap(R result) { return {.slots = {Slot<R>::wrap(std::move(result))}}; }
};
template <>
struct Result<void> {
  static std::vector<OutputType> types() { return {}; }
};
template <>
struct Result<Returned> {
  static std::vector<OutputType> types() { return {}; }
  static Returned wrap(Returned result) { return result; }
};
template <class... T>
struct Result<std::tuple<T...>> {
  static std::vector<OutputType> types() { return {{Port<typename Slot<T>::Element>::type, Slot<T>::is_list}...}; }
  static Returned wrap(std::tuple<T...> results) {
    return std::apply([](T&... each) { return Returned{.slots = {Slot<T>::wrap(std::move(each))...}}; }, results);
  }
};
template <>
struct Result<Ui> {
  static std::vector<OutputType> types() { return {}; }
  static Returned wrap(Ui ui) { return {.slots = {}, .ui = std::move(ui.data)}; }
};
template <class... T>
struct Result<WithUi<T...>> {
  static std::vector<OutputType> types() { return Result<std::tuple<T...>>::types(); }
  static Returned wrap(WithUi<T...> both) {
    Returned made = Result<std::tuple<T...>>::wrap(std::move(both.results));
    made.ui = std::move(both.ui.data);
    return made;
  }
};

template <class F>
struct Signature : Signature<decltype(&F::operator())> {};
template <class R, class... A>
struct Signature<R (*)(A...)> {
  using Type = R(A...);
};
template <class C, class R, class... A>
struct Signature<R (C::*)(A...) const> {
  using Type = R(A...);
};
template <class C, class R, class... A>
struct Signature<R (C::*)(A...)> {
  using Type = R(A...);
};

template <class T>
struct ResultOf;
template <class R, class... A>
struct ResultOf<R(A...)> {
  using Type = R;
};
template <class F>
using ResultOfFunction = typename ResultOf<typename Signature<F>::Type>::Type;

template <class A>
Parameter parameter() {
  if constexpr (std::is_same_v<A, Others>)
    return {.type = "", .others = true};
  else
    return {Port<typename Param<A>::Element>::type, Param<A>::optional, Param<A>::list, Param<A>::lazy};
}
template <>
struct Param<Others> {
  static Others from(const Argument& argument) {
    const Others* others = argument.empty() ? nullptr : argument.front().get<Others>();
    return others ? *others : Others();
  }
};
}  // namespace detail

// A function of typed arguments as one of boxed arguments that gives an Out.
template <class Out>
class Boxed {
 public:
  explicit operator bool() const { return static_cast<bool>(call_); }
  const std::vector<Parameter>& parameters() const { return parameters_; }

  // `arguments` are in the order of the declared inputs; the one of Others, if that is taken, is the last.
  Out operator()(Context& context, const std::vector<Argument>& arguments) const { return call_(context, arguments); }

 protected:
  template <class F, class R, class... A>
  void box(F function, R (*)(Context&, A...)) {
    parameters_ = {detail::parameter<std::decay_t<A>>()...};
    call_ = [function = std::move(function)](Context& context, const std::vector<Argument>& arguments) mutable {
      return invoke<R, A...>([&](A... a) { return function(context, std::forward<A>(a)...); }, arguments,
                             std::index_sequence_for<A...>());
    };
  }
  template <class F, class R, class... A>
  void box(F function, R (*)(A...)) {
    parameters_ = {detail::parameter<std::decay_t<A>>()...};
    call_ = [function = std::move(function)](Context&, const std::vector<Argument>& arguments) mutable {
      return invoke<R, A...>(function, arguments, std::index_sequence_for<A...>());
    };
  }

 private:
  template <class R, class... A, class F, size_t... I>
  static Out invoke(F&& function, const std::vector<Argument>& arguments, std::index_sequence<I...>) {
    if (arguments.size() != sizeof...(A))
      fail("Run: {} arguments came, {} are declared", arguments.size(), sizeof...(A));
    const auto call = [&] { return function(detail::Param<std::decay_t<A>>::from(arguments[I])...); };
    if constexpr (std::is_same_v<R, Out>) {
      return call();
    } else if constexpr (std::is_void_v<R>) {
      call();
      return Out();
    } else {
      return detail::Result<R>::wrap(call());
    }
  }

  std::function<Out(Context&, const std::vector<Argument>&)> call_;
  std::vector<Parameter> parameters_;
};

class Run : public Boxed<Returned> {
 public:
  Run() = default;

  template <class F, class = std::enable_if_t<!std::is_same_v<std::decay_t<F>, Run>>>
  Run(F function) {  // NOLINT: `.run = empty_latent` is the point
    using R = detail::ResultOfFunction<F>;
    box(std::move(function), static_cast<typename detail::Signature<F>::Type*>(nullptr));
    results_ = detail::Result<R>::types();
    declares_results_ = !std::is_same_v<R, Returned>;
  }

  const std::vector<detail::OutputType>& results() const { return results_; }
  bool declares_results() const { return declares_results_; }  // false where it gives a Returned

 private:
  std::vector<detail::OutputType> results_;
  bool declares_results_ = true;
};

// check_lazy_status: a function of the same parameters as run, where a lazy input that has not been worked out is
// nothing; gives the names of the inputs that are needed. It is called again when they are there.
class Needs : public Boxed<std::vector<std::string>> {
 public:
  Needs() = default;

  template <class F, class = std::enable_if_t<!std::is_same_v<std::decay_t<F>, Needs>>>
  Needs(F function) {  // NOLINT: `.needs = mix_needs`
    static_assert(std::is_same_v<detail::ResultOfFunction<F>, std::vector<std::string>>);
    box(std::move(function), static_cast<typename detail::Signature<F>::Type*>(nullptr));
  }
};

}  // namespace easel
