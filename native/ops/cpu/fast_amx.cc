// Products from tiles (fast.h) on AMX, bit for bit what the other kernels compute. The rest is AVX-512. Called only
// after enable_amx().
#include "fast.h"

#if defined(__x86_64__) && defined(__linux__) && defined(__AVX512F__) && defined(__AVX512BW__) && defined(__AVX512VL__)
#include <cpuid.h>
#include <immintrin.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstring>

#include "amx.h"

namespace lanyard::ops::cpu {
namespace {

int minimum(int a, int b) { return a < b ? a : b; }

// Blocking: this many groups of a block of tokens' activations stay in the second-level cache while all panels pass, and
// those of a panel or two in the first while all tokens pass.
constexpr int kGroups = 32;
constexpr int kTokenBlock = 512;

// Sums of a block of 16 tokens and a panel on their way between two runs of groups; the last block may be short.
struct Place {
  float* out;
  size_t stride;
  int tokens;
};

template <class F>
void each_block(const FastArgs& a, int groups, F&& f) {
  for (int t0 = 0; t0 < a.tokens; t0 += kTokenBlock) {
    const int t1 = minimum(t0 + kTokenBlock, a.tokens);
    for (int g0 = 0; g0 < a.groups; g0 += groups) f(t0, t1, g0, minimum(g0 + groups, a.groups));
  }
}

const uint8_t* record_at(const FastArgs& a, int token, int group, int record) {
  return a.x + (static_cast<size_t>(token / kTileTokens) * a.groups + group) * record;
}

// One sum tile to or from memory, by way of `buffer` where rows of `out` beyond the tokens must not be touched.
#define TILE_BEGIN(tile, place, first, buffer)                            \
  do {                                                                    \
    if (first) TILE_ZERO(tile);                                           \
    else if ((place).tokens == 16) TILE_LOAD(tile, (place).out, (place).stride * 4); \
    else {                                                                \
      fetch(place, buffer);                                               \
      TILE_LOAD(tile, buffer, 64);                                        \
    }                                                                     \
  } while (false)
#define TILE_END(tile, place, buffer)                                     \
  do {                                                                    \
    if ((place).tokens == 16) TILE_STORE(tile, (place).out, (place).stride * 4); \
    else if ((place).tokens > 0) {                                        \
      TILE_STORE(tile, buffer, 64);                                       \
      put(place, buffer);                                                 \
    }                                                                     \
  } while (false)

void fetch(const Place& place, float* buffer) {
  for (int t = 0; t < place.tokens; ++t) _mm512_store_ps(buffer + t * 16, _mm512_loadu_ps(place.out + t * place.stride));
}
void put(const Place& place, const float* buffer) {
  for (int t = 0; t < place.tokens; ++t) _mm512_storeu_ps(place.out + t * place.stride, _mm512_load_ps(buffer + t * 16));
}

// Lines of the weights that come after these, a few beside each piece of work: all at once would fill the processor's
// buffers, and its own prefetching stops at the end of a page.
template <int Lines>
inline void prefetch(const uint8_t* from) {
#pragma GCC unroll 16
  for (int i = 0; i < Lines; ++i) _mm_prefetch(reinterpret_cast<const char*>(from + i * 64), _MM_HINT_T1);
}

// Two panels (or one) by two blocks of tokens (or one): four sum tiles, so that every load serves two products. Ahead: the
// same run of the next two panels is prefetched.
template <bool Ahead>
void bf16_tiles(const FastArgs& a, int panel, int token, int last, int g0, int g1) {
  alignas(64) float buffer[256];
  const auto place = [&](int t, int p) -> Place {
    if (t >= last || p >= a.count) return {nullptr, 0, 0};
    return {a.out + t * a.out_stride + p * 16, a.out_stride, minimum(16, last - t)};
  };
  const Place p00 = place(token, panel), p01 = place(token, panel + 1);
  const Place p10 = place(token + 16, panel), p11 = place(token + 16, panel + 1);
  const bool first = g0 == 0;
  const uint8_t* x0 = record_at(a, token, g0, 1024);
  const uint8_t* x1 = p10.tokens > 0 ? record_at(a, token + 16, g0, 1024) : x0;
  const uint8_t* w0 = a.panels + panel * a.stride + g0 * size_t{1024};
  const uint8_t* w1 = panel + 1 < a.count ? w0 + a.stride : w0;
  TILE_BEGIN(0, p00, first, buffer);
  TILE_BEGIN(1, p01, first, buffer);
  TILE_BEGIN(2, p10, first, buffer);
  TILE_BEGIN(3, p11, first, buffer);
  for (int g = g0; g < g1; ++g, x0 += 1024, x1 += 1024, w0 += 1024, w1 += 1024) {
    TILE_LOAD(4, x0, 64);
    TILE_LOAD(6, w0, 64);
    if constexpr (Ahead) prefetch<8>(w0 + 2 * a.stride);
    TILE_BF16(0, 4, 6);
    TILE_LOAD(7, w1, 64);
    if constexpr (Ahead) prefetch<8>(w0 + 2 * a.stride + 512);
    TILE_BF16(1, 4, 7);
    TILE_LOAD(5, x1, 64);
    if constexpr (Ahead) prefetch<8>(w0 + 3 * a.stride);
    TILE_BF16(2, 5, 6);
    if constexpr (Ahead) prefetch<8>(w0 + 3 * a.stride + 512);
    TILE_BF16(3, 5, 7);
  }
  TILE_END(0, p00, buffer);
  TILE_END(1, p01, buffer);
  TILE_END(2, p10, buffer);
  TILE_END(3, p11, buffer);
}

void matmul_bf16(const FastArgs& a) {
  const Tiles tiles(64);
  each_block(a, kGroups, [&](int t0, int t1, int g0, int g1) {
    for (int panel = 0; panel < a.count; panel += 2) {
      for (int token = t0; token < t1; token += 32) {
        const auto multiply = token == t0 ? bf16_tiles<true> : bf16_tiles<false>;
        multiply(a, panel, token, t1, g0, g1);
      }
    }
  });
}

// Groups of 8 bits: laid out as bf16 once for all tokens, a run of them at a time.
constexpr int kWideColumns = 1024, kLeastGroup = 16;

// [columns / 2][16][2] e4m3 as bf16, each value * 2^-8. With its bits moved by four a code has its exponent and mantissa where a
// bf16 has them; those without an exponent have their values from a table.
void widen_e4m3(const uint8_t* from, int columns, uint8_t* to) {
  constexpr int kAndOr = 0xea;  // (first & second) | third
  constexpr auto word = [](int bits) { return static_cast<short>(bits); };
  const __m512i small = _mm512_zextsi128_si512(
      _mm_setr_epi16(0, word(0x3700), word(0x3780), word(0x37c0), word(0x3800), word(0x3820), word(0x3840), word(0x3860)));
  const __m512i field = _mm512_set1_epi16(0x07f0), bias = _mm512_set1_epi16(0x3800), sign = _mm512_set1_epi16(word(0x8000));
  const __m512i exponent = _mm512_set1_epi16(0x78);
#pragma GCC unroll 4
  for (int k = 0; k < columns; k += 2, from += 32, to += 64) {
    const __m512i codes = _mm512_cvtepi8_epi16(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(from)));
    const __m512i moved = _mm512_ternarylogic_epi32(_mm512_slli_epi16(codes, 4), field, bias, kAndOr);
    const __m512i size = _mm512_mask_permutexvar_epi16(moved, _mm512_testn_epi16_mask(codes, exponent), codes, small);
    _mm512_store_si512(to, _mm512_ternarylogic_epi32(codes, sign, size, kAndOr));
  }
}

// Two panels (or one) by two blocks of tokens (or one), blocks b0 ... b1 - 1 of 32 columns. `wide`: those as bf16, the second panel's
// kWideColumns behind the first's. A group's sums leave the tiles, and are scaled into the running ones.
void f8g_tiles(const FastArgs& a, const uint8_t* wide, int panel, int token, int last, int b0, int b1) {
  alignas(64) float sums[4][256], own[4][256];
  const auto place = [&](int t, int p) -> Place {
    if (t >= last || p >= a.count) return {nullptr, 0, 0};
    return {a.out + t * a.out_stride + p * 16, a.out_stride, minimum(16, last - t)};
  };
  const Place places[4] = {place(token, panel), place(token, panel + 1), place(token + 16, panel), place(token + 16, panel + 1)};
  const bool two = places[2].tokens > 0;
  for (int i = 0; i < (two ? 4 : 2); ++i) {
    if (b0 == 0 || places[i].tokens < 16) std::memset(sums[i], 0, sizeof sums[i]);
    if (b0 > 0) fetch(places[i], sums[i]);
  }
  const uint8_t* x0 = record_at(a, token, b0, 1024);
  const uint8_t* x1 = two ? record_at(a, token + 16, b0, 1024) : x0;
  const uint8_t *w0 = wide, *w1 = wide + kWideColumns * 32;
  const size_t group_bytes = grouped_header(DType::f8g, a.factors) + a.group * grouped_column(DType::f8g);
  const uint8_t* scales = a.panels + panel * a.stride + b0 * 32 / a.group * group_bytes;
  const uint8_t* other = panel + 1 < a.count ? scales + a.stride : scales;
  const int columns = (b1 - b0) * 32, step = minimum(a.group, 32);
  for (int k = 0; k < columns; scales += group_bytes, other += group_bytes) {
    const int end = minimum(k + a.group, columns);
    TILE_ZERO(0);
    TILE_ZERO(1);
    if (two) {
      TILE_ZERO(2);
      TILE_ZERO(3);
    }
    for (; k < end; k += step, w0 += step * 32, w1 += step * 32) {
      const size_t at = k / 32 * size_t{1024} + k % 32 * 2;
      TILE_LOAD(4, x0 + at, 64);
      TILE_LOAD(6, w0, 64);
      TILE_BF16(0, 4, 6);
      TILE_LOAD(7, w1, 64);
      TILE_BF16(1, 4, 7);
      if (two) {
        TILE_LOAD(5, x1 + at, 64);
        TILE_BF16(2, 5, 6);
        TILE_BF16(3, 5, 7);
      }
    }
    TILE_STORE(0, own[0], 64);
    TILE_STORE(1, own[1], 64);
    if (two) {
      TILE_STORE(2, own[2], 64);
      TILE_STORE(3, own[3], 64);
    }
    const __m512 scale[2] = {_mm512_loadu_ps(scales), _mm512_loadu_ps(other)};
    for (int i = 0; i < (two ? 4 : 2); ++i) {
#pragma GCC unroll 16
      for (int t = 0; t < 256; t += 16) {
        _mm512_store_ps(sums[i] + t, _mm512_fmadd_ps(_mm512_load_ps(own[i] + t), scale[i % 2], _mm512_load_ps(sums[i] + t)));
      }
    }
  }
  for (int i = 0; i < 4; ++i) put(places[i], sums[i]);
}

void matmul_f8g(const FastArgs& a) {
  const size_t header = grouped_header(DType::f8g, a.factors), group_bytes = header + a.group * grouped_column(DType::f8g);
  const Tiles tiles(2 * minimum(a.group, 32));
  alignas(64) uint8_t wide[2 * kWideColumns * 32];
  each_block(a, kWideColumns / 32, [&](int t0, int t1, int b0, int b1) {
    for (int panel = 0; panel < a.count; panel += 2) {
      for (int p = 0; p < 2 && panel + p < a.count; ++p) {
        const uint8_t* from = a.panels + (panel + p) * a.stride + b0 * 32 / a.group * group_bytes;
        uint8_t* to = wide + p * kWideColumns * 32;
        for (int left = (b1 - b0) * 32; left > 0; left -= a.group, from += group_bytes, to += a.group * 32) {
          widen_e4m3(from + header, minimum(left, a.group), to);
        }
      }
      for (int token = t0; token < t1; token += 32) f8g_tiles(a, wide, panel, token, t1, b0, b1);
    }
  });
}

// The int32 sums of up to four groups, then in f32 to the running sums of 16 tokens, which live in registers.
// weights: [group][Bytes / 4 * 64] int8; row_scales: null (int8) or [group][16]. Ahead: the same run of the next panel is
// prefetched, a line beside each token's sums: the processor's own prefetching stops at the end of a page, and all lines
// at once would fill its buffers. last_scales: at the last run.
template <int Bytes, bool Ahead>
void byte_tiles(const FastArgs& a, const uint8_t* weights, const float* row_scales, const float* last_scales, int panel,
                int token, int last, int g0, int g1) {
  constexpr int kRecord = Bytes * 16 + 64, kWeights = Bytes * 16;
  alignas(64) int32_t dots[4][256];
  float* out = a.out + token * a.out_stride + panel * 16;
  const int tokens = minimum(16, last - token);
  __m512 sums[16];
  for (int t = 0; t < 16; ++t) {
    sums[t] = g0 > 0 && t < tokens ? _mm512_loadu_ps(out + t * a.out_stride) : _mm512_setzero_ps();
  }
  const uint8_t* x = record_at(a, token, g0, kRecord);
  const auto finish = [&](const int32_t* dot, const uint8_t* record, const float* scales,
                          const uint8_t* next) __attribute__((always_inline)) {
    const auto* factors = reinterpret_cast<const float*>(record + Bytes * 16);
    if (row_scales) {
      const __m512 row = _mm512_load_ps(scales);
#pragma GCC unroll 16
      for (int t = 0; t < 16; ++t) {
        sums[t] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(_mm512_load_si512(dot + t * 16)),
                                  _mm512_mul_ps(row, _mm512_set1_ps(factors[t])), sums[t]);
      }
    } else {
#pragma GCC unroll 16
      for (int t = 0; t < 16; ++t) {
        if constexpr (Ahead) _mm_prefetch(reinterpret_cast<const char*>(next + t * 64), _MM_HINT_T1);
        sums[t] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(_mm512_load_si512(dot + t * 16)), _mm512_set1_ps(factors[t]), sums[t]);
      }
    }
  };
  int g = g0;
  for (; g + 4 <= g1; g += 4, x += 4 * kRecord, weights += 4 * kWeights) {
    TILE_LOAD(4, x, Bytes);
    TILE_LOAD(6, weights, 64);
    TILE_ZERO(0);
    TILE_I8(0, 4, 6);
    TILE_LOAD(5, x + kRecord, Bytes);
    TILE_LOAD(7, weights + kWeights, 64);
    TILE_ZERO(1);
    TILE_I8(1, 5, 7);
    TILE_LOAD(4, x + 2 * kRecord, Bytes);
    TILE_LOAD(6, weights + 2 * kWeights, 64);
    TILE_ZERO(2);
    TILE_I8(2, 4, 6);
    TILE_LOAD(5, x + 3 * kRecord, Bytes);
    TILE_LOAD(7, weights + 3 * kWeights, 64);
    TILE_ZERO(3);
    TILE_I8(3, 5, 7);
    TILE_STORE(0, dots[0], 64);
    TILE_STORE(1, dots[1], 64);
    TILE_STORE(2, dots[2], 64);
    TILE_STORE(3, dots[3], 64);
    for (int i = 0; i < 4; ++i) {
      finish(dots[i], x + i * kRecord, row_scales ? row_scales + (g - g0 + i) * 16 : nullptr, weights + a.stride + i * kWeights);
    }
  }
  for (; g < g1; ++g, x += kRecord, weights += kWeights) {
    TILE_LOAD(4, x, Bytes);
    TILE_LOAD(6, weights, 64);
    TILE_ZERO(0);
    TILE_I8(0, 4, 6);
    TILE_STORE(0, dots[0], 64);
    finish(dots[0], x, row_scales ? row_scales + (g - g0) * 16 : nullptr, weights + a.stride);
  }
  for (int t = 0; t < tokens; ++t) {
    const __m512 sum = last_scales ? _mm512_mul_ps(sums[t], _mm512_loadu_ps(last_scales)) : sums[t];
    _mm512_storeu_ps(out + t * a.out_stride, sum);
  }
}

