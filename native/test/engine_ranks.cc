// Whole engines on a random model, one to four ranks in threads of this process: every split gives the logits and the
// tokens of one rank. Runs without Node, files of weights are made in a temporary folder.
#include <unistd.h>

#include <atomic>
#include <barrier>
#include <cstring>
#include <deque>
#include <filesystem>
#include <fstream>
#include <limits>
#include <thread>

#include "../engine/engine.h"
#include "../error.h"
#include "check.h"

using namespace lanyard;
using check::Random;
namespace fs = std::filesystem;

namespace {

// Ranks that are threads: collectives over shared memory. Not for speed.
class Shared {
 public:
  // lanes: steps are computed in lanes wherever they can be.
  explicit Shared(int size, bool lanes = false) : size_(size), lanes_(lanes), slots_(size), barrier_(size) {}
  // How many collectives were given work for the time of waiting.
  int idle() const { return idle_; }
  // How many all-reduces were started while another was on its way.
  int beside() const { return beside_; }

  class Rank final : public comm::Communicator {
   public:
    Rank(Shared& shared, int rank) : shared_(shared), rank_(rank) {}
    int rank() const noexcept override { return rank_; }
    int size() const noexcept override { return shared_.size_; }
    void all_reduce_sum(float* data, size_t count, const comm::IdleWork& idle) override {
      // As if the others lagged: all there is to do meanwhile is done.
      if (idle.step) ++shared_.idle_;
      while (idle.step && idle.step(idle.context)) {
      }
      shared_.slots_[rank_] = data;
      shared_.barrier_.arrive_and_wait();
      std::vector<float> sum(count, 0.0f);
      for (void* slot : shared_.slots_) {
        for (size_t i = 0; i < count; ++i) sum[i] += static_cast<float*>(slot)[i];
      }
      shared_.barrier_.arrive_and_wait();
      std::copy(sum.begin(), sum.end(), data);
    }
    // Nothing is summed before the end, and until then nobody finds what is on its way.
    void start_all_reduce(float* data, size_t count, size_t whole) override {
      CHECK(count < whole && under_way_.size() < kInFlight);
      if (!under_way_.empty()) ++shared_.beside_;
      under_way_.push_back({data, {data, data + count}});
      std::fill_n(data, count, std::numeric_limits<float>::quiet_NaN());
    }
    void progress() noexcept override { ++looks_; }
    void finish_all_reduce() override {
      UnderWay& oldest = under_way_.front();
      all_reduce_sum(oldest.values.data(), oldest.values.size(), {});
      std::copy(oldest.values.begin(), oldest.values.end(), oldest.data);
      under_way_.pop_front();
    }
    comm::Overlap overlap() const noexcept override { return shared_.lanes_ ? comm::Overlap::always : comm::Overlap::never; }
    int looks() const { return looks_; }
    void gather(const void* send, size_t bytes, void* receive, int root) override {
      shared_.slots_[rank_] = const_cast<void*>(send);
      shared_.barrier_.arrive_and_wait();
      for (int r = 0; rank_ == root && r < shared_.size_; ++r) std::memcpy(static_cast<char*>(receive) + r * bytes, shared_.slots_[r], bytes);
      shared_.barrier_.arrive_and_wait();
    }
    void broadcast(void* data, size_t bytes, int root) override {
      shared_.slots_[rank_] = data;
      shared_.barrier_.arrive_and_wait();
      if (rank_ != root) std::memcpy(data, shared_.slots_[root], bytes);
      shared_.barrier_.arrive_and_wait();
    }
    void broadcast_blob(std::vector<std::byte>& blob, int root) override {
      shared_.slots_[rank_] = &blob;
      shared_.barrier_.arrive_and_wait();
      if (rank_ != root) blob = *static_cast<std::vector<std::byte>*>(shared_.slots_[root]);
      shared_.barrier_.arrive_and_wait();
    }
    void abort(const std::string& reason) noexcept override {
      std::printf("  rank %d aborted: %s\n", rank_, reason.c_str());
      std::_Exit(1);
    }
    double measure(size_t, int) override { return 0; }
    comm::CommStats stats() const override { return {}; }

