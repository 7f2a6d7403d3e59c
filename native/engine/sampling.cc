// The engine's side of sampling: every rank summarises its rows of logits, rank 0 merges and chooses. Whole rows cross
// the network only when the candidates cannot tell where top_p, min_p or a large top_k cuts.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "../error.h"
#include "../ops/adjust.h"
#include "engine.h"

namespace lanyard::engine {
namespace {
constexpr float kNothing = -std::numeric_limits<float>::infinity();
}

void Engine::list_wanted() {
  wanted_.clear();
  message_bytes_ = 0;
  int next = 0;
  for (const SequencePart& part : plan_.sequences) {
    next += part.token_count;
    const std::vector<int32_t>& history = slots_[part.slot].history;
    for (int row = 0; row < part.row_count; ++row) {
      const int after = part.row_count - 1 - row;  // rows of this sequence that follow
      Wanted wanted{&part, next - 1 - after, part.sampling, -1, {}, mode_of(part.sampling, spec_.decoder.vocab), 1,
                    std::max(0, part.sampling.logprobs), message_bytes_};
      if (row < part.target_count) {
        wanted.mode = Mode::score;
        wanted.target = part.targets[row];
      } else {
        wanted.sampling.drawn += row - part.target_count;
        if (!history.empty()) wanted.history = {history.data(), history.size() - after};
      }
      if (wanted.mode == Mode::cut) wanted.candidates = kCandidates;
      message_bytes_ += sizeof(ops::Summary) + (wanted.candidates + wanted.top) * sizeof(ops::Candidate);
      message_bytes_ = (message_bytes_ + 7) / 8 * 8;
      wanted_.push_back(wanted);
    }
  }
}

void Engine::summarise() {
  message_.resize(message_bytes_);
  const model::Range vocab = spec_.split.vocab;
  int32_t tokens[model::Decoder::kLogitRows];
  for (size_t first = 0; first < wanted_.size(); first += model::Decoder::kLogitRows) {
    const int rows = static_cast<int>(std::min<size_t>(wanted_.size() - first, model::Decoder::kLogitRows));
    for (int r = 0; r < rows; ++r) {
      const Wanted& wanted = wanted_[first + r];
      const Sampling& s = wanted.sampling;
      const bool cold = wanted.mode == Mode::greedy || wanted.mode == Mode::score;
      tokens[r] = wanted.token;
      requests_[r] = {adjust_of(*wanted.part, wanted.history, spec_.decoder.vocab, adjusting_[r]),
                      cold ? 1.0f : 1.0f / s.temperature,
                      wanted.candidates,
                      wanted.mode == Mode::perturb,
                      s.seed,
                      s.drawn,
                      wanted.top,
                      wanted.target};
    }
    const ops::Rows logits = decoder_->logits(tokens, rows);
    ops_->summarise(logits, rows, vocab.count, vocab.start, requests_.data(), summaries_.data(), candidates_.data(),
                    kCandidates, tops_.data(), kCandidates);
    for (int r = 0; r < rows; ++r) {
      const Wanted& wanted = wanted_[first + r];
      std::byte* out = message_.data() + wanted.offset;
      std::memcpy(out, &summaries_[r], sizeof(ops::Summary));
      out += sizeof(ops::Summary);
      std::memcpy(out, &candidates_[r * kCandidates], wanted.candidates * sizeof(ops::Candidate));
      out += wanted.candidates * sizeof(ops::Candidate);
      std::memcpy(out, &tops_[r * kCandidates], wanted.top * sizeof(ops::Candidate));
    }
  }
}

// Merges the ranks' summaries of one row. False: the whole row is needed.
bool Engine::choose(const Wanted& wanted, const std::byte* messages, SampledToken& token) {
  const Sampling& s = wanted.sampling;
  Merged& merged = merged_;
  merged.candidates.clear();
  merged.floor = merged.maximum = merged.raw_max = kNothing;
  merged.total = merged.raw_total = 0;
  merged.complete = true;
  std::vector<ops::Candidate> tops;
  double best_perturbed = kNothing;
  ops::Candidate perturbed{};
  const auto part_of = [&](int rank, ops::Summary& summary) {
    const std::byte* at = messages + rank * message_bytes_ + wanted.offset;
    std::memcpy(&summary, at, sizeof summary);
    return reinterpret_cast<const ops::Candidate*>(at + sizeof summary);
  };
  for (int rank = 0; rank < comm_.size(); ++rank) {
    ops::Summary summary;
    part_of(rank, summary);
    merged.raw_max = std::max(merged.raw_max, summary.raw_max);
    merged.maximum = std::max(merged.maximum, summary.scaled_max);
  }
  for (int rank = 0; rank < comm_.size(); ++rank) {
    ops::Summary summary;
    const ops::Candidate* list = part_of(rank, summary);
    // Counts come over the network: never read beyond what was sent.
    const int count = std::clamp(summary.candidates, 0, wanted.candidates), top = std::clamp(summary.top, 0, wanted.top);
    if (summary.raw_sum > 0) merged.raw_total += summary.raw_sum * std::exp(static_cast<double>(summary.raw_max) - merged.raw_max);
    if (summary.scaled_sum > 0) {
      merged.total += summary.scaled_sum * std::exp((static_cast<double>(summary.scaled_max) - merged.maximum) / s.temperature);
    }
    merged.candidates.insert(merged.candidates.end(), list, list + count);
    tops.insert(tops.end(), list + wanted.candidates, list + wanted.candidates + top);
    if (summary.truncated && count > 0) {
      merged.complete = false;
      merged.floor = std::max(merged.floor, list[count - 1].logit);
    }
    if (count > 0 && summary.perturbed > best_perturbed) {
      best_perturbed = summary.perturbed;
      perturbed = list[0];
    }
  }
  if (merged.candidates.empty()) throw Error("internal", "The model gave no finite logits.");
  std::sort(merged.candidates.begin(), merged.candidates.end(), ops::before);
  std::sort(tops.begin(), tops.end(), ops::before);
  const double raw_lse = merged.raw_max + std::log(merged.raw_total);
  token.slot = wanted.part->slot;
  token.top.clear();
  for (int i = 0; i < std::min<int>(wanted.top, static_cast<int>(tops.size())); ++i) {
    token.top.push_back({tops[i].id, static_cast<float>(tops[i].logit - raw_lse)});
  }
  ops::Candidate chosen = merged.candidates[0];
  if (wanted.mode == Mode::perturb) chosen = perturbed;
  if (wanted.mode == Mode::cut) {
    const size_t count = kept(merged, s, spec_.decoder.vocab);
    if (count == 0) return false;
    chosen = merged.candidates[draw(merged, count, s)];
  }
  token.id = chosen.id;
  token.logprob = static_cast<float>(chosen.raw - raw_lse);
  return true;
}

void Engine::sample(StepOutcome& outcome) {
  outcome.tokens.resize(wanted_.size());
  std::vector<int32_t> whole;
  for (size_t i = 0; i < wanted_.size(); ++i) {
    if (!choose(wanted_[i], messages_.data(), outcome.tokens[i])) whole.push_back(static_cast<int32_t>(i));
  }
  if (!whole.empty()) sample_whole_rows(whole, outcome);
  for (const SampledToken& token : outcome.tokens) slots_.sampled(token.slot, token.id);
}

void Engine::sample_whole_rows(const std::vector<int32_t>& indices, StepOutcome& outcome) {
  std::vector<int32_t> tokens;
  for (const int32_t i : indices) tokens.push_back(wanted_[i].token);
  if (comm_.size() > 1) {
    std::vector<int32_t> words(kHeaderWords, 0);
    words[kMagic] = kPlanMagic;
    words[kKind] = static_cast<int32_t>(Kind::rows);
    words[kTokens] = static_cast<int32_t>(indices.size());
    words.insert(words.end(), indices.begin(), indices.end());
    const auto* bytes = reinterpret_cast<const std::byte*>(words.data());
    std::vector<std::byte> blob(bytes, bytes + words.size() * sizeof(int32_t));
    comm_.broadcast_blob(blob, 0);
  }
  const size_t vocab = spec_.decoder.vocab;
  std::vector<float> rows(indices.size() * vocab);
  AdjustMemory memory;
  gather_logits(tokens.data(), static_cast<int>(tokens.size()), rows.data());
  for (size_t i = 0; i < indices.size(); ++i) {
    const Wanted& wanted = wanted_[indices[i]];
    const ops::Adjust adjust = adjust_of(*wanted.part, wanted.history, static_cast<int>(vocab), memory);
    const Merged merged = merged_row({rows.data() + i * vocab, vocab}, adjust, wanted.sampling);
    if (merged.candidates.empty()) throw Error("internal", "The model gave no finite logits.");
    const size_t count = std::max<size_t>(1, kept(merged, wanted.sampling, static_cast<int>(vocab)));
    const ops::Candidate& chosen = merged.candidates[draw(merged, count, wanted.sampling)];
    SampledToken& token = outcome.tokens[indices[i]];
    token.id = chosen.id;
    token.logprob = static_cast<float>(chosen.raw - merged.raw_max - std::log(merged.raw_total));
  }
}

// A follower's part of sample_whole_rows. plan_.tokens: indices into the last step's rows.
void Engine::send_rows() {
  std::vector<int32_t> tokens;
  for (int i = 0; i < plan_.token_count; ++i) {
    const int32_t index = plan_.tokens[i];
    if (index < 0 || static_cast<size_t>(index) >= wanted_.size()) {
      throw Error("bad_request", "Rows were asked for that the last step did not sample.");
    }
    tokens.push_back(wanted_[index].token);
  }
  gather_logits(tokens.data(), static_cast<int>(tokens.size()), nullptr);
}

}  // namespace lanyard::engine