void matmul_i8(const FastArgs& a) {
  const Tiles tiles(64);
  each_block(a, kGroups, [&](int t0, int t1, int g0, int g1) {
    for (int panel = 0; panel < a.count; ++panel) {
      const uint8_t* weights = a.panels + panel * a.stride + g0 * size_t{1024};
      const float* scales = a.scales && g1 == a.groups ? a.scales + panel * 16 : nullptr;
      for (int token = t0; token < t1; token += 16) {
        const auto multiply = token == t0 ? byte_tiles<64, true> : byte_tiles<64, false>;
        multiply(a, weights, nullptr, scales, panel, token, t1, g0, g1);
      }
    }
  });
}

// Nibbles come apart into bytes, once per panel and run of groups; those of the next panel, `stride` bytes on, are prefetched.
void unpack_i4(const uint8_t* from, size_t stride, int groups, int8_t* bytes, float* scales) {
  const __m512i mask = _mm512_set1_epi8(15), eight = _mm512_set1_epi8(8);
  for (int g = 0; g < groups; ++g, from += 32 + 256, bytes += 512, scales += 16) {
    _mm512_store_ps(scales, _mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(from))));
    prefetch<5>(from + stride);
    for (int q = 0; q < 4; ++q) {
      const __m512i words = _mm512_loadu_si512(from + 32 + q * 64);
      _mm512_store_si512(bytes + q * 128, _mm512_sub_epi8(_mm512_and_si512(words, mask), eight));
      _mm512_store_si512(bytes + q * 128 + 64, _mm512_sub_epi8(_mm512_and_si512(_mm512_srli_epi32(words, 4), mask), eight));
    }
  }
}

