// The fast arithmetic: products whose activations are rounded to what the weights are kept in. It is defined to the bit,
// so that every instruction set and every number of tokens in a step gives the same result:
//
//   bf16  Activations are rounded to bf16. Per block of 32 columns, e is the chain of fused multiply-adds over the even
//         columns and o that over the odd ones, both from zero; sum += e + o, blocks ascending. (This is the order of
//         AMX's TDPBF16PS, and as a product of two bf16 is exact in f32, any FMA unit can follow it.)
//   i8    Activations are rounded to int8 in groups of 64: scale = max |x| / 127. Products add up exactly in int32
//         within a group; sum = fma(products, scale, sum), groups ascending; at last sum *= the weight row's scale.
//   i4    The same in groups of 32, with fma(products, weight scale * activation scale, sum).
//   i4g, i8g   In the weights' own groups of 16 to 128. With the group's activations as integers q and their scale a:
//         sum = fma(bias, a * (q added up), sum), then sum = fma(products, weight scale * a, sum). i8g: products with the
//         stored signed bytes and the bias that goes with them (kernels.h).
//   f4g   So too, without a bias; products with twice the value of an e2m1, an integer, and the stored half scale.
//   f8g   Activations are rounded to bf16. Within a group of weights, s is what bf16 gives for the bare e4m3 times 2^-8, which are
//         exact in bf16, in blocks of 32 columns (16 in a group of 16); sum = fma(s, stored scale, sum), groups ascending.
//
// Denormal numbers are the exception: AMX takes them as zero.
#pragma once

#include <cstddef>
#include <cstdint>

#include "../dtype.h"
#include "attend.h"
#include "kernels.h"

namespace lanyard::ops::cpu {

constexpr bool has_fast(DType dtype) {
  return dtype == DType::bf16 || dtype == DType::i8 || dtype == DType::i4 || dtype == DType::i4g || dtype == DType::i8g || dtype == DType::f4g || dtype == DType::f8g;
}

// What activations are rounded as.
constexpr DType fast_form(DType dtype) { return dtype == DType::f8g ? DType::bf16 : dtype; }
// Columns of a group of activations (bf16: of a block); `own` is that of a matrix of a grouped type.
constexpr int fast_group(DType dtype, int own) {
  return is_grouped(fast_form(dtype)) ? own : dtype == DType::i8 ? 64 : 32;
}
constexpr bool four_bits(DType dtype) { return dtype == DType::i4 || dtype == DType::i4g || dtype == DType::f4g; }

// Rounded activations have one of two forms.
//   rows   per token, `row_bytes` apart: bf16 as f32 [cols]; the others [cols] int8, [groups] f32 scales, [groups] int32
//          sums of the int8 values; grouped types then [groups] f32 scale * sum
//   tiles  16 tokens together, as AMX loads them, for each group a record: bf16 [16][32]; the others [16][group] int8,
//          [16] f32 scales; grouped types then [16] scale * sum. Blocks of 16 tokens follow each other.
// For weights of 4 bits, eight columns are kept in the order 0 2 4 6 1 3 5 7, which is how the nibbles of a word come apart.
constexpr size_t fast_row_bytes(DType dtype, int group, int groups) {
  const size_t bytes = dtype == DType::bf16 ? 128 : group + (is_grouped(dtype) ? 12 : 8);
  return (groups * bytes + 63) / 64 * 64;
}
// Room per token that holds any of them.
constexpr size_t fast_capacity(size_t width) { return (width + 63) / 64 * 256 + 64; }
inline constexpr int kTileTokens = 16;
constexpr size_t fast_record_bytes(DType dtype, int group) {
  return dtype == DType::bf16 ? 1024 : kTileTokens * size_t(group + (is_grouped(dtype) ? 8 : 4));
}

struct FastArgs {
  const uint8_t* panels;  // [count] panels, `stride` bytes apart
  size_t stride;
  const float* scales;  // [count * 16] factor per row; null: none
  int count;
  int groups;        // of activations
  const uint8_t* x;  // rows or tiles
  size_t row_bytes;
  int tokens;
  float* out;  // [tokens][out_stride], count * 16 values written per token
  size_t out_stride;
  int group = 0;  // columns of a group of weights, grouped types only
  Factors factors = Factors::pairs;
  bool more = false;  // `out` has the sums of the groups before
};

// Where the rounding of a row goes: group g's values at values + g * value_step, its scale at scales[g * scale_step].
struct RoundedRow {
  uint8_t* values;
  size_t value_step;
  float* scales;
  size_t scale_step;
  int32_t* sums;   // null: not wanted
  float* moments;  // scale * sum, at moments[g * scale_step]; null: not wanted
};

using Round = void (*)(const float* x, int n, int groups, const RoundedRow& to);

struct FastKernels {
  const char* name;
  // Rounds x[n], padded with zeros to whole groups.
  Round round_bf16;         // to bf16
  Round round_bf16_wide;    // to bf16, kept as f32
  Round round_bytes[4];     // to int8 in groups of 16, 32, 64, 128
  Round round_even_odd[4];  // in the order for weights of 4 bits
  void (*matmul[kDTypes])(const FastArgs&);  // from rows; null where !has_fast
  AttendKernels attend;  // its queries are rows as well
};

// Products from tiles.
struct TileKernels {
  const char* name;
  void (*matmul[kDTypes])(const FastArgs&);
  void (*attend_chunk)(const AttendArgs&);
};

const FastKernels& fast_scalar_kernels();
// Null where the compiler could not build them for this processor family.
const FastKernels* fast_avx2_kernels();
const FastKernels* fast_avxvnni_kernels();
const FastKernels* fast_avx512_kernels();  // with VNNI
const FastKernels* fast_neon_kernels();
const FastKernels* fast_dotprod_kernels();
const FastKernels* fast_i8mm_kernels();  // with the products of bf16
const TileKernels* amx_kernels();

// Asks Linux for the tile registers, once per process. False where processor or system have none.
bool enable_amx();

// All tables this CPU can run, the plain one first.
int available_fast_kernels(const FastKernels* out[4]);

// What this computer is fastest with, by a micro-benchmark of a few milliseconds made once per process; AMX only where
// its results are those of the plain kernels. LANYARD_KERNELS (scalar, avx2, avxvnni, avx512, amx, neon, dotprod, i8mm)
// overrides it.
inline constexpr int kNoTiles = 1 << 30;
struct FastChoice {
  const FastKernels* rows;
  const TileKernels* tiles;  // null: none
  int tile_tokens[kDTypes];  // from this many tokens on, tiles are faster; kNoTiles where they give other results
  const char* name;
};
const FastChoice& best_fast();

// The form and place of a step's rounded activations; `dtype` by fast_form().
struct FastInput {
  uint8_t* data = nullptr;
  DType dtype = DType::bf16;
  int groups = 0;
  bool tiles = false;
  int group = 0;  // columns of one

  size_t row_bytes() const { return fast_row_bytes(dtype, group, groups); }
  RoundedRow place(int token) const;
};
// Rounds x[n] as token `token` of `input`.
void fast_round(const FastKernels& kernels, const FastInput& input, int token, const float* x, int n);

}  // namespace lanyard::ops::cpu
