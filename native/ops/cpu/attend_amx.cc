// Attention (attend.h) on AMX, bit for bit what the other kernels compute. Keys in bf16 are used where they lie: a panel of
// them is what the tiles load. Keys in int8 become such panels, and two neighbouring positions of the values are put side
// by side, both once per chunk for all its rows.
#include "attend.h"

#if defined(__x86_64__) && defined(__linux__) && defined(__AVX512F__) && defined(__AVX512BW__) && defined(__AVX512VL__) && \
    defined(__AVX512BF16__)
#include <immintrin.h>

#include "amx.h"

namespace lanyard::ops::cpu {
namespace {

#include "vector_avx512.inc"

#include "attend_avx512.inc"
#include "unrolled.inc"

#define LANYARD_OWN_PRODUCTS

#include "attend_body.inc"

constexpr size_t kTileBytes = 1024;
constexpr size_t kScoreBytes = kAttendStride * sizeof(float);

struct TileProducts {
  static constexpr int kRows = kAttendBlock, kSteps = kAttendRuns / 2;
  static constexpr bool kAhead = true;
  const uint8_t* keys_[kAttendRuns];
  Tiles tiles_;

  explicit TileProducts(const AttendArgs& a) : tiles_(64, a.rows <= 8 ? 8 : 16) {
    prepare_keys(a);
    if (a.dtype == DType::i8) pair_values<true>(a);
    else pair_values<false>(a);
  }

  // The processor's own rounding is the same but for denormals.
  static LANYARD_INLINE void put(float* row, int i, V weight) {
    const __m256bh halves = _mm512_cvtneps_pbh(weight.v);
    __builtin_memcpy(reinterpret_cast<uint8_t*>(row) + 2 * i, &halves, sizeof halves);
  }
  // from and to: multiples of 16.
  static LANYARD_INLINE void put_zeros(float* row, int from, int to) {
    for (int i = from; i < to; i += 16) {
      _mm256_storeu_si256(reinterpret_cast<__m256i*>(reinterpret_cast<uint8_t*>(row) + 2 * i), _mm256_setzero_si256());
    }
  }

  void prepare_keys(const AttendArgs& a) {
    const int first = a.first / 16, last = (a.last + 15) / 16;
    const bool whole = a.key_cols % 32 == 0;
    for (int i = first; i < last; ++i) {
      if (a.dtype == DType::bf16 && whole) {
        keys_[i] = a.keys[i];
        continue;
      }
      uint8_t* to = a.packed_keys + i * a.groups * kTileBytes;
      keys_[i] = to;
      const uint8_t* from = a.keys[i];
      const uint8_t* end = to + a.groups * kTileBytes;
      if (a.dtype == DType::bf16) {
        for (int c = 0; c < a.key_cols; c += 2, from += 64, to += 64) _mm512_storeu_si512(to, _mm512_loadu_si512(from));
      } else {
        for (int c = 0; c < a.key_cols; c += 4, from += 64, to += 128) {
          const Words words = load_words(from);
          store_pair(to, signed_byte<0>(words), signed_byte<1>(words));
          store_pair(to + 64, signed_byte<2>(words), signed_byte<3>(words));
        }
      }
      for (; to < end; to += 64) _mm512_storeu_si512(to, _mm512_setzero_si512());
    }
  }

  // Numbers that are exact in bf16.
  static LANYARD_INLINE void store_pair(uint8_t* to, V even, V odd) {
    const __m512i low = _mm512_srli_epi32(_mm512_castps_si512(even.v), 16);
    // high half of odd, low half of even
    _mm512_storeu_si512(to, _mm512_ternarylogic_epi32(_mm512_castps_si512(odd.v), low, _mm512_set1_epi32(static_cast<int>(0xffff0000u)), 0xec));
  }