void matmul_i4(const FastArgs& a) {
  const Tiles tiles(32);
  alignas(64) int8_t bytes[kGroups * 512];
  alignas(64) float scales[kGroups * 16];
  each_block(a, kGroups, [&](int t0, int t1, int g0, int g1) {
    for (int panel = 0; panel < a.count; ++panel) {
      unpack_i4(a.panels + panel * a.stride + g0 * size_t{32 + 256}, a.stride, g1 - g0, bytes, scales);
      for (int token = t0; token < t1; token += 16) {
        byte_tiles<32, false>(a, reinterpret_cast<const uint8_t*>(bytes), scales, nullptr, panel, token, t1, g0, g1);
      }
    }
  });
}

// Grouped weights, of which a run of groups has been laid out as kGroupColumns of bytes and [group][32] factors: scales and
// biases. A group is one product of Bytes columns, or two.
constexpr int kGroupColumns = 2048;

template <int Bytes, int Products, bool Biased>
void grouped_tiles(const FastArgs& a, const uint8_t* weights, size_t step, const float* factors, int panel, int token, int last,
                   int g0, int g1) {
  constexpr int kWidth = Bytes * Products, kRecord = kWidth * 16 + 128;
  alignas(64) int32_t dots[4][256];
  float* out = a.out + token * a.out_stride + panel * 16;
  const int tokens = minimum(16, last - token);
  __m512 sums[16];
  for (int t = 0; t < 16; ++t) {
    sums[t] = g0 > 0 && t < tokens ? _mm512_loadu_ps(out + t * a.out_stride) : _mm512_setzero_ps();
  }
  const uint8_t* x = record_at(a, token, g0, kRecord);
#define TILE_GROUP(sum, a_, b_, at)                                    \
  do {                                                                 \
    TILE_LOAD(a_, x + (at) * kRecord, kWidth);                         \
    TILE_LOAD(b_, weights + (at) * step, 64);                          \
    TILE_ZERO(sum);                                                    \
    TILE_I8(sum, a_, b_);                                              \
    if constexpr (Products == 2) {                                     \
      TILE_LOAD(a_, x + (at) * kRecord + Bytes, kWidth);               \
      TILE_LOAD(b_, weights + (at) * step + Bytes * 16, 64);           \
      TILE_I8(sum, a_, b_);                                            \
    }                                                                  \
    TILE_STORE(sum, dots[sum], 64);                                    \
  } while (false)
  const auto finish = [&](const int32_t* dot, const uint8_t* record, const float* own) __attribute__((always_inline)) {
    const auto* scales = reinterpret_cast<const float*>(record + kWidth * 16);
    const __m512 row = _mm512_load_ps(own), bias = _mm512_load_ps(own + 16);
#pragma GCC unroll 16
    for (int t = 0; t < 16; ++t) {
      __m512 sum = sums[t];
      if constexpr (Biased) sum = _mm512_fmadd_ps(bias, _mm512_set1_ps(scales[16 + t]), sum);
      sums[t] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(_mm512_load_si512(dot + t * 16)), _mm512_mul_ps(row, _mm512_set1_ps(scales[t])), sum);
    }
  };
  int g = g0;
  for (; g + 4 <= g1; g += 4, x += 4 * kRecord, weights += 4 * step, factors += 4 * 32) {
    TILE_GROUP(0, 4, 6, 0);
    TILE_GROUP(1, 5, 7, 1);
    TILE_GROUP(2, 4, 6, 2);
    TILE_GROUP(3, 5, 7, 3);
    for (int i = 0; i < 4; ++i) finish(dots[i], x + i * kRecord, factors + i * 32);
  }
  for (; g < g1; ++g, x += kRecord, weights += step, factors += 32) {
    TILE_GROUP(0, 4, 6, 0);
    finish(dots[0], x, factors);
  }
