// Step plans and the pure sampler: reading refuses everything that is not a plan; candidates never choose otherwise than
// whole rows.
#include <algorithm>
#include <cstring>
#include <limits>

#include "../engine/sampler.h"
#include "../engine/slots.h"
#include "../engine/step_plan.h"
#include "../error.h"
#include "../ops/adjust.h"
#include "check.h"

using namespace lanyard;
using namespace lanyard::engine;
using check::Random;

namespace {

const PlanLimits kLimits{64, 4, 1000, 256, 16, 32};

int32_t bits(float value) { return static_cast<int32_t>(ops::float_to_bits(value)); }

std::vector<int32_t> valid_plan() {
  std::vector<int32_t> words{kPlanMagic, 1, 1, 2, 4, 3, 1, 2, 1, 3};
  const int32_t first[kRecordWords] = {0,         3,       14,      1,  2, bits(1), 2, 1, bits(0.7f), 5, bits(0.9f), bits(0),
                                       bits(1.1f), bits(0), bits(0), 77, 1, 3,       1, 0, 4,          2, 1,          9,  3, 1};
  const int32_t second[kRecordWords] = {3, 1, 0, 0, 1, bits(3), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, -1, 0, 0, 0, 0, 0, 0, 0, 0};
  words.insert(words.end(), first, first + kRecordWords);
  words.insert(words.end(), second, second + kRecordWords);
  for (const int32_t word : {10, 11, 12, 999, 4, 31, 0, 500, bits(-2), 8, kFromSlot, 12, 0, 7, 999}) words.push_back(word);
  return words;
}

void reads_fields() {
  const auto words = valid_plan();
  StepPlan plan;
  read_plan(words.data(), words.size(), kLimits, plan);
  CHECK(plan.kind == Kind::step && plan.want_logits && plan.sequences.size() == 2 && plan.token_count == 4);
  const SequencePart& s = plan.sequences[0];
  CHECK(s.slot == 0 && s.start == 14 && s.token_count == 3 && s.tokens[2] == 12 && s.block_count == 2 && s.blocks[1] == 31);
  CHECK(s.row_count == 2 && s.target_count == 1 && s.targets[0] == 12 && s.blocks_kept == 1);
  CHECK(s.sampling.temperature == 0.7f && s.sampling.top_k == 5 && s.sampling.top_p == 0.9f);
  CHECK(s.sampling.seed == (uint64_t{1} << 32) + 77 && s.sampling.drawn == 9 && s.sampling.logprobs == 3);
  CHECK(s.bias_count == 1 && s.biases[0] == 500 && !s.only_biased);
  CHECK(s.history_kept == 4 && s.history_count == 2 && s.history[1] == kFromSlot && s.prompt_length == 1);
  CHECK(s.mask_ids && s.mask_count == 3 && s.mask[2] == 999);
  const SequencePart& t = plan.sequences[1];
  CHECK(t.slot == 3 && t.row_count == 0 && t.tokens[0] == 999 && t.blocks[0] == 0 && t.rope_alpha == 3);
}

// A plan counts on nothing that its slots do not hold; what they hold is cut and extended, and ids sampled before are
// filled in.
void slots_keep_what_grows() {
  auto words = valid_plan();
  StepPlan plan;
  Slots slots(4);
  const auto read = [&] { read_plan(words.data(), words.size(), kLimits, plan); };
  const auto refused = [&] {
    read();
    return check::throws<Error>([&] { slots.check(plan); }, [](const Error& e) { return e.code() == "bad_request"; });
  };
  int32_t* record = words.data() + kHeaderWords;
  CHECK(refused());  // a kept block
  record[kBlocksKept] = 0;
  CHECK(refused());  // a kept history
  record[kHistoryKept] = 0;
  CHECK(refused());  // nothing sampled yet
  slots.sampled(0, 55);
  CHECK(!refused());
  slots.fill(plan);
  slots.apply(plan);
  CHECK(plan.sequences[0].history[1] == 55 && plan.sequences[0].tokens[0] == 10);
  CHECK(slots[0].blocks == (std::vector<int32_t>{4, 31}) && slots[0].history == (std::vector<int32_t>{8, 55}));
  CHECK(slots[3].blocks == std::vector<int32_t>{0} && slots[3].history.empty());

  record[kBlocksKept] = 2;
  record[kHistoryKept] = 1;
  CHECK(!refused());
  slots.apply(plan);
  CHECK(slots[0].blocks == (std::vector<int32_t>{4, 31, 4, 31}) && slots[0].history == (std::vector<int32_t>{8, 8, 55}));
  record[static_cast<int>(kRecordWords) + kSlot] = 0;
  CHECK(refused());  // a slot for two
}

// Any change of any words is either refused or leaves a plan within the limits.
void survives_garbage() {
  Random random(5);
  int refused = 0;
  StepPlan plan;
  for (int round = 0; round < 200000; ++round) {
    auto words = valid_plan();
    for (int n = 1 + random.below(3); n > 0; --n) {
      const int32_t values[] = {-1, 0, 1, 3, 1 << 20, std::numeric_limits<int32_t>::max(), std::numeric_limits<int32_t>::min(),
                                static_cast<int32_t>(random.next())};
      words[random.below(static_cast<int>(words.size()))] = values[random.below(8)];
    }
    if (random.below(10) == 0) words.resize(random.below(static_cast<int>(words.size()) + 3));
    // A copy without slack, so that a sanitizer sees any read beyond the end.
    const std::vector<int32_t> exact(words.begin(), words.end());
    try {
      read_plan(exact.data(), exact.size(), kLimits, plan);
    } catch (const Error& error) {
      ++refused;
      CHECK(error.code() == "bad_request");
      continue;
    }
    if (plan.kind != Kind::step) continue;
    int tokens = 0;
    for (const SequencePart& s : plan.sequences) {
      tokens += s.token_count;
      CHECK(s.slot >= 0 && s.slot < 4 && s.start >= 0 && s.start + s.token_count <= 256);
      for (int i = 0; i < s.token_count; ++i) CHECK(s.tokens[i] >= kFromSlot && s.tokens[i] < 1000);
      CHECK((s.blocks_kept + s.block_count) * 16 >= s.start + s.token_count && s.blocks_kept >= 0);
      CHECK(s.row_count >= 0 && s.row_count <= s.token_count && s.target_count >= 0 && s.target_count <= s.row_count);
      for (int i = 0; i < s.target_count; ++i) CHECK(s.targets[i] >= 0 && s.targets[i] < 1000);
      for (int i = 0; i < s.block_count; ++i) CHECK(s.blocks[i] >= 0 && s.blocks[i] < 32);
      for (int i = 0; i < s.bias_count; ++i) (void)s.biases[2 * i + 1];
      CHECK(s.history_kept >= 0 && s.mask_count >= 0 && (s.mask_ids || s.mask_count == 0 || s.mask_count == 32));
      for (int i = 0; i < s.mask_count; ++i) CHECK(!s.mask_ids || (s.mask[i] >= 0 && s.mask[i] < 1000));
      for (int i = 0; i < s.history_count; ++i) CHECK(s.history[i] >= kFromSlot && s.history[i] < 1000);
    }
    CHECK(tokens == plan.token_count && tokens <= 64);
  }
  std::printf("  %d of 200000 changed plans refused\n", refused);
}

// What rank 0 sees of a row that several ranks hold.
Merged from_ranks(const std::vector<float>& row, int ranks, size_t wanted, const Sampling& s) {
  Merged merged;
  merged.floor = -std::numeric_limits<float>::infinity();
  merged.complete = true;
  merged.maximum = *std::max_element(row.begin(), row.end());
  for (const float logit : row) merged.total += std::exp((static_cast<double>(logit) - merged.maximum) / s.temperature);
  for (int rank = 0; rank < ranks; ++rank) {
    const size_t first = row.size() * rank / ranks, last = row.size() * (rank + 1) / ranks;
    std::vector<ops::Candidate> own;
    for (size_t i = first; i < last; ++i) own.push_back({static_cast<int32_t>(i), row[i], row[i]});
    std::sort(own.begin(), own.end(), ops::before);
    if (own.size() > wanted) {
      own.resize(wanted);
      merged.complete = false;
      merged.floor = std::max(merged.floor, own.back().logit);
    }
    merged.candidates.insert(merged.candidates.end(), own.begin(), own.end());
  }
  std::sort(merged.candidates.begin(), merged.candidates.end(), ops::before);
  return merged;
}

void candidates_agree_with_rows() {
  Random random(17);
  int sure = 0;
  const int rounds = 20000, vocab = 120;
  for (int round = 0; round < rounds; ++round) {
    std::vector<float> row(vocab);
    const bool ties = random.below(2) == 0;
    for (float& v : row) v = ties ? static_cast<float>(random.below(12)) : random.real(6);
    Sampling s;
    s.temperature = 0.2f + static_cast<float>(random.below(30)) / 10;
    if (random.below(2)) s.top_k = random.below(vocab + 5);
    if (random.below(2)) s.top_p = static_cast<float>(1 + random.below(99)) / 100;
    if (random.below(2)) s.min_p = static_cast<float>(random.below(60)) / 100;
    s.seed = random.next();
    if (mode_of(s, vocab) != Mode::cut) continue;
    const Merged whole = from_ranks(row, 1, vocab, s), parts = from_ranks(row, 1 + random.below(4), 1 + random.below(40), s);
    const size_t want = kept(whole, s, vocab), got = kept(parts, s, vocab);
    CHECK(want >= 1);
    if (got == 0) continue;  // the candidates cannot tell: the engine asks for the row
    ++sure;
    CHECK(got == want, "kept %zu of %zu (k %d p %g m %g T %g)", got, want, s.top_k, s.top_p, s.min_p, s.temperature);
    for (size_t i = 0; i < std::min(got, want); ++i) CHECK(parts.candidates[i].id == whole.candidates[i].id);
    CHECK(parts.candidates[draw(parts, got, s)].id == whole.candidates[draw(whole, want, s)].id);
  }
  std::printf("  candidates were enough in %d of %d rows\n", sure, rounds);
  CHECK(sure > rounds / 10);
}

}  // namespace

int main() {
  check::section("fields", reads_fields);
  check::section("slots", slots_keep_what_grows);
  check::section("changed plans", survives_garbage);
  check::section("candidates against whole rows", candidates_agree_with_rows);
  return check::result();
}
