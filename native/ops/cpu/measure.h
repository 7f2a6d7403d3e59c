// How fast this CPU is at what the engine does, measured with the engine's own kernels.
#pragma once

#include <string>

namespace lanyard::ops::cpu {

struct CpuSpeed {
  double read_bytes_per_second = 0;  // weights through the decode product, far beyond the caches
  double gemm_flops = 0;             // multiply-adds counted twice, in a prefill product
  std::string kernels;
};

// Takes about a second and 256 MiB.
CpuSpeed measure(int threads);

}  // namespace lanyard::ops::cpu
