// The tile registers, for the files that are compiled for processors with them. Used only after enable_amx().
//
// The instructions are written out here rather than taken from the compiler's header: GCC's _tile_loadconfig and
// _tile_loadd do not tell it what memory they read, so that it may drop or delay the stores before them.
#pragma once

#include <cstdint>

#define TILE_ZERO(tile) asm volatile("tilezero %%tmm" #tile ::: "memory")
#define TILE_LOAD(tile, from, stride) \
  asm volatile("tileloadd (%0,%1,1), %%tmm" #tile ::"r"(from), "r"(static_cast<long>(stride)) : "memory")
#define TILE_STORE(tile, to, stride) \
  asm volatile("tilestored %%tmm" #tile ", (%0,%1,1)" ::"r"(to), "r"(static_cast<long>(stride)) : "memory")
// sum += a * b
#define TILE_BF16(sum, a, b) asm volatile("tdpbf16ps %%tmm" #b ", %%tmm" #a ", %%tmm" #sum ::: "memory")
#define TILE_I8(sum, a, b) asm volatile("tdpbssd %%tmm" #b ", %%tmm" #a ", %%tmm" #sum ::: "memory")

namespace lanyard::ops::cpu {
namespace {

struct Config {
  uint8_t palette = 1;
  uint8_t start_row = 0;
  uint8_t reserved[14] = {};
  uint16_t column_bytes[16] = {};
  uint8_t rows[16] = {};
};

// Tiles 0 ... 3 are sums of `tokens` tokens (16 at most) by 16 rows, 4 and 5 activations, 6 and 7 weights. The state is
// given back at the end: a thread that keeps it is slower to switch to.
class Tiles {
 public:
  explicit Tiles(int group_bytes, int tokens = 16) {
    alignas(64) Config config;
    for (int tile = 0; tile < 8; ++tile) {
      config.column_bytes[tile] = static_cast<uint16_t>(tile == 4 || tile == 5 ? group_bytes : 64);
      config.rows[tile] = static_cast<uint8_t>(tile >= 6 ? group_bytes / 4 : tokens);
    }
    asm volatile("ldtilecfg %0" ::"m"(config) : "memory");
  }
  ~Tiles() { asm volatile("tilerelease" ::: "memory"); }
  Tiles(const Tiles&) = delete;
  Tiles& operator=(const Tiles&) = delete;
};

}  // namespace
}  // namespace lanyard::ops::cpu
