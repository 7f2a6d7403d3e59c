// What splitting costs and gains: a model of real shape on one rank and on two, one core each, over several networks.
//
// Ranks are processes that load once and then join one group after another. Runs of all columns take turns, and so do the
// rivals' commands, so that a slow minute of the computer is shared by all.
#include <fcntl.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <map>
#include <memory>
#include <sstream>
#include <stdexcept>

#include "../comm/communicator.h"
#include "../engine/engine.h"
#include "made_up.h"

using namespace lanyard;
using Clock = std::chrono::steady_clock;

namespace {

constexpr const char* kUsage = R"(bench_tp [--shape 1b] [--weights bf16|int8|int4|f32] [--wire bf16,int8,f32] [--prompt N] [--tokens N] [--rounds N]
         [--streams N] [--lanes auto,off,on] [--switch FILE] [--networks LIST] [--rival NAME COMMAND]… [--rival-alone NAME COMMAND]…

  --shape        0.1b, 0.5b or 1b (default 1b); weights are random
  --weights      what matrices become on load (default bf16)
  --wire         what values are between the ranks (default bf16); several take turns
  --prompt       tokens read before, in one step (default 16); their speed is printed from 64 on
  --tokens       tokens written in a run (default 32)
  --rounds       runs of every column; the median is printed (default 3)
  --streams      sequences that are written at once, after prompts that are read in one step (default 1)
  --lanes        whether a step is computed in lanes, beside its collectives (default auto); several take turns
  --networks     some of shared,plain,1gbit,delay (default: those that can be had). shared: shared memory; the others join
                 two network namespaces, which needs root: plain: a pair of virtual cards; 1gbit: the same shaped by tbf;
                 delay: 1 Gbit/s and 0.1 ms one way through the switch
  --switch       the program delayswitch; without it there is no column delay
  --rival        a shell command that is run once per round and network; the last number it prints are tokens per second.
                 It finds SPACE0, SPACE1 (network namespaces) and HOST0, HOST1 (addresses) in its environment
  --rival-alone  the same once per round, without a network
)";

[[noreturn]] void usage(const std::string& problem) {
  std::fprintf(stderr, "%s\n%s", problem.c_str(), kUsage);
  std::exit(2);
}

struct Rival {
  std::string name, command;
  bool alone;
};

struct Options {
  const bench::Shape* shape = bench::shape_named("1b");
  model::WeightType weights = model::WeightType::bf16;
  std::string weights_name = "bf16", delay_switch, networks;
  std::vector<comm::Wire> wires{comm::Wire::bf16};
  std::vector<comm::Overlap> lanes{comm::Overlap::automatic};
  int prompt = 16, tokens = 32, rounds = 3, streams = 1;
  std::vector<Rival> rivals;
};

Options parse(int argc, char** argv) {
  Options o;
  for (int i = 1; i < argc; ++i) {
    const std::string name = argv[i];
    if (name == "--help" || name == "-h") {
      std::printf("%s", kUsage);
      std::exit(0);
    }
    const auto value = [&]() -> std::string {
      if (++i >= argc) usage(name + " needs a value.");
      return argv[i];
    };
    const auto number = [&] {
      const std::string text = value();
      const int n = std::atoi(text.c_str());
      if (n < 1 || n > 4096) usage(name + " is a number from 1 to 4096.");
      return n;
    };
    if (name == "--shape") {
      o.shape = bench::shape_named(value());
      if (!o.shape) usage("There is no such shape.");
    } else if (name == "--weights") {
      o.weights_name = value();
      using enum model::WeightType;
      const std::map<std::string, model::WeightType> types{{"bf16", bf16}, {"int8", i8}, {"int4", i4}, {"f32", f32}};
      const auto type = types.find(o.weights_name);
      if (type == types.end()) usage("Weights are bf16, int8, int4 or f32.");
      o.weights = type->second;
    } else if (name == "--wire") {
      o.wires.clear();
      std::istringstream names(value());
      for (std::string one; std::getline(names, one, ',');) {
        const auto wire = comm::wire_named(one);
        if (!wire) usage("Values on the wire are bf16, int8 or f32.");
        o.wires.push_back(*wire);
      }
      if (o.wires.empty()) usage("--wire needs a type.");
    } else if (name == "--prompt") o.prompt = number();
    else if (name == "--tokens") o.tokens = number();
    else if (name == "--rounds") o.rounds = number();
    else if (name == "--streams") o.streams = number();
    else if (name == "--lanes") {
      o.lanes.clear();
      std::istringstream names(value());
      using enum comm::Overlap;
      const std::map<std::string, comm::Overlap> known{{"auto", automatic}, {"off", never}, {"on", always}};
      for (std::string one; std::getline(names, one, ',');) {
        const auto found = known.find(one);
        if (found == known.end()) usage("Lanes are auto, off or on.");
        o.lanes.push_back(found->second);
      }
      if (o.lanes.empty()) usage("--lanes needs a word.");
    }
    else if (name == "--switch") o.delay_switch = value();
    else if (name == "--networks") o.networks = value();
    else if (name == "--rival" || name == "--rival-alone") {
      const std::string who = value();
      o.rivals.push_back({who, value(), name == "--rival-alone"});
    } else usage("There is no option " + name + ".");
  }
  return o;
}

