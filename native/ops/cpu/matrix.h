// Weights in panels (see kernels.h), packed once on load.
#pragma once

#include "../ops.h"
#include "fast.h"
#include "kernels.h"
#include "memory.h"
#include "pool.h"

namespace lanyard::ops::cpu {

// Row r of panel p is source row 16 p + r. RowOrder::gated: even panels hold gate rows, the odd one after each the up
// rows that go with them.
struct PackedMatrix final : Matrix {
  int panels = 0;
  int padded_cols = 0;  // to whole groups of the fast arithmetic
  size_t stride = 0;  // bytes of a panel
  RowOrder order = RowOrder::plain;
  Memory memory;
  const float* scales = nullptr;  // [panels * 16], i8 only
  int group = 0;                  // columns that share a scale, grouped types only
  Factors factors = Factors::pairs;

  const uint8_t* packed() const override { return memory.data(); }
  const uint8_t* panel(int p) const { return memory.data() + p * stride; }
  // Panels [first, last) times some rows; `out` is where panel `first` goes.
  MatmulArgs product(int first, int last, Rows in, int tokens, Rows out) const;
  // From activations rounded as groups() and dtype say.
  FastArgs fast_product(int first, int last, const FastInput& in, int tokens, Rows out) const;
  int fast_columns() const { return fast_group(dtype, group); }
  int groups() const { return padded_cols / fast_columns(); }
};

// Part of the name of the layout of packed bytes: raise it with every change of what pack_matrix() writes.
inline constexpr int kPackedLayout = 3;

// The name of this build's and this machine's layout. It holds a checksum of a packed sample of every dtype, so that a layout
// that depends on the processor has a name for each.
std::string packed_layout(Pool& pool);

// Over the bytes of a PackedMatrix of the same layout. Null when their number is another.
std::unique_ptr<PackedMatrix> adopt_matrix(const PackedBytes& packed);

// Each thread of the pool packs, and so first touches, the panels it will multiply with.
std::unique_ptr<PackedMatrix> pack_matrix(const RowSource& source, DType as, RowOrder order, Pool& pool);

// Which panels belong to a thread; pairs of gate and up panels stay together.
Share panel_share(const PackedMatrix& matrix, int thread, int threads);

}  // namespace lanyard::ops::cpu
