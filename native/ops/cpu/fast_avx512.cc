// The fast arithmetic on AVX-512 with VNNI. Called only where cpuid has both.
#include "fast.h"

#if defined(__AVX512F__) && defined(__AVX512BW__) && defined(__AVX512VL__) && defined(__AVX512VNNI__)
#include <immintrin.h>

#define LANYARD_KERNELS_NAME "avx512"

namespace lanyard::ops::cpu {
namespace {

#include "vector_avx512.inc"

#include "attend_avx512.inc"

constexpr int kFastTokens = 6;
constexpr int fast_panels(int tokens) { return tokens == 1 ? 4 : 2; }
constexpr int kFastAhead = 2048;

struct Ints {
  __m512i v;
};
using Dot8 = Ints;
using Dot4 = Ints;
using Quad = Ints;
// VNNI multiplies unsigned by signed bytes: weights are moved by 128 and the group's sum taken back at the start.
using Weights8 = Ints;

LANYARD_INLINE V to_float(Ints x) { return {_mm512_cvtepi32_ps(x.v)}; }
LANYARD_INLINE Quad quad(const uint8_t* p) {
  int32_t four;
  __builtin_memcpy(&four, p, 4);
  return {_mm512_set1_epi32(four)};
}
LANYARD_INLINE Weights8 weights8(Words w) { return {_mm512_xor_si512(w.v, _mm512_set1_epi32(static_cast<int>(0x80808080u)))}; }
template <int Shift>
LANYARD_INLINE Words nibbles(Words w) {
  return {_mm512_and_si512(Shift == 0 ? w.v : _mm512_srli_epi32(w.v, 4), _mm512_set1_epi32(0x0f0f0f0f))};
}
LANYARD_INLINE Dot8 start8(int32_t sum) { return {_mm512_set1_epi32(-128 * sum)}; }
LANYARD_INLINE Dot4 start4(int32_t sum) { return {_mm512_set1_epi32(-8 * sum)}; }
LANYARD_INLINE Dot8 step8(Dot8 d, Weights8 w, Quad x) { return {_mm512_dpbusd_epi32(d.v, w.v, x.v)}; }
LANYARD_INLINE Dot4 step4(Dot4 d, Words w, Quad x) { return {_mm512_dpbusd_epi32(d.v, w.v, x.v)}; }
LANYARD_INLINE Ints end8(Dot8 d) { return d; }
LANYARD_INLINE Ints end4(Dot4 d, int32_t) { return d; }

using Run4 = Ints;
LANYARD_INLINE Run4 run4(int32_t start) { return {_mm512_set1_epi32(start)}; }
LANYARD_INLINE Run4 carry(Run4 d) { return d; }
LANYARD_INLINE Ints end4(Run4 d) { return d; }
LANYARD_INLINE Words twice_e2m1(Words w) {
  const __m128i values = _mm_setr_epi8(12, 13, 14, 15, 16, 18, 20, 24, 12, 11, 10, 9, 8, 6, 4, 0);
  return {_mm512_shuffle_epi8(_mm512_broadcast_i32x4(values), w.v)};
}

LANYARD_INLINE void store_bytes(uint8_t* p, V v) {
  _mm_storeu_si128(reinterpret_cast<__m128i*>(p), _mm512_cvtsepi32_epi8(_mm512_cvtps_epi32(v.v)));
}
LANYARD_INLINE void store_even_odd(uint8_t* p, V v) {
  const __m128i order = _mm_setr_epi8(0, 2, 4, 6, 1, 3, 5, 7, 8, 10, 12, 14, 9, 11, 13, 15);
  _mm_storeu_si128(reinterpret_cast<__m128i*>(p), _mm_shuffle_epi8(_mm512_cvtsepi32_epi8(_mm512_cvtps_epi32(v.v)), order));
}
// 32 registers: 24 sums at most.
constexpr int kAttendTokens = 8;
constexpr int attend_panels(int tokens) { return tokens == 1 ? 8 : tokens <= 4 ? 4 : 2; }
constexpr bool attend_both(int tokens, int panels) { return tokens * panels <= 12; }
// Both halves of a register at once.
#define LANYARD_FOUR_E4M3
LANYARD_INLINE void load_four_e4m3(const uint8_t* p, V (&v)[4]) {
  const __m512i codes = _mm512_loadu_si512(p), mask = _mm512_set1_epi16(static_cast<int16_t>(0xbf80));
  const __m512i even = _mm512_and_si512(_mm512_srai_epi16(_mm512_slli_epi16(codes, 8), 1), mask);
  const __m512i odd = _mm512_and_si512(_mm512_srai_epi16(codes, 1), mask);
  v[0] = {_mm512_cvtph_ps(_mm512_castsi512_si256(even))};
  v[1] = {_mm512_cvtph_ps(_mm512_castsi512_si256(odd))};
  v[2] = {_mm512_cvtph_ps(_mm512_extracti64x4_epi64(even, 1))};
  v[3] = {_mm512_cvtph_ps(_mm512_extracti64x4_epi64(odd, 1))};
}
LANYARD_INLINE Words bf16_words(V even, V odd) {
  // odd's upper half, even's below it
  const __m512i low = _mm512_srli_epi32(_mm512_castps_si512(even.v), 16);
  return {_mm512_mask_blend_epi16(0xaaaaaaaau, low, _mm512_castps_si512(odd.v))};
}
LANYARD_INLINE void store_words(uint8_t* p, Words w) { _mm512_storeu_si512(p, w.v); }

#include "fast_body.inc"

}  // namespace

const FastKernels* fast_avx512_kernels() { return &kFastTable; }

}  // namespace lanyard::ops::cpu
#else
namespace lanyard::ops::cpu {
const FastKernels* fast_avx512_kernels() { return nullptr; }
}  // namespace lanyard::ops::cpu
#endif
