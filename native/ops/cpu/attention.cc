// Paged attention for mixed prefill and decode: how it is cut, and with exact products; attention_fast.cc has the others.
// A work item is a tile of tokens of one sequence times the query heads of one KV head, or some of them where one is all
// there is. Keys are taken in splits of 512, each from scratch with a running softmax over chunks of 128, and the splits
// are folded from left to right. Chunks and splits lie at fixed positions, so a token's result does not depend on how the
// prompt was chunked, on its neighbours in the batch, or on which thread did what.
#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstring>
#include <limits>

#include "cpu_ops.h"

namespace lanyard::ops::cpu {
namespace {

constexpr int kChunk = 128;
constexpr int kTileRows = 64;
constexpr int kPartialRows = 4096;
// Query heads that share the work of taking values out of a latent's keys, where there are threads for several such groups.
constexpr int kLatentHeads = 8;
// Merging fewer values than this is not worth waking the other threads.
constexpr size_t kSerialValues = 16384;
constexpr float kNothing = -std::numeric_limits<float>::infinity();

// Running softmax of one row: the weighted values, the largest score and the sum of exponentials relative to it.
struct State {
  float* sums;
  float maximum;
  float total;
};

// left becomes the softmax over both ranges of keys.
void fold(State& left, const State& right, int dim) {
  if (right.total == 0) return;
  if (left.total == 0) {
    std::copy_n(right.sums, dim, left.sums);
    left.maximum = right.maximum;
    left.total = right.total;
    return;
  }
  const float maximum = std::max(left.maximum, right.maximum);
  const float a = std::exp(left.maximum - maximum), b = std::exp(right.maximum - maximum);
  for (int d = 0; d < dim; ++d) left.sums[d] = left.sums[d] * a + right.sums[d] * b;
  left.total = left.total * a + right.total * b;
  left.maximum = maximum;
}

// The weighted mean; a sink is one more score whose value is nothing.
void finish(const State& state, const float* sink, int dim, float* out) {
  float factor = 1.0f / state.total;
  if (sink) {
    const float maximum = std::max(state.maximum, *sink);
    const float scaled = std::exp(state.maximum - maximum);
    factor = scaled / (state.total * scaled + std::exp(*sink - maximum));
  }
  for (int d = 0; d < dim; ++d) out[d] = state.sums[d] * factor;
}

}  // namespace

void CpuOps::prepare_attention() {
  const int heads = heads_.query;
  group_first_.assign(heads_.kv + 1, heads);
  for (int h = heads - 1; h >= 0; --h) group_first_[heads_.kv_of_query[h]] = h;
  for (int j = heads_.kv - 1; j >= 0; --j) group_first_[j] = std::min(group_first_[j], group_first_[j + 1]);
  if (heads_.latent > 0 && pool_.threads() > 1) {
    group_first_ = {0};
    while (group_first_.back() < heads) group_first_.push_back(std::min(group_first_.back() + kLatentHeads, heads));
  }
  int largest = 1;
  for (size_t j = 1; j < group_first_.size(); ++j) largest = std::max(largest, group_first_[j] - group_first_[j - 1]);
  tile_rows_ = std::max(kTileRows, largest);
  const size_t dim = padded_width(heads_.dim);
  // With a latent also the scores of rotated values, and a block's values.
  const size_t latent = heads_.latent > 0 ? tile_rows_ * kChunk + static_cast<size_t>(kChunk) * heads_.latent : 0;
  for (int i = 0; i < pool_.threads(); ++i) {
    attention_scratch_.push_back(allocate(tile_rows_ * (3 * dim + kChunk + 4) + latent));
  }
  if (fast_) prepare_fast_attention();
  if (pool_.threads() > 1) partial_ = {allocate(kPartialRows * (dim + 16)), dim + 16};
}

const AttentionSchedule& CpuOps::schedule(int window) {
  for (size_t i = 0; i < schedules_used_; ++i) {
    if (schedules_[i].window == window) return schedules_[i];
  }
  if (schedules_used_ == schedules_.size()) schedules_.emplace_back();
  AttentionSchedule& made = schedules_[schedules_used_++];
  made.window = window;
  build_schedule(made);
  return made;
}

void CpuOps::build_schedule(AttentionSchedule& schedule) {
  schedule.items.clear();
  schedule.merges.clear();
  const int most = attends_fast() ? fast_attention_rows(batch_.tokens * heads_.query) : tile_rows_;
  for (int s = 0; s < batch_.sequences; ++s) {
    for (int j = 0; j + 1 < static_cast<int>(group_first_.size()); ++j) {
      const int group = group_first_[j + 1] - group_first_[j];
      if (group == 0) continue;
      const int tile = std::max(1, most / group);
      for (int t = batch_.first[s]; t < batch_.first[s + 1]; t += tile) {
        const int tokens = std::min(tile, batch_.first[s + 1] - t);
        const int lowest = schedule.window > 0 ? std::max(0, batch_.positions[t] - schedule.window + 1) : 0;
        const int split = lowest / kSplit;
        schedule.items.push_back({s, j, t, tokens, split, batch_.positions[t + tokens - 1] / kSplit - split + 1, -1});
      }
    }
  }
  // Too few items to keep all threads busy: give out splits one by one and merge them afterwards.
  const size_t whole = schedule.items.size();
  if (pool_.threads() == 1 || whole >= static_cast<size_t>(3 * pool_.threads())) return;
  int used = 0;
  for (size_t i = 0; i < whole; ++i) {
    const AttentionItem item = schedule.items[i];
    const int first_head = group_first_[item.group], group = group_first_[item.group + 1] - first_head;
    const int rows = item.tokens * group;
    if (item.splits == 1 || used + rows * item.splits > kPartialRows) continue;
    for (int split = 0; split < item.splits; ++split) {
      AttentionItem part = item;
      part.split = item.split + split;
      part.splits = 1;
      part.partial = used + split * rows;
      if (split == 0) schedule.items[i] = part;
      else schedule.items.push_back(part);
    }
    for (int r = 0; r < rows; ++r) {
      schedule.merges.push_back({item.token + r / group, first_head + r % group, used + r, rows, item.splits});
    }
    used += rows * item.splits;
  }
}

void CpuOps::attention(const AttentionArgs& args) {
  const AttentionSchedule& plan = schedule(args.window);
  const int items = static_cast<int>(plan.items.size());
  const bool fast = attends_fast();
  std::atomic<int> next{0};
  pool_.run([&](int thread) {
    for (int i = next.fetch_add(1); i < items; i = next.fetch_add(1)) {
      fast ? attend_fast(args, plan.items[i], thread) : attend(args, plan.items[i], thread);
      breathe(thread);
    }
  });
  const int merges = static_cast<int>(plan.merges.size());
  const auto merge_some = [&](Share share) {
    for (int i = share.first; i < share.last; ++i) fast ? merge_fast(args, plan.merges[i]) : merge(args, plan.merges[i]);
  };
  if (merges * static_cast<size_t>(heads_.value()) < kSerialValues) return merge_some({0, merges});
  pool_.run([&](int thread) { merge_some(share_of(merges, thread, pool_.threads())); });
}

void CpuOps::attend(const AttentionArgs& args, const AttentionItem& item, int thread) {
  const int dim = heads_.dim, value_dim = cache_->value_dim;
  const size_t stride = padded_width(dim);
  const int first_head = group_first_[item.group], group = group_first_[item.group + 1] - first_head;
  const int rows = item.tokens * group;
  float* q = attention_scratch_[thread];
  float* merged = q + tile_rows_ * stride;
  float* sums = merged + tile_rows_ * stride;
  float* scores = sums + tile_rows_ * stride;
  float* maxima = scores + tile_rows_ * kChunk;
  float* totals = maxima + tile_rows_;
  float* merged_maxima = totals + tile_rows_;
  float* merged_totals = merged_maxima + tile_rows_;

  for (int r = 0; r < rows; ++r) {
    const float* from = args.q.row(item.token + r / group) + (first_head + r % group) * dim;
    for (int d = 0; d < dim; ++d) q[r * stride + d] = from[d] * args.scale;
  }
  if (item.partial >= 0) {
    attend_split(args, item, item.split, q, rows, scores, sums, maxima, totals);
    for (int r = 0; r < rows; ++r) {
      float* out = partial_.row(item.partial + r);
      std::copy_n(sums + r * stride, value_dim, out);
      out[stride] = maxima[r];
      out[stride + 1] = totals[r];
    }
    return;
  }
  std::fill_n(merged_totals, rows, 0.0f);
  for (int split = item.split; split < item.split + item.splits; ++split) {
    attend_split(args, item, split, q, rows, scores, sums, maxima, totals);
    for (int r = 0; r < rows; ++r) {
      State left{merged + r * stride, merged_maxima[r], merged_totals[r]};
      fold(left, {sums + r * stride, maxima[r], totals[r]}, value_dim);
      merged_maxima[r] = left.maximum;
      merged_totals[r] = left.total;
    }
  }
  for (int r = 0; r < rows; ++r) {
    const int head = first_head + r % group;
    float* out = args.out.row(item.token + r / group) + head * heads_.value();
    finish({merged + r * stride, merged_maxima[r], merged_totals[r]}, args.sinks ? args.sinks + head : nullptr, heads_.value(), out);
    if (heads_.latent > 0 && cache_->scaled()) spread(out, heads_.latent);
  }
}

// Scores, softmax and weighted values of one split of keys for all rows of an item.
void CpuOps::attend_split(const AttentionArgs& args, const AttentionItem& item, int split, const float* q, int rows,
                          float* scores, float* sums, float* maxima, float* totals) {
  const CpuKvCache& cache = *cache_;
  const int size = cache.shape.block_size, group = rows / item.tokens;
  const int kv_head = heads_.kv_of_query[group_first_[item.group]];
  const size_t stride = padded_width(heads_.dim);
  const int32_t* blocks = batch_.blocks + batch_.block_first[item.sequence];
  const int32_t* positions = batch_.positions + item.token;
  float* rotated_scores = totals + 3 * tile_rows_;  // with a latent
  auto* copied = reinterpret_cast<uint8_t*>(rotated_scores + tile_rows_ * kChunk);
  const int lowest = args.window > 0 ? std::max(0, positions[0] - args.window + 1) : 0;
  const int low = std::max(lowest, split * kSplit);
  const int high = std::min(positions[item.tokens - 1] + 1, (split + 1) * kSplit);

  std::fill_n(sums, rows * stride, 0.0f);
  std::fill_n(maxima, rows, kNothing);
  std::fill_n(totals, rows, 0.0f);

  for (int chunk = low / kChunk * kChunk; chunk < high; chunk += kChunk) {
    const int end = std::min(chunk + kChunk, high);
    // Runs of positions within one block; blocks wholly before `low` are not needed any more.
    auto each_run = [&](auto&& f) {
      for (int p = chunk; p < end;) {
        const int run_end = std::min(end, (p / size + 1) * size);
        if (run_end > low) f(p, run_end - p, blocks[p / size], p % size);
        p = run_end;
      }
    };
    each_run([&](int p, int count, int block, int offset) {
      uint8_t* keys = cache.key_block(args.layer, block, kv_head);
      const MatmulArgs product{keys + cache.panel * (offset / kPanelRows),
                               cache.panel,
                               cache.scaled() ? cache.key_scales(keys) + offset : nullptr,
                               (count + kPanelRows - 1) / kPanelRows,
                               cache.key_cols,
                               q,
                               stride,
                               rows,
                               scores + (p - chunk),
                               kChunk};
      if (cache.latent == 0 || !cache.scaled()) return kernels_.matmul[static_cast<int>(cache.shape.dtype)](product);
      // The latent and the rotated values have factors of their own.
      MatmulArgs part = product;
      part.cols = cache.latent;
      kernels_.matmul[static_cast<int>(DType::i8)](part);
      part = product;
      part.panels += cache.latent * kPanelRows;
      part.scales = cache.rotated_scales(keys) + offset;
      part.cols -= cache.latent;
      part.x += cache.latent;
      part.out = rotated_scores + (p - chunk);
      kernels_.matmul[static_cast<int>(DType::i8)](part);
      for (int r = 0; r < rows; ++r) kernels_.add(product.out + r * kChunk, part.out + r * kChunk, count);
    });
    const int width = end - chunk;
    for (int r = 0; r < rows; ++r) {
      const int position = positions[r / group];
      const int from = std::max(chunk, args.window > 0 ? position - args.window + 1 : 0) - chunk;
      const int to = std::min(end, position + 1) - chunk;
      float* row = scores + r * kChunk;
      if (from >= to) {
        std::fill_n(row, width, 0.0f);
        continue;
      }
      if (args.softcap > 0) kernels_.softcap(row + from, to - from, args.softcap);
      const float maximum = std::max(maxima[r], kernels_.maximum(row + from, to - from));
      if (maximum > maxima[r] && totals[r] > 0) {
        const float factor = std::exp(maxima[r] - maximum);
        kernels_.scale(sums + r * stride, factor, cache.value_dim);
        totals[r] *= factor;
      }
      maxima[r] = maximum;
      totals[r] += kernels_.exp_sum(row + from, to - from, maximum);
      std::fill_n(row, from, 0.0f);
      std::fill_n(row + to, width - to, 0.0f);
    }
    each_run([&](int p, int count, int block, int offset) {
      uint8_t* values = nullptr;
      const float* scales = nullptr;
      if (cache.latent > 0) {
        uint8_t* keys = cache.key_block(args.layer, block, kv_head);
        values = copied;
        cache.copy_values(keys, offset + count, values);
        scales = cache.key_scales(keys);
      } else {
        values = cache.value_block(args.layer, block, kv_head);
        scales = cache.value_scales(values);
      }
      if (cache.scaled()) {
        scales += offset;
        for (int r = 0; r < rows; ++r) {
          float* row = scores + r * kChunk + (p - chunk);
          for (int i = 0; i < count; ++i) row[i] *= scales[i];
        }
      }
      const ValuesArgs weighted{values + cache.value_row() * offset,
                                static_cast<size_t>(cache.value_dim),
                                count,
                                scores + (p - chunk),
                                kChunk,
                                rows,
                                cache.value_dim,
                                sums,
                                stride};
      switch (cache.shape.dtype) {
        case DType::f32: kernels_.values_f32(weighted); break;
        case DType::i8: kernels_.values_i8(weighted); break;
        default: kernels_.values_bf16(weighted);
      }
    });
  }
}

void CpuOps::merge(const AttentionArgs& args, const AttentionMerge& item) {
  const size_t stride = padded_width(heads_.dim);
  // The first split's row is the running state: nobody needs it afterwards.
  float* first = partial_.row(item.partial);
  State left{first, first[stride], first[stride + 1]};
  for (int split = 1; split < item.splits; ++split) {
    float* row = partial_.row(item.partial + split * item.stride);
    fold(left, {row, row[stride], row[stride + 1]}, cache_->value_dim);
  }
  float* out = args.out.row(item.token) + item.head * heads_.value();
  finish(left, args.sinks ? args.sinks + item.head : nullptr, heads_.value(), out);
  if (heads_.latent > 0 && cache_->scaled()) spread(out, heads_.latent);
}

}  // namespace lanyard::ops::cpu
