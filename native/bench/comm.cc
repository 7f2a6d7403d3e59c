// All-reduce between processes of this machine: over loopback TCP, encrypted, or through shared memory.
//
//   bench_comm [ranks=2] [wire=bf16|int8|f32] [algorithm=measured|one|two] [spin_micros=-1] [transport=tcp|shared]
//
// Prints the median and the 90th and 99th percentile of rank 0 per payload size. Busy machines give upper bounds: with
// fewer idle cores than ranks the figures are those of the scheduler.
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "communicator.h"

using namespace lanyard::comm;

namespace {

constexpr size_t kKilobytes[] = {4, 8, 16, 32, 64, 128, 256, 512, 4096};

double percentile(std::vector<double>& sorted, double p) { return sorted[static_cast<size_t>(p * static_cast<double>(sorted.size() - 1))]; }

// Sizes are those of bf16 whatever the wire type, so that its runs compare.
void run(Communicator& group) {
  if (group.rank() == 0) std::printf("%10s %10s %10s %10s %10s\n", "KB of bf16", "p50 us", "p90 us", "p99 us", "rounds");
  for (const size_t kilobytes : kKilobytes) {
    std::vector<float> data(kilobytes * 1024 / 2, 1.0F);
    const int rounds = kilobytes <= 64 ? 3000 : kilobytes <= 512 ? 600 : 60;
    std::vector<double> micros;
    for (int round = -20; round < rounds; ++round) {
      const auto started = std::chrono::steady_clock::now();
      group.all_reduce_sum(data.data(), data.size());
      const double took = std::chrono::duration<double, std::micro>(std::chrono::steady_clock::now() - started).count();
      if (round >= 0) micros.push_back(took);
      std::fill(data.begin(), data.end(), 1.0F);
    }
    std::sort(micros.begin(), micros.end());
    if (group.rank() != 0) continue;
    std::printf("%10zu %10.1f %10.1f %10.1f %10d\n", kilobytes, percentile(micros, 0.5), percentile(micros, 0.9),
                percentile(micros, 0.99), rounds);
    std::fflush(stdout);
  }
}

}  // namespace

int main(int argc, char** argv) {
  const auto argument = [&](int i, const char* fallback) { return std::string(argc > i ? argv[i] : fallback); };
  GroupOptions options;
  options.size = std::atoi(argument(1, "2").c_str());
  const auto wire = wire_named(argument(2, "bf16"));
  if (!wire) {
    std::fprintf(stderr, "The wire type is bf16, int8 or f32.\n");
    return 2;
  }
  options.wire = *wire;
  const std::string algorithm = argument(3, "measured");
  options.algorithm = algorithm == "one" ? Algorithm::one_shot : algorithm == "two" ? Algorithm::two_shot : Algorithm::measured;
  options.spin_micros = std::atoi(argument(4, "-1").c_str());
  options.transport = argument(5, "tcp") == "tcp" ? Transport::tcp : Transport::automatic;
  options.key.fill(7);

  std::vector<std::unique_ptr<TcpGroup>> groups;
  std::vector<PeerAddress> peers;
  for (int rank = 0; rank < options.size; ++rank) {
    options.rank = rank;
    groups.push_back(std::make_unique<TcpGroup>("127.0.0.1", options));
    peers.push_back({"127.0.0.1", groups.back()->port()});
  }
  std::printf("%d ranks, %s, wire %s, %ld cores online\n", options.size,
              options.transport == Transport::tcp ? "loopback, AES-256-GCM" : "shared memory", wire_name(options.wire), ::sysconf(_SC_NPROCESSORS_ONLN));
  std::fflush(stdout);
  std::vector<pid_t> children;
  int rank = 0;
  for (int other = 1; other < options.size && rank == 0; ++other) {
    const pid_t child = ::fork();
    if (child == 0) rank = other;
    else children.push_back(child);
  }
  auto mine = std::move(groups[static_cast<size_t>(rank)]);
  groups.clear();
  try {
    const auto group = mine->connect(peers, std::chrono::seconds(10));
    run(*group);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "rank %d: %s\n", rank, error.what());
    return 1;
  }
  int failed = 0;
  for (const pid_t child : children) {
    int status = 0;
    ::waitpid(child, &status, 0);
    failed |= status;
  }
  return failed == 0 ? 0 : 1;
}
