#include "cpu_ops.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstring>
#include <exception>

#include "ahead.h"

namespace lanyard::ops::cpu {
namespace {

// Up to this many tokens every thread normalises its own copy: cheaper than a phase.
constexpr int kOwnTokens = 4;
// Panels of gate and up rows at a time: 1 KiB per token.
constexpr int kGatePanels = 16;
// Element-wise work on fewer values than this is not worth waking the other threads.
constexpr size_t kSerialValues = 16384;
// Steps of more tokens are bound by arithmetic, and their collectives by the network.
constexpr int kAheadTokens = 16;
// Multiplications between two looks at exchanges that are on their way: fractions of a millisecond.
constexpr size_t kBreath = size_t{1} << 25;

Rows from_panel(Rows rows, int panel) { return {rows.data + panel * kPanelRows, rows.stride}; }

const PackedMatrix& packed(const Matrix* matrix) { return static_cast<const PackedMatrix&>(*matrix); }

}  // namespace

CpuOps::CpuOps(int threads, const Kernels& kernels, const FastChoice* fast)
    : kernels_(kernels), fast_(fast), pool_(threads) {
  undo_.resize(pool_.threads());
  masked_.resize(pool_.threads());
  select_.resize(pool_.threads());
}

float* CpuOps::allocate(size_t count) {
  Memory memory(count * sizeof(float));
  allocated_ += memory.bytes();
  memory_.push_back(std::move(memory));
  return memory_.back().as<float>();
}

std::unique_ptr<Matrix> CpuOps::pack(const RowSource& source, DType as, RowOrder order) {
  return pack_matrix(source, as, order, pool_);
}

void CpuOps::zero(float* data, size_t count) { std::memset(data, 0, count * sizeof(float)); }

void CpuOps::to_host(const float* from, size_t count, float* host) { std::copy_n(from, count, host); }

void CpuOps::from_host(const float* host, size_t count, float* to) { std::copy_n(host, count, to); }

void CpuOps::embed(const RowSource& table, float scale, Rows out) {
  const bool serial = static_cast<size_t>(batch_.tokens) * table.cols < kSerialValues;
  auto tokens = [&](int first, int last) {
    for (int t = first; t < last; ++t) {
      read_f32(table, static_cast<size_t>(batch_.ids[t]), out.row(t));
      if (scale != 1) kernels_.scale(out.row(t), scale, static_cast<int>(table.cols));
    }
  };
  if (serial) return tokens(0, batch_.tokens);
  pool_.run([&](int thread) {
    const Share share = share_of(batch_.tokens, thread, pool_.threads());
    tokens(share.first, share.last);
  });
}

void CpuOps::norm(Rows in, const Norm& norm, Rows out, int tokens, size_t width) {
  auto rows = [&](int first, int last) {
    for (int t = first; t < last; ++t) {
      kernels_.rms_norm(in.row(t), norm.weight, static_cast<int>(width), norm.eps, out.row(t));
    }
  };
  if (tokens * width < kSerialValues) return rows(0, tokens);
  pool_.run([&](int thread) {
    const Share share = share_of(tokens, thread, pool_.threads());
    rows(share.first, share.last);
  });
}

void CpuOps::matmul(const PackedMatrix& m, int first, int last, const Operand& in, int tokens, Rows out) const {
  if (first == last) return;
  const int type = static_cast<int>(m.dtype);
  if (!in.rounded) return kernels_.matmul[type](m.product(first, last, in.exact, tokens, out));
  (in.fast.tiles ? fast_->tiles->matmul : fast_->rows->matmul)[type](m.fast_product(first, last, in.fast, tokens, out));
}

FastInput CpuOps::fast_input(const PackedMatrix& m, int tokens, uint8_t* memory) const {
  const bool tiles = fast_->tiles && tokens >= fast_->tile_tokens[static_cast<int>(m.dtype)];
  return {memory, fast_form(m.dtype), m.groups(), tiles, m.fast_columns()};
}

void CpuOps::share_operand(const LinearArgs& args) {
  if (args.tokens <= kOwnTokens) return;
  const PackedMatrix& m = packed(args.weight);
  const int width = static_cast<int>(m.cols);
  if (!rounds(m, args.exact)) {
    if (args.norm.weight) norm(args.in, args.norm, shared_, args.tokens, m.cols);
    return;
  }
  const FastInput to = fast_input(m, args.tokens, fast_shared_);
  pool_.run([&](int thread) {
    const Share share = share_of(args.tokens, thread, pool_.threads());
    for (int t = share.first; t < share.last; ++t) {
      const float* row = args.in.row(t);
      if (args.norm.weight) {
        kernels_.rms_norm(row, args.norm.weight, width, args.norm.eps, shared_.row(t));
        row = shared_.row(t);
      }
      fast_round(*fast_->rows, to, t, row, width);
    }
  });
}

CpuOps::Operand CpuOps::operand(const LinearArgs& args, int thread) {
  const PackedMatrix& m = packed(args.weight);
  const bool rounded = rounds(m, args.exact), shared = args.tokens > kOwnTokens;
  const int width = static_cast<int>(m.cols);
  Rows rows = args.in;
  if (args.norm.weight) {
    rows = shared ? shared_ : own_[thread];
    for (int t = 0; !shared && t < args.tokens; ++t) {
      kernels_.rms_norm(args.in.row(t), args.norm.weight, width, args.norm.eps, rows.row(t));
    }
  }
  if (!rounded) return {rows, {}, false};
  const FastInput input = fast_input(m, args.tokens, shared ? fast_shared_ : fast_own_[thread]);
  for (int t = 0; !shared && t < args.tokens; ++t) fast_round(*fast_->rows, input, t, rows.row(t), width);
  return {rows, input, true};
}

int CpuOps::panels_per_breath(const PackedMatrix& m, int tokens, int thread) const {
  if (!moving_ || thread > 0) return m.panels;
  // Tiles take two panels at a time.
  return static_cast<int>(std::max<size_t>(kBreath / (m.cols * tokens * kPanelRows * 2), 1)) * 2;
}

void CpuOps::linear(const LinearArgs& args) {
  const PackedMatrix& m = packed(args.weight);
  share_operand(args);
  pool_.run([&](int thread) {
    const Share share = panel_share(m, thread, pool_.threads());
    if (share.first == share.last) return;
    const Operand in = operand(args, thread);
    const int some = panels_per_breath(m, args.tokens, thread);
    for (int first = share.first; first < share.last; first += some) {
      matmul(m, first, std::min(first + some, share.last), in, args.tokens, from_panel(args.out, first));
      breathe(thread);
    }
    if (!args.bias) return;
    const int first = share.first * kPanelRows;
    const int count = std::min(share.last * kPanelRows, static_cast<int>(m.rows)) - first;
    for (int t = 0; t < args.tokens; ++t) kernels_.add(args.out.row(t) + first, args.bias + first, count);
  });
}

void CpuOps::linear_heads(const HeadsArgs& args) {
  const PackedMatrix& m = packed(args.weight);
  const int panels = m.panels / args.heads;
  const size_t products = static_cast<size_t>(panels) * kPanelRows;
  pool_.run([&](int thread) {
    const Share share = panel_share(m, thread, pool_.threads());
    for (int first = share.first; first < share.last;) {
      const int head = first / panels, last = std::min(share.last, (head + 1) * panels);
      const Rows in{args.in.data + head * args.in_width, args.in.stride};
      const Rows out{args.out.data + head * args.out_width, args.out.stride};
      kernels_.matmul[static_cast<int>(m.dtype)](m.product(first, last, in, args.tokens, from_panel(out, first - head * panels)));
      first = last;
    }
    if (args.carried == 0) return;
    const Share tokens = share_of(args.tokens, thread, pool_.threads());
    for (int t = tokens.first; t < tokens.last; ++t) {
      for (int head = 0; head < args.heads; ++head) {
        std::copy_n(args.in.row(t) + head * args.in_width + m.cols, args.carried, args.out.row(t) + head * args.out_width + products);
      }
    }
  });
}

// Some panels at a time, so that gate and up are still in the cache when they are needed: for a long prompt they are
// tens of megabytes.
void CpuOps::gated(const PackedMatrix& m, Share share, const Operand& in, const Gate& gate, Rows out, int tokens,
                   int thread) const {
  const Rows sums = gate_up_[thread];
  for (int first = share.first; first < share.last; first += kGatePanels) {
    const int last = std::min(first + kGatePanels, share.last), blocks = (last - first) / 2;
    matmul(m, first, last, in, tokens, sums);
    breathe(thread);
    if (gate.bias) add_gated_bias(first, last, gate.bias, m.rows / 2, sums, tokens);
    for (int t = 0; t < tokens; ++t) {
      const float* from = sums.row(t);
      float* to = out.row(t) + first / 2 * kPanelRows;
      switch (gate.activation) {
        case Activation::silu: kernels_.gated_silu(from, blocks, to); break;
        case Activation::gelu_tanh: kernels_.gated_gelu(from, blocks, to); break;
        case Activation::swiglu_clamped: kernels_.gated_clamped(from, blocks, gate.clamp.alpha, gate.clamp.limit, to); break;
      }
    }
  }
}

void CpuOps::gated_linear(const GatedArgs& args) {
  const PackedMatrix& m = packed(args.gate_up);
  const LinearArgs linear{args.in, args.norm, args.gate_up, nullptr, {}, args.tokens};
  share_operand(linear);
  pool_.run([&](int thread) {
    const Share share = panel_share(m, thread, pool_.threads());
    if (share.first == share.last) return;
    gated(m, share, operand(linear, thread), {.activation = args.activation}, args.out, args.tokens, thread);
  });
}

void CpuOps::add_gated(Rows in, Rows gate, Rows out, int tokens, size_t width) {
  for (int t = 0; t < tokens; ++t) {
    const float factor = 1.0f / (1.0f + std::exp(-gate.row(t)[0]));
    kernels_.scale(in.row(t), factor, static_cast<int>(width));
    kernels_.add(out.row(t), in.row(t), static_cast<int>(width));
  }
}

void CpuOps::all_reduce(comm::Communicator& comm, float* data, size_t count, const Matrix* next) {
  if (comm.size() == 1) return;
  if (!next || batch_.tokens > kAheadTokens || ahead_bytes() == 0) return comm.all_reduce_sum(data, count);
  std::atomic<bool> over{false};
  std::exception_ptr failure;
  pool_.run([&](int thread) {
    Ahead ahead(packed(next), thread, pool_.threads());
    if (thread > 0) {
      while (!over.load(std::memory_order_relaxed) && ahead.step()) {
      }
      return;
    }
    try {
      comm.all_reduce_sum(data, count, {[](void* it) { return static_cast<Ahead*>(it)->step(); }, &ahead});
    } catch (...) {
      failure = std::current_exception();
    }
    over.store(true, std::memory_order_relaxed);
  });
  if (failure) std::rethrow_exception(failure);
}

void CpuOps::start_all_reduce(comm::Communicator& comm, float* data, size_t count, size_t whole) {
  comm.start_all_reduce(data, count, whole);
  ++exchanges_;
  moving_ = &comm;
}

void CpuOps::finish_all_reduce(comm::Communicator& comm) {
  comm.finish_all_reduce();
  if (--exchanges_ == 0) moving_ = nullptr;
}

void CpuOps::add(Rows x, Rows partial, const Norm& norm, int tokens, size_t width) {
  const int n = static_cast<int>(width);
  auto rows = [&](int first, int last) {
    for (int t = first; t < last; ++t) {
      if (norm.weight) kernels_.rms_norm(partial.row(t), norm.weight, n, norm.eps, partial.row(t));
      kernels_.add(x.row(t), partial.row(t), n);
    }
  };
  if (tokens * width < kSerialValues) return rows(0, tokens);
  pool_.run([&](int thread) {
    const Share share = share_of(tokens, thread, pool_.threads());
    rows(share.first, share.last);
  });
}

void CpuOps::gather_rows(Rows in, const int32_t* rows, int count, Rows out, size_t width) {
  for (int i = 0; i < count; ++i) std::memcpy(out.row(i), in.row(rows[i]), width * sizeof(float));
}

void CpuOps::prepare(const Limits& limits, const Heads& heads, const std::vector<RopeTable>& ropes) {
  limits_ = limits;
  heads_ = heads;
  ropes_ = ropes;
  const size_t stride = padded_width(limits.width);
  auto rows = [&](size_t count, size_t width) {
    const size_t padded = padded_width(width);
    return Rows{allocate(count * padded), padded};
  };
  shared_ = rows(limits.tokens, stride);
  for (int i = 0; i < pool_.threads(); ++i) own_.push_back(rows(kOwnTokens, stride));
  for (int i = 0; i < pool_.threads(); ++i) gate_up_.push_back(rows(limits.tokens, kGatePanels * kPanelRows));
  // Room for the widest form, bf16 values as f32, in whole blocks of tokens.
  const auto rounded = [&](size_t count, size_t width) {
    const size_t blocks = (count + kTileTokens - 1) / kTileTokens;
    return reinterpret_cast<uint8_t*>(allocate(blocks * kTileTokens * fast_capacity(width) / sizeof(float)));
  };
  if (fast_) {
    fast_shared_ = rounded(limits.tokens, limits.width);
    for (int i = 0; i < pool_.threads(); ++i) fast_own_.push_back(rounded(kOwnTokens, limits.width));
  }
  for (const RopeTable& rope : ropes_) {
    rope_first_.push_back(rope_width_);
    rope_width_ += rope.dim;
  }
  rotation_memory_ = allocate(limits.tokens * std::max<size_t>(rope_width_, 1));
  prepare_attention();
  if (limits.moe_slots > 0) {
    expert_in_ = rows(limits.moe_slots, limits.width);
    expert_mid_ = rows(limits.moe_slots, limits.moe_width);
    expert_out_ = rows(limits.moe_slots, limits.width);
    // Each expert's tokens begin a block of their own.
    if (fast_) fast_experts_ = rounded(limits.moe_slots + size_t{kTileTokens} * limits.experts, std::max(limits.width, limits.moe_width));
  }
}

}  // namespace lanyard::ops::cpu

namespace lanyard::ops {

std::unique_ptr<Ops> make_cpu_ops(int threads, Compute compute, const char* kernels) {
  const cpu::FastChoice* fast = compute == Compute::fast ? &cpu::best_fast() : nullptr;
  const cpu::Kernels* tables[3];
  const int count = cpu::available_kernels(tables);
  for (int i = 0; kernels && i < count; ++i) {
    if (std::strcmp(tables[i]->name, kernels) == 0) return std::make_unique<cpu::CpuOps>(threads, *tables[i], fast);
  }
  return std::make_unique<cpu::CpuOps>(threads, cpu::best_kernels(), fast);
}

}  // namespace lanyard::ops
