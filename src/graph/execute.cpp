#include "graph/execute.h"

#include "graph/prompt_run.h"

namespace easel {

// The one place where a node's exception ends.
ExecutionResult Executor::run(ExecutionRequest request, Listener& listener, std::stop_token interrupt) {
  using Status = ExecutionResult::Status;
  PromptRun run(request, registry_, cache_, side_, listener, interrupt);
  listener.on_start();
  try {
    run.run_all();
    listener.on_success();
    return run.result(Status::kSuccess);
  } catch (const Interrupted&) {
    run.settle();
    run.report_interrupt();
    return run.result(Status::kInterrupted);
  } catch (const CycleError&) {
    run.report_failure({"graph.DependencyCycleError", "Dependency cycle detected", false});
  } catch (...) {
    run.settle();
    const Failure failure = current_failure(options_.is_out_of_memory);
    if (failure.out_of_memory && options_.on_out_of_memory) options_.on_out_of_memory();
    run.report_failure(failure);
  }
  return run.result(Status::kError);
}

}  // namespace easel
