// What each operator takes, for those who measure; costs nothing while nobody does.
#pragma once
#include <map>
#include <string>

#include "tensor/aten.h"

namespace easel::kernels {

// While one is alive, operators called on its thread report to it.
class Profile {
 public:
  struct Line {
    int64_t calls = 0;
    double seconds = 0, work = 0;  // work: operations of products, bytes of what is bound by memory
  };
  explicit Profile(std::function<double()> clock);  // seconds
  ~Profile();
  Profile(const Profile&) = delete;
  Profile& operator=(const Profile&) = delete;

  static Profile* current();
  std::map<std::string, Line> lines;  // by operator and shape
  const std::function<double()> clock;

 private:
  Profile* outer_;
};

// Times an operator from here to the end of its scope.
class Timed {
 public:
  // name() is asked only when somebody measures: "linear 8192x320x320"
  template <class Name>
  Timed(double work, Name name) : to_(Profile::current()), work_(work) {
    if (!to_) return;
    name_ = name();
    start_ = to_->clock();
  }
  ~Timed() {
    if (!to_) return;
    auto& line = to_->lines[name_];
    ++line.calls;
    line.work += work_;
    line.seconds += to_->clock() - start_;
  }
  Timed(const Timed&) = delete;
  Timed& operator=(const Timed&) = delete;

 private:
  Profile* const to_;
  const double work_;
  std::string name_;
  double start_ = 0;
};

}  // namespace easel::kernels
