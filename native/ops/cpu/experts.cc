// Mixture of experts: every token goes through its best experts. Tokens are sorted by expert, so that each expert's
// weights are read once per step; three phases for all experts together.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <functional>
#include <limits>
#include <numeric>

#include "cpu_ops.h"

namespace lanyard::ops::cpu {

namespace {

constexpr float kOut = -std::numeric_limits<float>::infinity();

// Takes the experts of all but the best groups out of the choice; ties to the lowest group.
void keep_groups(float* choice, int experts, const Routing& routing) {
  const int size = experts / routing.groups;
  thread_local std::vector<float> sorted, good;
  good.clear();
  for (int g = 0; g < routing.groups; ++g) {
    sorted.assign(choice + g * size, choice + (g + 1) * size);
    std::partial_sort(sorted.begin(), sorted.begin() + routing.group_best, sorted.end(), std::greater<>());
    good.push_back(std::accumulate(sorted.begin(), sorted.begin() + routing.group_best, 0.0f));
  }
  for (int n = 0; n < routing.groups_used; ++n) {
    const auto best = std::max_element(good.begin(), good.end());
    *best = kOut;
  }
  for (int g = 0; g < routing.groups; ++g) {
    if (good[g] != kOut) std::fill_n(choice + g * size, size, kOut);
  }
}

}  // namespace

// Fills slots_ and expert_first_: the best experts per token by softmax or sigmoid, ties to the lowest one.
void CpuOps::choose_experts(const ExpertsArgs& args) {
  const int experts = static_cast<int>(args.experts->size());
  const Routing& routing = args.routing;
  choice_.resize(experts);
  slots_.clear();
  for (int t = 0; t < args.tokens; ++t) {
    float* scores = args.scores.row(t);
    float total = 1;
    if (routing.sigmoid) std::transform(scores, scores + experts, scores, [](float x) { return 1.0f / (1.0f + std::exp(-x)); });
    else total = kernels_.exp_sum(scores, experts, kernels_.maximum(scores, experts));
    std::copy_n(scores, experts, choice_.begin());
    if (args.correction) kernels_.add(choice_.data(), args.correction, experts);
    if (routing.groups_used < routing.groups) keep_groups(choice_.data(), experts, routing);
    const size_t first = slots_.size();
    float chosen = 0;
    for (int n = 0; n < args.per_token; ++n) {
      const int best = static_cast<int>(std::max_element(choice_.begin(), choice_.end()) - choice_.begin());
      slots_.push_back({best, t, scores[best]});
      chosen += scores[best];
      choice_[best] = kOut;
    }
    // Not by 0: all sigmoids may have vanished.
    const float factor = routing.factor / (args.normalise ? std::max(chosen, 1e-20f) : total);
    for (size_t i = first; i < slots_.size(); ++i) slots_[i].weight *= factor;
  }
  std::sort(slots_.begin(), slots_.end(),
            [](const Slot& a, const Slot& b) { return a.expert != b.expert ? a.expert < b.expert : a.token < b.token; });
  expert_first_.assign(experts + 1, 0);
  for (const Slot& slot : slots_) ++expert_first_[slot.expert + 1];
  for (int e = 0; e < experts; ++e) expert_first_[e + 1] += expert_first_[e];
}

// Adds [gate; up], `half` values each, to panels first ... last - 1, which stand at the beginning of the rows.
void CpuOps::add_gated_bias(int first, int last, const float* bias, size_t half, Rows gate_up, int tokens) const {
  for (int p = first; p < last; p += 2) {
    const size_t at = static_cast<size_t>(p) / 2 * kPanelRows;
    const int count = static_cast<int>(std::min<size_t>(kPanelRows, half - at));
    for (int t = 0; t < tokens; ++t) {
      float* row = gate_up.row(t) + (p - first) * kPanelRows;
      kernels_.add(row, bias + at, count);
      kernels_.add(row + kPanelRows, bias + half + at, count);
    }
  }
}

void CpuOps::experts(const ExpertsArgs& args) {
  choose_experts(args);
  const int slots = static_cast<int>(slots_.size()), threads = pool_.threads();
  const auto& experts = *args.experts;
  const size_t hidden = args.hidden;
  const bool columns = experts[0].down != nullptr;  // without any only biases are added
  auto part = [](Rows rows, int first) { return Rows{rows.row(first), rows.stride}; };
  auto operand = [&](const PackedMatrix& m, Rows rows, size_t expert, int first, int count) {
    Operand in{part(rows, first), {}, rounds(m, false)};
    const size_t place = first + expert * kTileTokens, width = std::max(limits_.width, limits_.moe_width);
    if (in.rounded) in.fast = fast_input(m, count, fast_experts_ + place * fast_capacity(width));
    return in;
  };
  // Rounds what the experts' products will read, in a phase of its own.
  auto round = [&](Rows rows, std::unique_ptr<Matrix> Expert::*matrix) {
    if (!rounds(static_cast<const PackedMatrix&>(*(experts[0].*matrix)), false)) return;
    pool_.run([&](int thread) {
      const Share share = share_of(slots, thread, threads);
      for (int s = share.first; s < share.last; ++s) {
        const int expert = slots_[s].expert, first = expert_first_[expert];
        const auto& m = static_cast<const PackedMatrix&>(*(experts[expert].*matrix));
        const Operand in = operand(m, rows, expert, first, expert_first_[expert + 1] - first);
        fast_round(*fast_->rows, in.fast, s - first, rows.row(s), static_cast<int>(m.cols));
      }
    });
  };
  auto each_expert = [&](auto&& f) {
    for (size_t e = 0; e < experts.size(); ++e) {
      const int first = expert_first_[e], count = expert_first_[e + 1] - first;
      if (count > 0) f(e, first, count);
    }
  };
  for (int s = 0; s < slots; ++s) std::memcpy(expert_in_.row(s), args.in.row(slots_[s].token), hidden * sizeof(float));

  if (columns) {
    round(expert_in_, &Expert::gate_up);
    pool_.run([&](int thread) {
      each_expert([&](size_t e, int first, int count) {
        const auto& m = static_cast<const PackedMatrix&>(*experts[e].gate_up);
        const Share share = panel_share(m, thread, threads);
        if (share.first == share.last) return;
        gated(m, share, operand(m, expert_in_, e, first, count), {args.activation, args.clamp, experts[e].gate_up_bias},
              part(expert_mid_, first), count, thread);
      });
    });
    round(expert_mid_, &Expert::down);
  }
  pool_.run([&](int thread) {
    if (columns) each_expert([&](size_t e, int first, int count) {
      const auto& m = static_cast<const PackedMatrix&>(*experts[e].down);
      const Share share = panel_share(m, thread, threads);
      matmul(m, share.first, share.last, operand(m, expert_mid_, e, first, count), count,
             {expert_out_.row(first) + share.first * kPanelRows, expert_out_.stride});
      breathe(thread);
    });
    // The same columns of the weighted sum, experts in ascending order.
    const Share share = share_of(static_cast<int64_t>(hidden + 15) / 16, thread, threads);
    const int from = share.first * 16, to = std::min(share.last * 16, static_cast<int>(hidden));
    for (int t = 0; t < args.tokens && from < to; ++t) std::fill(args.out.row(t) + from, args.out.row(t) + to, 0.0f);
    for (int s = 0; s < slots; ++s) {
      float* out = args.out.row(slots_[s].token);
      const float* in = expert_out_.row(s);  // zeros without columns
      const float* bias = experts[slots_[s].expert].down_bias;
      if (bias) {
        for (int i = from; i < to; ++i) out[i] += slots_[s].weight * (in[i] + bias[i]);
      } else {
        for (int i = from; i < to; ++i) out[i] += slots_[s].weight * in[i];
      }
    }
  });
}

}  // namespace lanyard::ops::cpu
