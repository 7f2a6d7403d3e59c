// The operations a device must provide: the seam between the decoder, written once, and CPU or CUDA. Each op is one
// fused step of the forward pass. Pointers are device memory obtained from allocate() unless marked host.
//
// Activations are f32 rows: `Rows.data[row * stride + i]`, stride = padded_width(values), zeros beyond the values.
// T = tokens of the step, S = its sequences.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "dtype.h"

namespace lanyard::comm {
class Communicator;
}

namespace lanyard::ops {

// Rows are padded so that every kernel may write whole panels and read whole groups.
constexpr size_t padded_width(size_t values) { return (values + 31) / 32 * 32; }

struct Rows {
  float* data = nullptr;
  size_t stride = 0;
  float* row(size_t i) const { return data + i * stride; }
};

// Values on the host, row by row; read() may be called from several threads.
class RowSource {
 public:
  virtual ~RowSource() = default;
  virtual void read(size_t row, void* out) const = 0;  // cols values of `dtype`
  // [cols] codes, and a scale and a bias for each `group` of them. Only where group > 0.
  virtual void read_grouped(size_t /*row*/, uint8_t* /*codes*/, float* /*scales*/, float* /*biases*/) const {}
  DType dtype = DType::f32;  // f32, f16 or bf16
  size_t rows = 0;
  size_t cols = 0;
  DType low = DType::f32;  // the grouped type that keeps low-bit values as they are
  int group = 0;           // columns that share a scale: 16, 32, 64 or 128; 0: no low-bit values
  Factors factors = Factors::pairs;  // the narrowest that holds what read_grouped() gives
};

// Values on the host as f32.
void read_f32(const RowSource& source, size_t row, float* out);

// A weight in the device's own layout.
class Matrix {
 public:
  virtual ~Matrix() = default;
  // Its `bytes` bytes on the host, from which adopt() makes the same matrix again; null where that cannot be.
  virtual const uint8_t* packed() const { return nullptr; }
  size_t rows = 0;  // outputs
  size_t cols = 0;  // inputs
  size_t bytes = 0;
  DType dtype = DType::f32;
};

// gated: source rows are [gate; up], half each; packed so that one thread gets a gate row and its up row.
enum class RowOrder : uint8_t { plain, gated };

// swiglu_clamped: (up + 1) * gate * sigmoid(alpha * gate) with gate <= limit and up within +-limit; of experts only.
enum class Activation : uint8_t { silu, gelu_tanh, swiglu_clamped };

struct Clamp {
  float alpha = 1.702f, limit = 7;
};

// The packed bytes of a matrix in a mapped file, at a multiple of 4096.
struct PackedBytes {
  size_t rows = 0, cols = 0;
  DType dtype = DType::f32;
  RowOrder order = RowOrder::plain;
  int group = 0;  // columns that share a scale, grouped types only
  Factors factors = Factors::pairs;
  const uint8_t* data = nullptr;
  size_t bytes = 0;
  std::shared_ptr<const void> owner;
};

// Weight of an RMSNorm as it is multiplied (a "+1" is already added). null: no norm.
struct Norm {
  const float* weight = nullptr;
  float eps = 0;
};

// What a step works on. Host arrays that live until the step ends.
struct Batch {
  int tokens = 0;                    // T
  int sequences = 0;                 // S
  const int32_t* ids = nullptr;      // [T]
  const int32_t* positions = nullptr;  // [T]
  const int32_t* sequence = nullptr;   // [T] the token's sequence
  const int32_t* first = nullptr;      // [S + 1] a sequence's first token
  const int32_t* block_first = nullptr;  // [S + 1] offset of a sequence's blocks
  const int32_t* blocks = nullptr;       // KV block ids of positions 0 ...
  const float* rope_alpha = nullptr;     // [S] dynamic NTK factor, 1 = off
};

struct RopeTable {
  std::vector<float> inv_freq;  // [dim / 2]
  int dim = 0;
  float attention_factor = 1;
  double theta = 10000;
  bool interleaved = false;  // rotates values 2i and 2i + 1 instead of i and dim / 2 + i
};

// This rank's heads. Query heads are grouped by the KV head they read: head h reads kv_of_query[h], ascending.
struct Heads {
  int query = 0;
  int kv = 0;
  int dim = 0;
  std::vector<int> kv_of_query;  // [query]
  // > 0: a key is a latent of so many values (a multiple of 16) and rotated ones behind it. The latent is also the value, which
  // is not kept by itself.
  int latent = 0;
  int value() const { return latent > 0 ? latent : dim; }
};

struct KvShape {
  int layers = 0;
  int blocks = 0;
  int block_size = 0;  // 16, 32, 64 or 128
  DType dtype = DType::f32;  // f32, bf16, or i8 with a factor per position and head
};

// How products treat activations. exact: f32, whatever the weights are kept in. fast: rounded to the weights' precision
// (bf16 and f8g to bf16; int8 and int4 to int8 in groups of 64 and 32; other low-bit types to int8 in the weights' groups); f32
// and f16 weights have exact products either way. In attention over a KV cache in bf16 or int8, fast rounds queries and
// weights to bf16; over one in f32 it is exact.
// Either way a token's result does not depend on what else is in the batch.
enum class Compute : uint8_t { exact, fast };

struct Limits {
  int tokens = 0;        // most tokens in a step
  size_t width = 0;      // widest input of a linear op
  int moe_slots = 0;     // tokens * experts per token, 0 without experts
  size_t moe_width = 0;  // widest expert FFN on this rank
  int experts = 0;
};

struct LinearArgs {
  Rows in;                       // [T, cols]
  Norm norm;                     // applied to `in` first
  const Matrix* weight = nullptr;
  const float* bias = nullptr;   // [rows] or null
  Rows out;                      // [T, rows]
  int tokens = 0;
  bool exact = false;  // never rounds activations (it decides where tokens go)
};

// A product of each head with its own rows of the weight.
struct HeadsArgs {
  Rows in;             // [T, heads * in_width]
  size_t in_width = 0;  // of which the first `cols` are multiplied
  const Matrix* weight = nullptr;  // [heads * n, cols], n a multiple of 16
  Rows out;            // [T, heads * out_width], the n products first
  size_t out_width = 0;
  size_t carried = 0;  // values behind those multiplied that are copied behind the products
  int heads = 0;
  int tokens = 0;
};

struct GatedArgs {
  Rows in;
  Norm norm;
  const Matrix* gate_up = nullptr;  // [2 * width], RowOrder::gated
  Activation activation = Activation::silu;
  Rows out;  // [T, width] = act(gate) * up
  int tokens = 0;
};

struct RopeStoreArgs {
  Rows qkv;  // [T, (query + 2 kv) * dim]; q is changed in place, k and v go to the cache
  int layer = 0;
  int rope = 0;              // index into the tables
  Norm q_norm, k_norm;       // per head, before the rotation
  int logn_length = 0;       // q *= log(p) / log(this) for 1-based p beyond it; 0 = off
  // Heads with a latent: `qkv` is [T, query * dim], and keys [T, dim] lie here. k_norm is of the latent alone; rotated are the
  // values behind it.
  Rows keys{};
};

struct AttentionArgs {
  Rows q;  // first query * dim values of each row
  int layer = 0;
  int window = 0;  // a query at p sees p - window + 1 ... p; 0 = all
  float scale = 1;
  float softcap = 0;
  const float* sinks = nullptr;  // [query] extra logit per head, or null
  Rows out;                      // [T, query * value]
};

struct Expert {
  std::unique_ptr<Matrix> gate_up;  // RowOrder::gated; null as `down` where this rank has no columns
  std::unique_ptr<Matrix> down;
  const float* gate_up_bias = nullptr;  // [gate; up] of this rank's columns, or null
  const float* down_bias = nullptr;     // [hidden] or null; on one rank, which may have no columns
};

// How a router's scores become weights of experts, beyond which of them are used and whether their weights add up to 1.
struct Routing {
  bool sigmoid = false;  // of each score by itself, instead of the softmax over all
  int groups = 1;        // of experts, of equal sizes: only those of the best `groups_used` are candidates
  int groups_used = 1;
  int group_best = 1;    // a group is as good as the sum of so many of its best
  float factor = 1;      // on the weights
};

struct ExpertsArgs {
  Rows in;            // [T, hidden], normalised
  Rows scores;        // [T, experts] router outputs; changed
  const std::vector<Expert>* experts = nullptr;
  int per_token = 0;
  bool normalise = false;
  Activation activation = Activation::silu;
  Rows out;  // [T, hidden], this rank's part of the weighted sum
  int tokens = 0;
  size_t hidden = 0;
  Clamp clamp;  // of swiglu_clamped
  Routing routing{};
  const float* correction = nullptr;  // [experts] added where experts are chosen, not to their weights; or null
};

// How a row of logits is changed before sampling. Host memory.
struct Adjust {
  const int32_t* bias_ids = nullptr;  // [biases]
  const float* bias = nullptr;
  int biases = 0;
  bool only_biased = false;  // ids without a bias are impossible
  const int32_t* history = nullptr;  // [history_count] prompt first
  int history_count = 0;
  int prompt_length = 0;
  float repetition = 1, presence = 0, frequency = 0;
  // A bit for each id of the vocabulary, id % 32 of word id / 32: ids without one are impossible. Null: all are possible.
  const uint32_t* mask = nullptr;
  // Anything but the mask.
  bool any() const { return biases > 0 || only_biased || (history_count > 0 && (repetition != 1 || presence != 0 || frequency != 0)); }
};

struct Candidate {
  int32_t id;
  float logit;  // adjusted, before the temperature
  float raw;    // as the model gave it
};

// What is kept of a row of logits: enough to merge several ranks' parts exactly.
struct SummaryRequest {
  Adjust adjust;
  float inverse_temperature = 1;
  int candidates = 1;        // largest adjusted logits wanted
  bool perturb = false;      // instead: the one largest logit * inverse_temperature + Gumbel noise
  uint64_t seed = 0, drawn = 0;
  int top = 0;          // largest raw logits wanted
  int32_t target = -1;  // >= 0: this token instead of the largest, when it is in the slice; nothing is adjusted
};

struct Summary {
  float raw_max = 0;
  double raw_sum = 0;  // of exp(raw - raw_max)
  float scaled_max = 0;
  double scaled_sum = 0;  // of exp((adjusted - scaled_max) * inverse_temperature); only with candidates > 1
  double perturbed = 0;   // the winner's scaled logit with its noise
  int32_t truncated = 0;  // more tokens than candidates
  int32_t candidates = 0, top = 0;
};

class KvCache {
 public:
  virtual ~KvCache() = default;
  size_t bytes = 0;
};

class Ops {
 public:
  virtual ~Ops() = default;
  virtual const char* name() const = 0;

