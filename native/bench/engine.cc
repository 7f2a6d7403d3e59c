// One rank's engine on a model of real shape whose weights are made up in memory: reading a prompt, writing an answer,
// memory at rest, and all of it beside the bandwidth this computer had in the same minute.
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <string>
#include <vector>

#include "../engine/engine.h"
#include "../error.h"
#include "../ops/cpu/memory.h"
#include "../ops/cpu/pool.h"
#include "made_up.h"

using namespace lanyard;

namespace {

constexpr const char* kUsage = R"(bench_engine [--shape 0.1b|0.5b|1b] [--weights TYPE] [--threads N] [--prompt N] [--tokens N]

  --shape    0.1b SmolLM2-135M, 0.5b Qwen2.5-0.5B, 1b Llama-3.2-1B (default 0.5b); weights are random
  --weights  what matrices become on load: bf16, int8, int4, int4:64, int4:128 or f32; or few bits as checkpoints have
             them, with so many columns to a scale: i4g:G, i8g:G (G is 32, 64 or 128), mxfp4, f8:128 or with a scale per
             row f8, or the blocks q8_0, q4_0, q4_k, q5_k, q6_k (default bf16)
  --threads  default 1
  --prompt   tokens of the prompt (default 512)
  --tokens   tokens written after it (default 32)
  --streams  sequences that are written at once, each with its own prompt (default 1)
  --chunk    most tokens in a step (default 512)
  --compute  fast (activations rounded to the weights' precision) or exact (default fast)
  --kv       bf16, int8 or f32 (default bf16)
  --clock    wall or cpu: processor time, for one thread on a computer that others use too (default wall)
  --repeat   runs of each part; the median is printed (default 3)

Prints, besides tokens per second:
  read bandwidth  bytes per second at which as many threads sum up 1 GiB, best and median of the passes made before and
                  after the runs
  share           matrix bytes * tokens per second / best bandwidth: 100 % is the most that decoding one stream can reach
  memory          resident after loading against matrices + KV cache + workspace
)";

struct Options {
  const bench::Shape* shape = bench::shape_named("0.5b");
  model::WeightType weights = model::WeightType::bf16;
  bench::Low low;
  std::string weights_name = "bf16";
  int threads = 1, prompt = 512, tokens = 32, streams = 1, chunk = 512, repeat = 3;
  ops::DType kv = ops::DType::bf16;
  ops::Compute compute = ops::Compute::fast;
  bool cpu_clock = false;
};

[[noreturn]] void usage(const std::string& problem) {
  std::fprintf(stderr, "%s\n%s", problem.c_str(), kUsage);
  std::exit(2);
}

Options parse(int argc, char** argv) {
  Options o;
  for (int i = 1; i < argc; ++i) {
    const std::string name = argv[i];
    if (name == "--help" || name == "-h") {
      std::printf("%s", kUsage);
      std::exit(0);
    }
    if (++i == argc) usage(name + " needs a value.");
    const std::string value = argv[i];
    const auto number = [&] {
      char* end = nullptr;
      const long n = std::strtol(value.c_str(), &end, 10);
      if (*end != 0 || n < 1 || n > 1 << 20) usage(name + " is a number from 1 on.");
      return static_cast<int>(n);
    };
    if (name == "--shape") {
      o.shape = bench::shape_named(value);
      if (!o.shape) usage("There is no shape " + value + ".");
    } else if (name == "--weights") {
      using enum model::WeightType;
      const std::pair<const char*, model::WeightType> types[] = {{"bf16", bf16}, {"int8", i8}, {"int4", i4}, {"int4:64", i4x64}, {"int4:128", i4x128}, {"f32", f32}};
      const auto* type = std::find_if(std::begin(types), std::end(types), [&](const auto& t) { return value == t.first; });
      const std::pair<const char*, bench::Low> lows[] = {
          {"i4g:32", {model::Encoding::int4_rows, 32}}, {"i4g:64", {model::Encoding::int4_rows, 64}}, {"i4g:128", {model::Encoding::int4_rows, 128}},
          {"i8g:32", {model::Encoding::gptq8, 32}}, {"i8g:64", {model::Encoding::gptq8, 64}}, {"i8g:128", {model::Encoding::gptq8, 128}},
          {"mxfp4", {model::Encoding::mxfp4, 32}}, {"f8:128", {model::Encoding::f8_e4m3, 128}}, {"f8", {model::Encoding::f8_e4m3, 1 << 20}}, {"q8_0", {model::Encoding::q8_0, 32}}, {"q4_0", {model::Encoding::q4_0, 32}},
          {"q4_k", {model::Encoding::q4_k, 32}}, {"q5_k", {model::Encoding::q5_k, 32}}, {"q6_k", {model::Encoding::q6_k, 16}}};
      const auto* as = std::find_if(std::begin(lows), std::end(lows), [&](const auto& t) { return value == t.first; });
      if (type == std::end(types) && as == std::end(lows)) usage("Weights are bf16, int8, int4, int4:64, int4:128, f32, i4g:G, i8g:G, mxfp4, f8, f8:128 or q8_0 and the like.");
      o.weights = type == std::end(types) ? stored : type->second;
      if (type == std::end(types)) o.low = as->second;
      o.weights_name = value;
    } else if (name == "--kv") {
      if (value != "bf16" && value != "int8" && value != "f32") usage("The KV cache is bf16, int8 or f32.");
      o.kv = value == "f32" ? ops::DType::f32 : value == "int8" ? ops::DType::i8 : ops::DType::bf16;
    } else if (name == "--compute") {
      if (value != "fast" && value != "exact") usage("Products are fast or exact.");
      o.compute = value == "fast" ? ops::Compute::fast : ops::Compute::exact;
    } else if (name == "--clock") {
      if (value != "wall" && value != "cpu") usage("The clock is wall or cpu.");
      o.cpu_clock = value == "cpu";
    } else if (name == "--threads") o.threads = number();
    else if (name == "--prompt") o.prompt = number();
    else if (name == "--tokens") o.tokens = number();
    else if (name == "--streams") o.streams = number();
    else if (name == "--chunk") o.chunk = number();
    else if (name == "--repeat") o.repeat = number();
    else usage("There is no option " + name + ".");
  }
  if (o.cpu_clock && o.threads > 1) usage("Processor time is that of one thread: waiting threads use it too.");
  return o;
}

model::EngineSpec spec_of(const Options& o, bench::Noise& noise) {
  bench::ModelOptions m;
  m.weights = o.weights;
  m.low = o.low;
  m.kv = o.kv;
  m.compute = o.compute;
  m.positions = o.prompt + o.tokens;
  m.streams = o.streams;
  m.step_tokens = o.chunk;
  m.threads = o.threads;
  return bench::spec_of(*o.shape, m, noise);
}

bool cpu_clock = false;

// Seconds of the chosen clock, from some moment on.
double seconds() {
  timespec t{};
  clock_gettime(cpu_clock ? CLOCK_THREAD_CPUTIME_ID : CLOCK_MONOTONIC, &t);
  return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_nsec) * 1e-9;
}
double seconds_since(double start) { return seconds() - start; }

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const size_t half = values.size() / 2;
  return values.size() % 2 != 0 ? values[half] : (values[half - 1] + values[half]) / 2;
}

