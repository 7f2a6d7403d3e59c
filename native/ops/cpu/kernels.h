// The inner loops that are written per instruction set, as one table of functions.
//
// Panel layout. A matrix [rows, cols] is cut into panels of 16 rows; within a panel the columns run outside and the
// rows inside, so that one vector register holds the same column of 16 rows and no sum across lanes is needed:
//   f32   [cols    ][16]      f32
//   f16   [cols    ][16]      f16
//   bf16  [cols / 2][16][2]   bf16: a 32-bit word holds two neighbouring columns of a row (also VNNI's and AMX's order)
//   i8    [cols / 4][16][4]   int8
//   i4    [cols / 32]{ [16] f16 scales, [4][16] words of 8 nibbles, lowest first }
//   i4g   [groups]{ factors, [group / 8][16] words of 8 nibbles, lowest first }
//   i8g   [groups]{ factors, [group / 4][16][4] int8: code - 128 }
//   f4g   [groups]{ [16] f32 scales / 2, [group / 8][16] words of 8 nibbles, lowest first }
//   f8g   [groups]{ [16] f32 scales * 2^8, [group / 2][16][2] e4m3 }; a scale is NaN where one of its values is
// The last group is whole. Factors, by the matrix's `factors`; the bias of i8g is scale * code + bias with the code as kept:
//   symmetric  [16] f16 scales           zeros  the same, [16] f16 bias / scale, a whole number
//   biases     [16] f16 scales, [16] f16 biases of unsigned codes           pairs  [16] f32 scales, [16] f32 biases
// Rows are padded with zeros to 16, columns to `column_step`. Panels of keys in the KV cache have the same layout with
// positions as rows.
//
// Every output is one chain of fused multiply-adds over ascending columns, whatever the number of tokens or panels in
// the call: a token's result does not depend on what else is in the batch.
#pragma once

#include <cstddef>
#include <cstdint>

#include "../dtype.h"

namespace lanyard::ops::cpu {

inline constexpr int kPanelRows = 16;

constexpr int column_step(DType dtype) {
  constexpr int steps[kDTypes] = {1, 1, 2, 4, kInt4Group, 32, 32, 32, 32};
  return steps[static_cast<int>(dtype)];
}

// Bytes of a panel with `cols` columns, a multiple of column_step.
constexpr size_t panel_bytes(DType dtype, size_t cols) {
  switch (dtype) {
    case DType::f32: return cols * 64;
    case DType::f16:
    case DType::bf16: return cols * 32;
    case DType::i8: return cols * 16;
    case DType::i4: return cols / kInt4Group * (32 + 256);
    default: return 0;  // grouped types: below
  }
}

// Bytes of a grouped panel's scales and biases per group, and of the values of a column.
constexpr size_t grouped_header(DType dtype, Factors factors) {
  if (!has_biases(dtype)) return 64;
  return factors == Factors::symmetric ? 32 : factors == Factors::pairs ? 128 : 64;
}
constexpr size_t grouped_column(DType dtype) { return dtype == DType::i4g || dtype == DType::f4g ? 8 : 16; }

constexpr size_t grouped_panel_bytes(DType dtype, Factors factors, size_t cols, size_t group) {
  return (cols + group - 1) / group * grouped_header(dtype, factors) + cols * grouped_column(dtype);
}

// A run of panels times some rows of activations.
struct MatmulArgs {
  const uint8_t* panels;  // [count] panels, `stride` bytes apart
  size_t stride;
  const float* scales;  // [count * 16] factor per row; null: none
  int count;
  int cols;        // padded
  const float* x;  // [tokens][x_stride], zeros beyond the real columns
  size_t x_stride;
  int tokens;
  float* out;  // [tokens][out_stride], count * 16 values written per token
  size_t out_stride;
  int group = 0;  // columns that share a scale, grouped types only
  Factors factors = Factors::pairs;
};

// Weighted sums of values: out[row][d] += sum over positions p of weights[row][p] * values[p][d].
struct ValuesArgs {
  const void* values;  // [positions][value_stride]
  size_t value_stride;
  int positions;
  const float* weights;  // [rows][weight_stride]
  size_t weight_stride;
  int rows;
  int dim;     // a multiple of 16
  float* out;  // [rows][out_stride]
  size_t out_stride;
};

struct Kernels {
  const char* name;
  void (*matmul[kDTypes])(const MatmulArgs&);  // by DType of the panels
  void (*values_f32)(const ValuesArgs&);
  void (*values_bf16)(const ValuesArgs&);
  void (*values_i8)(const ValuesArgs&);  // of the bare integers: factors of positions belong in the weights

  // y[i] = x[i] * rsqrt(mean(x^2) + eps) * weight[i]
  void (*rms_norm)(const float* x, const float* weight, int n, float eps, float* y);
  // x[i] += y[i]
  void (*add)(float* x, const float* y, int n);
  // x[i] *= factor
  void (*scale)(float* x, float factor, int n);
  // Per 32 values: out[i] = act(in[i]) * in[16 + i], i < 16. `blocks` such runs.
  void (*gated_silu)(const float* in, int blocks, float* out);
  void (*gated_gelu)(const float* in, int blocks, float* out);
  // (up + 1) * gate * sigmoid(alpha * gate), gate at most limit, up within +-limit
  void (*gated_clamped)(const float* in, int blocks, float alpha, float limit, float* out);
  // x[i] = cap * tanh(x[i] / cap)
  void (*softcap)(float* x, int n, float cap);
  float (*maximum)(const float* x, int n);
  // Replaces x[i] by exp(x[i] - shift), returns their sum.
  float (*exp_sum)(float* x, int n, float shift);
  // Sum of exp((x[i] - shift) * factor), in f64 over runs of values.
  double (*exp_total)(const float* x, int n, float shift, float factor);
};

const Kernels& scalar_kernels();
// Null where the compiler could not build them for this processor family.
const Kernels* avx2_kernels();
const Kernels* avx512_kernels();
const Kernels* neon_kernels();

// All tables this CPU can run, slowest first. [count] with count <= 3 entries written.
int available_kernels(const Kernels* out[3]);

// The fastest table for this CPU, by a micro-benchmark of about a millisecond made once per process. The environment
// variable LANYARD_KERNELS (scalar, avx2, avx512, neon) overrides it.
const Kernels& best_kernels();

}  // namespace lanyard::ops::cpu
