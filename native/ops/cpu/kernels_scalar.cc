// The plain reference, and what runs where no faster table fits: loops over 16 floats that any compiler understands.
#include "kernels.h"

#define LANYARD_INLINE inline __attribute__((always_inline))
#define LANYARD_KERNELS_NAME "scalar"

namespace lanyard::ops::cpu {
namespace {

struct V {
  float v[16];
};
struct Words {
  uint32_t v[16];
};
using B = float;

constexpr int kTokens = 2;
constexpr int panels_of(int) { return 1; }

template <class F>
LANYARD_INLINE V lanes(F&& f) {
  V r;
  for (int i = 0; i < 16; ++i) r.v[i] = f(i);
  return r;
}

LANYARD_INLINE V spread(float f) { return lanes([&](int) { return f; }); }
LANYARD_INLINE V zero() { return spread(0.0f); }
LANYARD_INLINE B all(float f) { return f; }
LANYARD_INLINE V load(const float* p) { return lanes([&](int i) { return p[i]; }); }
LANYARD_INLINE void store(float* p, V v) {
  for (int i = 0; i < 16; ++i) p[i] = v.v[i];
}
LANYARD_INLINE V add(V a, V b) { return lanes([&](int i) { return a.v[i] + b.v[i]; }); }
LANYARD_INLINE V sub(V a, V b) { return lanes([&](int i) { return a.v[i] - b.v[i]; }); }
LANYARD_INLINE V mul(V a, V b) { return lanes([&](int i) { return a.v[i] * b.v[i]; }); }
LANYARD_INLINE V div(V a, V b) { return lanes([&](int i) { return a.v[i] / b.v[i]; }); }
LANYARD_INLINE V fma(V a, V b, V c) { return lanes([&](int i) { return a.v[i] * b.v[i] + c.v[i]; }); }
LANYARD_INLINE V fma(V a, B b, V c) { return lanes([&](int i) { return a.v[i] * b + c.v[i]; }); }
LANYARD_INLINE V max(V a, V b) { return lanes([&](int i) { return a.v[i] > b.v[i] ? a.v[i] : b.v[i]; }); }
LANYARD_INLINE V min(V a, V b) { return lanes([&](int i) { return a.v[i] < b.v[i] ? a.v[i] : b.v[i]; }); }
// `yes` where a > b, else 0.
LANYARD_INLINE V masked_above(V a, V b, V yes) {
  return lanes([&](int i) { return a.v[i] > b.v[i] ? yes.v[i] : 0.0f; });
}
// Adding and taking away 1.5 * 2^23 leaves the nearest integer.
LANYARD_INLINE V round_to_int(V a) {
  return lanes([&](int i) {
    volatile float shifted = a.v[i] + 12582912.0f;
    return shifted - 12582912.0f;
  });
}
LANYARD_INLINE V exp2i(V n) {
  return lanes([&](int i) { return bits_to_float(static_cast<uint32_t>(static_cast<int>(n.v[i]) + 127) << 23); });
}
LANYARD_INLINE float sum(V a) {
  float total = 0;
  for (int i = 0; i < 16; ++i) total += a.v[i];
  return total;
}
LANYARD_INLINE float maximum_of(V a) {
  float best = a.v[0];
  for (int i = 1; i < 16; ++i) best = a.v[i] > best ? a.v[i] : best;
  return best;
}
LANYARD_INLINE uint16_t half_at(const uint8_t* p, int i) {
  uint16_t h;
  __builtin_memcpy(&h, p + 2 * i, 2);
  return h;
}
LANYARD_INLINE V load_f16(const uint8_t* p) { return lanes([&](int i) { return f16_to_float(half_at(p, i)); }); }
LANYARD_INLINE V load_bf16(const uint8_t* p) { return lanes([&](int i) { return bf16_to_float(half_at(p, i)); }); }
LANYARD_INLINE Words load_words(const uint8_t* p) {
  Words w;
  __builtin_memcpy(w.v, p, 64);
  return w;
}
LANYARD_INLINE V low_bf16(Words w) { return lanes([&](int i) { return bits_to_float(w.v[i] << 16); }); }
LANYARD_INLINE V high_bf16(Words w) { return lanes([&](int i) { return bits_to_float(w.v[i] & 0xffff0000u); }); }
template <int S>
LANYARD_INLINE V signed_byte(Words w) {
  return lanes([&](int i) { return static_cast<float>(static_cast<int8_t>(w.v[i] >> (8 * S))); });
}
template <int S>
LANYARD_INLINE V nibble(Words w) {
  return lanes([&](int i) { return static_cast<float>((w.v[i] >> (4 * S)) & 15u); });
}

#include "kernels_body.inc"

}  // namespace

const Kernels& scalar_kernels() { return kTable; }

}  // namespace lanyard::ops::cpu