// ── networks ─────────────────────────────────────────────────────────────────────────────────────────────────────────

struct Network {
  std::string name, title;
  std::string space[2];  // empty: the network this program is in
  std::string host[2];
};

void shell(const std::string& command) {
  if (std::system(command.c_str()) != 0) throw std::runtime_error("failed: " + command);
}

// The networks of this run; gone with it.
class Networks {
 public:
  ~Networks() {
    if (switch_ > 0) {
      ::kill(switch_, SIGTERM);
      ::waitpid(switch_, nullptr, 0);
    }
    for (const std::string& space : spaces_) {
      if (std::system(("ip netns del " + space).c_str()) != 0) std::fprintf(stderr, "ip netns del %s failed\n", space.c_str());
    }
  }

  std::vector<Network> make(const Options& o) {
    std::vector<Network> made;
    const bool root = ::geteuid() == 0;
    const auto wanted = [&](const char* name, bool possible) {
      if (o.networks.empty()) return possible;
      return ("," + o.networks + ",").find("," + std::string(name) + ",") != std::string::npos;
    };
    if (wanted("shared", true)) made.push_back({"shared", "shared memory", {}, {"127.0.0.1", "127.0.0.1"}});
    if (wanted("plain", root)) made.push_back(cable("plain", "two namespaces, unshaped", ""));
    if (wanted("1gbit", root)) made.push_back(cable("1gbit", "1 Gbit/s (tbf)", "rate 1gbit burst 256kb latency 50ms"));
    if (wanted("delay", root && !o.delay_switch.empty())) made.push_back(switched(o.delay_switch));
    return made;
  }

 private:
  Network spaces(const std::string& name, const std::string& title) {
    Network n{name, title, {}, {"10.91.0.1", "10.91.0.2"}};
    for (int i = 0; i < 2; ++i) {
      n.space[i] = "lanyard-tp" + std::to_string(::getpid()) + name + std::to_string(i);
      shell("ip netns add " + n.space[i]);
      spaces_.push_back(n.space[i]);
      shell("ip -n " + n.space[i] + " link set lo up");
    }
    return n;
  }

  void address(const Network& n) {
    for (int i = 0; i < 2; ++i) {
      shell("ip -n " + n.space[i] + " addr add " + n.host[i] + "/24 dev eth0");
      shell("ip -n " + n.space[i] + " link set eth0 up");
    }
  }

  Network cable(const std::string& name, const std::string& title, const std::string& shaping) {
    const Network n = spaces(name, title);
    shell("ip link add eth0 netns " + n.space[0] + " type veth peer name eth0 netns " + n.space[1]);
    address(n);
    if (!shaping.empty()) {
      for (const std::string& space : n.space) shell("ip netns exec " + space + " tc qdisc add dev eth0 root tbf " + shaping);
    }
    return n;
  }

