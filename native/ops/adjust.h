// Changes to a row of logits before sampling, on the host.
#pragma once

#include <vector>

#include "ops.h"

namespace lanyard::ops {

// logit_bias, then repetition, frequency and presence penalties, in vLLM's order, on logits[0 ... width) of the ids from
// first_id on. Each changed logit's old value goes to `undo` once (id, new, raw).
void adjust_logits(const Adjust& adjust, float* logits, size_t width, int first_id, std::vector<Candidate>& undo);

// out = logits where the mask has the id's bit, -inf elsewhere; ids first_id ... first_id + width. In place or not.
void mask_logits(const uint32_t* mask, const float* logits, size_t width, int first_id, float* out);

// Larger logit first, then lower id.
inline bool before(const Candidate& a, const Candidate& b) {
  return a.logit != b.logit ? a.logit > b.logit : a.id < b.id;
}

}  // namespace lanyard::ops
