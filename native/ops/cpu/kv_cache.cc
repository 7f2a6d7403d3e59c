#include "kv_cache.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "../../error.h"
#include "cpu_ops.h"

namespace lanyard::ops::cpu {
namespace {

// The factor that brings x within +-127. NaN where a value is not finite, which then is what is read back.
float scale_of(const float* x, int count) {
  float largest = 0, odd = 0;
  for (int i = 0; i < count; ++i) {
    largest = std::max(largest, std::fabs(x[i]));
    odd += x[i] * 0.0f;
  }
  return largest / 127.0f + odd;
}

// The nearest integer to a value within +-127, ties to even: it is the lowest byte of 1.5 * 2^23 + value.
int8_t nearest(float value) { return static_cast<int8_t>(float_to_bits(value + 12582912.0f)); }

}  // namespace

std::unique_ptr<KvCache> CpuOps::make_cache(const KvShape& shape, const Heads& heads) {
  const int size = shape.block_size;
  if (size != 16 && size != 32 && size != 64 && size != 128) {
    throw Error("bad_request", "A KV block holds 16, 32, 64 or 128 positions, not " + std::to_string(size) + ".");
  }
  if (shape.dtype != DType::f32 && shape.dtype != DType::bf16 && shape.dtype != DType::i8) {
    throw Error("bad_request", std::string("The KV cache is f32, bf16 or int8, not ") + dtype_name(shape.dtype) + ".");
  }
  auto cache = std::make_unique<CpuKvCache>();
  cache->shape = shape;
  cache->kv_heads = heads.kv;
  cache->dim = heads.dim;
  const int step = column_step(shape.dtype);
  cache->key_cols = (heads.dim + step - 1) / step * step;
  cache->value_dim = (heads.value() + 15) / 16 * 16;
  cache->latent = heads.latent;
  cache->panel = panel_bytes(shape.dtype, cache->key_cols);
  const size_t scales = cache->scaled() ? size * sizeof(float) : 0;
  cache->key_bytes = cache->panel * (size / kPanelRows) + (heads.latent > 0 ? 2 : 1) * scales;
  cache->value_bytes = heads.latent > 0 ? 0 : cache->value_row() * size + scales;
  const size_t count = static_cast<size_t>(shape.layers) * shape.blocks * heads.kv;
  cache->keys = Memory(count * cache->key_bytes);
  cache->values = Memory(count * cache->value_bytes);
  cache->bytes = cache->keys.bytes() + cache->values.bytes();
  return cache;
}

void spread(float* x, int dim) {
  constexpr int kMost = 256;
  float turned[kMost];
  for (int n = kMost; dim > 0; x += n, dim -= n) {
    while (n > dim) n /= 2;
    // Each pass takes the topmost bit of the index and makes it the lowest; after all of them every bit is in its place.
    float *from = x, *to = turned;
    for (int pass = n; pass > 1; pass /= 2) {
      const float *left = from, *right = from + n / 2;
      for (int i = 0; i < n / 2; ++i) {
        to[2 * i] = left[i] + right[i];
        to[2 * i + 1] = left[i] - right[i];
      }
      std::swap(from, to);
    }
    const float factor = 1.0f / std::sqrt(static_cast<float>(n));
    for (int i = 0; i < n; ++i) x[i] = from[i] * factor;
  }
}

void spread_key(float* x, int dim, int latent) {
  if (latent > 0) spread(x, latent);
  spread(x + latent, dim - latent);
}

void CpuKvCache::put_key(uint8_t* block, int offset, const float* x) const {
  uint8_t* to = block + panel * (offset / kPanelRows);
  const int lane = offset % kPanelRows;
  switch (shape.dtype) {
    case DType::f32: {
      auto* out = reinterpret_cast<float*>(to);
      for (int d = 0; d < dim; ++d) out[d * kPanelRows + lane] = x[d];
      break;
    }
    case DType::i8: {
      auto* out = reinterpret_cast<int8_t*>(to);
      const auto round = [&](int from, int end) {
        const float scale = scale_of(x + from, end - from), inverse = scale > 0 ? 1.0f / scale : 0.0f;
        for (int d = from; d < end; ++d) out[d / 4 * 4 * kPanelRows + lane * 4 + d % 4] = nearest(x[d] * inverse);
        return scale;
      };
      key_scales(block)[offset] = round(0, latent > 0 ? latent : dim);
      if (latent > 0) rotated_scales(block)[offset] = round(latent, dim);
      break;
    }
    default: {
      auto* out = reinterpret_cast<uint16_t*>(to);
      for (int d = 0; d < dim; ++d) out[d / 2 * 2 * kPanelRows + lane * 2 + d % 2] = float_to_bf16(x[d]);
    }
  }
}

// In every type a panel is columns of 16 words of 32 bits, one of each position.
void CpuKvCache::copy_values(const uint8_t* block, int count, uint8_t* out) const {
  const size_t words = value_row() / sizeof(uint32_t);
  auto* to = reinterpret_cast<uint32_t*>(out);
  for (int first = 0; first < count; first += kPanelRows, block += panel, to += kPanelRows * words) {
    const auto* from = reinterpret_cast<const uint32_t*>(block);
    for (size_t w = 0; w < words; ++w, from += kPanelRows) {
      for (int lane = 0; lane < kPanelRows; ++lane) to[lane * words + w] = from[lane];
    }
  }
}

void CpuKvCache::put_value(uint8_t* block, int offset, const float* x) const {
  uint8_t* to = block + value_row() * offset;
  switch (shape.dtype) {
    case DType::f32: std::copy_n(x, dim, reinterpret_cast<float*>(to)); break;
    case DType::i8: {
      const float scale = scale_of(x, dim), inverse = scale > 0 ? 1.0f / scale : 0.0f;
      auto* out = reinterpret_cast<int8_t*>(to);
      for (int d = 0; d < dim; ++d) out[d] = nearest(x[d] * inverse);
      value_scales(block)[offset] = scale;
      break;
    }
    default: {
      auto* out = reinterpret_cast<uint16_t*>(to);
      for (int d = 0; d < dim; ++d) out[d] = float_to_bf16(x[d]);
    }
  }
}

}  // namespace lanyard::ops::cpu
