// The threads of the engine: rounds of a pool, which processors they stay on, and what they read ahead.
#include <sched.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <set>
#include <string>

#include "../ops/cpu/ahead.h"
#include "../ops/cpu/cpus.h"
#include "../ops/cpu/matrix.h"
#include "../ops/cpu/pool.h"
#include "check.h"

using namespace lanyard::ops;
using namespace lanyard::ops::cpu;
namespace fs = std::filesystem;

namespace {

class Folder {
 public:
  Folder() : path(fs::temp_directory_path() / ("lanyard-threads-" + std::to_string(::getpid()))) { fs::create_directories(path); }
  ~Folder() { fs::remove_all(path); }
  const fs::path path;
};

cpu_set_t own_cpus() {
  cpu_set_t set;
  CPU_ZERO(&set);
  ::sched_getaffinity(0, sizeof set, &set);
  return set;
}

void rounds() {
  for (const bool pin : {false, true}) {
    for (const int threads : {1, 2, 3, 5}) {
      Pool pool(threads, pin);
      std::vector<int> done(static_cast<size_t>(threads));
      for (int round = 0; round < 2000; ++round) pool.run([&](int thread) { ++done[static_cast<size_t>(thread)]; });
      CHECK(done == std::vector<int>(static_cast<size_t>(threads), 2000), "%d threads", threads);
    }
  }
}

// Two sockets of two cores with two threads each, numbered as Linux does: the second threads behind all first ones.
std::vector<Cpu> two_sockets() { return {{0, 0, 0}, {1, 1, 0}, {2, 2, 1}, {3, 3, 1}, {4, 0, 0}, {5, 1, 0}, {6, 2, 1}, {7, 3, 1}}; }

void places() {
  using List = std::vector<int>;
  CHECK(place_threads(two_sockets(), 1) == List{0});
  CHECK((place_threads(two_sockets(), 2) == List{0, 1}));
  CHECK((place_threads(two_sockets(), 3) == List{0, 1, 2}));
  CHECK((place_threads(two_sockets(), 4) == List{0, 1, 2, 3}));
  CHECK((place_threads(two_sockets(), 6) == List{0, 4, 1, 2, 6, 3}));
  CHECK((place_threads(two_sockets(), 8) == List{0, 4, 1, 5, 2, 6, 3, 7}));
  CHECK(place_threads(two_sockets(), 9).empty());
  CHECK(place_threads({}, 1).empty());
  CHECK(place_threads(two_sockets(), 0).empty());
  // The node with more cores; what is left of cores others use is still a core.
  CHECK((place_threads({{1, 1, 0}, {2, 2, 1}, {3, 3, 1}}, 2) == List{2, 3}));
  CHECK((place_threads({{5, 1, 0}, {6, 2, 1}, {7, 3, 1}}, 2) == List{6, 7}));
  // Whole cores before halves of cores, wherever they are.
  auto cpus = two_sockets();
  cpus[0].taken = cpus[2].taken = true;
  CHECK((place_threads(cpus, 2) == List{1, 3}));
  CHECK((place_threads(cpus, 3) == List{4, 1, 3}));
  // Numbered core by core, as on some machines.
  CHECK((place_threads({{0, 0, 0}, {1, 0, 0}, {2, 2, 0}, {3, 2, 0}}, 2) == List{0, 2}));
  // Four of two nodes with three cores each: as many on both.
  CHECK((place_threads({{0, 0, 0}, {1, 1, 0}, {2, 2, 0}, {3, 3, 1}, {4, 4, 1}, {5, 5, 1}}, 4) == List{0, 1, 3, 4}));
}

void topology() {
  const Folder folder;
  const cpu_set_t set = own_cpus();
  std::vector<int> numbers;
  for (int n = 0; n < CPU_SETSIZE; ++n) {
    if (CPU_ISSET(n, &set)) numbers.push_back(n);
  }
  for (size_t i = 0; i < numbers.size(); ++i) {
    const fs::path cpu = folder.path / "cpu" / ("cpu" + std::to_string(numbers[i]));
    fs::create_directories(cpu / "topology");
    fs::create_directories(cpu / ("node" + std::to_string(7 + i)));
    std::ofstream(cpu / "topology" / "thread_siblings_list") << (i % 2 == 0 ? "40,72\n" : "41-42\n");
  }
  const auto cpus = usable_cpus(folder.path);
  CHECK(cpus.size() == numbers.size());
  for (size_t i = 0; i < cpus.size(); ++i) {
    CHECK(cpus[i].number == numbers[i] && cpus[i].core == (i % 2 == 0 ? 40 : 41) && cpus[i].node == static_cast<int>(7 + i));
  }
  // Where nothing is told, every processor is a core of its own.
  for (const Cpu& cpu : usable_cpus(folder.path / "absent")) CHECK(cpu.core == cpu.number && cpu.node == 0);
  CHECK(usable_cpus().size() == numbers.size());
}

void claims() {
  const Folder folder;
  const std::string file = folder.path / "claims";
  using List = std::vector<int>;
  {
    const CpuClaim first(two_sockets(), 2, file);
    CHECK((first.cpus() == List{0, 1}));
    const CpuClaim second(two_sockets(), 2, file);
    CHECK((second.cpus() == List{2, 3}));
    const CpuClaim many(two_sockets(), 5, file);  // of four that are left
    CHECK(many.cpus().empty());
    const CpuClaim third(two_sockets(), 4, file);
    CHECK((third.cpus() == List{4, 5, 6, 7}));
  }
  CHECK((CpuClaim(two_sockets(), 8, file).cpus().size() == 8));

  // Of another process, which dies without giving anything back.
  int ends[2];
  CHECK(::pipe(ends) == 0);
  const pid_t child = ::fork();
  if (child == 0) {
    const CpuClaim claim(two_sockets(), 7, file);
    const char taken = static_cast<char>(claim.cpus().size());
    if (::write(ends[1], &taken, 1) != 1) ::_exit(1);
    ::pause();
    ::_exit(0);
  }
  char taken = 0;
  CHECK(::read(ends[0], &taken, 1) == 1 && taken == 7);
  CHECK(CpuClaim(two_sockets(), 2, file).cpus().empty());
  CHECK(CpuClaim(two_sockets(), 1, file).cpus().size() == 1);
  ::kill(child, SIGKILL);
  ::waitpid(child, nullptr, 0);
  CHECK(CpuClaim(two_sockets(), 8, file).cpus().size() == 8);
  ::close(ends[0]);
  ::close(ends[1]);
  CHECK(CpuClaim(two_sockets(), 1, folder.path / "no" / "such").cpus().empty());
}

// Other pinned engines of this user may hold processors; then none is pinned, and that is right too.
void pinned_pools() {
  const cpu_set_t before = own_cpus();
  const int most = CPU_COUNT(&before);
  {
    Pool pool(most, true);
    const std::vector<int> cpus = pool.cpus();
    CHECK(cpus.empty() || cpus.size() == static_cast<size_t>(most));
    if (cpus.empty()) std::printf("  left out: pinning, as processors here are taken\n");
    std::atomic<int> elsewhere{0};
    for (int round = 0; round < 100 && !cpus.empty(); ++round) {
      pool.run([&](int thread) { elsewhere += ::sched_getcpu() != cpus[static_cast<size_t>(thread)]; });
    }
    CHECK(elsewhere == 0);
    CHECK(std::set<int>(cpus.begin(), cpus.end()).size() == cpus.size());
    if (!cpus.empty()) {
      Pool other(1, true);  // nothing is left for it
      CHECK(other.cpus().empty());
    }
    CHECK(Pool(most + 1, true).cpus().empty());
    CHECK(Pool(most, false).cpus().empty());
  }
  const cpu_set_t after = own_cpus();
  CHECK(CPU_EQUAL(&before, &after));
}

class Ones final : public RowSource {
 public:
  Ones(size_t row_count, size_t col_count) {
    rows = row_count;
    cols = col_count;
  }
  void read(size_t, void* out) const override { std::fill_n(static_cast<float*>(out), cols, 1.0f); }
};

// Of the panels that a thread will multiply with: the first bytes, no others, each once.
void reading_ahead() {
  Pool pool(1);
  for (const DType type : {DType::bf16, DType::i8, DType::i4}) {
    for (const size_t rows : {size_t{3}, size_t{80}, size_t{1000}}) {
      const auto m = pack_matrix(Ones(rows, 96), type, RowOrder::plain, pool);
      for (const int threads : {1, 3, 8}) {
        for (const size_t most : {size_t{0}, size_t{100}, size_t{40000}, size_t{1} << 40}) {
          const uint8_t* reached = m->panel(0);
          for (int thread = 0; thread < threads; ++thread) {
            const Share share = panel_share(*m, thread, threads);
            Ahead ahead(*m, thread, threads, most);
            const auto all = ahead.rest();
            const size_t own = m->stride * static_cast<size_t>(share.last - share.first);
            CHECK(all.size() == std::min(own, most));
            if (all.empty()) {
              CHECK(!ahead.step());
              continue;
            }
            CHECK(all.data() == m->panel(share.first) && all.data() >= reached);
            reached = all.data() + all.size();
            size_t steps = 1;
            for (size_t left = all.size(); ahead.step(); ++steps) {
              CHECK(ahead.rest().size() < left && ahead.rest().data() + ahead.rest().size() == reached);
              left = ahead.rest().size();
            }
            CHECK(ahead.rest().empty() && steps == (all.size() + 16383) / 16384, "%zu steps", steps);
            CHECK(!ahead.step());
          }
          CHECK(reached <= m->panel(m->panels));
        }
      }
    }
  }
  CHECK(ahead_bytes() > 0 || std::getenv("LANYARD_AHEAD_KB"));
}

}  // namespace

int main() {
  check::section("every thread takes part in every round", rounds);
  check::section("threads get physical cores first, together or evenly", places);
  check::section("where processors are is read from the system", topology);
  check::section("claims exclude each other, and end with their process", claims);
  check::section("pinned threads stay where they are, and nothing is left of it", pinned_pools);
  check::section("reading ahead covers a thread's own panels only", reading_ahead);
  return check::result();
}
