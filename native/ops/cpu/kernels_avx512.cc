// AVX-512 (F, BW, DQ, VL): a vector of 16 floats is one register. Called only where cpuid has them.
#include "kernels.h"

#if defined(__AVX512F__) && defined(__AVX512BW__) && defined(__AVX512DQ__) && defined(__AVX512VL__)
#include <immintrin.h>

#define LANYARD_INLINE inline __attribute__((always_inline))
#define LANYARD_KERNELS_NAME "avx512"

namespace lanyard::ops::cpu {
namespace {

struct V {
  __m512 v;
};
struct Words {
  __m512i v;
};
struct B {
  __m512 v;
};

// 32 registers: 24 sums at most.
constexpr int kTokens = 12;
constexpr int panels_of(int tokens) { return tokens == 1 ? 8 : tokens <= 5 ? 4 : 2; }

LANYARD_INLINE B all(float f) { return {_mm512_set1_ps(f)}; }
LANYARD_INLINE V spread(float f) { return {_mm512_set1_ps(f)}; }
LANYARD_INLINE V zero() { return {_mm512_setzero_ps()}; }
LANYARD_INLINE V load(const float* p) { return {_mm512_loadu_ps(p)}; }
LANYARD_INLINE void store(float* p, V v) { _mm512_storeu_ps(p, v.v); }
LANYARD_INLINE V add(V x, V y) { return {_mm512_add_ps(x.v, y.v)}; }
LANYARD_INLINE V sub(V x, V y) { return {_mm512_sub_ps(x.v, y.v)}; }
LANYARD_INLINE V mul(V x, V y) { return {_mm512_mul_ps(x.v, y.v)}; }
LANYARD_INLINE V div(V x, V y) { return {_mm512_div_ps(x.v, y.v)}; }
LANYARD_INLINE V fma(V x, V y, V z) { return {_mm512_fmadd_ps(x.v, y.v, z.v)}; }
LANYARD_INLINE V fma(V x, B y, V z) { return {_mm512_fmadd_ps(x.v, y.v, z.v)}; }
LANYARD_INLINE V max(V x, V y) { return {_mm512_max_ps(x.v, y.v)}; }
LANYARD_INLINE V min(V x, V y) { return {_mm512_min_ps(x.v, y.v)}; }
LANYARD_INLINE V masked_above(V x, V y, V yes) {
  return {_mm512_maskz_mov_ps(_mm512_cmp_ps_mask(x.v, y.v, _CMP_GT_OQ), yes.v)};
}
LANYARD_INLINE V round_to_int(V x) {
  return {_mm512_roundscale_ps(x.v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC)};
}
LANYARD_INLINE V exp2i(V n) {
  return {_mm512_castsi512_ps(_mm512_slli_epi32(_mm512_add_epi32(_mm512_cvtps_epi32(n.v), _mm512_set1_epi32(127)), 23))};
}
LANYARD_INLINE float sum(V v) { return _mm512_reduce_add_ps(v.v); }
LANYARD_INLINE float maximum_of(V v) { return _mm512_reduce_max_ps(v.v); }
LANYARD_INLINE __m256i half(const uint8_t* p) { return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)); }
LANYARD_INLINE V load_f16(const uint8_t* p) { return {_mm512_cvtph_ps(half(p))}; }
LANYARD_INLINE V load_bf16(const uint8_t* p) {
  return {_mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(half(p)), 16))};
}
LANYARD_INLINE Words load_words(const uint8_t* p) { return {_mm512_loadu_si512(p)}; }
LANYARD_INLINE V low_bf16(Words w) { return {_mm512_castsi512_ps(_mm512_slli_epi32(w.v, 16))}; }
LANYARD_INLINE V high_bf16(Words w) {
  return {_mm512_castsi512_ps(_mm512_and_si512(w.v, _mm512_set1_epi32(static_cast<int>(0xffff0000u))))};
}
template <int S>
LANYARD_INLINE V signed_byte(Words w) {
  return {_mm512_cvtepi32_ps(_mm512_srai_epi32(_mm512_slli_epi32(w.v, 24 - 8 * S), 24))};
}
template <int S>
LANYARD_INLINE V nibble(Words w) {
  return {_mm512_cvtepi32_ps(_mm512_and_si512(_mm512_srli_epi32(w.v, 4 * S), _mm512_set1_epi32(15)))};
}

#include "kernels_body.inc"

}  // namespace

const Kernels* avx512_kernels() { return &kTable; }

}  // namespace lanyard::ops::cpu
#else
namespace lanyard::ops::cpu {
const Kernels* avx512_kernels() { return nullptr; }
}  // namespace lanyard::ops::cpu
#endif
