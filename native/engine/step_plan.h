// The step plan as it crosses the binding and the network: 32-bit little-endian words, floats by their bits. The same
// layout is written by electron/worker/rank/step-plan.ts, word for word.
//
//   header   [10]  magic, kind, flags, sequences, tokens, blocks, biases, histories, targets, masks (entries below)
//   records  [sequences][kRecordWords]   see Record
//   tokens   [tokens]    ids, sequence after sequence; kFromSlot stands for the id that the slot has sampled last
//   blocks   [blocks]    KV block ids, sequence after sequence
//   biases   [biases][2] id, f32
//   history  [histories] ids, kFromSlot as in tokens
//   targets  [targets]   ids
//   masks    [masks]     words: a bit per id of the vocabulary, or ids
//
// What grows with a sequence is kept by the engines, per slot (slots.h): its KV blocks and, where penalties need them, its
// ids so far. A plan says how many of them stay and brings the ones that follow, so a step of any length of context is one
// small message. Steps are carried out in the order they are given, and blocks and slots may pass to another sequence from
// one step to the next.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace lanyard::engine {

inline constexpr int32_t kPlanMagic = 0x5059414c;  // "LAYP"

enum class Kind : int32_t {
  step = 1,
  rows = 2,   // followers send raw logits of sampled tokens again; the tokens section holds indices into the last
              // step's rows
  close = 3,  // followers end
};

inline constexpr int32_t kWantLogits = 1;  // flag: logits of every token

// In place of an id: what this sequence's slot has sampled last, in the step before. Rank 0 fills the id in before the plan
// goes to the others, so that a step can be planned while the one before it runs.
inline constexpr int32_t kFromSlot = -1;

enum Header { kMagic, kKind, kFlags, kSequences, kTokens, kBlocks, kBiases, kHistories, kTargets, kMasks, kHeaderWords };

enum Record {
  kSlot,
  kTokenCount,
  kStart,
  kBlocksKept,  // of the slot's blocks
  kBlockCount,  // that follow
  kRopeAlpha,   // f32
  kRowCount,    // the last so many tokens bring a row of logits that something is taken from; 0: no token is wanted
  kTargetCount,  // the first so many of these rows are scored (the log probability of the target), the others sampled
  kTemperature,  // f32
  kTopK,
  kTopP,               // f32
  kMinP,               // f32
  kRepetitionPenalty,  // f32
  kPresencePenalty,    // f32
  kFrequencyPenalty,   // f32
  kSeedLow,            // of 64 bits; a random seed where the request has none
  kSeedHigh,
  kLogprobs,  // -1: none
  kBiasCount,
  kOnlyBiased,   // 1: ids without a bias are impossible
  kHistoryKept,  // of the slot's history
  kHistoryCount,  // that follow; the whole history ends with the sequence's last token
  kPromptLength,
  kDrawn,  // tokens drawn before this step
  kMaskCount,  // words of the mask: only these ids may be sampled; 0: there is none
  kMaskIds,    // 1: the words are ids, not bits
  kRecordWords
};

struct Sampling {
  float temperature = 1, top_p = 1, min_p = 0, repetition = 1, presence = 0, frequency = 0;
  int top_k = 0, logprobs = -1;
  uint64_t seed = 0, drawn = 0;
};

// One sequence of a plan. Pointers into the plan's words.
struct SequencePart {
  int slot = 0, start = 0;
  const int32_t* tokens = nullptr;
  int token_count = 0;
  const int32_t* blocks = nullptr;
  int blocks_kept = 0, block_count = 0;
  float rope_alpha = 1;
  int row_count = 0, target_count = 0;
  const int32_t* targets = nullptr;
  Sampling sampling;
  const int32_t* biases = nullptr;  // [bias_count][2] id, f32 bits
  int bias_count = 0;
  bool only_biased = false;
  const int32_t* history = nullptr;
  int history_kept = 0, history_count = 0, prompt_length = 0;
  const int32_t* mask = nullptr;  // [mask_count]
  int mask_count = 0;
  bool mask_ids = false;
};

struct StepPlan {
  Kind kind = Kind::step;
  bool want_logits = false;
  std::vector<SequencePart> sequences;
  const int32_t* tokens = nullptr;  // all sequences' tokens
  int token_count = 0;
};

// What a plan may ask of an engine.
struct PlanLimits {
  int max_tokens = 0, max_sequences = 0, vocab = 0, context = 0, block_size = 16, blocks = 0;
};

// Reads `words`, which must outlive the plan. Reuses the plan's memory. Throws Error bad_request for anything that the
// engine could not carry out: it checks every count, id, block and position; what a slot holds is checked by Slots.
void read_plan(const int32_t* words, size_t count, const PlanLimits& limits, StepPlan& plan);

}  // namespace lanyard::engine
