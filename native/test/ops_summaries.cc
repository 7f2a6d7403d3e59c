// Rotation and summaries of logits of the CPU's ops against plain statements of what they mean.
#include <algorithm>
#include <vector>

#include "../ops/adjust.h"
#include "../ops/noise.h"
#include "../ops/ops.h"
#include "check.h"

using namespace lanyard::ops;
using check::Random;

namespace {

void rotation() {
  auto ops = make_cpu_ops(1);
  const Heads heads{1, 1, 16, {0}};
  RopeTable table{{}, 8, 1.5f, 10000};
  for (int i = 0; i < 4; ++i) table.inv_freq.push_back(static_cast<float>(std::pow(10000.0, -2.0 * i / 8)));
  ops->prepare({4, 64, 0, 0}, heads, {table});
  auto cache = ops->make_cache({1, 4, 16, DType::f32}, heads);
  const int32_t ids[2] = {0, 0}, positions[2] = {0, 50}, owner[2] = {0, 1}, first[3] = {0, 1, 2}, block_first[3] = {0, 1, 5};
  const int32_t blocks[5] = {0, 0, 1, 2, 3};
  const float alpha[2] = {1, 3};
  ops->begin({2, 2, ids, positions, owner, first, block_first, blocks, alpha}, *cache);
  std::vector<float> rows(2 * 64);
  Random random(4);
  for (float& v : rows) v = random.real();
  const auto before = rows;
  ops->rope_store({{rows.data(), 64}, 0, 0, {}, {}, 10});
  for (int t = 0; t < 2; ++t) {
    for (int i = 0; i < 16; ++i) {
      const float* x = before.data() + t * 64;
      const int pair = i % 4;
      // alpha changes the base; only the first 8 of 16 values turn
      const double base = 10000 * std::pow(static_cast<double>(alpha[t]), 8.0 / 6.0);
      const double angle = positions[t] * std::pow(base, -2.0 * pair / 8);
      double want = x[i];
      if (i < 4) want = 1.5 * (x[i] * std::cos(angle) - x[i + 4] * std::sin(angle));
      else if (i < 8) want = 1.5 * (x[i] * std::cos(angle) + x[i - 4] * std::sin(angle));
      if (positions[t] + 1 > 10) want *= std::log(positions[t] + 1.0) / std::log(10.0);
      CHECK(std::fabs(rows[t * 64 + i] - want) < 2e-5, "token %d value %d", t, i);
    }
  }
}

void summaries() {
  Random random(31);
  auto ops = make_cpu_ops(2);
  const int width = 3000, first_id = 50;
  const size_t stride = padded_width(width);
  std::vector<float> logits(4 * stride);
  for (float& v : logits) v = static_cast<float>(random.below(400)) / 20;  // many ties
  const auto before = logits;
  std::vector<int32_t> history{60, 61, 61, 3000, 7, 60};
  const int32_t bias_ids[2] = {61, 99};
  const float bias[2] = {-3, 5};
  Adjust adjust{bias_ids, bias, 2, false, history.data(), 6, 2, 1.5f, 0.25f, 0.5f};
  SummaryRequest requests[4];
  requests[0] = {{}, 1, 1, false, 0, 0, 5};
  requests[1] = {{}, 0.5f, 256, false, 0, 0, 0};
  requests[2] = {adjust, 1, 20, false, 0, 0, 20};
  requests[3] = {adjust, 2, 1, true, 99, 4, 0};
  Summary results[4];
  std::vector<Candidate> candidates(4 * 256), tops(4 * 256);
  ops->summarise({logits.data(), stride}, 4, width, first_id, requests, results, candidates.data(), 256, tops.data(), 256);
  CHECK(logits == before, "logits are left as they were");
  for (int r = 0; r < 4; ++r) {
    std::vector<Candidate> all;
    for (int i = 0; i < width; ++i) all.push_back({first_id + i, before[r * stride + i], before[r * stride + i]});
    auto raw = all;
    std::sort(raw.begin(), raw.end(), lanyard::ops::before);
    for (int i = 0; i < requests[r].top; ++i) CHECK(tops[r * 256 + i].id == raw[i].id, "row %d top %d", r, i);
    double total = 0;
    for (const auto& c : raw) total += std::exp(static_cast<double>(c.logit) - raw[0].logit);
    CHECK(results[r].raw_max == raw[0].logit && std::fabs(results[r].raw_sum / total - 1) < 1e-5);
    if (requests[r].adjust.any()) {
      auto change = [&](int id, double b, double repetition, double freq, double presence) {
        float& l = all[id - first_id].logit;
        double v = l + b;
        v = v > 0 ? v / repetition : v * repetition;
        l = static_cast<float>(v - freq - presence);
      };
      change(60, 0, 1.5, 0.5, 0.25);       // in the prompt and once in the output
      change(61, -3, 1.5, 0.5, 0.25);      // once in each, with a bias
      change(3000, 0, 1.5, 0.5, 0.25);
      change(99, 5, 1, 0, 0);
    }
    std::sort(all.begin(), all.end(), lanyard::ops::before);
    if (requests[r].perturb) {
      const uint64_t key = draw_key(99, 4);
      const auto best = std::max_element(all.begin(), all.end(), [&](const Candidate& a, const Candidate& b) {
        return a.logit * 2.0 + gumbel(key, a.id) < b.logit * 2.0 + gumbel(key, b.id);
      });
      CHECK(candidates[r * 256].id == best->id && results[r].candidates == 1);
      continue;
    }
    CHECK(results[r].candidates == requests[r].candidates);
    for (int i = 0; i < requests[r].candidates; ++i) {
      CHECK(candidates[r * 256 + i].id == all[i].id && std::fabs(candidates[r * 256 + i].logit - all[i].logit) < 1e-5, "row %d candidate %d", r, i);
      CHECK(candidates[r * 256 + i].raw == before[r * stride + all[i].id - first_id]);
    }
  }
}

void noise_is_gumbel() {
  // Mean is Euler's constant, variance pi^2 / 6; and draws of different ids and numbers are unrelated.
  double sum = 0, squares = 0, product = 0;
  const int count = 200000;
  for (int i = 0; i < count; ++i) {
    const double a = gumbel(draw_key(7, i / 500), i % 500), b = gumbel(draw_key(7, i / 500 + 1), i % 500);
    sum += a;
    squares += a * a;
    product += (a - 0.5772157) * (b - 0.5772157);
  }
  const double mean = sum / count, variance = squares / count - mean * mean;
  CHECK(std::fabs(mean - 0.5772157) < 0.015, "mean %g", mean);
  CHECK(std::fabs(variance - 1.6449341) < 0.04, "variance %g", variance);
  CHECK(std::fabs(product / count) < 0.02, "covariance %g", product / count);
  CHECK(gumbel(draw_key(1, 2), 3) == gumbel(draw_key(1, 2), 3));
}

}  // namespace

int main() {
  check::section("rotation, NTK and logn", rotation);
  check::section("summaries of logits", summaries);
  check::section("noise", noise_is_gumbel);
  return check::result();
}
