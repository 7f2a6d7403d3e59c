#include "slots.h"

#include <algorithm>
#include <string>

#include "../error.h"

namespace lanyard::engine {
namespace {

bool has_unfilled(const int32_t* ids, int count) { return std::find(ids, ids + count, kFromSlot) != ids + count; }

void fill_ids(const int32_t* ids, int count, int32_t id) {
  // The words belong to the step that is about to run; plans only point into them.
  auto* words = const_cast<int32_t*>(ids);
  std::replace(words, words + count, kFromSlot, id);
}

void extend(std::vector<int32_t>& list, int kept, const int32_t* more, int count) {
  list.resize(kept);
  list.insert(list.end(), more, more + count);
}

}  // namespace

void Slots::check(const StepPlan& plan) const {
  std::vector<bool> seen(slots_.size());
  for (const SequencePart& s : plan.sequences) {
    const auto refuse = [&](const char* what) {
      throw Error("bad_request", "The step plan is wrong: slot " + std::to_string(s.slot) + " " + what + ".");
    };
    if (seen[s.slot]) refuse("is given to two sequences");
    seen[s.slot] = true;
    const Slot& slot = slots_[s.slot];
    if (static_cast<size_t>(s.blocks_kept) > slot.blocks.size()) refuse("does not hold the KV blocks that are to stay");
    if (static_cast<size_t>(s.history_kept) > slot.history.size()) refuse("does not hold the history that is to stay");
    const bool unfilled = has_unfilled(s.tokens, s.token_count) || has_unfilled(s.history, s.history_count);
    if (unfilled && slot.sampled < 0) refuse("has sampled nothing yet");
  }
}

void Slots::fill(const StepPlan& plan) const {
  for (const SequencePart& s : plan.sequences) {
    fill_ids(s.tokens, s.token_count, slots_[s.slot].sampled);
    fill_ids(s.history, s.history_count, slots_[s.slot].sampled);
  }
}

void Slots::apply(const StepPlan& plan) {
  for (const SequencePart& s : plan.sequences) {
    Slot& slot = slots_[s.slot];
    extend(slot.blocks, s.blocks_kept, s.blocks, s.block_count);
    extend(slot.history, s.history_kept, s.history, s.history_count);
  }
}

}  // namespace lanyard::engine
