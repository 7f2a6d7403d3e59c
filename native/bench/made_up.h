// A model of real shape whose weights are made up in memory, whole or cut for ranks, and step plans to run it with.
#pragma once

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include "../engine/step_plan.h"
#include "../error.h"
#include "../model/blocks.h"
#include "../model/spec.h"
#include "../ops/dtype.h"

namespace lanyard::bench {

struct Shape {
  const char* name;
  int hidden, ffn, layers, heads, kv, vocab;
  double theta;
};

inline constexpr Shape kShapes[] = {
    {"0.1b", 576, 1536, 30, 9, 3, 49152, 100000},       // SmolLM2-135M
    {"0.5b", 896, 4864, 24, 14, 2, 151936, 1000000},    // Qwen2.5-0.5B
    {"1b", 2048, 8192, 16, 32, 8, 128256, 500000},      // Llama-3.2-1B
};

// nullptr: there is no such shape.
inline const Shape* shape_named(const std::string& name) {
  for (const Shape& shape : kShapes) {
    if (name == shape.name) return &shape;
  }
  return nullptr;
}

// Weights as checkpoints with few bits have them. group 0: none of these.
struct Low {
  model::Encoding encoding = model::Encoding::int4_rows;
  size_t group = 0;  // columns that share a scale
};

// A file that lives in memory: ones, then scales, then noise. Every tensor's rows are taken from it, each row a bit further on, so
// that a model of any size costs a few MiB besides its packed weights.
class Noise {
 public:
  Noise() : fd_(memfd_create("weights", MFD_CLOEXEC)) {
    std::vector<uint16_t> values(kNoise + kValues);
    uint64_t state = 88172645463325252u;
    for (size_t i = 0; i < values.size(); ++i) {
      state ^= state << 13;
      state ^= state >> 7;
      state ^= state << 17;
      const float uniform = static_cast<float>(state >> 40) / 0x1p23f - 1.0f;
      values[i] = i >= kOnes && i < kOnes + kScales ? 0x2020 : ops::float_to_bf16(i < kOnes ? 1.0f : uniform * 0.05f);
      if ((values[i] & 0x7fu) == 0x7fu) values[i] ^= 1;  // as e4m3 the byte would be no number
    }
    const auto* bytes = reinterpret_cast<const char*>(values.data());
    size_t done = 0;
    while (fd_ >= 0 && done < values.size() * 2) {
      const ssize_t count = write(fd_, bytes + done, values.size() * 2 - done);
      if (count <= 0) break;
      done += static_cast<size_t>(count);
    }
    if (done < values.size() * 2) throw Error("out_of_memory", "There is no memory for the made-up weights.");
    path_ = "/proc/self/fd/" + std::to_string(fd_);
  }
  ~Noise() { close(fd_); }
  Noise(const Noise&) = delete;
  Noise& operator=(const Noise&) = delete;

  model::TensorSource matrix(model::Role role, int layer, size_t rows, size_t cols) {
    constexpr size_t kStep = 74;  // bytes from row to row
    const size_t span = (rows - 1) * kStep + cols * 2;
    const size_t room = kValues * 2 - span;
    start_ = (start_ + 7919 * 2) % (room / 2 * 2);
    return {role, layer, -1, ops::DType::bf16, rows, cols, {{path_, kNoise * 2 + start_, rows, cols * 2, kStep}}, {}};
  }
  // The same in few bits: any bytes are codes, all scales are alike.
  model::TensorSource packed(model::Role role, int layer, size_t rows, size_t cols, const Low& low) {
    using enum model::Encoding;
    constexpr size_t kStep = 74;
    const bool by_columns = low.encoding == gptq8;
    const model::BlockShape block = model::block_shape(low.encoding);
    if (block.columns > 0 && cols % block.columns != 0) throw Error("bad_request", "The shape has no whole blocks of these weights.");
    const size_t lines = by_columns ? cols / 4 : rows, groups = (cols + low.group - 1) / low.group;
    const size_t line = by_columns ? rows * 4 : block.columns > 0 ? cols / block.columns * block.bytes : low.encoding == f8_e4m3 ? cols : cols / 2;
    start_ = (start_ + 7919 * 2) % ((kValues * 2 - (lines - 1) * kStep - line) / 2 * 2);
    model::TensorSource tensor{role, layer, -1, ops::DType::bf16, rows, cols, {}, {}};
    model::PackedPiece& piece = tensor.packed.emplace_back();
    piece.encoding = low.encoding;
    piece.rows = rows;
    piece.group_cols = low.group;
    piece.values = {{path_, kNoise * 2 + start_, lines, line, kStep}};
    // As f16 0x2020 is 0.008; MXFP4 has 1 without scales, blocks the noise's numbers, which are near 1 as f16.
    piece.scale_type = model::ScaleType::f16;
    if (by_columns) piece.scales = {{path_, kOnes * 2, groups, rows * 2, 0}};
    else if (block.columns == 0 && low.encoding != mxfp4) piece.scales = {{path_, kOnes * 2, rows, groups * 2, 0}};
    return tensor;
  }
  model::TensorSource weights(model::Role role, int layer, size_t rows, size_t cols, const Low& low) {
    return low.group > 0 ? packed(role, layer, rows, cols, low) : matrix(role, layer, rows, cols);
  }
  model::TensorSource ones(model::Role role, int layer, size_t count) const {
    return {role, layer, -1, ops::DType::bf16, count, 1, {{path_, 0, count, 2, 2}}, {}};
  }

