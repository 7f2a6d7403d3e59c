// From logits to what sampling needs of them.
#include <algorithm>
#include <cmath>
#include <limits>

#include "../adjust.h"
#include "../noise.h"
#include "cpu_ops.h"

namespace lanyard::ops::cpu {
namespace {

constexpr float kNothing = -std::numeric_limits<float>::infinity();

// The `wanted` largest of row[0 ... width), sorted. One pass with a rising threshold; the buffer is cut back whenever it
// holds twice as many as wanted.
void select_largest(const float* row, size_t width, int first_id, size_t wanted, std::vector<Candidate>& out) {
  out.clear();
  if (wanted == 0) return;
  float threshold = kNothing;
  for (size_t i = 0; i < width; ++i) {
    if (!(row[i] > threshold)) continue;
    out.push_back({first_id + static_cast<int32_t>(i), row[i], row[i]});
    if (out.size() < 2 * wanted) continue;
    std::nth_element(out.begin(), out.begin() + (wanted - 1), out.end(), before);
    out.resize(wanted);
    threshold = out[wanted - 1].logit;
  }
  std::sort(out.begin(), out.end(), before);
  if (out.size() > wanted) out.resize(wanted);
}

struct Noisy {
  double value;
  size_t at;
};

// The largest values[i] * inverse_temperature + noise, the first of equals. Starting from the likeliest id, an id needs its
// logarithms only if its random bits could lift it above the best so far: a handful of a vocabulary of 150 000.
Noisy largest_with_noise(const float* values, size_t width, int first_id, float maximum, const SummaryRequest& request,
                         const Kernels& kernels) {
  constexpr size_t kRun = 1024;
  constexpr float kMargin = 2e-3f;  // for the rounding of what follows in f32, with room to spare
  const uint64_t key = draw_key(request.seed, request.drawn);
  const double factor = request.inverse_temperature;
  const auto with_noise = [&](size_t at, uint64_t bits) { return values[at] * factor + gumbel_of(bits); };
  Noisy best{0, static_cast<size_t>(std::find(values, values + width, maximum) - values)};
  best.value = with_noise(best.at, random_bits(key, first_id + static_cast<int32_t>(best.at)));
  alignas(64) float e[kRun];
  for (size_t first = 0; first < width; first += kRun) {
    const size_t count = std::min(kRun, width - first);
    // exp(scaled - best), as differences from the maximum so that large logits lose no digits.
    const float shift = static_cast<float>(best.value - maximum * factor) - kMargin;
    for (size_t i = 0; i < count; ++i) e[i] = (values[first + i] - maximum) * request.inverse_temperature;
    kernels.exp_sum(e, static_cast<int>(count), shift);
    for (size_t i = 0; i < count; ++i) {
      const size_t at = first + i;
      const uint64_t bits = random_bits(key, first_id + static_cast<int32_t>(at));
      if (!may_reach(bits, e[i])) continue;
      const double value = with_noise(at, bits);
      if (value > best.value || (value == best.value && at < best.at)) best = {value, at};
    }
  }
  return best;
}

}  // namespace

void CpuOps::finish_logits(Rows logits, int rows, size_t width, size_t used, float softcap) {
  pool_.run([&](int thread) {
    const Share share = share_of(static_cast<int64_t>(width + 15) / 16, thread, pool_.threads());
    const size_t from = share.first * 16, to = std::min<size_t>(share.last * 16, width);
    for (int r = 0; r < rows && from < to; ++r) {
      float* row = logits.row(r);
      if (softcap > 0) kernels_.softcap(row + from, static_cast<int>(to - from), softcap);
      if (to > used) std::fill(row + std::max(from, used), row + to, kNothing);
    }
  });
}

void CpuOps::summarise(Rows logits, int rows, size_t width, int first_id, const SummaryRequest* requests,
                       Summary* summaries, Candidate* candidates, size_t candidate_stride, Candidate* tops,
                       size_t top_stride) {
  const int n = static_cast<int>(width);
  auto one = [&](int r, int thread) {
    float* row = logits.row(r);
    const SummaryRequest& request = requests[r];
    Summary& summary = summaries[r];
    summary = {};
    summary.raw_max = summary.scaled_max = kNothing;
    summary.perturbed = kNothing;
    if (n == 0) return;
    std::vector<Candidate>& undo = undo_[thread];
    std::vector<Candidate>& chosen = select_[thread];

    summary.raw_max = kernels_.maximum(row, n);
    if (summary.raw_max > kNothing) summary.raw_sum = kernels_.exp_total(row, n, summary.raw_max, 1);
    select_largest(row, width, first_id, request.top, chosen);
    std::copy(chosen.begin(), chosen.end(), tops + r * top_stride);
    summary.top = static_cast<int32_t>(chosen.size());

    if (request.target >= 0) {
      const int at = request.target - first_id;
      if (at < 0 || at >= n) return;
      candidates[r * candidate_stride] = {request.target, row[at], row[at]};
      summary.candidates = 1;
      return;
    }
    // A masked row is a copy: nearly every logit of it may differ.
    float* values = row;
    if (request.adjust.mask) {
      std::vector<float>& masked = masked_[thread];
      masked.assign(padded_width(width), kNothing);
      mask_logits(request.adjust.mask, row, width, first_id, masked.data());
      values = masked.data();
    }
    undo.clear();
    if (request.adjust.any()) adjust_logits(request.adjust, values, width, first_id, undo);
    const float maximum = undo.empty() && values == row ? summary.raw_max : kernels_.maximum(values, n);
    summary.scaled_max = maximum;
    chosen.clear();
    if (!(maximum > kNothing)) {
      // nothing in this slice may be sampled
    } else if (request.perturb) {
      const Noisy best = largest_with_noise(values, width, first_id, maximum, request, kernels_);
      const size_t winner = best.at;
      summary.perturbed = best.value;
      chosen.push_back({first_id + static_cast<int32_t>(winner), values[winner], values[winner]});
    } else if (request.candidates == 1) {
      const size_t at = static_cast<size_t>(std::find(values, values + width, maximum) - values);
      chosen.push_back({first_id + static_cast<int32_t>(at), maximum, maximum});
    } else {
      summary.scaled_sum = kernels_.exp_total(values, n, maximum, request.inverse_temperature);
      select_largest(values, width, first_id, request.candidates, chosen);
      summary.truncated = width > chosen.size() && chosen.size() == static_cast<size_t>(request.candidates);
    }
    for (const Candidate& changed : undo) values[changed.id - first_id] = changed.raw;
    for (Candidate& c : chosen) c.raw = row[c.id - first_id];
    std::copy(chosen.begin(), chosen.end(), candidates + r * candidate_stride);
    summary.candidates = static_cast<int32_t>(chosen.size());
  };
  if (rows == 1) return one(0, 0);
  pool_.run([&](int thread) {
    for (int r = thread; r < rows; r += pool_.threads()) one(r, thread);
  });
}

}  // namespace lanyard::ops::cpu
