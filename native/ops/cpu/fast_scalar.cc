// The plain reference of the fast arithmetic, and what runs where no faster table fits.
#include "fast.h"

#define LANYARD_KERNELS_NAME "scalar"

namespace lanyard::ops::cpu {
namespace {

#include "vector_scalar.inc"

constexpr int kFastTokens = 2;
constexpr int fast_panels(int) { return 1; }
constexpr int kFastAhead = 0;

struct Ints {
  int32_t v[16];
};
using Dot8 = Ints;
using Dot4 = Ints;
using Weights8 = Words;
struct Quad {
  int8_t v[4];
};

LANYARD_INLINE V to_float(Ints x) { return lanes([&](int i) { return static_cast<float>(x.v[i]); }); }
// Rounded once, as everywhere else, also where the baseline has no such instruction.
LANYARD_INLINE V fused(V x, V y, V z) { return lanes([&](int i) { return __builtin_fmaf(x.v[i], y.v[i], z.v[i]); }); }
LANYARD_INLINE Quad quad(const uint8_t* p) {
  Quad q;
  __builtin_memcpy(q.v, p, 4);
  return q;
}
LANYARD_INLINE Weights8 weights8(Words w) { return w; }
template <int Shift>
LANYARD_INLINE Words nibbles(Words w) {
  for (uint32_t& word : w.v) word = (word >> Shift) & 0x0f0f0f0fu;
  return w;
}
LANYARD_INLINE Ints start8(int32_t) { return {}; }
LANYARD_INLINE Ints start4(int32_t) { return {}; }
// Nibbles are positive either way.
LANYARD_INLINE Ints step8(Ints d, Words w, Quad x) {
  for (int i = 0; i < 16; ++i) {
    for (int j = 0; j < 4; ++j) d.v[i] += static_cast<int8_t>(w.v[i] >> (8 * j)) * x.v[j];
  }
  return d;
}
LANYARD_INLINE Ints step4(Ints d, Words w, Quad x) { return step8(d, w, x); }
LANYARD_INLINE Ints end8(Ints d) { return d; }
LANYARD_INLINE Ints end4(Ints d, int32_t sum) {
  for (int32_t& value : d.v) value -= 8 * sum;
  return d;
}
using Run4 = Ints;
LANYARD_INLINE Run4 run4(int32_t start) {
  Ints d;
  for (int32_t& value : d.v) value = start;
  return d;
}
LANYARD_INLINE Run4 carry(Run4 d) { return d; }
LANYARD_INLINE Ints end4(Run4 d) { return d; }
LANYARD_INLINE Words twice_e2m1(Words w) {
  constexpr uint8_t kValues[16] = {12, 13, 14, 15, 16, 18, 20, 24, 12, 11, 10, 9, 8, 6, 4, 0};
  for (uint32_t& word : w.v) {
    uint32_t values = 0;
    for (int i = 0; i < 32; i += 8) values |= static_cast<uint32_t>(kValues[word >> i & 15u]) << i;
    word = values;
  }
  return w;
}

LANYARD_INLINE int8_t byte_of(float q) { return static_cast<int8_t>(q >= 127 ? 127 : q > -128 ? static_cast<int>(q) : -128); }
LANYARD_INLINE void store_bytes(uint8_t* p, V v) {
  for (int i = 0; i < 16; ++i) p[i] = static_cast<uint8_t>(byte_of(v.v[i]));
}
LANYARD_INLINE void store_even_odd(uint8_t* p, V v) {
  for (int i = 0; i < 16; ++i) p[i / 8 * 8 + i % 2 * 4 + i % 8 / 2] = static_cast<uint8_t>(byte_of(v.v[i]));
}
LANYARD_INLINE void store_bf16(uint8_t* p, V v) {
  for (int i = 0; i < 16; ++i) {
    const uint16_t half = float_to_bf16(v.v[i]);
    __builtin_memcpy(p + 2 * i, &half, 2);
  }
}
LANYARD_INLINE Words bf16_words(V even, V odd) {
  Words w;
  for (int i = 0; i < 16; ++i) w.v[i] = float_to_bits(odd.v[i]) | float_to_bits(even.v[i]) >> 16;
  return w;
}
LANYARD_INLINE void store_words(uint8_t* p, Words w) { __builtin_memcpy(p, w.v, 64); }

LANYARD_INLINE V times_exp2(V p, V n) {
  return mul(p, exp2i(lanes([&](int i) { return n.v[i] > -126 ? n.v[i] : -126.0f; })));
}
LANYARD_INLINE float total_of(V v) {
  for (int half = 8; half > 0; half /= 2) {
    for (int i = 0; i < half; ++i) v.v[i] += v.v[i + half];
  }
  return v.v[0];
}
LANYARD_INLINE V maxima_of(const float (*rows)[16]) {
  float largest[16];
  for (int i = 0; i < 16; ++i) largest[i] = maximum_of(load(rows[i]));
  return load(largest);
}
LANYARD_INLINE V as_bf16(V v) { return lanes([&](int i) { return bf16_to_float(float_to_bf16(v.v[i])); }); }
constexpr int kAttendTokens = 2;
constexpr int attend_panels(int) { return 1; }
constexpr bool attend_both(int, int) { return true; }

#include "fast_body.inc"

}  // namespace

const FastKernels& fast_scalar_kernels() { return kFastTable; }

}  // namespace lanyard::ops::cpu