  Network switched(const std::string& program) {
    const Network n = spaces("delay", "1 Gbit/s + 0.1 ms one way");
    int ends[2];
    if (::pipe(ends) != 0) throw std::runtime_error("pipe");
    switch_ = ::fork();
    if (switch_ == 0) {
      ::prctl(PR_SET_PDEATHSIG, SIGKILL);
      ::dup2(ends[1], 1);
      ::close(ends[0]);
      const auto port = [&](int i) { return "d" + std::to_string(i) + ",netns=" + n.space[i] + ",delay=100us,rate=1gbit"; };
      // A real switch takes no time of the ranks' cores to wake up on.
      ::execlp("chrt", "chrt", "-f", "10", program.c_str(), "--spin", "30us", "--port", port(0).c_str(), "--port", port(1).c_str(), nullptr);
      ::_exit(127);
    }
    ::close(ends[1]);
    std::string said;
    for (char c; said.find("ready") == std::string::npos && ::read(ends[0], &c, 1) == 1;) said += c;
    if (said.find("ready") == std::string::npos) throw std::runtime_error(program + " did not start: " + said);
    address(n);
    return n;
  }

  std::vector<std::string> spaces_;
  pid_t switch_ = -1;
};

// ── rank processes ───────────────────────────────────────────────────────────────────────────────────────────────────

struct Order {
  enum Kind { listen, connect, run } kind;
  char space[64];
  char host[2][48];
  uint16_t port[2];
  bool tcp;
  comm::Wire wire;
  comm::Overlap overlap;
};

struct Answer {
  bool done = true;
  uint16_t port = 0;
  double seconds = 0, collective_seconds = 0, prompt_seconds = 0, prompt_collective_seconds = 0;
  char text[300] = "";
};

// The communicator of the group this process is in at the moment.
class Current final : public comm::Communicator {
 public:
  Current(int rank, int size) : rank_(rank), size_(size) {}
  std::unique_ptr<comm::Communicator> group;

  int rank() const noexcept override { return rank_; }
  int size() const noexcept override { return size_; }
  void all_reduce_sum(float* data, size_t count, const comm::IdleWork& idle) override { group->all_reduce_sum(data, count, idle); }
  void start_all_reduce(float* data, size_t count, size_t whole) override { group->start_all_reduce(data, count, whole); }
  void progress() noexcept override { group->progress(); }
  void finish_all_reduce() override { group->finish_all_reduce(); }
  comm::Overlap overlap() const noexcept override { return group->overlap(); }
  void gather(const void* send, size_t bytes, void* receive, int root) override { group->gather(send, bytes, receive, root); }
  void broadcast(void* data, size_t bytes, int root) override { group->broadcast(data, bytes, root); }
  void broadcast_blob(std::vector<std::byte>& blob, int root) override { group->broadcast_blob(blob, root); }
  void abort(const std::string& reason) noexcept override { group->abort(reason); }
  double measure(size_t elements, int rounds) override { return group->measure(elements, rounds); }
  comm::CommStats stats() const override { return group->stats(); }

 private:
  int rank_, size_;
};

int network_at(const std::string& file) {
  const int fd = ::open(file.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) throw std::runtime_error("cannot open " + file);
  return fd;
}