   private:
    struct UnderWay {
      float* data;
      std::vector<float> values;
    };
    Shared& shared_;
    int rank_;
    std::deque<UnderWay> under_way_;
    int looks_ = 0;
  };

 private:
  int size_;
  bool lanes_;
  std::vector<void*> slots_;
  std::barrier<> barrier_;
  std::atomic<int> idle_{0}, beside_{0};
};

constexpr int kHidden = 48, kLayers = 2, kQuery = 6, kKv = 2, kDim = 16, kFfn = 90, kVocab = 333, kExperts = 4;

// The whole model as f32 rows in one file; a rank's plan is cut out of it.
struct Model {
  struct Tensor {
    model::Role role;
    int layer, expert, rows, cols;
    uint64_t offset;
  };
  std::vector<Tensor> tensors;
  std::string file;

  explicit Model(const std::string& path, bool moe) : file(path) {
    Random random(77);
    std::ofstream out(path, std::ios::binary);
    uint64_t offset = 0;
    auto add = [&](model::Role role, int layer, int expert, int rows, int cols, float size, float around = 0) {
      auto values = random.reals(static_cast<size_t>(rows) * cols, size);
      for (float& v : values) v += around;
      out.write(reinterpret_cast<const char*>(values.data()), static_cast<std::streamsize>(values.size() * 4));
      tensors.push_back({role, layer, expert, rows, cols, offset});
      offset += values.size() * 4;
    };
    using enum model::Role;
    add(embed, -1, -1, kVocab, kHidden, 1);
    add(final_norm, -1, -1, 1, kHidden, 0.2f, 1);
    add(lm_head, -1, -1, kVocab, kHidden, 1);
    for (int l = 0; l < kLayers; ++l) {
      add(attn_norm, l, -1, 1, kHidden, 0.2f, 1);
      add(ffn_norm, l, -1, 1, kHidden, 0.2f, 1);
      add(attn_qkv, l, -1, (kQuery + 2 * kKv) * kDim, kHidden, 0.4f);
      add(attn_qkv_bias, l, -1, (kQuery + 2 * kKv) * kDim, 1, 0.2f);
      add(attn_o, l, -1, kHidden, kQuery * kDim, 0.3f);
      if (!moe) {
        add(ffn_gate_up, l, -1, 2 * kFfn, kHidden, 0.4f);
        add(ffn_down, l, -1, kHidden, kFfn, 0.3f);
        continue;
      }
      add(router, l, -1, kExperts, kHidden, 1);
      for (int e = 0; e < kExperts; ++e) {
        add(expert_gate_up, l, e, 2 * kFfn, kHidden, 0.4f);
        add(expert_down, l, e, kHidden, kFfn, 0.3f);
      }
    }
  }

  model::TensorSource cut(const Tensor& t, std::vector<model::Range> rows, model::Range cols) const {
    model::TensorSource source{t.role, t.layer, t.expert, ops::DType::f32, 0, static_cast<size_t>(cols.count), {}};
    for (const model::Range range : rows) {
      source.rows += range.count;
      const uint64_t width = static_cast<uint64_t>(t.cols) * 4;
      source.extents.push_back({file, t.offset + range.start * width + cols.start * 4u, static_cast<uint64_t>(range.count), cols.count * 4u, width});
    }
    return source;
  }

