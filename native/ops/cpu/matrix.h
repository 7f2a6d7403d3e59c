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

  const uint8_t* panel(int p) const { return memory.data() + p * stride; }
  MatmulArgs product(int first, int last, Rows in, int tokens, Rows out) const;
  // From activations rounded as groups() and dtype say.
  FastArgs fast_product(int first, int last, const FastInput& in, int tokens, Rows out) const;
  int groups() const { return padded_cols / fast_group(dtype); }
};

// Each thread of the pool packs, and so first touches, the panels it will multiply with.
std::unique_ptr<PackedMatrix> pack_matrix(const RowSource& source, DType as, RowOrder order, Pool& pool);

// Which panels belong to a thread; pairs of gate and up panels stay together.
Share panel_share(const PackedMatrix& matrix, int thread, int threads);

}  // namespace lanyard::ops::cpu