class Rank {
 public:
  // A process on `cores` with its share of the model.
  Rank(const Options& o, int rank, int ranks, std::vector<int> cores) {
    int ends[2];
    if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0) throw std::runtime_error("socketpair");
    std::fflush(stdout);
    pid_ = ::fork();
    if (pid_ == 0) {
      ::prctl(PR_SET_PDEATHSIG, SIGKILL);
      ::close(ends[0]);
      cpu_set_t set;
      CPU_ZERO(&set);
      for (const int core : cores) CPU_SET(core, &set);
      ::sched_setaffinity(0, sizeof set, &set);
      ::_exit(serve(ends[1], o, rank, ranks, static_cast<int>(cores.size())));
    }
    ::close(ends[1]);
    channel_ = ends[0];
  }
  ~Rank() {
    ::close(channel_);
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
  }
  Rank(const Rank&) = delete;
  Rank& operator=(const Rank&) = delete;

  void tell(const Order& order) {
    if (::send(channel_, &order, sizeof order, MSG_NOSIGNAL) != sizeof order) throw std::runtime_error("a rank is gone");
  }
  Answer answer() {
    Answer got;
    const ssize_t n = ::recv(channel_, &got, sizeof got, 0);
    if (n < 0) throw std::runtime_error("the run was interrupted");
    if (n != sizeof got) throw std::runtime_error("a rank's process ended");
    if (!got.done) throw std::runtime_error(got.text);
    return got;
  }

 private:
  static int serve(int channel, const Options& o, int rank, int ranks, int threads) {
    const auto say = [&](const Answer& answer) {
      if (::send(channel, &answer, sizeof answer, MSG_NOSIGNAL) != sizeof answer) ::_exit(1);
    };
    try {
      bench::ModelOptions m;
      m.weights = o.weights;
      m.positions = o.prompt + o.tokens;
      m.streams = o.streams;
      m.step_tokens = o.prompt * o.streams;
      m.threads = threads;
      m.rank = rank;
      m.ranks = ranks;
      bench::Noise noise;
      Current comm(rank, ranks);
      if (ranks == 1) comm.group = comm::make_single();
      engine::Engine engine(bench::spec_of(*o.shape, m, noise), comm, [](uint64_t, uint64_t) {});
      say({});
      const int home = network_at("/proc/self/ns/net");
      int here = home;
      std::unique_ptr<comm::TcpGroup> door;
      Order order;
      while (::recv(channel, &order, sizeof order, 0) == sizeof order) {
        Answer answer;
        if (order.kind == Order::listen) {
          const int space = order.space[0] == 0 ? home : network_at(std::string("/run/netns/") + order.space);
          // Without namespaces there is no need to enter any.
          if (space != here && ::setns(space, CLONE_NEWNET) != 0) throw std::runtime_error("cannot enter a network namespace");
          if (here != home) ::close(here);
          here = space;
          comm::GroupOptions g;
          g.rank = rank;
          g.size = ranks;
          g.key.fill(9);
          // A core of its own: spinning takes nothing from anyone.
          g.spin_micros = 200;
          g.wire = order.wire;
          g.overlap = order.overlap;
          g.transport = order.tcp ? comm::Transport::tcp : comm::Transport::automatic;
          comm.group.reset();
          door = std::make_unique<comm::TcpGroup>(order.host[rank], g);
          answer.port = door->port();
        } else if (order.kind == Order::connect) {
          comm.group = door->connect({{order.host[0], order.port[0]}, {order.host[1], order.port[1]}}, std::chrono::seconds(10));
          door.reset();
        } else if (rank == 0) {
          decode(engine, o, answer);
        } else {
          engine.follow();
        }
        say(answer);
      }
      return 0;
    } catch (const std::exception& error) {
      Answer answer;
      answer.done = false;
      std::snprintf(answer.text, sizeof answer.text, "rank %d of %d: %s", rank, ranks, error.what());
      say(answer);
      return 1;
    }
  }

  static void decode(engine::Engine& engine, const Options& o, Answer& answer) {
    const int blocks = (o.prompt + o.tokens + bench::kBlock - 1) / bench::kBlock;
    std::vector<bench::Piece> pieces;
    for (int stream = 0; stream < o.streams; ++stream) {
      bench::Piece& piece = pieces.emplace_back(bench::Piece{stream, 0, {}, true});
      for (int i = 0; i < o.prompt; ++i) piece.tokens.push_back((i * 7919 + stream * 31 + 13) % o.shape->vocab);
    }
    for (int step = 0; step <= o.tokens; ++step) {
      auto plan = bench::plan_of(pieces, blocks);
      engine::StepOutcome outcome;
      const auto began = Clock::now();
      engine.step(plan, outcome);
      const double took = std::chrono::duration<double>(Clock::now() - began).count();
      if (step == 0) {
        answer.prompt_seconds = took;
        answer.prompt_collective_seconds = outcome.comm_micros / 1e6;
      } else {
        answer.seconds += took;
        answer.collective_seconds += outcome.comm_micros / 1e6;
      }
      for (int stream = 0; stream < o.streams; ++stream) {
        pieces[stream] = {stream, o.prompt + step, {outcome.tokens[static_cast<size_t>(stream)].id}, true};
      }
    }
    engine.close();
  }

  pid_t pid_ = -1;
  int channel_ = -1;
};