 private:
  static constexpr size_t kOnes = 16384, kScales = 262144, kNoise = kOnes + kScales, kValues = size_t{8} << 20;
  int fd_;
  std::string path_;
  size_t start_ = 0;
};

inline constexpr int kBlock = 32;  // positions in a KV block

struct ModelOptions {
  model::WeightType weights = model::WeightType::bf16;
  Low low;
  ops::DType kv = ops::DType::bf16;
  ops::Compute compute = ops::Compute::fast;
  int positions = 512;  // per stream
  int streams = 1, step_tokens = 512, threads = 1;
  int rank = 0, ranks = 1;  // equal parts
};

inline model::EngineSpec spec_of(const Shape& s, const ModelOptions& o, Noise& noise) {
  model::EngineSpec spec;
  model::DecoderSpec& d = spec.decoder;
  const int dim = s.hidden / s.heads;
  d.family = "bench";
  d.hidden = s.hidden;
  d.layers = s.layers;
  d.query_heads = s.heads;
  d.kv_heads = s.kv;
  d.head_dim = dim;
  d.ffn = s.ffn;
  d.vocab = d.vocab_used = s.vocab;
  d.norm_eps = 1e-5f;
  d.attention_scale = 1 / std::sqrt(static_cast<float>(dim));
  ops::RopeTable rope{{}, dim, 1, s.theta};
  for (int i = 0; i < dim / 2; ++i) rope.inv_freq.push_back(static_cast<float>(std::pow(s.theta, -2.0 * i / dim)));
  d.ropes = {rope};
  d.layer_rope.assign(static_cast<size_t>(s.layers), 0);
  d.layer_window.assign(static_cast<size_t>(s.layers), 0);
  d.layer_moe.assign(static_cast<size_t>(s.layers), false);

  const int blocks = (o.positions + kBlock - 1) / kBlock;
  d.context = blocks * kBlock;
  if (s.kv % o.ranks != 0 || s.ffn % (32 * o.ranks) != 0 || s.vocab % o.ranks != 0) {
    throw Error("bad_request", std::string("The shape ") + s.name + " has no equal parts for " + std::to_string(o.ranks) + " ranks.");
  }
  const auto part = [&](int whole) { return model::Range{whole / o.ranks * o.rank, whole / o.ranks}; };
  spec.split = {part(s.heads), part(s.kv), part(s.ffn), part(s.vocab)};
  using enum model::Role;
  const size_t hidden = static_cast<size_t>(s.hidden), ffn = static_cast<size_t>(spec.split.ffn.count);
  const size_t query = static_cast<size_t>(spec.split.query_heads.count) * static_cast<size_t>(dim);
  const size_t kv = static_cast<size_t>(spec.split.kv_heads.count) * static_cast<size_t>(dim);
  spec.tensors = {noise.matrix(embed, -1, static_cast<size_t>(s.vocab), hidden), noise.ones(final_norm, -1, hidden),
                  noise.weights(lm_head, -1, static_cast<size_t>(spec.split.vocab.count), hidden, o.low)};
  for (int l = 0; l < s.layers; ++l) {
    spec.tensors.push_back(noise.ones(attn_norm, l, hidden));
    spec.tensors.push_back(noise.weights(attn_qkv, l, query + 2 * kv, hidden, o.low));
    spec.tensors.push_back(noise.weights(attn_o, l, hidden, query, o.low));
    spec.tensors.push_back(noise.ones(ffn_norm, l, hidden));
    spec.tensors.push_back(noise.weights(ffn_gate_up, l, 2 * ffn, hidden, o.low));
    spec.tensors.push_back(noise.weights(ffn_down, l, hidden, ffn, o.low));
  }
  spec.weights = o.weights;
  spec.compute = o.compute;
  spec.kv = {0, blocks * o.streams, kBlock, o.kv};
  spec.max_step_tokens = std::max(o.step_tokens, o.streams);
  spec.max_sequences = o.streams;
  spec.threads = o.threads;
  return spec;
}

struct Piece {
  int stream, start;
  std::vector<int32_t> tokens;
  bool sample;  // a token is wanted, greedily
};

inline std::vector<std::byte> plan_of(const std::vector<Piece>& pieces, int blocks_per_stream) {
  const auto bits = [](float value) { return static_cast<int32_t>(ops::float_to_bits(value)); };
  std::vector<int32_t> words(engine::kHeaderWords), tokens, blocks;
  for (const Piece& p : pieces) {
    const int length = p.start + static_cast<int>(p.tokens.size()), count = (length + kBlock - 1) / kBlock;
    int32_t record[engine::kRecordWords] = {};
    record[engine::kSlot] = p.stream;
    record[engine::kTokenCount] = static_cast<int32_t>(p.tokens.size());
    record[engine::kStart] = p.start;
    record[engine::kBlockCount] = count;
    record[engine::kRopeAlpha] = record[engine::kTopP] = record[engine::kRepetitionPenalty] = bits(1);
    record[engine::kRowCount] = p.sample;
    record[engine::kLogprobs] = -1;
    words.insert(words.end(), record, record + engine::kRecordWords);
    tokens.insert(tokens.end(), p.tokens.begin(), p.tokens.end());
    for (int i = 0; i < count; ++i) blocks.push_back(p.stream * blocks_per_stream + i);
  }
  const int32_t header[engine::kHeaderWords] = {engine::kPlanMagic, 1, 0, static_cast<int32_t>(pieces.size()),
                                                static_cast<int32_t>(tokens.size()), static_cast<int32_t>(blocks.size())};
  std::copy(std::begin(header), std::end(header), words.begin());
  words.insert(words.end(), tokens.begin(), tokens.end());
  words.insert(words.end(), blocks.begin(), blocks.end());
  const auto* bytes = reinterpret_cast<const std::byte*>(words.data());
  return {bytes, bytes + words.size() * 4};
}

}  // namespace lanyard::bench
