// An answer that is made after its route has returned (Response::later). Joins the one who makes it and the one who
// sends it, whichever comes first. Copies are the same answer; any thread.
#pragma once
#include <memory>
#include <mutex>
#include <optional>

#include "server/http.h"

namespace easel::server {

class LaterResponse {
 public:
  void put(Response answer) {
    std::unique_lock lock(state_->mutex);
    if (!state_->send) return static_cast<void>(state_->answer = std::move(answer));
    lock.unlock();
    state_->send(std::move(answer));
  }

  // What the route returns.
  Response promise() const {
    Response response;
    response.later = [state = state_](std::function<void(Response)> send) {
      std::unique_lock lock(state->mutex);
      if (!state->answer) return static_cast<void>(state->send = std::move(send));
      lock.unlock();
      send(std::move(*state->answer));
    };
    return response;
  }

 private:
  struct State {
    std::mutex mutex;
    std::optional<Response> answer;
    std::function<void(Response)> send;
  };
  std::shared_ptr<State> state_ = std::make_shared<State>();
};

}  // namespace easel::server