// Sums up `bytes` at `data` in 64-bit words; enough independent sums that only memory is waited for.
uint64_t sum_words(const uint8_t* data, size_t bytes) {
  const auto* words = reinterpret_cast<const uint64_t*>(data);
  uint64_t sums[16] = {};
  for (size_t i = 0; i + 16 <= bytes / 8; i += 16) {
    for (int j = 0; j < 16; ++j) sums[j] += words[i + j];
  }
  uint64_t total = 0;
  for (const uint64_t sum : sums) total += sum;
  return total;
}

// Adds the GB/s of some passes over 1 GiB, each thread its own part.
void measure_reads(int threads, int passes, std::vector<double>& gigabytes) {
  constexpr size_t kBytes = size_t{1} << 30;
  ops::cpu::Pool pool(threads);
  const ops::cpu::Memory memory(kBytes);
  std::vector<uint64_t> sums(threads);
  const size_t part = kBytes / threads / 4096 * 4096;
  pool.run([&](int t) { std::memset(memory.data() + t * part, 1, part); });
  for (int pass = 0; pass < passes; ++pass) {
    const double start = seconds();
    pool.run([&](int t) { sums[t] += sum_words(memory.data() + t * part, part); });
    gigabytes.push_back(static_cast<double>(part) * threads / seconds_since(start) / 1e9);
  }
  for (const uint64_t sum : sums) {
    if (sum == 0) std::abort();  // the sums must not be optimised away
  }
}

