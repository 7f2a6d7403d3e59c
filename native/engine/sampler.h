// Choosing the next token, pure: from the merged candidates of all ranks, or from whole rows of logits. The order is
// vLLM's: bias, repetition, frequency, presence; greedy below a temperature of 1e-5; temperature, min_p, top_k, top_p.
#pragma once

#include <span>
#include <vector>

#include "../ops/ops.h"
#include "step_plan.h"

namespace lanyard::engine {

enum class Mode : uint8_t {
  greedy,   // the largest logit
  perturb,  // nothing is cut off: largest logit / temperature + noise
  cut,      // min_p, top_k or top_p
  score,    // nothing is sampled: the log probability of a given token
};

Mode mode_of(const Sampling& sampling, int vocab);

// Candidates a rank sends for a sequence that is cut.
inline constexpr int kCandidates = 256;

// What a row's adjustment points into.
struct AdjustMemory {
  std::vector<float> bias;
  std::vector<int32_t> ids;
  std::vector<uint32_t> mask;
};

// How a row is changed, given the ids up to it.
ops::Adjust adjust_of(const SequencePart& part, std::span<const int32_t> history, int vocab, AdjustMemory& memory);

// Candidates of all ranks, best first. `floor`: tokens with a logit at or below it may be missing; -inf: none is.
struct Merged {
  std::vector<ops::Candidate> candidates;
  float floor = 0;
  bool complete = false;
  float maximum = 0;       // largest adjusted logit
  double total = 0;        // sum over the vocabulary of exp((logit - maximum) / temperature)
  float raw_max = 0;       // largest raw logit
  double raw_total = 0;    // sum of exp(raw - raw_max)
};

// How many of the candidates stay after min_p, top_k and top_p; 0 when the candidates cannot tell (the whole row is
// needed).
size_t kept(const Merged& merged, const Sampling& sampling, int vocab);

// The draw among the first `count` candidates.
size_t draw(const Merged& merged, size_t count, const Sampling& sampling);

// Everything about one row of logits on one computer: adjusts `logits` in place and returns all tokens, best first.
Merged merged_row(std::span<float> logits, const ops::Adjust& adjust, const Sampling& sampling);

// The probabilities that a draw follows: [vocab], for tests.
std::vector<double> probabilities(std::vector<float> logits, const ops::Adjust& adjust, const Sampling& sampling);

}  // namespace lanyard::engine
