#include "step_result.h"

#include "../ops/dtype.h"

namespace lanyard::engine {
namespace {

constexpr size_t kRowWords = 4, kTopWords = 2;

int32_t bits(double value) { return static_cast<int32_t>(ops::float_to_bits(static_cast<float>(value))); }

size_t tops_of(const StepOutcome& outcome) {
  size_t tops = 0;
  for (const SampledToken& token : outcome.tokens) tops += token.top.size();
  return tops;
}

}  // namespace

size_t result_words(const StepOutcome& outcome) {
  return kResultHeaderWords + outcome.tokens.size() * kRowWords + tops_of(outcome) * kTopWords;
}

void write_result(const StepOutcome& outcome, int32_t* words) {
  words[kRows] = static_cast<int32_t>(outcome.tokens.size());
  words[kTops] = static_cast<int32_t>(tops_of(outcome));
  words[kTotalMicros] = bits(outcome.total_micros);
  words[kCommMicros] = bits(outcome.comm_micros);
  words[kSampleMicros] = bits(outcome.sample_micros);
  words[kIdleMicros] = bits(outcome.idle_micros);
  int32_t* row = words + kResultHeaderWords;
  int32_t* top = row + outcome.tokens.size() * kRowWords;
  for (const SampledToken& token : outcome.tokens) {
    *row++ = token.slot;
    *row++ = token.id;
    *row++ = bits(token.logprob);
    *row++ = static_cast<int32_t>(token.top.size());
    for (const TokenLogprob& entry : token.top) {
      *top++ = entry.id;
      *top++ = bits(entry.logprob);
    }
  }
}

}  // namespace lanyard::engine
