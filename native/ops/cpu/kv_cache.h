// The KV cache in memory: where a position's key and value lie, and how they get there.
#pragma once

#include "../ops.h"
#include "kernels.h"
#include "memory.h"

namespace lanyard::ops::cpu {

// Keys: [layer][block][kv head][panels of 16 positions], values: [layer][block][kv head][position][dim padded to 16].
// int8: a block of a head ends with an f32 factor for each of its positions. A position is rounded by itself, so that
// what is stored depends on nothing but its own key and value. Keys are those that spread() has turned, as are then the
// queries.
//
// Heads with a latent have no values: a position's value is the beginning of its key. In int8 the latent and the rotated
// values of a key are turned and rounded each by themselves, with a factor each.
struct CpuKvCache final : KvCache {
  KvShape shape;
  int kv_heads = 0, dim = 0;
  int key_cols = 0;    // head dim, padded to the dtype's column step
  int value_dim = 0;   // of a value, padded to 16
  int latent = 0;      // as Heads has it
  size_t panel = 0;    // bytes of a panel of keys
  size_t key_bytes = 0, value_bytes = 0;  // of one block of one head
  Memory keys, values;

  bool scaled() const { return shape.dtype == DType::i8; }
  size_t index(int layer, int block, int head) const {
    return (static_cast<size_t>(layer) * shape.blocks + block) * kv_heads + head;
  }
  uint8_t* key_block(int layer, int block, int head) const { return keys.data() + index(layer, block, head) * key_bytes; }
  uint8_t* value_block(int layer, int block, int head) const {
    return values.data() + index(layer, block, head) * value_bytes;
  }
  size_t value_row() const { return value_dim * kv_bytes(shape.dtype); }
  // int8 only: the factors of a block, [block_size].
  float* key_scales(uint8_t* block) const { return scales_after(block, panel * (shape.block_size / kPanelRows)); }
  // Heads with a latent: those of the rotated values.
  float* rotated_scales(uint8_t* block) const { return key_scales(block) + shape.block_size; }
  float* value_scales(uint8_t* block) const { return scales_after(block, value_row() * shape.block_size); }

  // x: [dim], of the block's position `offset`.
  void put_key(uint8_t* block, int offset, const float* x) const;
  void put_value(uint8_t* block, int offset, const float* x) const;
  // Heads with a latent: the values in a block of keys, as value blocks have them, for at least `count` positions.
  void copy_values(const uint8_t* block, int count, uint8_t* out) const;

  static constexpr size_t kv_bytes(DType dtype) { return dtype == DType::i8 ? 1 : stored_bytes(dtype); }

 private:
  static float* scales_after(uint8_t* block, size_t bytes) { return reinterpret_cast<float*>(block + bytes); }
};

// Turns x by a Hadamard matrix over sqrt(n), in blocks of powers of two up to 256: products of two vectors that are both
// turned stay as they are, and done twice it is undone. In many models some values of every key are far larger than the
// rest (a bias, mostly) and would leave the others few of the 255 steps of a common factor; turned, all are about equal.
void spread(float* x, int dim);
// The latent and what is behind it each by itself; latent 0: all together.
void spread_key(float* x, int dim, int latent);

}  // namespace lanyard::ops::cpu
