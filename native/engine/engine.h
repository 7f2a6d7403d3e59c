// One rank's engine: carries out step plans. Rank 0 gets them from the scheduler, passes them to the followers and
// samples; the others follow. All calls but stats() and stop() come from one thread, the communicator's.
#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <vector>

#include "../comm/communicator.h"
#include "../model/decoder.h"
#include "../model/spec.h"
#include "sampler.h"
#include "slots.h"
#include "step_plan.h"

namespace lanyard::engine {

struct TokenLogprob {
  int32_t id;
  float logprob;
};

struct SampledToken {
  int slot = 0;
  int32_t id = 0;  // sampled, or the target that was scored
  float logprob = 0;  // of the model's own distribution: before bias, penalties and temperature
  std::vector<TokenLogprob> top;
};

struct StepOutcome {
  std::vector<SampledToken> tokens;  // one per row that was wanted, in the plan's order
  std::vector<float> logits;  // [tokens, vocab], only when wanted
  double total_micros = 0, comm_micros = 0, sample_micros = 0;
  double idle_micros = 0;  // since the step before ended; 0 for the first
};

struct Stats {
  size_t weight_bytes = 0, kv_bytes = 0, workspace_bytes = 0;
  uint64_t steps = 0, tokens = 0;
  double total_micros = 0, comm_micros = 0;
  std::string kernels;
};

class Engine {
 public:
  // Loads the weights. `comm` outlives the engine.
  Engine(model::EngineSpec spec, comm::Communicator& comm, const model::Progress& progress);

  // Rank 0. `plan` holds the words of a step plan, in which ids take the place of kFromSlot; errors in it are found before
  // anything is sent. Any other failure ends the group.
  void step(std::vector<std::byte>& plan, StepOutcome& outcome);

  // Ranks >= 1: returns when rank 0 closes.
  void follow();

  // Rank 0: lets the followers end. Never throws.
  void close() noexcept;

  // From any thread: forget an earlier stop / end the running step between two layers.
  void arm() { stop_.store(false); }
  void stop() { stop_.store(true); }

  Stats stats() const;

 private:
  // A row of logits from which a token is wanted.
  struct Wanted {
    const SequencePart* part;
    int32_t token;  // of the batch
    Sampling sampling;
    int32_t target;  // the id to score instead of sampling; -1: none
    std::span<const int32_t> history;  // ids up to and with this row's token
    Mode mode;
    int candidates, top;
    size_t offset;  // of its part of a rank's message
  };

  void read(const std::vector<std::byte>& words);
  void run_step(StepOutcome* outcome);
  void build_batch();
  void exchange_splits();
  void gather_logits(const int32_t* tokens, int count, float* out);
  void list_wanted();
  void summarise();
  void sample(StepOutcome& outcome);
  bool choose(const Wanted& wanted, const std::byte* messages, SampledToken& token);
  void sample_whole_rows(const std::vector<int32_t>& indices, StepOutcome& outcome);
  void send_rows();
  template <class F>
  void timed_comm(F&& f);

  model::EngineSpec spec_;
  comm::Communicator& comm_;
  std::unique_ptr<ops::Ops> ops_;
  std::unique_ptr<model::Decoder> decoder_;
  PlanLimits limits_;
  std::atomic<bool> stop_{false};

  StepPlan plan_;
  Slots slots_;
  ops::Batch batch_;
  std::vector<int32_t> positions_, sequence_, first_, block_first_, blocks_;
  std::vector<float> rope_alpha_;

  bool exchanged_ = false;
  std::vector<model::Range> vocab_parts_;  // per rank, on rank 0
  int largest_part_ = 0;
  std::vector<float> slice_, slices_;  // logits on their way to rank 0

  std::vector<Wanted> wanted_;
  size_t message_bytes_ = 0;
  std::vector<std::byte> message_, messages_;
  std::vector<ops::SummaryRequest> requests_;
  std::vector<ops::Summary> summaries_;
  std::vector<ops::Candidate> candidates_, tops_;
  std::vector<AdjustMemory> adjusting_;  // per row of a summary
  Merged merged_;
  double comm_micros_ = 0;
  std::chrono::steady_clock::time_point ended_{};  // of the step before

  mutable std::mutex stats_lock_;
  Stats stats_;
};

}  // namespace lanyard::engine