double resident_bytes() {
  long pages = 0, resident = 0;
  if (FILE* file = std::fopen("/proc/self/statm", "r")) {
    if (std::fscanf(file, "%ld %ld", &pages, &resident) != 2) resident = 0;
    std::fclose(file);
  }
  return static_cast<double>(resident) * static_cast<double>(sysconf(_SC_PAGESIZE));
}

void run(const Options& o) {
  cpu_clock = o.cpu_clock;
  std::vector<double> bandwidth;
  measure_reads(o.threads, 6, bandwidth);

  bench::Noise noise;
  const auto alone = comm::make_single();
  const double before = resident_bytes();
  const double loading = seconds();
  engine::Engine engine(spec_of(o, noise), *alone, [](uint64_t, uint64_t) {});
  const double load_seconds = seconds_since(loading);
  const engine::Stats stats = engine.stats();
  const double at_rest = resident_bytes() - before;

  const int blocks = (o.prompt + o.tokens + bench::kBlock - 1) / bench::kBlock;
  std::vector<double> prefill, decode;
  for (int round = 0; round < o.repeat; ++round) {
    engine::StepOutcome outcome;
    std::vector<int32_t> next(o.streams);
    double reading = 0;
    for (int s = 0; s < o.streams; ++s) {
      for (int start = 0; start < o.prompt; start += o.chunk) {
        const int count = std::min(o.chunk, o.prompt - start);
        bench::Piece piece{s, start, {}, start + count == o.prompt};
        for (int i = 0; i < count; ++i) piece.tokens.push_back((s * 101 + (start + i) * 7919 + 13) % o.shape->vocab);
        auto plan = bench::plan_of({piece}, blocks);
        outcome = {};
        const double began = seconds();
        engine.step(plan, outcome);
        reading += seconds_since(began);
      }
      next[s] = outcome.tokens[0].id;
    }
    prefill.push_back(o.streams * o.prompt / reading);

    // The token that the prompt gave is known: `tokens` steps write the next ones.
    std::vector<double> steps;
    for (int i = 0; i < o.tokens; ++i) {
      std::vector<bench::Piece> pieces;
      for (int s = 0; s < o.streams; ++s) pieces.push_back({s, o.prompt + i, {next[s]}, true});
      auto plan = bench::plan_of(pieces, blocks);
      outcome = {};
      const double began = seconds();
      engine.step(plan, outcome);
      steps.push_back(seconds_since(began));
      for (const auto& token : outcome.tokens) next[token.slot] = token.id;
    }
    double writing = 0;
    for (const double s : steps) writing += s;
    decode.push_back(o.tokens * o.streams / writing);
  }
  measure_reads(o.threads, 6, bandwidth);

  const double best = *std::max_element(bandwidth.begin(), bandwidth.end());
  const double weights = static_cast<double>(stats.weight_bytes), per_step = median(decode) / o.streams;
  const double kept = weights + static_cast<double>(stats.kv_bytes), work = static_cast<double>(stats.workspace_bytes);
  const double mib = 1 << 20;
  std::printf("%s %s, %d thread%s, %s, kernels %s, KV %s, %d stream%s%s\n", o.shape->name, o.weights_name.c_str(), o.threads,
              o.threads == 1 ? "" : "s", o.compute == ops::Compute::fast ? "fast" : "exact", stats.kernels.c_str(), ops::dtype_name(o.kv), o.streams, o.streams == 1 ? "" : "s",
              o.cpu_clock ? ", processor time" : "");
  std::printf("  prefill %d     %8.1f tok/s\n", o.prompt, median(prefill));
  std::printf("  decode %d       %8.2f tok/s  %6.2f GB/s of matrices, %.0f %% of the read bandwidth\n", o.tokens, median(decode),
              weights * per_step / 1e9, 100 * weights * per_step / 1e9 / best);
  std::printf("  read bandwidth  %8.2f GB/s best, %.2f median\n", best, median(bandwidth));
  std::printf("  memory at rest  %8.0f MiB = %.2f * (matrices %.0f + KV %.0f MiB); workspace reserved %.0f MiB\n", at_rest / mib,
              at_rest / kept, weights / mib, static_cast<double>(stats.kv_bytes) / mib, work / mib);
  std::printf("  loading         %8.1f s\n", load_seconds);
}

}  // namespace

int main(int argc, char** argv) {
  const Options options = parse(argc, argv);
  try {
    run(options);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "bench_engine: %s\n", error.what());
    return 1;
  }
  return 0;
}
