// Run: a typed function, boxed. The types of its sockets are read off its signature by one template.
//
//   Latent empty_latent(Context&, int64_t width, int64_t height, int64_t batch_size);
//
// Parameters: an optional leading Context&; then one per declared input, in order: T, std::optional<T> (an optional
// input), std::vector<T> (the whole list; then every parameter must be one).
// Results: void, T, std::tuple<T…>, Ui (only ui), WithUi<T…>; a std::vector<T> among them is an output list.
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

// What one call gives. A slot of an output list holds all its values, any other slot one.
struct Returned {
  std::vector<std::vector<Value>> slots;
  OrderedJson ui;  // null when the node shows nothing
};

// One argument: one value for a plain parameter, all values of the list for a list parameter, none if not connected.
using Argument = std::vector<Value>;

struct Parameter {
  std::string type;  // Port<T>::type
  bool optional = false, list = false;
};

namespace detail {
template <class T>
struct Param {
  static constexpr bool optional = false, list = false;
  using Element = T;
  static T from(const Argument& argument) {
    if (argument.empty()) fail("a required input has no value");
    return Port<T>::from(argument.front());
  }
};
template <class T>
struct Param<std::optional<T>> {
  static constexpr bool optional = true, list = false;
  using Element = T;
  static std::optional<T> from(const Argument& argument) {
    if (argument.empty() || argument.front().empty()) return std::nullopt;
    return Port<T>::from(argument.front());
  }
};
template <class T>
struct Param<std::vector<T>> {
  static constexpr bool optional = false, list = true;
  using Element = T;
  static std::vector<T> from(const Argument& argument) {
    std::vector<T> values;
    for (const Value& value : argument) values.push_back(Port<T>::from(value));
    return values;
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
  static Returned wrap(R result) { return {{Slot<R>::wrap(std::move(result))}, nullptr}; }
};
template <class... T>
struct Result<std::tuple<T...>> {
  static std::vector<OutputType> types() { return {{Port<typename Slot<T>::Element>::type, Slot<T>::is_list}...}; }
  static Returned wrap(std::tuple<T...> results) {
    return std::apply([](T&... each) { return Returned{{Slot<T>::wrap(std::move(each))...}, nullptr}; }, results);
  }
};
template <>
struct Result<Ui> {
  static std::vector<OutputType> types() { return {}; }
  static Returned wrap(Ui ui) { return {{}, std::move(ui.data)}; }
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
}  // namespace detail

class Run {
 public:
  Run() = default;

  template <class F, class = std::enable_if_t<!std::is_same_v<std::decay_t<F>, Run>>>
  Run(F function) {  // NOLINT: `.run = empty_latent` is the point
    box(std::move(function), static_cast<typename detail::Signature<F>::Type*>(nullptr));
  }

  explicit operator bool() const { return static_cast<bool>(call_); }
  const std::vector<Parameter>& parameters() const { return parameters_; }
  const std::vector<detail::OutputType>& results() const { return results_; }

  // `arguments` are in the order of the declared inputs.
  Returned operator()(Context& context, const std::vector<Argument>& arguments) const {
    return call_(context, arguments);
  }

 private:
  template <class F, class R, class... A>
  void box(F function, R (*)(Context&, A...)) {
    describe<R, A...>();
    call_ = [function = std::move(function)](Context& context, const std::vector<Argument>& arguments) mutable {
      return invoke<R, A...>([&](A... a) { return function(context, std::move(a)...); }, arguments,
                             std::index_sequence_for<A...>());
    };
  }
  template <class F, class R, class... A>
  void box(F function, R (*)(A...)) {
    describe<R, A...>();
    call_ = [function = std::move(function)](Context&, const std::vector<Argument>& arguments) mutable {
      return invoke<R, A...>(function, arguments, std::index_sequence_for<A...>());
    };
  }
  template <class R, class... A>
  void describe() {
    parameters_ = {Parameter{Port<typename detail::Param<std::decay_t<A>>::Element>::type,
                             detail::Param<std::decay_t<A>>::optional, detail::Param<std::decay_t<A>>::list}...};
    if constexpr (!std::is_void_v<R>) results_ = detail::Result<R>::types();
  }
  template <class R, class... A, class F, size_t... I>
  static Returned invoke(F&& function, const std::vector<Argument>& arguments, std::index_sequence<I...>) {
    if (arguments.size() != sizeof...(A))
      fail("Run: {} arguments came, {} are declared", arguments.size(), sizeof...(A));
    if constexpr (std::is_void_v<R>) {
      function(detail::Param<std::decay_t<A>>::from(arguments[I])...);
      return {{}, nullptr};
    } else {
      return detail::Result<R>::wrap(function(detail::Param<std::decay_t<A>>::from(arguments[I])...));
    }
  }

  std::function<Returned(Context&, const std::vector<Argument>&)> call_;
  std::vector<Parameter> parameters_;
  std::vector<detail::OutputType> results_;
};

}  // namespace easel
