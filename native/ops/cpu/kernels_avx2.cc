// AVX2 + FMA + F16C: a vector of 16 floats is two registers. Compiled with those flags, called only where cpuid has them.
#include "kernels.h"

#if defined(__AVX2__) && defined(__FMA__) && defined(__F16C__)
#include <immintrin.h>

#define LANYARD_INLINE inline __attribute__((always_inline))
#define LANYARD_KERNELS_NAME "avx2"

namespace lanyard::ops::cpu {
namespace {

struct V {
  __m256 a, b;
};
struct Words {
  __m256i a, b;
};
using B = __m256;

// 16 registers: 12 sums at most, the rest for weights and the broadcast.
constexpr int kTokens = 6;
constexpr int panels_of(int tokens) { return tokens == 1 ? 4 : tokens <= 3 ? 2 : 1; }

LANYARD_INLINE B all(float f) { return _mm256_set1_ps(f); }
LANYARD_INLINE V spread(float f) { return {_mm256_set1_ps(f), _mm256_set1_ps(f)}; }
LANYARD_INLINE V zero() { return {_mm256_setzero_ps(), _mm256_setzero_ps()}; }
LANYARD_INLINE V load(const float* p) { return {_mm256_loadu_ps(p), _mm256_loadu_ps(p + 8)}; }
LANYARD_INLINE void store(float* p, V v) {
  _mm256_storeu_ps(p, v.a);
  _mm256_storeu_ps(p + 8, v.b);
}
LANYARD_INLINE V add(V x, V y) { return {_mm256_add_ps(x.a, y.a), _mm256_add_ps(x.b, y.b)}; }
LANYARD_INLINE V sub(V x, V y) { return {_mm256_sub_ps(x.a, y.a), _mm256_sub_ps(x.b, y.b)}; }
LANYARD_INLINE V mul(V x, V y) { return {_mm256_mul_ps(x.a, y.a), _mm256_mul_ps(x.b, y.b)}; }
LANYARD_INLINE V div(V x, V y) { return {_mm256_div_ps(x.a, y.a), _mm256_div_ps(x.b, y.b)}; }
LANYARD_INLINE V fma(V x, V y, V z) { return {_mm256_fmadd_ps(x.a, y.a, z.a), _mm256_fmadd_ps(x.b, y.b, z.b)}; }
LANYARD_INLINE V fma(V x, B y, V z) { return {_mm256_fmadd_ps(x.a, y, z.a), _mm256_fmadd_ps(x.b, y, z.b)}; }
LANYARD_INLINE V max(V x, V y) { return {_mm256_max_ps(x.a, y.a), _mm256_max_ps(x.b, y.b)}; }
LANYARD_INLINE V min(V x, V y) { return {_mm256_min_ps(x.a, y.a), _mm256_min_ps(x.b, y.b)}; }
LANYARD_INLINE V masked_above(V x, V y, V yes) {
  return {_mm256_and_ps(_mm256_cmp_ps(x.a, y.a, _CMP_GT_OQ), yes.a),
          _mm256_and_ps(_mm256_cmp_ps(x.b, y.b, _CMP_GT_OQ), yes.b)};
}
LANYARD_INLINE V round_to_int(V x) {
  constexpr int mode = _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC;
  return {_mm256_round_ps(x.a, mode), _mm256_round_ps(x.b, mode)};
}
LANYARD_INLINE __m256 exp2i_half(__m256 n) {
  return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_add_epi32(_mm256_cvtps_epi32(n), _mm256_set1_epi32(127)), 23));
}
LANYARD_INLINE V exp2i(V n) { return {exp2i_half(n.a), exp2i_half(n.b)}; }
LANYARD_INLINE float sum(V v) {
  const __m256 s = _mm256_add_ps(v.a, v.b);
  __m128 q = _mm_add_ps(_mm256_castps256_ps128(s), _mm256_extractf128_ps(s, 1));
  q = _mm_add_ps(q, _mm_movehl_ps(q, q));
  return _mm_cvtss_f32(_mm_add_ss(q, _mm_movehdup_ps(q)));
}
LANYARD_INLINE float maximum_of(V v) {
  const __m256 s = _mm256_max_ps(v.a, v.b);
  __m128 q = _mm_max_ps(_mm256_castps256_ps128(s), _mm256_extractf128_ps(s, 1));
  q = _mm_max_ps(q, _mm_movehl_ps(q, q));
  return _mm_cvtss_f32(_mm_max_ss(q, _mm_movehdup_ps(q)));
}
LANYARD_INLINE __m128i half(const uint8_t* p) { return _mm_loadu_si128(reinterpret_cast<const __m128i*>(p)); }
LANYARD_INLINE V load_f16(const uint8_t* p) { return {_mm256_cvtph_ps(half(p)), _mm256_cvtph_ps(half(p + 16))}; }
LANYARD_INLINE __m256 bf16_half(const uint8_t* p) {
  return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(half(p)), 16));
}
LANYARD_INLINE V load_bf16(const uint8_t* p) { return {bf16_half(p), bf16_half(p + 16)}; }
LANYARD_INLINE Words load_words(const uint8_t* p) {
  return {_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)),
          _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p + 32))};
}
LANYARD_INLINE V low_bf16(Words w) {
  return {_mm256_castsi256_ps(_mm256_slli_epi32(w.a, 16)), _mm256_castsi256_ps(_mm256_slli_epi32(w.b, 16))};
}
LANYARD_INLINE V high_bf16(Words w) {
  const __m256i mask = _mm256_set1_epi32(static_cast<int>(0xffff0000u));
  return {_mm256_castsi256_ps(_mm256_and_si256(w.a, mask)), _mm256_castsi256_ps(_mm256_and_si256(w.b, mask))};
}
template <int S>
LANYARD_INLINE V signed_byte(Words w) {
  return {_mm256_cvtepi32_ps(_mm256_srai_epi32(_mm256_slli_epi32(w.a, 24 - 8 * S), 24)),
          _mm256_cvtepi32_ps(_mm256_srai_epi32(_mm256_slli_epi32(w.b, 24 - 8 * S), 24))};
}
template <int S>
LANYARD_INLINE V nibble(Words w) {
  const __m256i mask = _mm256_set1_epi32(15);
  return {_mm256_cvtepi32_ps(_mm256_and_si256(_mm256_srli_epi32(w.a, 4 * S), mask)),
          _mm256_cvtepi32_ps(_mm256_and_si256(_mm256_srli_epi32(w.b, 4 * S), mask))};
}

#include "kernels_body.inc"

}  // namespace

const Kernels* avx2_kernels() { return &kTable; }

}  // namespace lanyard::ops::cpu
#else
namespace lanyard::ops::cpu {
const Kernels* avx2_kernels() { return nullptr; }
}  // namespace lanyard::ops::cpu
#endif
