#include "formats/unpickler.h"

#include <algorithm>
#include <bit>
#include <charconv>
#include <cstring>

#include "base/error.h"

namespace easel::pickle {
namespace {

// Opcodes by their names in Python's pickletools.
enum Op : uint8_t {
  kMark = '(',
  kStop = '.',
  kPop = '0',
  kPopMark = '1',
  kDup = '2',
  kFloat = 'F',
  kInt = 'I',
  kBinInt = 'J',
  kBinInt1 = 'K',
  kLong = 'L',
  kBinInt2 = 'M',
  kNone = 'N',
  kPersId = 'P',
  kBinPersId = 'Q',
  kReduce = 'R',
  kString = 'S',
  kBinString = 'T',
  kShortBinString = 'U',
  kUnicode = 'V',
  kBinUnicode = 'X',
  kAppend = 'a',
  kBuild = 'b',
  kGlobal = 'c',
  kDict = 'd',
  kEmptyDict = '}',
  kAppends = 'e',
  kGet = 'g',
  kBinGet = 'h',
  kInst = 'i',
  kLongBinGet = 'j',
  kList = 'l',
  kEmptyList = ']',
  kObj = 'o',
  kPut = 'p',
  kBinPut = 'q',
  kLongBinPut = 'r',
  kSetItem = 's',
  kTuple = 't',
  kEmptyTuple = ')',
  kSetItems = 'u',
  kBinFloat = 'G',
  kBinBytes = 'B',
  kShortBinBytes = 'C',
  kProto = 0x80,
  kNewObj = 0x81,
  kTuple1 = 0x85,
  kTuple2 = 0x86,
  kTuple3 = 0x87,
  kNewTrue = 0x88,
  kNewFalse = 0x89,
  kLong1 = 0x8a,
  kLong4 = 0x8b,
  kShortBinUnicode = 0x8c,
  kBinUnicode8 = 0x8d,
  kBinBytes8 = 0x8e,
  kEmptySet = 0x8f,
  kAddItems = 0x90,
  kFrozenSet = 0x91,
  kNewObjEx = 0x92,
  kStackGlobal = 0x93,
  kMemoize = 0x94,
  kFrame = 0x95,
  kByteArray8 = 0x96,
};

template <class Number>
std::optional<Number> parsed(std::string_view text) {
  Number number{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc() && end == text.data() + text.size() ? std::optional(number) : std::nullopt;
}

// Python's long in two's complement, little-endian; nothing above 64 bits.
std::optional<int64_t> long_of(std::string_view bytes) {
  if (bytes.size() > 8) return std::nullopt;
  uint64_t value = !bytes.empty() && (bytes.back() & 0x80) ? UINT64_MAX : 0;
  std::memcpy(&value, bytes.data(), bytes.size());
  return static_cast<int64_t>(value);
}

constexpr Global kHugeInteger{"builtins", "int"};

}  // namespace

void Unpickler::refuse(const std::string& why) const { fail("load_pickle: '{}': {}", name_, why); }

std::pair<Id, size_t> Unpickler::read(std::string_view bytes) {
  if (bytes.size() > kMaxPickle) bytes = bytes.substr(0, kMaxPickle);
  bytes_ = bytes;
  at_ = 0;
  stack_.clear();
  marks_.clear();
  memo_.clear();
  while (step()) {
  }
  const Id result = pop();
  return {result, at_};
}

std::string_view Unpickler::take(uint64_t size) {
  if (size > bytes_.size() - at_) refuse("its pickle ends too early; perhaps the download was cut short");
  const std::string_view part = bytes_.substr(at_, size);
  at_ += size;
  return part;
}

uint64_t Unpickler::take_integer(int bytes) {
  const std::string_view part = take(static_cast<uint64_t>(bytes));
  uint64_t value = 0;
  std::memcpy(&value, part.data(), part.size());
  return value;
}

std::string_view Unpickler::take_line() {
  const size_t end = bytes_.find('\n', at_);
  if (end == bytes_.npos) refuse("its pickle ends within a line");
  const std::string_view line = take(end - at_);
  take(1);
  return line.ends_with('\r') ? line.substr(0, line.size() - 1) : line;
}

Id Unpickler::push(Value value) {
  if (values_.size() >= kMaxValues) refuse("its pickle holds too many values");
  values_.push_back(std::move(value));
  stack_.push_back(static_cast<Id>(values_.size() - 1));
  return stack_.back();
}

Id Unpickler::pop() {
  if (stack_.empty() || (!marks_.empty() && marks_.back() == stack_.size()))
    refuse("its pickle takes from an empty stack");
  const Id top = stack_.back();
  stack_.pop_back();
  return top;
}

std::vector<Id> Unpickler::pop_to_mark() {
  if (marks_.empty()) refuse("its pickle lacks a mark");
  const auto begin = stack_.begin() + static_cast<ptrdiff_t>(marks_.back());
  std::vector<Id> items(begin, stack_.end());
  stack_.erase(begin, stack_.end());
  marks_.pop_back();
  return items;
}

void Unpickler::append_to(Id target, std::span<const Id> items) {
  if (auto* list = std::get_if<List>(&values_[target])) {
    list->items.insert(list->items.end(), items.begin(), items.end());
  } else if (!std::holds_alternative<Opaque>(values_[target])) {
    refuse("its pickle appends to something that is no list");
  }
}

void Unpickler::set_items(Id target, std::span<const Id> items) {
  if (items.size() % 2 != 0) refuse("its pickle sets a key without a value");
  auto* dict = std::get_if<Dict>(&values_[target]);
  if (!dict && !std::holds_alternative<Opaque>(values_[target]))
    refuse("its pickle sets items of something that is no dict");
  for (size_t i = 0; dict && i < items.size(); i += 2) dict->entries.emplace_back(items[i], items[i + 1]);
}

bool Unpickler::step() {
  const auto op = static_cast<uint8_t>(take(1)[0]);
  if (op == kStop) return false;
  // Each grows by a byte or two of pickle, and none needs more than there are values.
  if (std::max({stack_.size(), marks_.size(), memo_.size()}) > kMaxValues)
    refuse("its pickle stacks or remembers too many values");
  if (step_number(op) || step_text(op) || step_container(op) || step_memo(op) || step_object(op)) return true;
  refuse(fmt::format("its pickle has the opcode 0x{:02x}, which no tensor file needs", op));
}

bool Unpickler::step_number(uint8_t op) {
  switch (op) {
    case kNone:
      push(None{});
      return true;
    case kNewTrue:
      push(true);
      return true;
    case kNewFalse:
      push(false);
      return true;
    case kBinInt:
      push(int64_t{static_cast<int32_t>(take_integer(4))});
      return true;
    case kBinInt1:
      push(static_cast<int64_t>(take_integer(1)));
      return true;
    case kBinInt2:
      push(static_cast<int64_t>(take_integer(2)));
      return true;
    case kBinFloat: {
      uint64_t bits = __builtin_bswap64(take_integer(8));
      push(std::bit_cast<double>(bits));
      return true;
    }
    case kLong1:
    case kLong4: {
      const auto value = long_of(take(take_integer(op == kLong1 ? 1 : 4)));
      push(value ? Value(*value) : Value(Opaque{kHugeInteger, {}}));
      return true;
    }
    case kInt:
    case kLong: {
      std::string_view line = take_line();
      if (op == kInt && (line == "00" || line == "01")) {
        push(line == "01");
        return true;
      }
      if (line.ends_with('L')) line.remove_suffix(1);
      const auto value = parsed<int64_t>(line);
      push(value ? Value(*value) : Value(Opaque{kHugeInteger, {}}));
      return true;
    }
    case kFloat: {
      const auto value = parsed<double>(take_line());
      if (!value) refuse("its pickle has a number that cannot be read");
      push(*value);
      return true;
    }
    default:
      return false;
  }
}

bool Unpickler::step_text(uint8_t op) {
  switch (op) {
    case kShortBinUnicode:
      push(Text{take(take_integer(1))});
      return true;
    case kBinUnicode:
      push(Text{take(take_integer(4))});
      return true;
    case kBinUnicode8:
      push(Text{take(take_integer(8))});
      return true;
    case kUnicode:
      push(Text{take_line()});
      return true;
    // Python 2's str: text where it is used as such.
    case kShortBinString:
      push(Text{take(take_integer(1))});
      return true;
    case kBinString:
      push(Text{take(take_integer(4))});
      return true;
    case kString: {
      std::string_view line = take_line();
      const bool quoted =
          line.size() >= 2 && line.front() == line.back() && (line.front() == '\'' || line.front() == '"');
      if (!quoted) refuse("its pickle has a text without quotes");
      push(Text{line.substr(1, line.size() - 2)});
      return true;
    }
    case kShortBinBytes:
      push(Bytes{take(take_integer(1))});
      return true;
    case kBinBytes:
      push(Bytes{take(take_integer(4))});
      return true;
    case kBinBytes8:
    case kByteArray8:
      push(Bytes{take(take_integer(8))});
      return true;
    default:
      return false;
  }
}

bool Unpickler::step_container(uint8_t op) {
  switch (op) {
    case kMark:
      marks_.push_back(stack_.size());
      return true;
    case kPop:
      if (!marks_.empty() && marks_.back() == stack_.size())
        marks_.pop_back();
      else
        pop();
      return true;
    case kPopMark:
      pop_to_mark();
      return true;
    case kDup: {
      const Id top = pop();
      stack_.insert(stack_.end(), {top, top});
      return true;
    }
    case kEmptyList:
    case kEmptySet:
      push(List{});
      return true;
    case kEmptyDict:
      push(Dict{});
      return true;
    case kEmptyTuple:
      push(Tuple{});
      return true;
    case kList:
    case kFrozenSet:
      push(List{pop_to_mark()});
      return true;
    case kTuple:
      push(Tuple{pop_to_mark()});
      return true;
    case kTuple1:
    case kTuple2:
    case kTuple3: {
      std::vector<Id> items(op - kTuple1 + 1u);
      for (size_t i = items.size(); i-- > 0;) items[i] = pop();
      push(Tuple{std::move(items)});
      return true;
    }
    case kDict: {
      const std::vector<Id> items = pop_to_mark();
      set_items(push(Dict{}), items);
      return true;
    }
    case kAppend: {
      const Id item = pop(), list = pop();
      append_to(list, {&item, 1});
      stack_.push_back(list);
      return true;
    }
    case kAppends:
    case kAddItems:
    case kSetItems: {
      const std::vector<Id> items = pop_to_mark();
      const Id target = pop();
      op == kSetItems ? set_items(target, items) : append_to(target, items);
      stack_.push_back(target);
      return true;
    }
    case kSetItem: {
      const Id value = pop(), key = pop(), dict = pop();
      set_items(dict, std::array{key, value});
      stack_.push_back(dict);
      return true;
    }
    default:
      return false;
  }
}

bool Unpickler::step_memo(uint8_t op) {
  const auto number = [&] {
    const auto value = parsed<uint64_t>(take_line());
    if (!value) refuse("its pickle has a memo that is no number");
    return *value;
  };
  const auto put = [&](uint64_t index) {
    const Id top = pop();
    stack_.push_back(top);
    memo_[index] = top;
  };
  const auto get = [&](uint64_t index) {
    const auto known = memo_.find(index);
    if (known == memo_.end()) refuse("its pickle asks for what it never stored");
    stack_.push_back(known->second);
  };
  switch (op) {
    case kPut:
      put(number());
      return true;
    case kBinPut:
      put(take_integer(1));
      return true;
    case kLongBinPut:
      put(take_integer(4));
      return true;
    case kMemoize:
      put(memo_.size());
      return true;
    case kGet:
      get(number());
      return true;
    case kBinGet:
      get(take_integer(1));
      return true;
    case kLongBinGet:
      get(take_integer(4));
      return true;
    case kProto:
      if (take_integer(1) > 5) refuse("its pickle is of a protocol later than 5");
      return true;
    case kFrame:
      take(8);
      return true;
    default:
      return false;
  }
}

bool Unpickler::step_object(uint8_t op) {
  switch (op) {
    case kGlobal: {
      const std::string_view module = take_line(), name = take_line();
      push(global(module, name));
      return true;
    }
    case kStackGlobal: {
      const Id name = pop(), module = pop();
      push(global(text_of(module), text_of(name)));
      return true;
    }
    case kInst: {
      const std::string_view module = take_line(), name = take_line();
      const Id arguments = push(Tuple{pop_to_mark()}), type = push(global(module, name));
      stack_.resize(stack_.size() - 2);
      push(call(type, arguments));
      return true;
    }
    case kObj: {
      std::vector<Id> items = pop_to_mark();
      if (items.empty()) refuse("its pickle makes an object without a class");
      const Id type = items.front();
      items.erase(items.begin());
      const Id arguments = push(Tuple{std::move(items)});
      stack_.pop_back();
      push(call(type, arguments));
      return true;
    }
    case kReduce:
    case kNewObj:
    case kNewObjEx: {
      if (op == kNewObjEx) pop();  // keyword arguments
      const Id arguments = pop(), callable = pop();
      push(call(callable, arguments));
      return true;
    }
    case kBuild: {
      const Id state = pop(), object = pop();
      build(object, state);
      stack_.push_back(object);
      return true;
    }
    case kBinPersId:
      stack_.push_back(persistent(pop()));
      return true;
    default:
      return false;
  }
}

}  // namespace easel::pickle
