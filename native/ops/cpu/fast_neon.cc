// The fast arithmetic on NEON, which every aarch64 processor has. fast_dotprod.cc and fast_i8mm.cc compile it once more
// for processors that have more; they are called only where the system says so.
#include "fast.h"

#ifndef LANYARD_KERNELS_NAME
#define LANYARD_KERNELS_NAME "neon"
#define LANYARD_KERNELS_TABLE fast_neon_kernels
#endif

#if defined(__aarch64__) && defined(__ARM_NEON) && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#include <arm_neon.h>

namespace lanyard::ops::cpu {
namespace {

#include "vector_neon.inc"

// 32 registers, four to a vector: bf16 has two vectors of sums per token, and so have 4-bit weights here.
constexpr int kFastTokens = 2;
constexpr int fast_panels(int tokens) { return tokens == 1 ? 2 : 1; }
constexpr int kFastAhead = 2048;

struct Ints {
  int32x4_t a, b, c, d;
};
using Quad = int8x16_t;
struct Weights8 {
  int8x16_t a, b, c, d;
};

LANYARD_INLINE V to_float(Ints x) {
  return {vcvtq_f32_s32(x.a), vcvtq_f32_s32(x.b), vcvtq_f32_s32(x.c), vcvtq_f32_s32(x.d)};
}
LANYARD_INLINE V fused(V x, V y, V z) { return fma(x, y, z); }
LANYARD_INLINE Quad quad(const uint8_t* p) {
  int32_t four;
  __builtin_memcpy(&four, p, 4);
  return vreinterpretq_s8_s32(vdupq_n_s32(four));
}
LANYARD_INLINE Weights8 weights8(Words w) {
  return {vreinterpretq_s8_u32(w.a), vreinterpretq_s8_u32(w.b), vreinterpretq_s8_u32(w.c), vreinterpretq_s8_u32(w.d)};
}
template <int Shift>
LANYARD_INLINE uint32x4_t nibbles_quarter(uint32x4_t w) {
  const uint8x16_t bytes = vreinterpretq_u8_u32(w);
  if constexpr (Shift == 0) return vreinterpretq_u32_u8(vandq_u8(bytes, vdupq_n_u8(15)));
  else return vreinterpretq_u32_u8(vshrq_n_u8(bytes, 4));
}
template <int Shift>
LANYARD_INLINE Words nibbles(Words w) {
  return {nibbles_quarter<Shift>(w.a), nibbles_quarter<Shift>(w.b), nibbles_quarter<Shift>(w.c), nibbles_quarter<Shift>(w.d)};
}
LANYARD_INLINE Ints spread_int(int32_t x) {
  const int32x4_t v = vdupq_n_s32(x);
  return {v, v, v, v};
}
LANYARD_INLINE Ints start8(int32_t) { return spread_int(0); }

#if defined(LANYARD_USE_DOTPROD)

using Dot8 = Ints;
using Dot4 = Ints;
LANYARD_INLINE Dot8 step8(Dot8 d, Weights8 w, Quad x) {
  return {vdotq_s32(d.a, w.a, x), vdotq_s32(d.b, w.b, x), vdotq_s32(d.c, w.c, x), vdotq_s32(d.d, w.d, x)};
}
LANYARD_INLINE Dot4 start4(int32_t sum) { return spread_int(-8 * sum); }
LANYARD_INLINE Dot4 step4(Dot4 d, Words w, Quad x) { return step8(d, weights8(w), x); }
LANYARD_INLINE Ints end4(Dot4 d, int32_t) { return d; }

#else

using Dot8 = Ints;
// Two products together stay within 16 bits.
LANYARD_INLINE int32x4_t step8_quarter(int32x4_t d, int8x16_t w, int8x16_t x) {
  const int16x8_t pairs = vpaddq_s16(vmull_s8(vget_low_s8(w), vget_low_s8(x)), vmull_high_s8(w, x));
  return vpadalq_s16(d, pairs);
}
LANYARD_INLINE Dot8 step8(Dot8 d, Weights8 w, Quad x) {
  return {step8_quarter(d.a, w.a, x), step8_quarter(d.b, w.b, x), step8_quarter(d.c, w.c, x), step8_quarter(d.d, w.d, x)};
}

// A whole group's eight steps stay below 8 * 15 * 127, and two of those together within 16 bits.
struct Dot4 {
  int16x8_t a0, a1, b0, b1, c0, c1, d0, d1;
};
LANYARD_INLINE Dot4 start4(int32_t) {
  const int16x8_t v = vdupq_n_s16(0);
  return {v, v, v, v, v, v, v, v};
}
LANYARD_INLINE Dot4 step4(Dot4 d, Words words, Quad x) {
  const Weights8 w = weights8(words);
  const int8x8_t half = vget_low_s8(x);
  return {vmlal_s8(d.a0, vget_low_s8(w.a), half), vmlal_high_s8(d.a1, w.a, x),
          vmlal_s8(d.b0, vget_low_s8(w.b), half), vmlal_high_s8(d.b1, w.b, x),
          vmlal_s8(d.c0, vget_low_s8(w.c), half), vmlal_high_s8(d.c1, w.c, x),
          vmlal_s8(d.d0, vget_low_s8(w.d), half), vmlal_high_s8(d.d1, w.d, x)};
}
LANYARD_INLINE Ints end4(Dot4 d, int32_t sum) {
  const int32x4_t back = vdupq_n_s32(-8 * sum);
  return {vpadalq_s16(back, vpaddq_s16(d.a0, d.a1)), vpadalq_s16(back, vpaddq_s16(d.b0, d.b1)),
          vpadalq_s16(back, vpaddq_s16(d.c0, d.c1)), vpadalq_s16(back, vpaddq_s16(d.d0, d.d1))};
}

#endif

LANYARD_INLINE Ints end8(Dot8 d) { return d; }

using Run4 = Ints;
LANYARD_INLINE Run4 run4(int32_t start) { return spread_int(start); }
#if !defined(LANYARD_USE_DOTPROD)
LANYARD_INLINE Run4 step4(Run4 d, Words w, Quad x) { return step8(d, weights8(w), x); }
#endif
LANYARD_INLINE Run4 carry(Run4 d) { return d; }
LANYARD_INLINE Ints end4(Run4 d) { return d; }
LANYARD_INLINE Words twice_e2m1(Words w) {
  alignas(16) static constexpr uint8_t kValues[16] = {12, 13, 14, 15, 16, 18, 20, 24, 12, 11, 10, 9, 8, 6, 4, 0};
  const uint8x16_t values = vld1q_u8(kValues);
  const auto quarter = [&](uint32x4_t part) __attribute__((always_inline)) {
    return vreinterpretq_u32_u8(vqtbl1q_u8(values, vreinterpretq_u8_u32(part)));
  };
  return {quarter(w.a), quarter(w.b), quarter(w.c), quarter(w.d)};
}

// What is no number becomes -128, as on the other instruction sets.
LANYARD_INLINE int32x4_t int_quarter(float32x4_t v) { return vcvtnq_s32_f32(vmaxnmq_f32(v, vdupq_n_f32(-128.0f))); }
LANYARD_INLINE uint8x16_t bytes_of(V v) {
  const int16x8_t low = vqmovn_high_s32(vqmovn_s32(int_quarter(v.a)), int_quarter(v.b));
  const int16x8_t high = vqmovn_high_s32(vqmovn_s32(int_quarter(v.c)), int_quarter(v.d));
  return vreinterpretq_u8_s8(vqmovn_high_s16(vqmovn_s16(low), high));
}
LANYARD_INLINE void store_bytes(uint8_t* p, V v) { vst1q_u8(p, bytes_of(v)); }
LANYARD_INLINE void store_even_odd(uint8_t* p, V v) {
  alignas(16) static constexpr uint8_t kOrder[16] = {0, 2, 4, 6, 1, 3, 5, 7, 8, 10, 12, 14, 9, 11, 13, 15};
  vst1q_u8(p, vqtbl1q_u8(bytes_of(v), vld1q_u8(kOrder)));
}
LANYARD_INLINE uint16x4_t bf16_bits(float32x4_t v) {
  const uint32x4_t bits = vreinterpretq_u32_f32(v);
  const uint32x4_t even = vandq_u32(vshrq_n_u32(bits, 16), vdupq_n_u32(1));
  const uint32x4_t rounded = vaddq_u32(bits, vaddq_u32(even, vdupq_n_u32(0x7fff)));
  const uint32x4_t quiet = vorrq_u32(bits, vdupq_n_u32(0x400000));
  return vshrn_n_u32(vbslq_u32(vceqq_f32(v, v), rounded, quiet), 16);
}
LANYARD_INLINE void store_bf16(uint8_t* p, V v) {
  vst1q_u8(p, vreinterpretq_u8_u16(vcombine_u16(bf16_bits(v.a), bf16_bits(v.b))));
  vst1q_u8(p + 16, vreinterpretq_u8_u16(vcombine_u16(bf16_bits(v.c), bf16_bits(v.d))));
}
LANYARD_INLINE uint32x4_t bf16_quarter_words(float32x4_t even, float32x4_t odd) {
  return vsriq_n_u32(vreinterpretq_u32_f32(odd), vreinterpretq_u32_f32(even), 16);
}
LANYARD_INLINE Words bf16_words(V even, V odd) {
  return {bf16_quarter_words(even.a, odd.a), bf16_quarter_words(even.b, odd.b), bf16_quarter_words(even.c, odd.c),
          bf16_quarter_words(even.d, odd.d)};
}
LANYARD_INLINE void store_words(uint8_t* p, Words w) {
  vst1q_u8(p, vreinterpretq_u8_u32(w.a));
  vst1q_u8(p + 16, vreinterpretq_u8_u32(w.b));
  vst1q_u8(p + 32, vreinterpretq_u8_u32(w.c));
  vst1q_u8(p + 48, vreinterpretq_u8_u32(w.d));
}

LANYARD_INLINE V times_exp2(V p, V n) { return mul(p, exp2i(n)); }
LANYARD_INLINE float total_of(V v) {
  const float32x4_t four = vaddq_f32(vaddq_f32(v.a, v.c), vaddq_f32(v.b, v.d));
  const float32x2_t two = vadd_f32(vget_low_f32(four), vget_high_f32(four));
  return vget_lane_f32(two, 0) + vget_lane_f32(two, 1);
}
LANYARD_INLINE V maxima_of(const float (*rows)[16]) {
  float largest[16];
  for (int i = 0; i < 16; ++i) largest[i] = maximum_of(load(rows[i]));
  return load(largest);
}
LANYARD_INLINE V as_bf16(V v) {
  return {bf16_quarter(bf16_bits(v.a)), bf16_quarter(bf16_bits(v.b)), bf16_quarter(bf16_bits(v.c)), bf16_quarter(bf16_bits(v.d))};
}
// 32 registers: 24 for sums.
constexpr int kAttendTokens = 6;
constexpr int attend_panels(int tokens) { return tokens == 1 ? 2 : 1; }
constexpr bool attend_both(int tokens, int panels) { return tokens * panels <= 3; }

#include "fast_body.inc"

#if defined(LANYARD_USE_I8MM)

// BFMLALB multiplies the even bf16 of two registers, BFMLALT the odd ones, and adds in f32 with a single rounding: the
// two chains as defined. (BFDOT and BFMMLA round otherwise.) Their forms that take a factor from a lane are left alone:
// GCC 12 puts that in registers they cannot name.
struct LongBlock {
  static constexpr int kTokens = 3;
  // A bf16 kept as f32, in every lane.
  static LANYARD_INLINE bfloat16x8_t everywhere(const float* x) {
    uint32_t bits;
    __builtin_memcpy(&bits, x, 4);
    return vreinterpretq_bf16_u16(vdupq_n_u16(static_cast<uint16_t>(bits >> 16)));
  }
  static LANYARD_INLINE V even(Words w, bfloat16x8_t x, V sum) {
    return {vbfmlalbq_f32(sum.a, vreinterpretq_bf16_u32(w.a), x), vbfmlalbq_f32(sum.b, vreinterpretq_bf16_u32(w.b), x),
            vbfmlalbq_f32(sum.c, vreinterpretq_bf16_u32(w.c), x), vbfmlalbq_f32(sum.d, vreinterpretq_bf16_u32(w.d), x)};
  }
  static LANYARD_INLINE V odd(Words w, bfloat16x8_t x, V sum) {
    return {vbfmlaltq_f32(sum.a, vreinterpretq_bf16_u32(w.a), x), vbfmlaltq_f32(sum.b, vreinterpretq_bf16_u32(w.b), x),
            vbfmlaltq_f32(sum.c, vreinterpretq_bf16_u32(w.c), x), vbfmlaltq_f32(sum.d, vreinterpretq_bf16_u32(w.d), x)};
  }
  template <int N, int T, int P>
  static LANYARD_INLINE void add_to(Sums<T, P>& acc, const uint8_t* w, size_t stride, const float* row, size_t row_floats, Ahead ahead) {
    V evens[T][P], odds[T][P];
    unrolled<T>([&](auto t) {
      unrolled<P>([&](auto p) { evens[t.value][p.value] = odds[t.value][p.value] = zero(); });
    });
    for (int s = 0; s < N / 2; ++s) {
      Words words[P];
      each_panel<T, P>(w + s * 64, stride, ahead, [&](auto p, const uint8_t* at) { words[p.value] = load_words(at); });
      unrolled<T>([&](auto t) {
        const float* values = row + t.value * row_floats + 2 * s;
        const bfloat16x8_t first = everywhere(values), second = everywhere(values + 1);
        unrolled<P>([&](auto p) {
          evens[t.value][p.value] = even(words[p.value], first, evens[t.value][p.value]);
          odds[t.value][p.value] = odd(words[p.value], second, odds[t.value][p.value]);
        });
      });
    }
    unrolled<T>([&](auto t) {
      unrolled<P>([&](auto p) {
        acc.v[t.value][p.value] = add(acc.v[t.value][p.value], add(evens[t.value][p.value], odds[t.value][p.value]));
      });
    });
  }
};

// SMMLA multiplies two rows by two tokens over eight columns. Two words of each row side by side are such rows; from
// four tokens on, putting them there pays. An odd token is its own neighbour.
template <int T>
struct Pairs {
  static constexpr int kCount = (T + 1) / 2;
  int32x4_t dots[kCount][8];  // [pair][two rows]: {row, token} 00 01 10 11
  int8x16_t x[kCount];
  const uint8_t* first[kCount];
  const uint8_t* second[kCount];

