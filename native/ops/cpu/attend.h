// Attention in the fast arithmetic, defined to the bit like the products of fast.h, so that every instruction set, every
// number of rows in a step and every number of threads gives the same result. Of a row, which is one query of one head:
//
//   scores   The query, times the scale of the scores, is rounded to bf16 and multiplied with a key as the cache keeps it:
//            bf16, or the integers of int8, which are exact in bf16. Products add up as fast.h has it for bf16. With a
//            softcap u, below, becomes cap / ln 2 * (1 - 2 / (2^(u * 2 / cap) + 1)).
//   weights  By chunks of 256 positions. u = score * (the key's factor / ln 2), the factor being 1 but in int8; shift is
//            the largest u so far, and when a chunk raises it, sums and total are multiplied by 2^(old - new). A weight is
//            2^fma(score, factor / ln 2, -shift), nothing from -96 downwards. 2^t is 2^n * p(t - n), n the nearest integer.
//   total    of the weights in f32: 16 sums, of the positions i, i + 16, ..., ascending; at last added up in halves.
//   values   The weight, times the value's factor in int8, is rounded to bf16. Per 32 positions e is the chain of fused
//            multiply-adds over the even ones and o that over the odd ones, both from zero; sum += e + o, ascending.
//   splits   of 512 positions, each from scratch, folded from left to right: sums = fma(right, b, left * a), likewise the
//            totals, with a and b as 2^(own shift - larger shift).
//
// Chunks and splits begin at multiples of their size. Positions that a row does not see have no part in any of this.
// Denormal numbers are the exception again; weights that small are none.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels.h"

namespace lanyard::ops::cpu {

inline constexpr int kSplit = 512;  // positions of a split, also with exact products
inline constexpr int kAttendChunk = 256;
inline constexpr int kAttendRuns = kAttendChunk / kPanelRows;
inline constexpr int kAttendPair = 32;  // positions of a pair of chains
inline constexpr int kAttendBlock = 32;  // most rows whose scores are kept at once
inline constexpr size_t kAttendStride = kAttendChunk + 16;  // of a row of scores: not all in the same sets of the cache
inline constexpr float kLog2e = 1.44269504f;

// One chunk of positions for some rows: tokens of a sequence times the query heads of a KV head, a token's heads side by side.
struct AttendArgs {
  DType dtype = DType::bf16;  // of keys and values: bf16 or i8
  // Panels of keys and [16][value_dim] of values, by runs of 16 positions; null before `first` and from `last` on.
  const uint8_t* keys[kAttendRuns];
  const uint8_t* values[kAttendRuns];
  // i8 only: [kAttendChunk] factors, those of keys / ln 2; zero from `last` on.
  float* key_scales = nullptr;
  float* value_scales = nullptr;
  int split = 0, chunk = 0;  // first positions
  int first = 0, last = 0;   // what any row sees, from `chunk` on
  int key_cols = 0, value_dim = 0;
  int groups = 0;  // of 32 columns

  int rows = 0, group = 1;             // group: heads of a token
  const int32_t* positions = nullptr;  // [rows / group]
  int window = 0;                      // 0: all
  float softcap = 0;                   // 0: none
  const uint8_t* q = nullptr;          // rounded queries, zeros up to `groups`: bf16 for tiles, else bf16 as f32
  size_t q_bytes = 0;                  // from row to row

  // Running results, with room for whole blocks of 32 rows.
  float* sums = nullptr;  // [rows][sum_stride]
  size_t sum_stride = 0;
  float* shifts = nullptr;  // [rows] -inf at first
  float* lanes = nullptr;   // [rows][16] sums of weights, zeros at first

  float* scores = nullptr;      // [kAttendBlock][kAttendStride]
  uint8_t* packed_keys = nullptr;    // tiles only: [kAttendRuns][groups][1024]
  uint8_t* packed_values = nullptr;  // tiles only: [kAttendChunk / 32][value_dim / 16][1024]
};

// What a range of positions comes to for a row; total 0: none was seen.
struct AttendState {
  float* sums;
  float shift, total;
};

struct AttendKernels {
  void (*chunk)(const AttendArgs&);
  float (*total)(const float* lanes);
  // left becomes what both ranges come to. dim: a multiple of 16.
  void (*fold)(AttendState& left, const AttendState& right, int dim);
  // The weighted mean; a sink is one more score whose value is nothing, or null.
  void (*finish)(const AttendState& state, const float* sink, int dim, float* out);
};

// A chunk by tiles.
void amx_attend_chunk(const AttendArgs& args);

}  // namespace lanyard::ops::cpu
