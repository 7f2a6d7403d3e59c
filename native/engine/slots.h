// What the engine of every rank keeps of the sequences between steps, per slot. All ranks see all plans, so all keep the
// same, except for what was sampled, which only rank 0 knows.
#pragma once

#include <cstdint>
#include <vector>

#include "step_plan.h"

namespace lanyard::engine {

struct Slot {
  std::vector<int32_t> blocks;   // KV blocks of positions 0 ...
  std::vector<int32_t> history;  // ids so far, prompt first; only where penalties need them
  int32_t sampled = -1;          // the id sampled last; -1: none yet. Rank 0 only.
};

class Slots {
 public:
  explicit Slots(int count) : slots_(count) {}

  // Throws Error bad_request when the plan counts on what its slots do not hold. Changes nothing.
  void check(const StepPlan& plan) const;

  // Rank 0: puts ids in the place of kFromSlot, in the words that the plan points into. After check().
  void fill(const StepPlan& plan) const;

  // Takes over what the plan brings. After check(); from then on the plan's blocks and history are those of the slots.
  void apply(const StepPlan& plan);

  const Slot& operator[](int slot) const { return slots_[slot]; }
  void sampled(int slot, int32_t id) { slots_[slot].sampled = id; }

 private:
  std::vector<Slot> slots_;
};

}  // namespace lanyard::engine