#undef TILE_GROUP
  for (int t = 0; t < tokens; ++t) _mm512_storeu_ps(out + t * a.out_stride, sums[t]);
}

// Nibbles come apart into bytes, an e2m1 as twice its value; `from` is a group's values.
void unpack_nibbles(DType dtype, const uint8_t* from, int columns, uint8_t* bytes) {
  const __m512i mask = _mm512_set1_epi8(15);
  const __m512i twice = _mm512_broadcast_i32x4(_mm_setr_epi8(0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12));
  for (int k = 0; k < columns; k += 8, from += 64, bytes += 128) {
    const __m512i words = _mm512_loadu_si512(from);
    __m512i low = _mm512_and_si512(words, mask), high = _mm512_and_si512(_mm512_srli_epi32(words, 4), mask);
    if (dtype == DType::f4g) {
      low = _mm512_shuffle_epi8(twice, low);
      high = _mm512_shuffle_epi8(twice, high);
    }
    _mm512_store_si512(bytes, low);
    _mm512_store_si512(bytes + 64, high);
  }
}

// [16] scales and [16] biases as f32, as factors.inc has them.
template <DType Type>
void unpack_factors(const uint8_t* head, Factors factors, float* to) {
  if (!has_biases(Type) || factors == Factors::pairs) {
    std::memcpy(to, head, has_biases(Type) ? 128 : 64);
    return;
  }
  const auto halves = [&](int at) { return _mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(head + at))); };
  const __m512 scale = halves(0);
  __m512 bias = _mm512_setzero_ps();
  if (factors == Factors::zeros) bias = _mm512_mul_ps(halves(32), scale);
  else if (factors == Factors::biases) bias = Type == DType::i4g ? halves(32) : _mm512_fmadd_ps(_mm512_set1_ps(128), scale, halves(32));
  else if (Type == DType::i4g) bias = _mm512_mul_ps(_mm512_set1_ps(-8), scale);
  _mm512_store_ps(to, scale);
  _mm512_store_ps(to + 16, bias);
}

