// Attention in the fast arithmetic: lays out what attend.h's kernels work on, for the items that attention.cc has cut. Where
// tiles serve an item they serve all of its rows from keys and values prepared once per chunk, so items are large.
#include <algorithm>
#include <limits>

#include "cpu_ops.h"

namespace lanyard::ops::cpu {
namespace {

// From so many rows on tiles are faster.
constexpr int kTileRows = 2;
// Rows of an item: by rows, whose keys and values stay in the first-level cache, and by tiles, whose sums stay in the second.
constexpr int kLeastRows = 64, kMostRows = 512, kSumValues = 65536;

constexpr int whole_blocks(int rows) { return (rows + kAttendBlock - 1) / kAttendBlock * kAttendBlock; }

}  // namespace

// A thread's memory for one item.
struct AttendScratch {
  float* merged;  // [rows][stride] sums of the splits so far
  float* sums;    // of this split
  float *shifts, *totals, *merged_shifts, *merged_totals;  // [rows]
  float* lanes;                                            // [rows][16]
  float* scores;
  float* scaled;  // [stride] a query
  float *key_scales, *value_scales;
  uint8_t *q, *packed_keys, *packed_values;
  uint8_t* copied;  // [kAttendChunk][latent] values, bf16

  // Returns the values it takes; memory: null to count them.
  size_t lay_out(float* memory, size_t rows, size_t stride, size_t latent) {
    size_t used = 0;
    const auto take = [&](size_t count) {
      float* at = memory + used;
      used += (count + 15) / 16 * 16;
      return at;
    };
    const auto bytes = [&](size_t count) { return reinterpret_cast<uint8_t*>(take(count / sizeof(float))); };
    merged = take(rows * stride);
    sums = take(rows * stride);
    shifts = take(rows + kAttendBlock);  // whole blocks are written, wherever they begin
    totals = take(rows);
    merged_shifts = take(rows + kAttendBlock);  // whole blocks are written, wherever they begin
    merged_totals = take(rows);
    lanes = take(rows * 16);
    scores = take(2 * kAttendBlock * kAttendStride);
    scaled = take(stride);
    key_scales = take(kAttendChunk);
    value_scales = take(kAttendChunk);
    q = bytes(rows * stride * sizeof(float));
    packed_keys = bytes(kAttendChunk * stride * 2);
    packed_values = bytes(kAttendChunk * stride * 2);
    copied = bytes(kAttendChunk * latent * 2);
    return used;
  }
};

bool CpuOps::attends_fast() const {
  // A latent in int8 has two factors for each key, which these kernels do not know.
  return fast_ && (cache_->shape.dtype == DType::bf16 || (cache_->shape.dtype == DType::i8 && heads_.latent == 0));
}

// As with products, never where tiles give other results than rows.
bool CpuOps::attends_by_tiles(int rows) const {
  return fast_->tiles && fast_->tile_tokens[static_cast<int>(DType::bf16)] < kNoTiles && rows >= kTileRows;
}

int CpuOps::fast_attention_rows(int rows) const {
  if (!attends_by_tiles(rows)) return tile_rows_;
  const int share = rows / (4 * pool_.threads());
  return std::max(tile_rows_, std::min(whole_blocks(share), fast_rows_));
}

void CpuOps::prepare_fast_attention() {
  const auto stride = static_cast<int>(padded_width(heads_.dim));
  fast_rows_ = std::max(whole_blocks(tile_rows_), std::clamp(kSumValues / stride / kAttendBlock * kAttendBlock, kLeastRows, kMostRows));
  AttendScratch scratch;
  const size_t size = scratch.lay_out(nullptr, fast_rows_, stride, heads_.latent);
  for (int i = 0; i < pool_.threads(); ++i) fast_attention_.push_back(allocate(size));
}

void CpuOps::attend_fast(const AttentionArgs& args, const AttentionItem& item, int thread) {
  const int dim = heads_.dim, groups = (dim + 31) / 32;
  const size_t stride = padded_width(dim);
  const int first_head = group_first_[item.group], group = group_first_[item.group + 1] - first_head;
  const int rows = item.tokens * group;
  const bool tiles = attends_by_tiles(rows);
  AttendScratch scratch;
  scratch.lay_out(fast_attention_[thread], fast_rows_, stride, heads_.latent);
  AttendArgs a{};
  a.dtype = cache_->shape.dtype;
  a.key_cols = cache_->key_cols;
  a.value_dim = cache_->value_dim;
  a.groups = groups;
  a.rows = rows;
  a.group = group;
  a.positions = batch_.positions + item.token;
  a.window = args.window;
  a.softcap = args.softcap;
  a.q = scratch.q;
  a.q_bytes = stride * (tiles ? 2 : sizeof(float));
  a.sum_stride = stride;
  a.lanes = scratch.lanes;
  a.scores = scratch.scores;
  a.packed_keys = scratch.packed_keys;
  a.packed_values = scratch.packed_values;
  if (cache_->scaled()) {
    a.key_scales = scratch.key_scales;
    a.value_scales = scratch.value_scales;
  }

  const FastKernels& kernels = *fast_->rows;
  for (int r = 0; r < rows; ++r) {
    std::copy_n(args.q.row(item.token + r / group) + (first_head + r % group) * dim, dim, scratch.scaled);
    kernels_.scale(scratch.scaled, args.scale, dim);
    const RoundedRow to{scratch.q + r * a.q_bytes, a.q_bytes / groups, nullptr, 0, nullptr, nullptr};
    (tiles ? kernels.round_bf16 : kernels.round_bf16_wide)(scratch.scaled, dim, groups, to);
  }
  const auto run = [&](int split, float* sums, float* shifts, float* totals) {
    a.sums = sums;
    a.shifts = shifts;
    attend_fast_split(a, args.layer, item, split, tiles, scratch.copied);
    for (int r = 0; r < rows; ++r) totals[r] = kernels.attend.total(scratch.lanes + r * 16);
  };
  if (item.partial >= 0) {
    run(item.split, scratch.sums, scratch.shifts, scratch.totals);
    for (int r = 0; r < rows; ++r) {
      float* out = partial_.row(item.partial + r);
      std::copy_n(scratch.sums + r * stride, cache_->value_dim, out);
      out[stride] = scratch.shifts[r];
      out[stride + 1] = scratch.totals[r];
    }
    return;
  }
  run(item.split, scratch.merged, scratch.merged_shifts, scratch.merged_totals);
  for (int split = item.split + 1; split < item.split + item.splits; ++split) {
    run(split, scratch.sums, scratch.shifts, scratch.totals);
    for (int r = 0; r < rows; ++r) {
      AttendState left{scratch.merged + r * stride, scratch.merged_shifts[r], scratch.merged_totals[r]};
      kernels.attend.fold(left, {scratch.sums + r * stride, scratch.shifts[r], scratch.totals[r]}, cache_->value_dim);
      scratch.merged_shifts[r] = left.shift;
      scratch.merged_totals[r] = left.total;
    }
  }
  for (int r = 0; r < rows; ++r) {
    const int head = first_head + r % group;
    kernels.attend.finish({scratch.merged + r * stride, scratch.merged_shifts[r], scratch.merged_totals[r]},
                          args.sinks ? args.sinks + head : nullptr, heads_.value(),
                          args.out.row(item.token + r / group) + head * heads_.value());
  }
}

void CpuOps::attend_fast_split(AttendArgs& a, int layer, const AttentionItem& item, int split, bool tiles, uint8_t* copied) {
  const CpuKvCache& cache = *cache_;
  const int size = cache.shape.block_size, kv_head = heads_.kv_of_query[group_first_[item.group]];
  const int32_t* blocks = batch_.blocks + batch_.block_first[item.sequence];
  const int lowest = a.window > 0 ? a.positions[0] - a.window + 1 : 0;
  a.split = split * kSplit;
  const int low = std::max(lowest, a.split), high = std::min(a.positions[item.tokens - 1] + 1, a.split + kSplit);
  std::fill_n(a.shifts, a.rows, -std::numeric_limits<float>::infinity());
  std::fill_n(a.lanes, a.rows * 16, 0.0f);
  for (a.chunk = low / kAttendChunk * kAttendChunk; a.chunk < high; a.chunk += kAttendChunk) {
    a.first = std::max(low - a.chunk, 0);
    a.last = std::min(high - a.chunk, kAttendChunk);
    for (int run = a.first / kPanelRows; run * kPanelRows < a.last; ++run) {
      // Blocks wholly before `low` may hold something else by now.
      const int position = a.chunk + run * kPanelRows, offset = position % size, block = blocks[position / size];
      uint8_t* keys = cache.key_block(layer, block, kv_head);
      a.keys[run] = keys + cache.panel * (offset / kPanelRows);
      if (cache.latent > 0) {
        uint8_t* to = copied + cache.value_row() * kPanelRows * run;
        cache.copy_values(a.keys[run], kPanelRows, to);
        a.values[run] = to;
        continue;
      }
      uint8_t* values = cache.value_block(layer, block, kv_head);
      a.values[run] = values + cache.value_row() * offset;
      if (!cache.scaled()) continue;
      const float *key_scales = cache.key_scales(keys) + offset, *value_scales = cache.value_scales(values) + offset;
      for (int i = 0; i < kPanelRows; ++i) {
        const bool there = run * kPanelRows + i < a.last;
        a.key_scales[run * kPanelRows + i] = there ? key_scales[i] * kLog2e : 0;
        a.value_scales[run * kPanelRows + i] = there ? value_scales[i] : 0;
      }
    }
    (tiles ? fast_->tiles->attend_chunk : fast_->rows->attend.chunk)(a);
  }
}

void CpuOps::merge_fast(const AttentionArgs& args, const AttentionMerge& item) {
  const AttendKernels& kernels = fast_->rows->attend;
  const size_t stride = padded_width(heads_.dim);
  // The first split's row is the running state: nobody needs it afterwards.
  float* first = partial_.row(item.partial);
  AttendState left{first, first[stride], first[stride + 1]};
  for (int split = 1; split < item.splits; ++split) {
    float* row = partial_.row(item.partial + split * item.stride);
    kernels.fold(left, {row, row[stride], row[stride + 1]}, cache_->value_dim);
  }
  kernels.finish(left, args.sinks ? args.sinks + item.head : nullptr, heads_.value(),
                 args.out.row(item.token) + item.head * heads_.value());
}

}  // namespace lanyard::ops::cpu
