// The fast arithmetic on AVX2 + FMA + F16C; fast_avxvnni.cc compiles it once more with AVX-VNNI. Called only where cpuid
// has them.
#include "fast.h"

#ifndef LANYARD_KERNELS_NAME
#define LANYARD_KERNELS_NAME "avx2"
#define LANYARD_KERNELS_TABLE fast_avx2_kernels
#endif

#if defined(__AVX2__) && defined(__FMA__) && defined(__F16C__)
#include <immintrin.h>

namespace lanyard::ops::cpu {
namespace {

#include "vector_avx2.inc"

constexpr int kFastTokens = 3;
constexpr int fast_panels(int tokens) { return tokens == 1 ? 2 : 1; }
constexpr int kFastAhead = 2048;

struct Ints {
  __m256i a, b;
};
using Quad = __m256i;

LANYARD_INLINE V to_float(Ints x) { return {_mm256_cvtepi32_ps(x.a), _mm256_cvtepi32_ps(x.b)}; }
LANYARD_INLINE V fused(V x, V y, V z) { return fma(x, y, z); }
LANYARD_INLINE Quad quad(const uint8_t* p) {
  int32_t four;
  __builtin_memcpy(&four, p, 4);
  return _mm256_set1_epi32(four);
}
template <int Shift>
LANYARD_INLINE Words nibbles(Words w) {
  const __m256i mask = _mm256_set1_epi32(0x0f0f0f0f);
  if constexpr (Shift == 0) return {_mm256_and_si256(w.a, mask), _mm256_and_si256(w.b, mask)};
  else return {_mm256_and_si256(_mm256_srli_epi32(w.a, 4), mask), _mm256_and_si256(_mm256_srli_epi32(w.b, 4), mask)};
}

#ifdef __AVXVNNI__

using Dot8 = Ints;
using Dot4 = Ints;
using Weights8 = Ints;
// VNNI multiplies unsigned by signed bytes: weights are moved by 128 and the group's sum taken back at the start.
LANYARD_INLINE Weights8 weights8(Words w) {
  const __m256i flip = _mm256_set1_epi32(static_cast<int>(0x80808080u));
  return {_mm256_xor_si256(w.a, flip), _mm256_xor_si256(w.b, flip)};
}
LANYARD_INLINE Ints spread_int(int32_t x) { return {_mm256_set1_epi32(x), _mm256_set1_epi32(x)}; }
LANYARD_INLINE Dot8 start8(int32_t sum) { return spread_int(-128 * sum); }
LANYARD_INLINE Dot4 start4(int32_t sum) { return spread_int(-8 * sum); }
LANYARD_INLINE Dot8 step8(Dot8 d, Weights8 w, Quad x) {
  return {_mm256_dpbusd_avx_epi32(d.a, w.a, x), _mm256_dpbusd_avx_epi32(d.b, w.b, x)};
}
LANYARD_INLINE Dot4 step4(Dot4 d, Words w, Quad x) {
  return {_mm256_dpbusd_avx_epi32(d.a, w.a, x), _mm256_dpbusd_avx_epi32(d.b, w.b, x)};
}
LANYARD_INLINE Ints end8(Dot8 d) { return d; }
LANYARD_INLINE Ints end4(Dot4 d, int32_t) { return d; }
using Run4 = Ints;
LANYARD_INLINE Run4 run4(int32_t start) { return spread_int(start); }
LANYARD_INLINE Run4 carry(Run4 d) { return d; }
LANYARD_INLINE Ints end4(Run4 d) { return d; }

#else

// Pairs of products in 16 bits. int8: |w| times x with w's sign, at most 2 * 128 * 127. 4 bits: a whole group's eight
// steps stay below 8 * 2 * 15 * 127 and need no widening before its end.
using Dot8 = Ints;
struct Dot4 {
  __m256i a, b;
};
struct Weights8 {
  Words w, size;
};
LANYARD_INLINE Weights8 weights8(Words w) { return {w, {_mm256_abs_epi8(w.a), _mm256_abs_epi8(w.b)}}; }
LANYARD_INLINE Dot8 start8(int32_t) { return {_mm256_setzero_si256(), _mm256_setzero_si256()}; }
LANYARD_INLINE Dot4 start4(int32_t) { return {_mm256_setzero_si256(), _mm256_setzero_si256()}; }
LANYARD_INLINE __m256i widened(__m256i pairs) { return _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)); }
LANYARD_INLINE Dot8 step8(Dot8 d, Weights8 w, Quad x) {
  return {_mm256_add_epi32(d.a, widened(_mm256_maddubs_epi16(w.size.a, _mm256_sign_epi8(x, w.w.a)))),
          _mm256_add_epi32(d.b, widened(_mm256_maddubs_epi16(w.size.b, _mm256_sign_epi8(x, w.w.b))))};
}
LANYARD_INLINE Dot4 step4(Dot4 d, Words w, Quad x) {
  return {_mm256_add_epi16(d.a, _mm256_maddubs_epi16(w.a, x)), _mm256_add_epi16(d.b, _mm256_maddubs_epi16(w.b, x))};
}
LANYARD_INLINE Ints end8(Dot8 d) { return d; }
LANYARD_INLINE Ints end4(Dot4 d, int32_t sum) {
  const __m256i back = _mm256_set1_epi32(8 * sum);
  return {_mm256_sub_epi32(widened(d.a), back), _mm256_sub_epi32(widened(d.b), back)};
}
// Weights up to 24: four steps stay below 4 * 2 * 24 * 127.
struct Run4 {
  Dot4 pairs;
  Ints total;
};
LANYARD_INLINE Run4 run4(int32_t start) { return {start4(0), {_mm256_set1_epi32(start), _mm256_set1_epi32(start)}}; }
LANYARD_INLINE Run4 step4(Run4 d, Words w, Quad x) { return {step4(d.pairs, w, x), d.total}; }
LANYARD_INLINE Run4 carry(Run4 d) {
  return {start4(0), {_mm256_add_epi32(d.total.a, widened(d.pairs.a)), _mm256_add_epi32(d.total.b, widened(d.pairs.b))}};
}
LANYARD_INLINE Ints end4(Run4 d) { return d.total; }

