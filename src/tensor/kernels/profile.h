// What each operator takes, for those who measure; costs nothing while nobody does.
#pragma once
#include <chrono>
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
  Profile();
  ~Profile();
  Profile(const Profile&) = delete;
  Profile& operator=(const Profile&) = delete;

  static Profile* current();
  std::map<std::string, Line> lines;  // by operator and shape

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
    start_ = std::chrono::steady_clock::now();
  }
  ~Timed() {
    if (!to_) return;
    auto& line = to_->lines[name_];
    ++line.calls;
    line.work += work_;
    line.seconds += std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
  }
  Timed(const Timed&) = delete;
  Timed& operator=(const Timed&) = delete;

 private:
  Profile* const to_;
  const double work_;
  std::string name_;
  std::chrono::steady_clock::time_point start_;
};

}  // namespace easel::kernels
