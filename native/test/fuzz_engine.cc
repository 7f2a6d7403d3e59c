// Step plans and engine specs as no scheduler or planner would write them: each is refused with an Error, or carried out
// without touching memory that is not its own.
#include <sys/resource.h>

#include <cmath>
#include <memory>

#include "../bench/made_up.h"
#include "../engine/engine.h"
#include "fuzz.h"

using namespace lanyard;
using fuzz::demand;
using fuzz::Random;

namespace {

constexpr bench::Shape kTiny{"tiny", 64, 96, 2, 4, 2, 320, 10000};

bench::ModelOptions options() {
  bench::ModelOptions o;
  o.positions = 64;
  o.streams = 3;
  o.step_tokens = 24;
  return o;
}

// A plan of one to three sequences, with every section in use. It counts on nothing that slots hold from before.
std::vector<int32_t> good_plan(Random& random) {
  const auto bits = [](float value) { return static_cast<int32_t>(ops::float_to_bits(value)); };
  const auto upto = [&](uint64_t n) { return static_cast<int32_t>(random() % n); };
  const auto ids = [&](std::vector<int32_t>& to, int count) {
    for (int i = 0; i < count; ++i) to.push_back(upto(kTiny.vocab));
  };
  const int sequences = 1 + upto(3);
  std::vector<int32_t> records, tokens, blocks, biases, history, targets, masks;
  for (int s = 0; s < sequences; ++s) {
    using namespace engine;
    int32_t record[kRecordWords] = {};
    record[kSlot] = s;
    record[kTokenCount] = 1 + upto(6);
    record[kStart] = upto(50);
    record[kBlockCount] = (record[kStart] + record[kTokenCount] + bench::kBlock - 1) / bench::kBlock;
    record[kRopeAlpha] = bits(1);
    record[kRowCount] = upto(static_cast<uint64_t>(record[kTokenCount]) + 1);
    record[kTargetCount] = upto(static_cast<uint64_t>(record[kRowCount]) + 1);
    record[kTemperature] = bits(static_cast<float>(upto(20)) / 10);
    record[kTopK] = upto(50);
    record[kTopP] = bits(static_cast<float>(1 + upto(10)) / 10);
    record[kRepetitionPenalty] = bits(1.1f);
    record[kPresencePenalty] = record[kFrequencyPenalty] = bits(0.1f);
    record[kSeedLow] = upto(1000);
    record[kLogprobs] = upto(8) - 1;
    record[kBiasCount] = upto(3);
    record[kOnlyBiased] = record[kBiasCount] > 0 && upto(4) == 0;
    record[kHistoryCount] = upto(2) * (record[kRowCount] + upto(5));
    record[kPromptLength] = upto(3);
    record[kMaskCount] = record[kRowCount] > 0 && !record[kOnlyBiased] ? upto(3) : 0;
    record[kMaskIds] = record[kMaskCount] > 0;
    record[kDrawn] = upto(9);
    records.insert(records.end(), record, record + kRecordWords);
    ids(tokens, record[kTokenCount]);
    for (int i = 0; i < record[kBlockCount]; ++i) blocks.push_back(upto(6));
    for (int i = 0; i < record[kBiasCount]; ++i) {
      ids(biases, 1);
      biases.push_back(bits(static_cast<float>(upto(9)) - 4));
    }
    ids(history, record[kHistoryCount]);
    ids(targets, record[kTargetCount]);
    ids(masks, record[kMaskCount]);
  }
  const auto size = [](const std::vector<int32_t>& list) { return static_cast<int32_t>(list.size()); };
  std::vector<int32_t> words(engine::kHeaderWords);
  words[engine::kMagic] = engine::kPlanMagic;
  words[engine::kKind] = static_cast<int32_t>(engine::Kind::step);
  words[engine::kFlags] = upto(2);
  words[engine::kSequences] = sequences;
  words[engine::kTokens] = size(tokens);
  words[engine::kBlocks] = size(blocks);
  words[engine::kBiases] = size(biases) / 2;
  words[engine::kHistories] = size(history);
  words[engine::kTargets] = size(targets);
  words[engine::kMasks] = size(masks);
  for (const auto* part : {&records, &tokens, &blocks, &biases, &history, &targets, &masks}) words.insert(words.end(), part->begin(), part->end());
  return words;
}

void change(std::vector<int32_t>& words, Random& random) {
  for (uint64_t changes = random() % 4; changes > 0; --changes) {
    const size_t at = random() % words.size();
    switch (random() % 8) {
      case 0: words.resize(random() % (words.size() + 8)); break;
      case 1: words.insert(words.begin() + static_cast<ptrdiff_t>(at), static_cast<int32_t>(fuzz::edge(random))); break;
      case 2: words[at] += static_cast<int32_t>(random() % 5) - 2; break;
      case 3: words[at] = static_cast<int32_t>(ops::float_to_bits(random() % 2 == 0 ? NAN : INFINITY)); break;
      default: words[at] = static_cast<int32_t>(fuzz::edge(random)); break;
    }
    if (words.empty()) return;
  }
}

std::vector<std::byte> exact_bytes(const std::vector<int32_t>& words) {
  const auto* bytes = reinterpret_cast<const std::byte*>(words.data());
  return {bytes, bytes + words.size() * 4};
}

// One engine for all plans: what a bad plan left behind would show in the next.
engine::Engine& tiny_engine() {
  static bench::Noise noise;
  static const auto alone = comm::make_single();
  static engine::Engine made(bench::spec_of(kTiny, options(), noise), *alone, [](uint64_t, uint64_t) {});
  return made;
}

void plans(Random& random) {
  auto words = good_plan(random);
  const auto good = words;
  change(words, random);
  auto plan = exact_bytes(words);
  engine::StepOutcome outcome;
  try {
    tiny_engine().step(plan, outcome);
    for (const auto& token : outcome.tokens) demand(token.id >= 0 && token.id < kTiny.vocab, "a token outside of the vocabulary");
  } catch (const Error& error) {
    // A bias or penalty may leave no number to choose from, also in KV blocks that a later plan reads.
    if (std::string(error.what()).find("no finite logits") != std::string::npos) return;
    demand(words != good, error.what());
    demand(error.code() == "bad_request", error.what());
  }
}

// What a follower reads from the network: also the kinds that rank 0 never takes.
void plans_alone(Random& random) {
  auto words = good_plan(random);
  change(words, random);
  if (words.size() > 1 && random() % 4 == 0) words[1] = 1 + static_cast<int32_t>(random() % 3);
  const auto exact = std::make_unique<int32_t[]>(words.size());
  std::copy(words.begin(), words.end(), exact.get());
  engine::StepPlan plan;
  try {
    engine::read_plan(exact.get(), words.size(), {24, 3, kTiny.vocab, 64, bench::kBlock, 6}, plan);
  } catch (const Error& error) {
    demand(error.code() == "bad_request", error.what());
    return;
  }
  int64_t sum = 0;
  const auto* end = exact.get() + words.size();
  demand(plan.tokens >= exact.get() && plan.tokens + plan.token_count <= end, "tokens outside of the plan");
  for (const auto& s : plan.sequences) {
    for (int i = 0; i < s.token_count; ++i) sum += s.tokens[i];
    for (int i = 0; i < s.block_count; ++i) sum += s.blocks[i];
    for (int i = 0; i < 2 * s.bias_count; ++i) sum += s.biases[i];
    for (int i = 0; i < s.history_count; ++i) sum += s.history[i];
    for (int i = 0; i < s.target_count; ++i) sum += s.targets[i];
  }
  [[maybe_unused]] volatile int64_t used = sum;
}

// A spec with some fields changed: opened and used, or refused.
void specs(Random& random) {
  static bench::Noise noise;
  auto o = options();
  static constexpr model::WeightType kWeights[] = {model::WeightType::stored, model::WeightType::f32, model::WeightType::bf16, model::WeightType::i8, model::WeightType::i4, model::WeightType::i4x64, model::WeightType::i4x128};
  o.weights = kWeights[random() % std::size(kWeights)];
  static constexpr ops::DType kKv[] = {ops::DType::f32, ops::DType::bf16, ops::DType::i8, ops::DType::f16};
  o.kv = kKv[random() % std::size(kKv)];
  auto spec = bench::spec_of(kTiny, o, noise);
  model::DecoderSpec& d = spec.decoder;
  int* const sizes[] = {&d.hidden, &d.layers, &d.query_heads, &d.kv_heads, &d.head_dim, &d.ffn, &d.vocab, &d.vocab_used, &d.context,
                        &d.logn_length, &d.experts, &d.experts_per_token, &spec.kv.blocks, &spec.kv.block_size,
                        &spec.max_step_tokens, &spec.max_sequences, &spec.threads, &d.ropes[0].dim, &d.layer_rope[0],
                        &d.layer_window[0], &spec.split.query_heads.start, &spec.split.query_heads.count,
                        &spec.split.kv_heads.start, &spec.split.kv_heads.count, &spec.split.ffn.start, &spec.split.ffn.count,
                        &spec.split.vocab.start, &spec.split.vocab.count};
  for (uint64_t changes = 1 + random() % 2; changes > 0; --changes) {
    model::TensorSource& tensor = spec.tensors[random() % spec.tensors.size()];
    switch (random() % 10) {
      case 0: spec.tensors.erase(spec.tensors.begin() + static_cast<ptrdiff_t>(random() % spec.tensors.size())); break;
      case 1: tensor.role = static_cast<model::Role>(random() % std::size(model::kRoleNames)); break;
      case 2: (random() % 2 == 0 ? tensor.layer : tensor.expert) = static_cast<int>(fuzz::edge(random)); break;
      case 3: (random() % 2 == 0 ? tensor.rows : tensor.cols) = fuzz::edge(random); break;
      case 4: tensor.dtype = static_cast<ops::DType>(random() % 3); break;
      case 5: {
        model::Extent& extent = tensor.extents[0];
        uint64_t* const fields[] = {&extent.offset, &extent.rows, &extent.row_bytes, &extent.stride};
        *fields[random() % std::size(fields)] = fuzz::edge(random);
        break;
      }
      case 6: d.layer_moe[random() % d.layer_moe.size()] = true; break;
      case 7: {
        int& field = *sizes[random() % std::size(sizes)];
        field += static_cast<int>(random() % 5) - 2;
        break;
      }
      default: {
        int& field = *sizes[random() % std::size(sizes)];
        field = static_cast<int>(fuzz::edge(random));
        // Thousands of threads or gigabytes of workspace are no mistake of the engine's; beyond 2^28 it refuses them.
        if (&field == &spec.threads) field %= 8;
        else if (field > 4096 && field <= 1 << 28) field %= 4096;
      }
    }
    if (spec.tensors.empty()) return;
  }
  try {
    const auto alone = comm::make_single();
    engine::Engine engine(spec, *alone, [](uint64_t, uint64_t) {});
    auto plan = exact_bytes(good_plan(random));
    engine::StepOutcome outcome;
    engine.step(plan, outcome);
  } catch (const Error&) {
  } catch (const std::bad_alloc&) {
  } catch (const std::length_error&) {
  }
}

}  // namespace

int main(int argc, char** argv) {
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
  const rlimit memory{rlim_t{3} << 30, rlim_t{3} << 30};
  ::setrlimit(RLIMIT_AS, &memory);
#endif
  return fuzz::run(argc, argv, [](Random& random) {
    const uint64_t kind = random() % 8;
    if (kind < 5) plans_alone(random);
    else if (kind < 7) plans(random);
    else specs(random);
  });
}