  template <bool Bytes>
  static void pair_values(const AttendArgs& a) {
    constexpr size_t kSize = Bytes ? 1 : 2;
    const size_t row = a.value_dim * kSize;
    const int panels = a.value_dim / 16, begin = a.first / 16 * 16;
    for (int i = a.first / kAttendPair * kAttendPair; i < (a.last + kAttendPair - 1) / kAttendPair * kAttendPair; i += 2) {
      uint8_t* to = a.packed_values + i / kAttendPair * panels * kTileBytes + i % kAttendPair / 2 * 64;
      if (i < begin || i >= a.last) {
        for (int d = 0; d < panels; ++d) _mm512_storeu_si512(to + d * kTileBytes, _mm512_setzero_si512());
        continue;
      }
      const uint8_t *even = a.values[i / 16] + i % 16 * row, *odd = even + row;
      const bool both = i + 1 < a.last;
      for (int d = 0; d < panels; ++d, to += kTileBytes) {
        if constexpr (Bytes) {
          store_pair(to, load_i8(even + d * 16), both ? load_i8(odd + d * 16) : zero());
        } else {
          const __m512i low = _mm512_cvtepu16_epi32(half(even + d * 32));
          const __m512i high = both ? _mm512_cvtepu16_epi32(half(odd + d * 32)) : _mm512_setzero_si512();
          _mm512_storeu_si512(to, _mm512_or_si512(low, _mm512_slli_epi32(high, 16)));
        }
      }
    }
  }

  // Two panels by two blocks of 16 rows, or four panels by one: every load serves two products, or a row four.
  // A step is two panels.
  void scores(const AttendArgs& a, const RowBlock& b, int step, int end) const {
    const int first = b.low / 16, last = (b.high + 15) / 16;
    const uint8_t* q = a.q + b.row * a.q_bytes;
    const size_t stride = a.q_bytes;
    for (; step < end; ++step) {
      const int panel = first + 2 * step;
      if (panel >= last) return;
      if (b.rows <= 16 && step % 2 == 1) continue;
      float* out = b.scores + panel * 16;
      const int count = last - panel;
      const uint8_t* k0 = keys_[panel];
      const uint8_t* k1 = keys_[panel + (count > 1 ? 1 : 0)];
      TILE_ZERO(0);
      TILE_ZERO(1);
      TILE_ZERO(2);
      TILE_ZERO(3);
      if (b.rows > 16) {
        for (int g = 0; g < a.groups; ++g) {
          TILE_LOAD(4, q + g * 64, stride);
          TILE_LOAD(6, k0 + g * kTileBytes, 64);
          TILE_BF16(0, 4, 6);
          TILE_LOAD(7, k1 + g * kTileBytes, 64);
          TILE_BF16(1, 4, 7);
          TILE_LOAD(5, q + 16 * stride + g * 64, stride);
          TILE_BF16(2, 5, 6);
          TILE_BF16(3, 5, 7);
        }
        TILE_STORE(0, out, kScoreBytes);
        TILE_STORE(2, out + 16 * kAttendStride, kScoreBytes);
        if (count < 2) continue;
        TILE_STORE(1, out + 16, kScoreBytes);
        TILE_STORE(3, out + 16 * kAttendStride + 16, kScoreBytes);
      } else {
        const uint8_t* k2 = keys_[panel + (count > 2 ? 2 : 0)];
        const uint8_t* k3 = keys_[panel + (count > 3 ? 3 : 0)];
        for (int g = 0; g < a.groups; ++g) {
          TILE_LOAD(4, q + g * 64, stride);
          TILE_LOAD(6, k0 + g * kTileBytes, 64);
          TILE_BF16(0, 4, 6);
          TILE_LOAD(7, k1 + g * kTileBytes, 64);
          TILE_BF16(1, 4, 7);
          TILE_LOAD(6, k2 + g * kTileBytes, 64);
          TILE_BF16(2, 4, 6);
          TILE_LOAD(7, k3 + g * kTileBytes, 64);
          TILE_BF16(3, 4, 7);
        }
        TILE_STORE(0, out, kScoreBytes);
        if (count > 1) TILE_STORE(1, out + 16, kScoreBytes);
        if (count > 2) TILE_STORE(2, out + 32, kScoreBytes);
        if (count > 3) TILE_STORE(3, out + 48, kScoreBytes);
      }
    }
  }