template <DType Type, int Bytes, int Products>
void matmul_grouped(const FastArgs& a) {
  constexpr int kWidth = Bytes * Products;
  const size_t header = grouped_header(Type, a.factors), stride = header + kWidth * grouped_column(Type);
  const Tiles tiles(Bytes);
  alignas(64) uint8_t bytes[Type == DType::i8g ? 64 : kGroupColumns * 16];
  alignas(64) float factors[kGroupColumns / kLeastGroup * 32];
  each_block(a, kGroupColumns / kWidth, [&](int t0, int t1, int g0, int g1) {
    for (int panel = 0; panel < a.count; ++panel) {
      const uint8_t* from = a.panels + panel * a.stride + g0 * stride;
      for (int g = 0; g < g1 - g0; ++g) {
        unpack_factors<Type>(from + g * stride, a.factors, factors + g * 32);
        if constexpr (Type != DType::i8g) unpack_nibbles(Type, from + g * stride + header, kWidth, bytes + g * kWidth * 16);
      }
      const uint8_t* weights = Type == DType::i8g ? from + header : bytes;
      const size_t step = Type == DType::i8g ? stride : kWidth * 16;
      for (int token = t0; token < t1; token += 16) {
        grouped_tiles<Bytes, Products, has_biases(Type)>(a, weights, step, factors, panel, token, t1, g0, g1);
      }
    }
  });
}

