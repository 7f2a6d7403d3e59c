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

inline constexpr int kRandomBits = 52;

// [0, 2^52): the random number of an id.
inline uint64_t random_bits(uint64_t key, int32_t id) { return mix(key ^ mix(static_cast<uint32_t>(id))) >> (64 - kRandomBits); }

inline double gumbel_of(uint64_t bits) { return -std::log(-std::log((static_cast<double>(bits) + 0.5) * 0x1p-52)); }

inline double gumbel(uint64_t key, int32_t id) { return gumbel_of(random_bits(key, id)); }

// Can a noise made of `bits` be as large as x, given e >= exp(-x)? With u the uniform number of the bits, -log u >= 1 - u, so a
// noise of x or more needs 1 - u <= exp(-x). Without logarithms, and right for all but about one in e^x ids.
inline bool may_reach(uint64_t bits, double e) {
  return static_cast<double>((uint64_t{1} << kRandomBits) - bits) - 0.5 <= e * 0x1p52;
}

}  // namespace lanyard::ops
