#include "step_plan.h"

#include <cmath>
#include <string>

#include "../error.h"
#include "../ops/dtype.h"

namespace lanyard::engine {
namespace {

[[noreturn]] void refuse(const std::string& what) { throw Error("bad_request", "The step plan is wrong: " + what + "."); }

void demand(bool holds, const char* what) {
  if (!holds) refuse(what);
}

SequencePart read_record(const int32_t* r) {
  const auto real = [&](Record field) { return ops::bits_to_float(static_cast<uint32_t>(r[field])); };
  SequencePart s;
  s.slot = r[kSlot];
  s.start = r[kStart];
  s.token_count = r[kTokenCount];
  s.blocks_kept = r[kBlocksKept];
  s.block_count = r[kBlockCount];
  s.rope_alpha = real(kRopeAlpha);
  s.row_count = r[kRowCount];
  s.target_count = r[kTargetCount];
  s.sampling.temperature = real(kTemperature);
  s.sampling.top_k = r[kTopK];
  s.sampling.top_p = real(kTopP);
  s.sampling.min_p = real(kMinP);
  s.sampling.repetition = real(kRepetitionPenalty);
  s.sampling.presence = real(kPresencePenalty);
  s.sampling.frequency = real(kFrequencyPenalty);
  s.sampling.seed = static_cast<uint32_t>(r[kSeedLow]) | static_cast<uint64_t>(static_cast<uint32_t>(r[kSeedHigh])) << 32;
  s.sampling.drawn = static_cast<uint32_t>(r[kDrawn]);
  s.sampling.logprobs = r[kLogprobs];
  s.bias_count = r[kBiasCount];
  s.only_biased = r[kOnlyBiased] != 0;
  s.history_kept = r[kHistoryKept];
  s.history_count = r[kHistoryCount];
  s.prompt_length = r[kPromptLength];
  s.mask_count = r[kMaskCount];
  s.mask_ids = r[kMaskIds] != 0;
  return s;
}

void check(const SequencePart& s, const PlanLimits& limits) {
  const std::string who = "slot " + std::to_string(s.slot);
  if (s.slot < 0 || s.slot >= limits.max_sequences) refuse(who + " of " + std::to_string(limits.max_sequences));
  if (s.token_count < 1) refuse(who + " has no tokens");
  if (s.start < 0 || s.start > limits.context - s.token_count) {
    refuse(who + " reaches position " + std::to_string(static_cast<int64_t>(s.start) + s.token_count) + " of a context of " +
           std::to_string(limits.context));
  }
  const int64_t blocks = static_cast<int64_t>(s.blocks_kept) + s.block_count;
  if (blocks * limits.block_size < s.start + s.token_count || blocks > limits.blocks) {
    refuse(who + " has " + std::to_string(blocks) + " KV blocks for " + std::to_string(s.start + s.token_count) + " positions");
  }
  if (s.row_count < 0 || s.row_count > s.token_count || s.target_count < 0 || s.target_count > s.row_count) {
    refuse(who + " wants more rows than it has tokens, or has more targets than rows");
  }
  const int64_t history = static_cast<int64_t>(s.history_kept) + s.history_count;
  if (history > limits.context || (history > 0 && history < s.row_count)) refuse(who + " has a history that does not fit");
  if (!(s.rope_alpha >= 1)) refuse(who + " has a rope factor below 1");
  if (s.mask_count > 0 && !s.mask_ids && s.mask_count != (limits.vocab + 31) / 32) refuse(who + " has a mask of another vocabulary");
  const Sampling& p = s.sampling;
  const bool sane = p.temperature >= 0 && std::isfinite(p.temperature) && p.top_p >= 0 && p.min_p >= 0 && p.min_p <= 1 &&
                    p.repetition > 0 && std::isfinite(p.repetition) && std::isfinite(p.presence) &&
                    std::isfinite(p.frequency) && p.logprobs >= -1 && p.logprobs <= 256;
  if (s.row_count > 0 && !sane) refuse(who + " has sampling parameters out of range");
}

}  // namespace

void read_plan(const int32_t* words, size_t count, const PlanLimits& limits, StepPlan& plan) {
  demand(count >= kHeaderWords && words[kMagic] == kPlanMagic, "no header");
  for (int i = kSequences; i < kHeaderWords; ++i) demand(words[i] >= 0, "a negative count");
  const int64_t sequences = words[kSequences];
  const int64_t expected = kHeaderWords + sequences * kRecordWords + words[kTokens] + int64_t{words[kBlocks]} +
                           2 * int64_t{words[kBiases]} + words[kHistories] + int64_t{words[kTargets]} + int64_t{words[kMasks]};
  demand(static_cast<int64_t>(count) == expected, "its length does not fit its counts");

  plan.kind = static_cast<Kind>(words[kKind]);
  plan.want_logits = (words[kFlags] & kWantLogits) != 0;
  plan.sequences.clear();
  const int32_t* tokens = words + kHeaderWords + sequences * kRecordWords;
  const int32_t* blocks = tokens + words[kTokens];
  const int32_t* biases = blocks + words[kBlocks];
  const int32_t* history = biases + 2 * words[kBiases];
  const int32_t* targets = history + words[kHistories];
  const int32_t* masks = targets + words[kTargets];
  plan.tokens = tokens;
  plan.token_count = words[kTokens];
  if (plan.kind == Kind::close || plan.kind == Kind::rows) return;
  demand(plan.kind == Kind::step, "an unknown kind");
  demand(sequences >= 1 && sequences <= limits.max_sequences, "more sequences than the engine was opened for, or none");
  demand(plan.token_count <= limits.max_tokens, "more tokens than the engine was opened for");

  int64_t token_left = words[kTokens], block_left = words[kBlocks], bias_left = words[kBiases],
          history_left = words[kHistories], target_left = words[kTargets], mask_left = words[kMasks];
  for (int i = 0; i < sequences; ++i) {
    SequencePart s = read_record(words + kHeaderWords + i * kRecordWords);
    demand(s.block_count >= 0 && s.bias_count >= 0 && s.history_count >= 0 && s.blocks_kept >= 0 && s.history_kept >= 0 &&
               s.mask_count >= 0,
           "a negative count");
    check(s, limits);
    token_left -= s.token_count;
    block_left -= s.block_count;
    bias_left -= s.bias_count;
    history_left -= s.history_count;
    target_left -= s.target_count;
    mask_left -= s.mask_count;
    demand(token_left >= 0 && block_left >= 0 && bias_left >= 0 && history_left >= 0 && target_left >= 0 &&
               mask_left >= 0,
           "records reach beyond their sections");
    s.tokens = tokens;
    s.blocks = blocks;
    s.biases = biases;
    s.history = history;
    s.targets = targets;
    s.mask = masks;
    tokens += s.token_count;
    blocks += s.block_count;
    biases += 2 * s.bias_count;
    history += s.history_count;
    targets += s.target_count;
    masks += s.mask_count;
    plan.sequences.push_back(s);
  }
  demand(token_left == 0 && block_left == 0 && bias_left == 0 && history_left == 0 && target_left == 0 &&
             mask_left == 0,
         "sections longer than their records");
  const auto check_ids = [&](const int32_t* from, const int32_t* to, int32_t least) {
    for (; from != to; ++from) {
      if (*from < least || *from >= limits.vocab) refuse("token id " + std::to_string(*from));
    }
  };
  const int32_t* first_block = plan.tokens + plan.token_count;
  check_ids(plan.tokens, first_block, kFromSlot);
  check_ids(biases, history, kFromSlot);
  check_ids(history, targets, 0);
  for (const SequencePart& s : plan.sequences) {
    if (s.mask_ids) check_ids(s.mask, s.mask + s.mask_count, 0);
  }
  for (const int32_t* b = first_block; b != blocks; ++b) {
    if (*b < 0 || *b >= limits.blocks) refuse("KV block " + std::to_string(*b) + " of " + std::to_string(limits.blocks));
  }
}

}  // namespace lanyard::engine
