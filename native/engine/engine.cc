#include "engine.h"

#include <algorithm>
#include <chrono>
#include <cstring>

#include "../error.h"

namespace lanyard::engine {
namespace {

using Clock = std::chrono::steady_clock;

double micros_since(Clock::time_point start) {
  return std::chrono::duration<double, std::micro>(Clock::now() - start).count();
}

void check_latent(const model::DecoderSpec& d) {
  const model::LatentSpec& l = d.latent;
  constexpr int kMost = 1 << 12;
  const int rotated = d.head_dim - l.rank;
  const bool sane = l.rank == 0 || (l.rank > 0 && rotated > 0 && l.rank % 16 == 0 && l.query_rank >= 0 && l.query_rank <= 1 << 18 &&
                                    l.plain > 0 && l.plain <= kMost && l.value > 0 && l.value <= kMost && l.value % 16 == 0 &&
                                    d.kv_heads == 1 && !d.qk_norm);
  if (!sane) throw Error("bad_request", "The latent of the attention has sizes that do not go together.");
  for (const ops::RopeTable& rope : d.ropes) {
    if (l.rank > 0 && rope.dim != rotated) throw Error("bad_request", "A rope table does not fit what is rotated beside the latent.");
  }
}

void check_spec(const model::EngineSpec& spec) {
  if (spec.cuda) throw Error("engine_unavailable", "This build of the engine has no CUDA backend.");
  const model::DecoderSpec& d = spec.decoder;
  const bool sane = d.hidden > 0 && d.layers > 0 && d.query_heads > 0 && d.kv_heads > 0 && d.head_dim > 0 &&
                    d.query_heads % d.kv_heads == 0 && d.vocab > 0 && d.context > 0 && spec.max_step_tokens > 0 &&
                    spec.max_sequences > 0 && spec.kv.blocks > 0 && static_cast<int>(d.layer_rope.size()) == d.layers &&
                    static_cast<int>(d.layer_window.size()) == d.layers && static_cast<int>(d.layer_moe.size()) == d.layers;
  if (!sane) throw Error("bad_request", "The engine spec has a size of zero, or lists that do not fit its layers.");
  // Beyond any model and machine, and far from where products of sizes overflow.
  const bool bounded = d.hidden <= 1 << 18 && d.layers <= 1 << 12 && d.query_heads <= 1 << 14 && d.head_dim <= 1 << 12 &&
                       d.vocab <= 1 << 24 && d.context <= 1 << 28 && d.experts <= 1 << 14 && spec.max_step_tokens <= 1 << 20 &&
                       spec.max_sequences <= 1 << 16 && spec.kv.block_size >= 1 && spec.kv.block_size <= 1 << 12 && spec.threads <= 1 << 10;
  if (!bounded) throw Error("bad_request", "The engine spec has a size beyond any model or machine.");
  for (const int rope : d.layer_rope) {
    if (rope < 0 || rope >= static_cast<int>(d.ropes.size())) throw Error("bad_request", "A layer names a rope table that is not there.");
  }
  check_latent(d);
  for (const ops::RopeTable& rope : d.ropes) {
    if (rope.dim % 2 != 0 || rope.dim > d.head_dim || static_cast<int>(rope.inv_freq.size()) != rope.dim / 2) {
      throw Error("bad_request", "A rope table does not fit the head size.");
    }
  }
  if (d.experts > 0 && (d.experts_per_token < 1 || d.experts_per_token > d.experts)) {
    throw Error("bad_request", "The number of experts per token is impossible.");
  }
  const ops::Routing& r = d.routing;
  const int groups = std::max(r.groups, 1), size = d.experts / groups;
  if (r.groups < 1 || d.experts % groups != 0 || r.groups_used < 1 || r.groups_used > groups || r.group_best < 1 ||
      (r.groups_used < groups && (r.group_best > size || d.experts_per_token > r.groups_used * size))) {
    throw Error("bad_request", "The groups of experts are impossible.");
  }
}

}  // namespace

template <class F>
void Engine::timed_comm(F&& f) {
  const auto start = Clock::now();
  f();
  comm_micros_ += micros_since(start);
}

Engine::Engine(model::EngineSpec spec, comm::Communicator& comm, const model::Progress& progress)
    : spec_(std::move(spec)), comm_(comm), slots_(std::max(spec_.max_sequences, 0)) {
  check_spec(spec_);
  ops_ = ops::make_cpu_ops(spec_.threads, spec_.compute);
  decoder_ = std::make_unique<model::Decoder>(spec_, *ops_, progress);
  limits_ = {spec_.max_step_tokens, spec_.max_sequences, spec_.decoder.vocab, spec_.decoder.context, spec_.kv.block_size,
             spec_.kv.blocks};
  stats_.weight_bytes = decoder_->weight_bytes();
  stats_.kv_bytes = decoder_->cache_bytes();
  stats_.workspace_bytes = ops_->allocated();
  stats_.kernels = ops_->name();
  requests_.resize(model::Decoder::kLogitRows);
  summaries_.resize(model::Decoder::kLogitRows);
  candidates_.resize(model::Decoder::kLogitRows * kCandidates);
  tops_.resize(model::Decoder::kLogitRows * kCandidates);
  adjusting_.resize(model::Decoder::kLogitRows);
}

Stats Engine::stats() const {
  std::lock_guard lock(stats_lock_);
  return stats_;
}

void Engine::read(const std::vector<std::byte>& words) {
  if (words.size() % 4 != 0) throw Error("bad_request", "A step plan is a whole number of words.");
  read_plan(reinterpret_cast<const int32_t*>(words.data()), words.size() / 4, limits_, plan_);
}

void Engine::step(std::vector<std::byte>& plan, StepOutcome& outcome) {
  const auto start = Clock::now();
  outcome.idle_micros = ended_ == Clock::time_point{} ? 0 : std::chrono::duration<double, std::micro>(start - ended_).count();
  read(plan);
  if (plan_.kind != Kind::step) throw Error("bad_request", "Only step plans can be given to rank 0.");
  slots_.check(plan_);
  slots_.fill(plan_);
  try {
    comm_micros_ = 0;
    if (comm_.size() > 1) timed_comm([&] { comm_.broadcast_blob(plan, 0); });
    run_step(&outcome);
  } catch (const comm::CommError&) {
    throw;
  } catch (const std::exception& error) {
    if (comm_.size() > 1) comm_.abort(error.what());
    throw;
  }
  outcome.total_micros = micros_since(start);
  outcome.comm_micros = comm_micros_;
  ended_ = Clock::now();
  std::lock_guard lock(stats_lock_);
  stats_.total_micros += outcome.total_micros;
  stats_.comm_micros += outcome.comm_micros;
}

// Between a step and a request for its rows, wanted_ keeps token numbers of that step; its plan is gone by then.
void Engine::follow() {
  std::vector<std::byte> plan;
  for (;;) {
    comm_.broadcast_blob(plan, 0);
    const auto start = Clock::now();
    try {
      comm_micros_ = 0;
      read(plan);
      if (plan_.kind == Kind::close) return;
      if (plan_.kind == Kind::rows) {
        send_rows();
        continue;
      }
      slots_.check(plan_);
      run_step(nullptr);
    } catch (const comm::CommError&) {
      throw;
    } catch (const std::exception& error) {
      comm_.abort(error.what());
      throw;
    }
    std::lock_guard lock(stats_lock_);
    stats_.total_micros += micros_since(start);
    stats_.comm_micros += comm_micros_;
  }
}

void Engine::close() noexcept {
  if (comm_.size() == 1 || comm_.rank() != 0) return;
  try {
    int32_t header[kHeaderWords] = {kPlanMagic, static_cast<int32_t>(Kind::close)};
    const auto* bytes = reinterpret_cast<const std::byte*>(header);
    std::vector<std::byte> blob(bytes, bytes + sizeof header);
    comm_.broadcast_blob(blob, 0);
  } catch (const std::exception&) {
    // The group is over already: there is nobody left to tell.
  }
}

void Engine::build_batch() {
  slots_.apply(plan_);
  blocks_.clear();
  positions_.clear();
  sequence_.clear();
  first_.assign(1, 0);
  block_first_.assign(1, 0);
  rope_alpha_.clear();
  for (const SequencePart& s : plan_.sequences) {
    for (int i = 0; i < s.token_count; ++i) {
      positions_.push_back(s.start + i);
      sequence_.push_back(static_cast<int32_t>(rope_alpha_.size()));
    }
    first_.push_back(first_.back() + s.token_count);
    const std::vector<int32_t>& table = slots_[s.slot].blocks;
    blocks_.insert(blocks_.end(), table.begin(), table.end());
    block_first_.push_back(static_cast<int32_t>(blocks_.size()));
    rope_alpha_.push_back(s.rope_alpha);
  }
  batch_ = {plan_.token_count,
            static_cast<int>(plan_.sequences.size()),
            plan_.tokens,
            positions_.data(),
            sequence_.data(),
            first_.data(),
            block_first_.data(),
            blocks_.data(),
            rope_alpha_.data()};
}

void Engine::run_step(StepOutcome* outcome) {
  build_batch();
  exchange_splits();
  decoder_->forward(batch_, comm_, stop_);
  comm_micros_ += decoder_->comm_micros();
  if (plan_.want_logits) {
    const size_t vocab = spec_.decoder.vocab;
    if (outcome) outcome->logits.resize(plan_.token_count * vocab);
    std::vector<int32_t> tokens(plan_.token_count);
    for (int t = 0; t < plan_.token_count; ++t) tokens[t] = t;
    gather_logits(tokens.data(), plan_.token_count, outcome ? outcome->logits.data() : nullptr);
  }
  const auto start = Clock::now();
  list_wanted();
  if (!wanted_.empty()) {
    summarise();
    messages_.resize(message_bytes_ * comm_.size());
    if (comm_.size() > 1) {
      timed_comm([&] { comm_.gather(message_.data(), message_bytes_, messages_.data(), 0); });
    } else {
      messages_.swap(message_);
    }
    if (outcome) sample(*outcome);
  }
  if (outcome) outcome->sample_micros = micros_since(start);
  std::lock_guard lock(stats_lock_);
  ++stats_.steps;
  stats_.tokens += plan_.token_count;
}

// Once, in the first step, because ranks finish loading at different times: who holds which logits.
void Engine::exchange_splits() {
  if (exchanged_) return;
  const model::Range own = spec_.split.vocab;
  vocab_parts_.assign(comm_.size(), own);
  largest_part_ = own.count;
  if (comm_.size() > 1) {
    comm_.gather(&own, sizeof own, vocab_parts_.data(), 0);
    for (const model::Range& part : vocab_parts_) largest_part_ = std::max(largest_part_, part.count);
    comm_.broadcast(&largest_part_, sizeof largest_part_, 0);
  }
  if (comm_.rank() == 0) {
    int next = 0;
    for (const model::Range& part : vocab_parts_) {
      if (part.count > 0 && part.start != next) throw Error("plan_invalid", "The ranks' vocabulary rows leave a gap or overlap.");
      next += part.count;
    }
    if (next != spec_.decoder.vocab) throw Error("plan_invalid", "The ranks' vocabulary rows do not add up to the vocabulary.");
  }
  exchanged_ = true;
}

// Whole rows of raw logits for some tokens of the batch, on rank 0: out [count, vocab].
void Engine::gather_logits(const int32_t* tokens, int count, float* out) {
  const size_t vocab = spec_.decoder.vocab, part = largest_part_;
  for (int first = 0; first < count; first += model::Decoder::kLogitRows) {
    const int rows = std::min(count - first, model::Decoder::kLogitRows);
    const ops::Rows logits = decoder_->logits(tokens + first, rows);
    slice_.assign(rows * part, 0.0f);
    for (int r = 0; r < rows; ++r) ops_->to_host(logits.row(r), spec_.split.vocab.count, slice_.data() + r * part);
    if (comm_.rank() == 0) slices_.resize(slice_.size() * comm_.size());
    timed_comm([&] {
      if (comm_.size() == 1) slices_ = slice_;
      else comm_.gather(slice_.data(), slice_.size() * sizeof(float), slices_.data(), 0);
    });
    if (comm_.rank() != 0) continue;
    for (int rank = 0; rank < comm_.size(); ++rank) {
      const model::Range range = vocab_parts_[rank];
      for (int r = 0; r < rows; ++r) {
        const float* from = slices_.data() + rank * slice_.size() + r * part;
        std::copy_n(from, range.count, out + (first + r) * vocab + range.start);
      }
    }
  }
}

}  // namespace lanyard::engine