  std::vector<model::TensorSource> plan(const model::RankSplit& s) const {
    std::vector<model::TensorSource> out;
    auto heads = [](int base, model::Range r) { return model::Range{(base + r.start) * kDim, r.count * kDim}; };
    for (const Tensor& t : tensors) {
      std::vector<model::Range> rows{{0, t.rows}};
      model::Range cols{0, t.cols};
      using enum model::Role;
      if (t.role == attn_qkv || t.role == attn_qkv_bias) {
        rows = {heads(0, s.query_heads), heads(kQuery, s.kv_heads), heads(kQuery + kKv, s.kv_heads)};
      }
      if (t.role == attn_o) cols = heads(0, s.query_heads);
      if (t.role == ffn_gate_up || t.role == expert_gate_up) rows = {s.ffn, {kFfn + s.ffn.start, s.ffn.count}};
      if (t.role == ffn_down || t.role == expert_down) cols = s.ffn;
      if (t.role == lm_head) rows = {s.vocab};
      int count = 0;
      for (const auto& r : rows) count += r.count;
      if (count > 0 && cols.count > 0) out.push_back(cut(t, rows, cols));
    }
    return out;
  }
};

model::EngineSpec spec_of(const Model& m, const model::RankSplit& split, bool moe, int threads, model::WeightType weights) {
  model::EngineSpec spec;
  model::DecoderSpec& d = spec.decoder;
  d.family = "random";
  d.hidden = kHidden;
  d.layers = kLayers;
  d.query_heads = kQuery;
  d.kv_heads = kKv;
  d.head_dim = kDim;
  d.ffn = kFfn;
  d.vocab = d.vocab_used = kVocab;
  d.context = 256;
  d.norm_eps = 1e-5f;
  d.attention_scale = 0.25f;
  ops::RopeTable rope{{}, kDim, 1, 10000};
  for (int i = 0; i < kDim / 2; ++i) rope.inv_freq.push_back(static_cast<float>(std::pow(10000.0, -2.0 * i / kDim)));
  d.ropes = {rope};
  d.layer_rope.assign(kLayers, 0);
  d.layer_window.assign(kLayers, 0);
  d.layer_moe.assign(kLayers, moe);
  d.experts = moe ? kExperts : 0;
  d.experts_per_token = moe ? 2 : 0;
  d.experts_normalise = true;
  spec.split = split;
  spec.tensors = m.plan(split);
  spec.weights = weights;
  spec.kv = {0, 32, 16, ops::DType::f32};
  spec.max_step_tokens = 64;
  spec.max_sequences = 4;
  spec.threads = threads;
  return spec;
}

int32_t bits(float value) { return static_cast<int32_t>(ops::float_to_bits(value)); }

// Two sequences: slot 0 with `tokens` from `start`, slot 1 (unless alone) with one token at position 0.
std::vector<std::byte> plan_words(const std::vector<int32_t>& tokens, int start, float temperature, float top_p, bool alone = false) {
  const int more = alone ? 0 : 1;
  std::vector<int32_t> words{engine::kPlanMagic, 1, 1, 1 + more, static_cast<int32_t>(tokens.size()) + more, 4 + more, 0, 0, 0, 0};
  int32_t first[engine::kRecordWords] = {}, second[engine::kRecordWords] = {};
  first[engine::kTokenCount] = static_cast<int32_t>(tokens.size());
  first[engine::kStart] = first[engine::kDrawn] = start;
  first[engine::kBlockCount] = 4;
  first[engine::kTemperature] = bits(temperature);
  first[engine::kTopP] = bits(top_p);
  first[engine::kLogprobs] = 2;
  second[engine::kSlot] = second[engine::kTokenCount] = second[engine::kBlockCount] = 1;
  second[engine::kTopP] = bits(1);
  second[engine::kLogprobs] = -1;
  for (int32_t* record : {first, second}) {
    record[engine::kRopeAlpha] = record[engine::kRepetitionPenalty] = bits(1);
    record[engine::kRowCount] = 1;
    record[engine::kSeedLow] = 5;
  }
  words.insert(words.end(), first, first + engine::kRecordWords);
  if (!alone) words.insert(words.end(), second, second + engine::kRecordWords);
  words.insert(words.end(), tokens.begin(), tokens.end());
  if (!alone) words.push_back(42);
  for (const int32_t block : {9, 3, 17, 4}) words.push_back(block);
  if (!alone) words.push_back(30);
  const auto* bytes = reinterpret_cast<const std::byte*>(words.data());
  return {bytes, bytes + words.size() * 4};
}

struct Run {
  std::vector<float> logits;
  std::vector<int32_t> ids;
};

Run run(const Model& m, const std::vector<model::RankSplit>& splits, bool moe, int threads, model::WeightType weights,
        bool lanes = false, ops::Compute compute = ops::Compute::exact) {
  const int size = static_cast<int>(splits.size());
  Shared shared(size, lanes);
  const auto spec = [&](int rank) {
    model::EngineSpec made = spec_of(m, splits[rank], moe, threads, weights);
    made.compute = compute;
    return made;
  };
  std::vector<std::thread> followers;
  const model::Progress quiet = [](uint64_t, uint64_t) {};
  for (int r = 1; r < size; ++r) {
    followers.emplace_back([&, r] {
      Shared::Rank rank(shared, r);
      engine::Engine engine(spec(r), rank, quiet);
      engine.follow();
    });
  }
  Shared::Rank root(shared, 0);
  engine::Engine engine(spec(0), root, quiet);
  Run result;
  std::vector<int32_t> tokens;
  for (int i = 0; i < 40; ++i) tokens.push_back((i * 31 + 7) % kVocab);
  int start = 0;
  for (int step = 0; step < 8; ++step) {
    // Greedy, then plain, then a nucleus that 256 candidates of 333 do not settle.
    const float temperature = step < 3 ? 0.0f : step < 5 ? 1.0f : 80.0f;
    auto plan = plan_words(tokens, start, temperature, step < 5 ? 1.0f : 0.93f);
    engine::StepOutcome outcome;
    engine.step(plan, outcome);
    result.logits.insert(result.logits.end(), outcome.logits.begin(), outcome.logits.end());
    for (const auto& token : outcome.tokens) result.ids.push_back(token.id);
    start += static_cast<int>(tokens.size());
    tokens = {outcome.tokens[0].id};
  }
  engine.close();
  for (auto& follower : followers) follower.join();
  // Single tokens read ahead in every layer; the prompt of 40 does not.
  if (splits.size() > 1) CHECK(shared.idle() > 0 && shared.idle() <= 7 * 2 * kLayers * static_cast<int>(splits.size()), "%d", shared.idle());
  // The prompt alone is long enough for lanes. Every exchange but the very first of them begins while another is on its way.
  CHECK(shared.beside() == (lanes && size > 1 ? (4 * kLayers - 1) * size : 0), "%d", shared.beside());
  CHECK((root.looks() > 0) == (lanes && size > 1));
  return result;
}

model::RankSplit part(model::Range q, model::Range kv, model::Range ffn, model::Range vocab) { return {q, kv, ffn, vocab}; }

const std::vector<std::vector<model::RankSplit>> kSplits = {
    {part({0, 6}, {0, 2}, {0, 90}, {0, 333})},
    {part({0, 2}, {0, 1}, {0, 31}, {0, 100}), part({2, 4}, {0, 2}, {31, 59}, {100, 233})},
    {part({0, 5}, {0, 2}, {0, 0}, {0, 0}), part({5, 0}, {1, 0}, {0, 77}, {0, 300}), part({5, 1}, {1, 1}, {77, 13}, {300, 33})},
    {part({0, 1}, {0, 1}, {0, 10}, {0, 1}), part({1, 3}, {0, 2}, {10, 20}, {1, 30}), part({4, 1}, {1, 1}, {30, 59}, {31, 300}),
     part({5, 1}, {1, 1}, {89, 1}, {331, 2})},
};

void compare(const Model& m, bool moe, model::WeightType weights, double tolerance) {
  const Run one = run(m, kSplits[0], moe, 1, weights);
  CHECK(one.ids.size() == 16);
  for (const auto& splits : kSplits) {
    for (const int threads : {1, 3}) {
      const Run many = run(m, splits, moe, threads, weights);
      const double error = check::difference(many.logits.data(), one.logits.data(), one.logits.size());
      CHECK(many.logits.size() == one.logits.size() && error < tolerance, "%zu ranks, %d threads: %g", splits.size(), threads, error);
      CHECK(many.ids == one.ids, "%zu ranks, %d threads: other tokens", splits.size(), threads);
    }
  }
}

// Steps in lanes are the bits of steps without: a sequence that lies in both, one that lies in the second.
void same_in_lanes(const Model& m, bool moe, model::WeightType weights, ops::Compute compute) {
  for (const auto& splits : kSplits) {
    for (const int threads : {1, 3}) {
      const Run without = run(m, splits, moe, threads, weights, false, compute), with = run(m, splits, moe, threads, weights, true, compute);
      CHECK(with.logits.size() == without.logits.size() &&
                std::memcmp(with.logits.data(), without.logits.data(), with.logits.size() * sizeof(float)) == 0,
            "%zu ranks, %d threads: other logits", splits.size(), threads);
      CHECK(with.ids == without.ids, "%zu ranks, %d threads: other tokens", splits.size(), threads);
    }
  }
}

// Where a step is cut: at whole blocks, and every token in one lane.
void cuts() {
  for (const std::vector<int>& lengths : {std::vector{40, 1}, {33}, {64}, {65}, {1, 30, 2, 200}, {100, 100}, {512}}) {
    std::vector<int32_t> first{0}, ids, positions, sequence;
    for (size_t s = 0; s < lengths.size(); ++s) {
      first.push_back(first.back() + lengths[s]);
      for (int i = 0; i < lengths[s]; ++i) {
        ids.push_back(static_cast<int32_t>(ids.size()));
        positions.push_back(i);
        sequence.push_back(static_cast<int32_t>(s));
      }
    }
    ops::Batch batch;
    batch.tokens = first.back();
    batch.sequences = static_cast<int>(lengths.size());
    batch.ids = ids.data();
    batch.positions = positions.data();
    batch.sequence = sequence.data();
    batch.first = first.data();
    model::Lane lanes[ops::Ops::kLanes];
    CHECK(model::cut_lanes(batch, batch.tokens, lanes) && !model::cut_lanes(batch, batch.tokens + 1, lanes));
    CHECK(lanes[0].batch.tokens % model::kLaneTokens == 0 && lanes[1].start == lanes[0].batch.tokens);
    int next = 0;
    for (const model::Lane& lane : lanes) {
      CHECK(lane.batch.tokens > 0 && lane.batch.ids[0] == next);
      for (int s = 0; s < batch.sequences; ++s) {
        for (int t = lane.batch.first[s]; t < lane.batch.first[s + 1]; ++t) CHECK(lane.batch.ids[t] == next++ && lane.batch.sequence[t] == s);
      }
    }
    CHECK(next == batch.tokens);
  }
  ops::Batch small;
  const int32_t first[] = {0, 32};
  small.sequences = 1;
  small.first = first;
  model::Lane lanes[ops::Ops::kLanes];
  for (const int tokens : {0, 1, 31, 32}) {
    small.tokens = tokens;
    CHECK(!model::cut_lanes(small, 0, lanes));
  }
}

// Logits of 40 tokens, given in steps of `chunk` tokens, another sequence beside them or not.
std::vector<float> chunked(const Model& m, bool moe, int threads, model::WeightType weights, ops::DType kv, int chunk, bool alone) {
  model::EngineSpec spec = spec_of(m, kSplits[0][0], moe, threads, weights);
  spec.compute = ops::Compute::fast;
  spec.kv.dtype = kv;
  const auto single = comm::make_single();
  engine::Engine engine(spec, *single, [](uint64_t, uint64_t) {});
  std::vector<float> logits;
  for (int start = 0; start < 40; start += chunk) {
    std::vector<int32_t> tokens;
    for (int i = start; i < std::min(start + chunk, 40); ++i) tokens.push_back((i * 31 + 7) % kVocab);
    auto plan = plan_words(tokens, start, 0, 1, alone);
    engine::StepOutcome outcome;
    engine.step(plan, outcome);
    logits.insert(logits.end(), outcome.logits.begin(), outcome.logits.begin() + static_cast<std::ptrdiff_t>(tokens.size()) * kVocab);
  }
  return logits;
}

// What the fast arithmetic promises: one result, to the bit, whatever the batch and the number of threads.
void one_result(const Model& m, bool moe, model::WeightType weights) {
  for (const ops::DType kv : {ops::DType::f32, ops::DType::bf16, ops::DType::i8}) {
    const auto whole = chunked(m, moe, 1, weights, kv, 40, true);
    for (const int chunk : {1, 2, 7, 16, 33, 40}) {
      for (const int threads : {1, 3}) {
        const auto other = chunked(m, moe, threads, weights, kv, chunk, chunk % 2 == 0);
        CHECK(other.size() == whole.size() && std::memcmp(other.data(), whole.data(), whole.size() * sizeof(float)) == 0,
              "KV %s, chunks of %d, %d threads", ops::dtype_name(kv), chunk, threads);
      }
    }
  }
}

}  // namespace

