// The random numbers of sampling. A draw is a pure function of (seed, number of the draw, token id): it does not depend
// on the batch, the split over ranks, or how many candidates were looked at. Picking the token with the largest
// logit / temperature + Gumbel noise is an exact draw from the softmax, and each rank can do it for its own rows.
#pragma once

#include <cmath>
#include <cstdint>

namespace lanyard::ops {

// Finaliser of splitmix64 (Steele, Lea, Flood 2014).
inline uint64_t mix(uint64_t x) {
  x += 0x9e3779b97f4a7c15u;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
  return x ^ (x >> 31);
}

inline uint64_t draw_key(uint64_t seed, uint64_t drawn) { return mix(mix(seed) + drawn); }

// No value of gumbel() is larger: 52 random bits.
inline constexpr double kLargestNoise = 37.0;

inline double gumbel(uint64_t key, int32_t id) {
  const double uniform = (static_cast<double>(mix(key ^ mix(static_cast<uint32_t>(id))) >> 12) + 0.5) * 0x1p-52;
  return -std::log(-std::log(uniform));
}

}  // namespace lanyard::ops
