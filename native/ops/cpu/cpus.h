// Which processor each thread of a pool stays on.
#pragma once

#include <string>
#include <vector>

namespace lanyard::ops::cpu {

struct Cpu {
  int number = 0;
  int core = 0;  // the lowest number among the processors of the same physical core
  int node = 0;  // of memory
  bool taken = false;
};

// Those this process may use, ascending; empty when that cannot be told. Where they are is read below `system`.
std::vector<Cpu> usable_cpus(const std::string& system = "/sys/devices/system");

// One processor per thread that is not taken, or none where there are fewer. Physical cores of which nothing is taken come
// first, on one memory node if it has enough, otherwise evenly on all; neighbours are on one node, as neighbouring threads read
// neighbouring weights.
std::vector<int> place_threads(std::vector<Cpu> cpus, int threads);

// Processors that no other claim of this user on this computer holds, whichever process made it; given back at the end, and
// by the kernel when the process dies. Ranks started side by side so get processors of their own.
class CpuClaim {
 public:
  // Of `cpus`; cpus() is empty when fewer than `threads` are free. `file` is where claims are kept.
  CpuClaim(const std::vector<Cpu>& cpus, int threads, const std::string& file = default_file());
  CpuClaim(CpuClaim&& other) noexcept;
  CpuClaim& operator=(CpuClaim&&) = delete;
  ~CpuClaim();

  const std::vector<int>& cpus() const { return cpus_; }

 private:
  static std::string default_file();

  int fd_ = -1;
  std::vector<int> cpus_;
};

}  // namespace lanyard::ops::cpu
