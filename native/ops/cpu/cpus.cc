#include "cpus.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <tuple>
#include <utility>

namespace lanyard::ops::cpu {
namespace {

namespace fs = std::filesystem;

// Claims are locks on single bytes: that of processor n is n; this one is held while choosing.
constexpr off_t kChoosing = 1 << 20;

bool lock(int fd, off_t byte, short type, int command) {
  struct flock range {};
  range.l_type = type;
  range.l_whence = SEEK_SET;
  range.l_start = byte;
  range.l_len = 1;
  return ::fcntl(fd, command, &range) == 0;
}

int node_of(const fs::path& cpu) {
  std::error_code failed;
  for (fs::directory_iterator it(cpu, failed), end; !failed && it != end; it.increment(failed)) {
    const std::string name = it->path().filename();
    if (name.starts_with("node")) return std::atoi(name.c_str() + 4);
  }
  return 0;
}

}  // namespace

std::vector<Cpu> usable_cpus(const std::string& system) {
  cpu_set_t set;
  // The main thread's: the calling one may be pinned already.
  if (::sched_getaffinity(::getpid(), sizeof set, &set) != 0) return {};
  std::vector<Cpu> cpus;
  for (int number = 0; number < CPU_SETSIZE; ++number) {
    if (!CPU_ISSET(number, &set)) continue;
    const fs::path folder = fs::path(system) / "cpu" / ("cpu" + std::to_string(number));
    Cpu cpu{number, number, node_of(folder)};
    std::ifstream(folder / "topology" / "thread_siblings_list") >> cpu.core;  // a list that begins with its lowest
    if (cpu.core < 0) cpu.core = number;
    cpus.push_back(cpu);
  }
  return cpus;
}

std::vector<int> place_threads(std::vector<Cpu> cpus, int threads) {
  struct Place {
    Cpu cpu;
    int busy;  // how many of its core are used before it
    int turn;  // how many as busy ones come before it on its node
  };
  std::map<int, int> busy;                  // of a core
  std::map<std::pair<int, int>, int> turns;  // of a node, by how busy cores are
  for (const Cpu& cpu : cpus) busy[cpu.core] += cpu.taken;
  std::erase_if(cpus, [](const Cpu& cpu) { return cpu.taken; });
  if (threads < 1 || static_cast<size_t>(threads) > cpus.size()) return {};
  std::sort(cpus.begin(), cpus.end(), [](const Cpu& a, const Cpu& b) { return std::tie(a.core, a.number) < std::tie(b.core, b.number); });
  std::vector<Place> places;
  for (const Cpu& cpu : cpus) {
    const int before = busy[cpu.core]++;
    places.push_back({cpu, before, turns[{cpu.node, before}]++});
  }
  int node = -1, most = 0;
  for (const auto& [of, count] : turns) {
    if (of.second == 0 && count > most) std::tie(node, most) = std::pair(of.first, count);
  }
  if (most >= threads) std::erase_if(places, [&](const Place& p) { return p.cpu.node != node; });
  std::sort(places.begin(), places.end(), [](const Place& a, const Place& b) {
    return std::tie(a.busy, a.turn, a.cpu.node, a.cpu.number) < std::tie(b.busy, b.turn, b.cpu.node, b.cpu.number);
  });
  places.resize(static_cast<size_t>(threads));
  std::sort(places.begin(), places.end(), [](const Place& a, const Place& b) {
    return std::tie(a.cpu.node, a.cpu.core, a.cpu.number) < std::tie(b.cpu.node, b.cpu.core, b.cpu.number);
  });
  std::vector<int> chosen;
  for (const Place& place : places) chosen.push_back(place.cpu.number);
  return chosen;
}

std::string CpuClaim::default_file() { return "/dev/shm/lanyard-cpus-" + std::to_string(::getuid()); }

CpuClaim::CpuClaim(const std::vector<Cpu>& cpus, int threads, const std::string& file) {
  fd_ = ::open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
  struct stat status;
  if (fd_ < 0 || ::fstat(fd_, &status) != 0 || status.st_uid != ::getuid()) return;
  if (!lock(fd_, kChoosing, F_WRLCK, F_OFD_SETLKW)) return;
  std::vector<Cpu> all = cpus;
  for (Cpu& cpu : all) cpu.taken = cpu.taken || !lock(fd_, cpu.number, F_WRLCK, F_OFD_SETLK);
  cpus_ = place_threads(all, threads);
  for (const Cpu& cpu : all) {
    const bool chosen = std::find(cpus_.begin(), cpus_.end(), cpu.number) != cpus_.end();
    if (!cpu.taken && !chosen) lock(fd_, cpu.number, F_UNLCK, F_OFD_SETLK);
  }
  lock(fd_, kChoosing, F_UNLCK, F_OFD_SETLK);
}

CpuClaim::CpuClaim(CpuClaim&& other) noexcept : fd_(std::exchange(other.fd_, -1)), cpus_(std::move(other.cpus_)) {
  other.cpus_.clear();
}

CpuClaim::~CpuClaim() {
  if (fd_ >= 0) ::close(fd_);
}

}  // namespace lanyard::ops::cpu