// ── the table ────────────────────────────────────────────────────────────────────────────────────────────────────────

// Prompts of fewer tokens are there to be written after; their speed says nothing.
constexpr int kSpokenPrompt = 64;

double median(std::vector<double> values) {
  if (values.empty()) return 0;
  std::sort(values.begin(), values.end());
  const size_t half = values.size() / 2;
  return values.size() % 2 != 0 ? values[half] : (values[half - 1] + values[half]) / 2;
}

Answer run_split(Rank& root, Rank& other, const Network& network, comm::Wire wire, comm::Overlap lanes) {
  Order order{};
  order.wire = wire;
  order.overlap = lanes;
  std::snprintf(order.host[0], sizeof order.host[0], "%s", network.host[0].c_str());
  std::snprintf(order.host[1], sizeof order.host[1], "%s", network.host[1].c_str());
  order.tcp = network.name != "shared";
  Rank* ranks[2] = {&root, &other};
  for (int r = 0; r < 2; ++r) {
    order.kind = Order::listen;
    std::snprintf(order.space, sizeof order.space, "%s", network.space[r].c_str());
    ranks[r]->tell(order);
    order.port[r] = ranks[r]->answer().port;
  }
  for (const auto kind : {Order::connect, Order::run}) {
    order.kind = kind;
    other.tell(order);
    root.tell(order);
    const Answer answer = root.answer();
    other.answer();
    if (kind == Order::run) return answer;
  }
  return {};
}

double last_number(const std::string& text) {
  double last = 0;
  std::istringstream words(text);
  for (std::string word; words >> word;) {
    char* end = nullptr;
    const double value = std::strtod(word.c_str(), &end);
    if (end != word.c_str() && *end == 0) last = value;
  }
  return last;
}

double run_rival(const Rival& rival, const Network* network) {
  std::string command = "timeout 120 sh -c '" + rival.command + "'";
  if (network) {
    command = "SPACE0=" + network->space[0] + " SPACE1=" + network->space[1] + " HOST0=" + network->host[0] + " HOST1=" + network->host[1] + " " + command;
  }
  FILE* pipe = ::popen(command.c_str(), "r");
  if (!pipe) throw std::runtime_error("cannot run " + rival.command);
  std::string output;
  for (int c; (c = std::fgetc(pipe)) != EOF;) output += static_cast<char>(c);
  if (::pclose(pipe) != 0) std::fprintf(stderr, "%s failed: %s\n", rival.name.c_str(), output.c_str());
  return last_number(output);
}

