#include "adjust.h"

#include <algorithm>
#include <limits>

namespace lanyard::ops {

void adjust_logits(const Adjust& adjust, float* logits, size_t width, int first_id, std::vector<Candidate>& undo) {
  undo.clear();
  const bool penalties = adjust.repetition != 1 || adjust.presence != 0 || adjust.frequency != 0;
  const auto inside = [&](int32_t id) { return id >= first_id && static_cast<size_t>(id - first_id) < width; };
  if (adjust.only_biased) {
    for (size_t i = 0; i < width; ++i) undo.push_back({first_id + static_cast<int32_t>(i), 0, logits[i]});
    std::fill(logits, logits + width, -std::numeric_limits<float>::infinity());
    for (int i = 0; i < adjust.biases; ++i) {
      if (inside(adjust.bias_ids[i])) logits[adjust.bias_ids[i] - first_id] = undo[adjust.bias_ids[i] - first_id].raw;
    }
  } else {
    for (int i = 0; i < adjust.biases; ++i) {
      if (inside(adjust.bias_ids[i])) undo.push_back({adjust.bias_ids[i], 0, logits[adjust.bias_ids[i] - first_id]});
    }
    for (int i = 0; penalties && i < adjust.history_count; ++i) {
      const int32_t id = adjust.history[i];
      if (inside(id)) undo.push_back({id, 0, logits[id - first_id]});
    }
    std::sort(undo.begin(), undo.end(), [](const Candidate& a, const Candidate& b) { return a.id < b.id; });
    undo.erase(std::unique(undo.begin(), undo.end(), [](const Candidate& a, const Candidate& b) { return a.id == b.id; }),
               undo.end());
  }

  for (int i = 0; i < adjust.biases; ++i) {
    if (inside(adjust.bias_ids[i])) logits[adjust.bias_ids[i] - first_id] += adjust.bias[i];
  }
  if (penalties && adjust.history_count > 0) {
    // Occurrences are counted in the `logit` field, which is rewritten below: output tokens, and 0.5 for "in the prompt".
    const auto entry = [&](int32_t id) {
      return std::lower_bound(undo.begin(), undo.end(), id, [](const Candidate& c, int32_t want) { return c.id < want; });
    };
    for (int i = 0; i < adjust.history_count; ++i) {
      if (!inside(adjust.history[i])) continue;
      float& count = entry(adjust.history[i])->logit;
      if (i >= adjust.prompt_length) count += 1;
      else if (count == 0) count = 0.5f;
    }
    for (Candidate& c : undo) {
      if (c.logit == 0) continue;
      float& logit = logits[c.id - first_id];
      logit = logit > 0 ? logit / adjust.repetition : logit * adjust.repetition;
      if (c.logit < 1) continue;
      const float count = static_cast<float>(static_cast<int>(c.logit));
      logit -= adjust.frequency * count;
      logit -= adjust.presence;
    }
  }
  for (Candidate& c : undo) c.logit = logits[c.id - first_id];
}

void mask_logits(const uint32_t* mask, const float* logits, size_t width, int first_id, float* out) {
  constexpr float kNothing = -std::numeric_limits<float>::infinity();
  for (size_t i = 0; i < width; ++i) {
    const uint32_t id = static_cast<uint32_t>(first_id) + static_cast<uint32_t>(i);
    out[i] = mask[id / 32] >> (id % 32) & 1 ? logits[i] : kNothing;
  }
}

}  // namespace lanyard::ops