int main() {
  const fs::path folder = fs::temp_directory_path() / ("lanyard-ranks-" + std::to_string(getpid()));
  fs::create_directories(folder);
  const Model dense(folder / "dense", false), mixture(folder / "mixture", true);
  check::section("dense, f32", [&] { compare(dense, false, model::WeightType::stored, 1e-5); });
  check::section("dense, bf16", [&] { compare(dense, false, model::WeightType::bf16, 1e-5); });
  check::section("dense, int8", [&] { compare(dense, false, model::WeightType::i8, 0.03); });
  check::section("mixture, f32", [&] { compare(mixture, true, model::WeightType::stored, 1e-5); });
  for (const auto weights : {model::WeightType::bf16, model::WeightType::i8, model::WeightType::i4, model::WeightType::i4x64}) {
    check::section("dense, fast: one result", [&] { one_result(dense, false, weights); });
    check::section("mixture, fast: one result", [&] { one_result(mixture, true, weights); });
  }
  check::section("where a step is cut", cuts);
  for (const bool moe : {false, true}) {
    const Model& m = moe ? mixture : dense;
    check::section(moe ? "mixture, lanes are the bits of the whole" : "dense, lanes are the bits of the whole", [&] {
      same_in_lanes(m, moe, model::WeightType::stored, ops::Compute::exact);
      for (const auto weights : {model::WeightType::bf16, model::WeightType::i8, model::WeightType::i4}) {
        same_in_lanes(m, moe, weights, ops::Compute::fast);
      }
    });
  }
  check::section("bad plans of rank 0 do not reach the others", [&] {
    const model::Progress quiet = [](uint64_t, uint64_t) {};
    const auto alone = comm::make_single();
    engine::Engine engine(spec_of(dense, kSplits[0][0], false, 1, model::WeightType::stored), *alone, quiet);
    engine::StepOutcome outcome;
    auto plan = plan_words({1, 2}, 300, 0, 1);
    CHECK(check::throws<Error>([&] { engine.step(plan, outcome); }, [](const Error& e) { return e.code() == "bad_request"; }));
    plan = plan_words({1, 2}, 0, 0, 1);
    engine.step(plan, outcome);
    CHECK(outcome.tokens.size() == 2 && engine.stats().steps == 1);
  });
  fs::remove_all(folder);
  return check::result();
}