void run(const Options& o) {
  Networks setup;
  const std::vector<Network> networks = setup.make(o);
  Rank alone(o, 0, 1, {0}), both(o, 0, 1, {0, 1}), root(o, 0, 2, {0}), other(o, 1, 2, {1});
  for (Rank* rank : {&alone, &both, &root, &other}) rank->answer();
  std::printf("%s %s, %d tokens after %d, %d streams, %d rounds\n", o.shape->name, o.weights_name.c_str(), o.tokens, o.prompt, o.streams,
              o.rounds);
  std::fflush(stdout);

  const std::string one_name = "one rank, one thread", two_name = "one rank, two threads";
  std::map<std::string, std::vector<double>> speed, share, prompt, prompt_share;
  // A wire with each choice of lanes.
  std::vector<std::pair<comm::Wire, comm::Overlap>> ways;
  for (const comm::Wire wire : o.wires) {
    for (const comm::Overlap lanes : o.lanes) ways.emplace_back(wire, lanes);
  }
  const auto way_name = [&](const auto& way) {
    std::string name = comm::wire_name(way.first);
    if (way.second == comm::Overlap::never) name += ", no lanes";
    if (way.second == comm::Overlap::always) name += ", lanes";
    return name;
  };
  const auto column = [&](const Network& network, const auto& way) { return network.name + " " + way_name(way); };
  Order order{};
  order.kind = Order::run;
  for (int round = 0; round < o.rounds; ++round) {
    for (const auto& [rank, name] : {std::pair{&alone, &one_name}, std::pair{&both, &two_name}}) {
      rank->tell(order);
      const Answer answer = rank->answer();
      speed[*name].push_back(o.tokens * o.streams / answer.seconds);
      prompt[*name].push_back(o.prompt * o.streams / answer.prompt_seconds);
    }
    for (const Rival& rival : o.rivals) {
      if (rival.alone) speed[rival.name].push_back(run_rival(rival, nullptr));
    }
    for (const Network& network : networks) {
      for (const auto& way : ways) {
        const Answer answer = run_split(root, other, network, way.first, way.second);
        const std::string name = column(network, way);
        speed[name].push_back(o.tokens * o.streams / answer.seconds);
        share[name].push_back(answer.collective_seconds / answer.seconds);
        prompt_share[name].push_back(answer.prompt_collective_seconds / answer.prompt_seconds);
        prompt[name].push_back(o.prompt * o.streams / answer.prompt_seconds);
      }
      for (const Rival& rival : o.rivals) {
        if (!rival.alone && !network.space[0].empty()) speed[rival.name + "/" + network.name].push_back(run_rival(rival, &network));
      }
    }
  }

  const double one = median(speed[one_name]), one_prompt = median(prompt[one_name]);
  const auto print_prompt = [&](const std::string& name) {
    const double mine = median(prompt[name]);
    if (o.prompt * o.streams < kSpokenPrompt) return;
    std::printf("  prompt %8.1f tok/s  %5.2fx", mine, mine / one_prompt);
    if (prompt_share.count(name)) std::printf("  collectives %4.1f %%", 100 * median(prompt_share[name]));
  };
  for (const std::string& name : {one_name, two_name}) {
    std::printf("  %-48s %8.2f tok/s  %5.2fx", name.c_str(), median(speed[name]), median(speed[name]) / one);
    print_prompt(name);
    std::printf("\n");
  }
  for (const Rival& rival : o.rivals) {
    if (rival.alone) std::printf("  %-48s %8.2f tok/s\n", rival.name.c_str(), median(speed[rival.name]));
  }
  std::printf("  two ranks, one core each:\n");
  for (const Network& network : networks) {
    double mine = 0;
    for (const auto& way : ways) {
      const std::string name = column(network, way);
      mine = median(speed[name]);
      std::printf("%s  %-48s %8.2f tok/s  %5.2fx  collectives %4.1f %%", way == ways[0] ? "" : "\n",
                  (network.title + ", " + way_name(way)).c_str(), mine, mine / one, 100 * median(share[name]));
      print_prompt(name);
    }
    for (const Rival& rival : o.rivals) {
      if (!rival.alone && network.space[0].empty()) continue;
      const double theirs = median(speed[rival.alone ? rival.name : rival.name + "/" + network.name]);
      if (rival.alone) std::printf("  %.2f of %s", mine / theirs, rival.name.c_str());
      else std::printf("  %s %.2f tok/s, ratio %.2f", rival.name.c_str(), theirs, mine / theirs);
    }
    std::printf("\n");
  }
}

}  // namespace

int main(int argc, char** argv) {
  const Options options = parse(argc, argv);
  // Interrupted system calls end the run, and its networks with it.
  struct sigaction quit {};
  quit.sa_handler = [](int) {};
  ::sigaction(SIGINT, &quit, nullptr);
  ::sigaction(SIGTERM, &quit, nullptr);
  try {
    run(options);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "bench_tp: %s\n", error.what());
    return 1;
  }
  return 0;
}