  // Memory and setting up. Everything is zeroed and lives as long as the Ops.
  virtual float* allocate(size_t count) = 0;
  virtual size_t allocated() const = 0;  // bytes, without matrices and caches
  // A grouped type only as the source's `low`.
  virtual std::unique_ptr<Matrix> pack(const RowSource& source, DType as, RowOrder order) = 0;
  // Names the layout that pack() gives: with another name, other bytes. Empty where packed bytes cannot be kept.
  virtual std::string layout() { return {}; }
  // A matrix over the packed bytes of another process, which `owner` keeps in place; null when their number is wrong.
  virtual std::unique_ptr<Matrix> adopt(const PackedBytes&) { return nullptr; }
  virtual std::unique_ptr<KvCache> make_cache(const KvShape& shape, const Heads& heads) = 0;
  virtual void prepare(const Limits& limits, const Heads& heads, const std::vector<RopeTable>& ropes) = 0;

  // Takes the batch and computes the rotations of its positions.
  void begin(const Batch& batch, KvCache& cache) { begin_lanes(&batch, 1, cache); }
  // The same for a step whose tokens are computed in up to kLanes parts that take turns: what follows works on lane 0, and on
  // another after use_lane().
  static constexpr int kLanes = 2;
  virtual void begin_lanes(const Batch* lanes, int count, KvCache& cache) = 0;
  virtual void use_lane(int lane) = 0;
  // out[t] = table[ids[t]] * scale
  virtual void embed(const RowSource& table, float scale, Rows out) = 0;
  // out = norm(in)
  virtual void norm(Rows in, const Norm& norm, Rows out, int tokens, size_t width) = 0;
  // out = norm(in) W^T + bias
  virtual void linear(const LinearArgs& args) = 0;
  // out[head] = W[head] in[head]
  virtual void linear_heads(const HeadsArgs& args) = 0;
  // out = act(gate) * up of norm(in)
  virtual void gated_linear(const GatedArgs& args) = 0;
  // q and k norms, rotation, logn; k and v into the cache
  virtual void rope_store(const RopeStoreArgs& args) = 0;
  // paged attention of all tokens of the batch over their sequences
  virtual void attention(const AttentionArgs& args) = 0;
  // Softmax or sigmoid of the router's scores, best experts, their FFNs, weighted sum
  virtual void experts(const ExpertsArgs& args) = 0;
  // out += in * sigmoid(gate[t]): the shared expert of Qwen2-MoE
  virtual void add_gated(Rows in, Rows gate, Rows out, int tokens, size_t width) = 0;
  // data = sum over ranks. next: the weight that is read first afterwards, or null; fetching it may begin while the other
  // ranks are waited for.
  virtual void all_reduce(comm::Communicator& comm, float* data, size_t count, const Matrix* next) = 0;
  // As the communicator's calls of these names. Between them other ops are computed, and the exchange goes on meanwhile.
  virtual void start_all_reduce(comm::Communicator& comm, float* data, size_t count, size_t whole) = 0;
  virtual void finish_all_reduce(comm::Communicator& comm) = 0;
  // x += norm(partial) (no norm: += partial, which may be one row for all tokens, with stride 0)
  virtual void add(Rows x, Rows partial, const Norm& norm, int tokens, size_t width) = 0;
  // out[i] = in[rows[i]]; `rows` on the host
  virtual void gather_rows(Rows in, const int32_t* rows, int count, Rows out, size_t width) = 0;
  // Softcap (0 = off), and -inf from value `used` on.
  virtual void finish_logits(Rows logits, int rows, size_t width, size_t used, float softcap) = 0;
  // Per row of logits [rows, width] (ids first_id ...): summaries[i], candidates[i * candidate_stride ...],
  // tops[i * top_stride ...], both sorted, ties by id. Host outputs. The logits are left as they were.
  virtual void summarise(Rows logits, int rows, size_t width, int first_id, const SummaryRequest* requests,
                         Summary* summaries, Candidate* candidates, size_t candidate_stride, Candidate* tops,
                         size_t top_stride) = 0;
  virtual void to_host(const float* from, size_t count, float* host) = 0;
  virtual void from_host(const float* host, size_t count, float* to) = 0;
  virtual void zero(float* data, size_t count) = 0;
};

// The CPU's ops with `threads` threads, the calling one included: it must make all later calls. kernels: null for the
// fastest.
std::unique_ptr<Ops> make_cpu_ops(int threads, Compute compute = Compute::exact, const char* kernels = nullptr);

}  // namespace lanyard::ops