#endif

LANYARD_INLINE Words twice_e2m1(Words w) {
  const __m128i sixteen = _mm_setr_epi8(12, 13, 14, 15, 16, 18, 20, 24, 12, 11, 10, 9, 8, 6, 4, 0);
  const __m256i values = _mm256_broadcastsi128_si256(sixteen);
  return {_mm256_shuffle_epi8(values, w.a), _mm256_shuffle_epi8(values, w.b)};
}

LANYARD_INLINE __m128i bytes_of(V v) {
  const __m256i words = _mm256_packs_epi32(_mm256_cvtps_epi32(v.a), _mm256_cvtps_epi32(v.b));
  const __m256i ordered = _mm256_permute4x64_epi64(words, 0xd8);
  return _mm_packs_epi16(_mm256_castsi256_si128(ordered), _mm256_extracti128_si256(ordered, 1));
}
LANYARD_INLINE void store_bytes(uint8_t* p, V v) { _mm_storeu_si128(reinterpret_cast<__m128i*>(p), bytes_of(v)); }
LANYARD_INLINE void store_even_odd(uint8_t* p, V v) {
  const __m128i order = _mm_setr_epi8(0, 2, 4, 6, 1, 3, 5, 7, 8, 10, 12, 14, 9, 11, 13, 15);
  _mm_storeu_si128(reinterpret_cast<__m128i*>(p), _mm_shuffle_epi8(bytes_of(v), order));
}
LANYARD_INLINE __m256i bf16_bits(__m256 v) {
  const __m256i bits = _mm256_castps_si256(v);
  const __m256i even = _mm256_and_si256(_mm256_srli_epi32(bits, 16), _mm256_set1_epi32(1));
  const __m256i rounded = _mm256_add_epi32(bits, _mm256_add_epi32(even, _mm256_set1_epi32(0x7fff)));
  const __m256i quiet = _mm256_or_si256(bits, _mm256_set1_epi32(0x400000));
  const __m256 nan = _mm256_cmp_ps(v, v, _CMP_UNORD_Q);
  return _mm256_srli_epi32(_mm256_blendv_epi8(rounded, quiet, _mm256_castps_si256(nan)), 16);
}
LANYARD_INLINE void store_bf16(uint8_t* p, V v) {
  const __m256i words = _mm256_packus_epi32(bf16_bits(v.a), bf16_bits(v.b));
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), _mm256_permute4x64_epi64(words, 0xd8));
}
LANYARD_INLINE __m256i bf16_half_words(__m256 even, __m256 odd) {
  return _mm256_blend_epi16(_mm256_srli_epi32(_mm256_castps_si256(even), 16), _mm256_castps_si256(odd), 0xaa);
}
LANYARD_INLINE Words bf16_words(V even, V odd) { return {bf16_half_words(even.a, odd.a), bf16_half_words(even.b, odd.b)}; }
LANYARD_INLINE void store_words(uint8_t* p, Words w) {
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), w.a);
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(p + 32), w.b);
}

LANYARD_INLINE V times_exp2(V p, V n) { return mul(p, exp2i(n)); }
LANYARD_INLINE float total_of(V v) { return sum(v); }
LANYARD_INLINE V maxima_of(const float (*rows)[16]) {
  float largest[16];
  for (int i = 0; i < 16; ++i) largest[i] = maximum_of(load(rows[i]));
  return load(largest);
}
LANYARD_INLINE V as_bf16(V v) {
  return {_mm256_castsi256_ps(_mm256_slli_epi32(bf16_bits(v.a), 16)), _mm256_castsi256_ps(_mm256_slli_epi32(bf16_bits(v.b), 16))};
}
// 16 registers: 12 for sums.
constexpr int kAttendTokens = 6;
constexpr int attend_panels(int tokens) { return tokens == 1 ? 2 : 1; }
constexpr bool attend_both(int tokens, int panels) { return tokens * panels <= 3; }

#include "fast_body.inc"

}  // namespace

const FastKernels* LANYARD_KERNELS_TABLE() { return &kFastTable; }

}  // namespace lanyard::ops::cpu
#else
namespace lanyard::ops::cpu {
const FastKernels* LANYARD_KERNELS_TABLE() { return nullptr; }
}  // namespace lanyard::ops::cpu
#endif