template <DType Type>
void matmul_groups(const FastArgs& a) {
  switch (a.group) {
    case 16: return matmul_grouped<Type, 16, 1>(a);
    case 32: return matmul_grouped<Type, 32, 1>(a);
    case 64: return matmul_grouped<Type, 64, 1>(a);
    default: return matmul_grouped<Type, 64, 2>(a);
  }
}

const TileKernels kTable = {"amx",
                            {nullptr, nullptr, matmul_bf16, matmul_i8, matmul_i4, matmul_groups<DType::i4g>,
                             matmul_groups<DType::i8g>, matmul_groups<DType::f4g>, matmul_f8g},
                            amx_attend_chunk};

}  // namespace

const TileKernels* amx_kernels() { return &kTable; }

bool enable_amx() {
  static const bool enabled = [] {
    unsigned a = 0, b = 0, c = 0, d = 0;
    constexpr unsigned kNeeded = 1u << 22 | 1u << 24 | 1u << 25;  // bf16, tiles, int8
    if (__get_cpuid_count(7, 0, &a, &b, &c, &d) == 0 || (d & kNeeded) != kNeeded) return false;
    constexpr unsigned kRounding = 1u << 5;  // AVX512_BF16, which every processor with tiles has had
    if (__get_cpuid_count(7, 1, &a, &b, &c, &d) == 0 || (a & kRounding) == 0) return false;
    // ARCH_REQ_XCOMP_PERM for the tile data (state 18): for all threads, also those to come.
    return syscall(SYS_arch_prctl, 0x1023, 18) == 0;
  }();
  return enabled;
}

}  // namespace lanyard::ops::cpu
#else
namespace lanyard::ops::cpu {
const TileKernels* amx_kernels() { return nullptr; }
bool enable_amx() { return false; }
}  // namespace lanyard::ops::cpu
#endif