  // Two vectors of values by two blocks of rows, or four by one.
  void values(const AttendArgs& a, const RowBlock& b) const {
    const int panels = a.value_dim / 16, first = b.low / kAttendPair, last = (b.high + kAttendPair - 1) / kAttendPair;
    const auto* weights = reinterpret_cast<const uint8_t*>(b.scores);
    const size_t stride = a.sum_stride * sizeof(float), step = panels * kTileBytes;
    for (int d = 0; d < panels; d += b.rows > 16 ? 2 : 4) {
      float* out = a.sums + b.row * a.sum_stride + d * 16;
      float* below = out + 16 * a.sum_stride;
      const int count = panels - d;
      const uint8_t* v = a.packed_values + first * step + d * kTileBytes;
      const size_t v1 = count > 1 ? kTileBytes : 0;
      if (b.rows > 16) {
        if (b.fresh) {
          TILE_ZERO(0);
          TILE_ZERO(1);
          TILE_ZERO(2);
          TILE_ZERO(3);
        } else {
          TILE_LOAD(0, out, stride);
          TILE_LOAD(2, below, stride);
          TILE_LOAD(1, out + v1 / 64, stride);
          TILE_LOAD(3, below + v1 / 64, stride);
        }
        for (int k = first; k < last; ++k, v += step) {
          for (size_t line = 0; line < 2 * kTileBytes; line += 64) __builtin_prefetch(v + step + line);
          TILE_LOAD(4, weights + k * 64, kScoreBytes);
          TILE_LOAD(6, v, 64);
          TILE_BF16(0, 4, 6);
          TILE_LOAD(7, v + v1, 64);
          TILE_BF16(1, 4, 7);
          TILE_LOAD(5, weights + 16 * kScoreBytes + k * 64, kScoreBytes);
          TILE_BF16(2, 5, 6);
          TILE_BF16(3, 5, 7);
        }
        TILE_STORE(0, out, stride);
        TILE_STORE(2, below, stride);
        if (count < 2) continue;
        TILE_STORE(1, out + 16, stride);
        TILE_STORE(3, below + 16, stride);
      } else {
        const size_t v2 = count > 2 ? 2 * kTileBytes : 0, v3 = count > 3 ? 3 * kTileBytes : 0;
        if (b.fresh) {
          TILE_ZERO(0);
          TILE_ZERO(1);
          TILE_ZERO(2);
          TILE_ZERO(3);
        } else {
          TILE_LOAD(0, out, stride);
          TILE_LOAD(1, out + v1 / 64, stride);
          TILE_LOAD(2, out + v2 / 64, stride);
          TILE_LOAD(3, out + v3 / 64, stride);
        }
        for (int k = first; k < last; ++k, v += step) {
          TILE_LOAD(4, weights + k * 64, kScoreBytes);
          TILE_LOAD(6, v, 64);
          TILE_BF16(0, 4, 6);
          TILE_LOAD(7, v + v1, 64);
          TILE_BF16(1, 4, 7);
          TILE_LOAD(6, v + v2, 64);
          TILE_BF16(2, 4, 6);
          TILE_LOAD(7, v + v3, 64);
          TILE_BF16(3, 4, 7);
        }
        TILE_STORE(0, out, stride);
        if (count > 1) TILE_STORE(1, out + 16, stride);
        if (count > 2) TILE_STORE(2, out + 32, stride);
        if (count > 3) TILE_STORE(3, out + 48, stride);
      }
    }
  }
};

}  // namespace

void amx_attend_chunk(const AttendArgs& args) { attend_chunk<TileProducts>(args); }

}  // namespace lanyard::ops::cpu
#endif
