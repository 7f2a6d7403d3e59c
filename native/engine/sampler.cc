#include "sampler.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "../ops/adjust.h"
#include "../ops/noise.h"

namespace lanyard::engine {
namespace {
constexpr float kNothing = -std::numeric_limits<float>::infinity();
constexpr float kGreedyBelow = 1e-5f;
}  // namespace

Mode mode_of(const Sampling& s, int vocab) {
  if (s.temperature < kGreedyBelow) return Mode::greedy;
  const bool cuts = (s.top_k > 0 && s.top_k < vocab) || s.top_p < 1 || s.min_p > 0;
  return cuts ? Mode::cut : Mode::perturb;
}

ops::Adjust adjust_of(const SequencePart& part, std::span<const int32_t> history, int vocab, AdjustMemory& memory) {
  auto& [bias, ids, mask] = memory;
  bias.clear();
  ids.clear();
  for (int i = 0; i < part.bias_count; ++i) {
    ids.push_back(part.biases[2 * i]);
    bias.push_back(ops::bits_to_float(static_cast<uint32_t>(part.biases[2 * i + 1])));
  }
  const Sampling& s = part.sampling;
  const uint32_t* bits = nullptr;
  if (part.mask_count > 0 && !part.mask_ids) bits = reinterpret_cast<const uint32_t*>(part.mask);
  if (part.mask_count > 0 && part.mask_ids) {
    mask.assign((vocab + 31) / 32, 0);
    for (int i = 0; i < part.mask_count; ++i) mask[part.mask[i] / 32] |= 1u << (part.mask[i] % 32);
    bits = mask.data();
  }
  return {ids.data(), bias.data(), part.bias_count, part.only_biased, history.data(), static_cast<int>(history.size()),
          part.prompt_length, s.repetition, s.presence, s.frequency, bits};
}

size_t kept(const Merged& merged, const Sampling& s, int vocab) {
  const auto& list = merged.candidates;
  if (list.empty()) return 0;
  // Candidates that are certainly the best of all: those above the floor.
  size_t sound = list.size();
  if (!merged.complete) {
    sound = static_cast<size_t>(std::partition_point(list.begin(), list.end(), [&](const auto& c) { return c.logit > merged.floor; }) -
                                list.begin());
  }
  if (sound == 0) return 0;
  const auto prefix_from = [&](float threshold) {
    return static_cast<size_t>(std::partition_point(list.begin(), list.end(), [&](const auto& c) { return c.logit >= threshold; }) -
                               list.begin());
  };
  size_t count = list.size();
  bool bounded = merged.complete;
  if (s.min_p > 0) {
    // prob >= min_p * largest prob, in logits.
    const float threshold = merged.maximum + std::log(s.min_p) * s.temperature;
    count = std::max<size_t>(1, prefix_from(threshold));
    if (merged.complete || threshold > merged.floor) bounded = true;
  }
  if (s.top_k > 0 && s.top_k < vocab && static_cast<size_t>(s.top_k) <= list.size()) {
    const float kth = list[s.top_k - 1].logit;
    count = std::min(count, prefix_from(kth));
    if (merged.complete || kth > merged.floor) bounded = true;
  }
  if (s.top_p >= 1) return bounded ? count : 0;

  // top_p of what is left. Without a bound the rest is the whole vocabulary, unless min_p or top_k cuts at an unknown place.
  const bool cut_unknown = !bounded && (s.min_p > 0 || (s.top_k > 0 && s.top_k < vocab));
  if (cut_unknown) return 0;
  const auto weight = [&](size_t i) { return std::exp((static_cast<double>(list[i].logit) - merged.maximum) / s.temperature); };
  double total = merged.total;
  if (bounded) {
    total = 0;
    for (size_t i = 0; i < count; ++i) total += weight(i);
  }
  const size_t end = bounded ? count : sound;
  double before = 0;
  for (size_t i = 0; i < end; ++i) {
    if (i > 0 && before >= s.top_p * total) return i;
    before += weight(i);
  }
  return bounded || before >= s.top_p * total ? end : 0;
}

size_t draw(const Merged& merged, size_t count, const Sampling& s) {
  const uint64_t key = ops::draw_key(s.seed, s.drawn);
  const double inverse = 1.0 / s.temperature;
  double best = -std::numeric_limits<double>::infinity();
  size_t winner = 0;
  for (size_t i = 0; i < count; ++i) {
    const double perturbed = merged.candidates[i].logit * inverse + ops::gumbel(key, merged.candidates[i].id);
    if (perturbed > best) {
      best = perturbed;
      winner = i;
    }
  }
  return winner;
}

Merged merged_row(std::span<float> logits, const ops::Adjust& adjust, const Sampling& s) {
  Merged merged;
  merged.complete = true;
  merged.raw_max = *std::max_element(logits.begin(), logits.end());
  for (const float logit : logits) merged.raw_total += std::exp(static_cast<double>(logit) - merged.raw_max);
  std::vector<float> raw(logits.begin(), logits.end());
  std::vector<ops::Candidate> undo;
  if (adjust.mask) ops::mask_logits(adjust.mask, logits.data(), logits.size(), 0, logits.data());
  if (adjust.any()) ops::adjust_logits(adjust, logits.data(), logits.size(), 0, undo);
  for (size_t i = 0; i < logits.size(); ++i) {
    if (logits[i] > kNothing) merged.candidates.push_back({static_cast<int32_t>(i), logits[i], raw[i]});
  }
  std::sort(merged.candidates.begin(), merged.candidates.end(), ops::before);
  merged.floor = kNothing;
  if (merged.candidates.empty()) return merged;
  merged.maximum = merged.candidates[0].logit;
  if (s.temperature < kGreedyBelow) return merged;
  for (const auto& c : merged.candidates) {
    merged.total += std::exp((static_cast<double>(c.logit) - merged.maximum) / s.temperature);
  }
  return merged;
}

std::vector<double> probabilities(std::vector<float> logits, const ops::Adjust& adjust, const Sampling& s) {
  const int vocab = static_cast<int>(logits.size());
  const Merged merged = merged_row(logits, adjust, s);
  std::vector<double> result(logits.size(), 0.0);
  if (merged.candidates.empty()) return result;
  const Mode mode = mode_of(s, vocab);
  if (mode == Mode::greedy) {
    result[merged.candidates[0].id] = 1;
    return result;
  }
  const size_t count = mode == Mode::perturb ? merged.candidates.size() : kept(merged, s, vocab);
  double total = 0;
  for (size_t i = 0; i < count; ++i) {
    const auto& c = merged.candidates[i];
    total += result[c.id] = std::exp((static_cast<double>(c.logit) - merged.maximum) / s.temperature);
  }
  for (double& p : result) p /= total;
  return result;
}

}  // namespace lanyard::engine
