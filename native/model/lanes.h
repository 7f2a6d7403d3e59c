// Lanes: the tokens of a large step cut into two runs that take turns, so that the sums of one travel between the ranks while
// the other is computed. (Known from serving systems as dual micro-batches or two-chunk overlap; arXiv 2409.15241.)
#pragma once

#include <vector>

#include "../ops/ops.h"

namespace lanyard::model {

struct Lane {
  int start = 0;               // its first token in the step
  ops::Batch batch;            // its tokens, with the step's sequences, some of them empty
  std::vector<int32_t> first;  // batch.first
  ops::Norm norm{};            // what is done to the sum that is on its way
  bool waiting = false;        // for that sum
};

// Lanes begin at multiples of so many tokens: whole blocks of the products and of the wire's types, so that rounding is as
// in the undivided step.
constexpr int kLaneTokens = 32;

// The least tokens for which two lanes are faster than one: every lane reads all weights, and products of few rows are bound
// by that. Where tokens are spread over experts, each expert's products must have rows enough.
int lanes_from(int experts, int experts_per_token);

// Cuts a step of at least `least` tokens into lanes[ops::Ops::kLanes] about halfway; true when it did. The first holds what comes
// first in the batch, so a sequence that lies in both finds its earlier keys of a layer stored when the second comes to that
// layer.
bool cut_lanes(const ops::Batch& batch, int least, Lane* lanes);

}  // namespace lanyard::model