  LANYARD_INLINE Pairs(const uint8_t* from, size_t row_bytes) {
    unrolled<kCount>([&](auto i) {
      constexpr int one = 2 * i.value, other = one + 1 < T ? one + 1 : one;
      first[i.value] = from + one * row_bytes;
      second[i.value] = from + other * row_bytes;
      unrolled<8>([&](auto r) { dots[i.value][r.value] = vdupq_n_s32(0); });
    });
  }
  // Eight columns of every token.
  LANYARD_INLINE void take(size_t offset) {
    unrolled<kCount>([&](auto i) {
      x[i.value] = vcombine_s8(vreinterpret_s8_u8(vld1_u8(first[i.value] + offset)),
                               vreinterpret_s8_u8(vld1_u8(second[i.value] + offset)));
    });
  }
  template <int Quarter>
  LANYARD_INLINE void step(uint32x4_t one, uint32x4_t other) {
    const int8x16_t upper = vreinterpretq_s8_u32(vzip1q_u32(one, other)), lower = vreinterpretq_s8_u32(vzip2q_u32(one, other));
    unrolled<kCount>([&](auto i) {
      dots[i.value][2 * Quarter] = vmmlaq_s32(dots[i.value][2 * Quarter], upper, x[i.value]);
      dots[i.value][2 * Quarter + 1] = vmmlaq_s32(dots[i.value][2 * Quarter + 1], lower, x[i.value]);
    });
  }
  LANYARD_INLINE void step(Words one, Words other) {
    step<0>(one.a, other.a);
    step<1>(one.b, other.b);
    step<2>(one.c, other.c);
    step<3>(one.d, other.d);
  }
  template <int Token>
  LANYARD_INLINE Ints of() const {
    const int32x4_t(&d)[8] = dots[Token / 2];
    if constexpr (Token % 2 == 0) {
      return {vuzp1q_s32(d[0], d[1]), vuzp1q_s32(d[2], d[3]), vuzp1q_s32(d[4], d[5]), vuzp1q_s32(d[6], d[7])};
    } else {
      return {vuzp2q_s32(d[0], d[1]), vuzp2q_s32(d[2], d[3]), vuzp2q_s32(d[4], d[5]), vuzp2q_s32(d[6], d[7])};
    }
  }
};

struct PairedI8 {
  static constexpr int kGroupBytes = FastI8::kGroupBytes, kTokens = 6;
  template <int T, int P>
  static LANYARD_INLINE void group(Sums<T, P>& acc, const FastArgs& a, const uint8_t* w, const uint8_t* x, int g, Ahead ahead) {
    if constexpr (T < 4) {
      FastI8::group<T, P>(acc, a, w, x, g, ahead);
    } else {
      static_assert(P == 1);
      Pairs<T> pairs(x + static_cast<size_t>(g) * 64, a.row_bytes);
      for (int s = 0; s < 16; s += 2) {
        pairs.take(s * 4);
        pairs.step(load_words(w + s * 64), load_words(w + s * 64 + 64));
      }
      unrolled<T>([&](auto t) {
        const V scale = spread(scales_of(a, x + t.value * a.row_bytes, 64)[g]);
        acc.v[t.value][0] = fused(to_float(pairs.template of<t.value>()), scale, acc.v[t.value][0]);
      });
    }
  }
};

struct PairedI4 {
  static constexpr int kGroupBytes = FastI4::kGroupBytes, kTokens = 6;
  template <int T, int P>
  static LANYARD_INLINE void group(Sums<T, P>& acc, const FastArgs& a, const uint8_t* w, const uint8_t* x, int g, Ahead ahead) {
    if constexpr (T < 4) {
      FastI4::group<T, P>(acc, a, w, x, g, ahead);
    } else {
      static_assert(P == 1);
      Pairs<T> pairs(x + static_cast<size_t>(g) * 32, a.row_bytes);
      for (int q = 0; q < 4; ++q) {
        pairs.take(q * 8);
        const Words words = load_words(w + 32 + q * 64);
        pairs.step(nibbles<0>(words), nibbles<4>(words));
      }
      const V weight = load_f16(w);
      unrolled<T>([&](auto t) {
        const float* scales = scales_of(a, x + t.value * a.row_bytes, 32);
        const Ints back = spread_int(-8 * reinterpret_cast<const int32_t*>(scales + a.groups)[g]);
        const Ints d = pairs.template of<t.value>();
        const Ints dot{vaddq_s32(d.a, back.a), vaddq_s32(d.b, back.b), vaddq_s32(d.c, back.c), vaddq_s32(d.d, back.d)};
        acc.v[t.value][0] = fused(to_float(dot), mul(weight, spread(scales[g])), acc.v[t.value][0]);
      });
    }
  }
};

constexpr FastKernels kTable = [] {
  FastKernels table = kFastTable;
  table.matmul[static_cast<int>(DType::bf16)] = fast_matmul<FastBf16<LongBlock>>;
  table.matmul[static_cast<int>(DType::f8g)] = fast_f8g<LongBlock>;
  table.matmul[static_cast<int>(DType::i8)] = fast_matmul<PairedI8>;
  table.matmul[static_cast<int>(DType::i4)] = fast_matmul<PairedI4>;
  return table;
}();

#elif defined(LANYARD_USE_DOTPROD)

// One vector of sums per token leaves registers for more tokens.
struct WideI8 : FastI8 {
  static constexpr int kTokens = 6;
};
struct WideI4 : FastI4 {
  static constexpr int kTokens = 4;
};

constexpr FastKernels kTable = [] {
  FastKernels table = kFastTable;
  table.matmul[static_cast<int>(DType::i8)] = fast_matmul<WideI8>;
  table.matmul[static_cast<int>(DType::i4)] = fast_matmul<WideI4>;
  return table;
}();

#else

const FastKernels& kTable = kFastTable;

#endif

}  // namespace

const FastKernels* LANYARD_KERNELS_TABLE() { return &kTable; }

}  // namespace lanyard::ops::cpu
#else
namespace lanyard::ops::cpu {
const FastKernels* LANYARD_KERNELS_TABLE() { return nullptr; }
}  // namespace lanyard::ops::cpu
#endif
