// The CPU's implementation of ops.h. Work is cut by rows of weights, fixed per thread; one run of the pool per phase.
#pragma once

#include "../../comm/communicator.h"
#include "../ops.h"
#include "kernels.h"
#include "kv_cache.h"
#include "matrix.h"
#include "memory.h"
#include "pool.h"

namespace lanyard::ops::cpu {

// A piece of attention that one thread does: some tokens of a sequence, a group of query heads that read the same KV head,
// and a range of splits of the keys.
struct AttentionItem {
  int sequence, group;
  int token, tokens;      // of the batch
  int split, splits;      // first and number
  int partial;            // first row of the partial results, -1: this item covers all splits and writes the output
};

// Rows of partial results that a later phase merges: the tokens of one item's heads over several splits.
struct AttentionMerge {
  int token, head;        // output row and query head
  int partial;            // row of the first split; the next split's is `stride` rows on
  int stride, splits;
};

struct AttentionSchedule {
  int window = -1;
  std::vector<AttentionItem> items;
  std::vector<AttentionMerge> merges;
};

class CpuOps final : public Ops {
 public:
  // fast: null for exact products.
  CpuOps(int threads, const Kernels& kernels, const FastChoice* fast);

  const char* name() const override { return fast_ ? fast_->name : kernels_.name; }
  float* allocate(size_t count) override;
  size_t allocated() const override { return allocated_; }
  std::unique_ptr<Matrix> pack(const RowSource& source, DType as, RowOrder order) override;
  std::string layout() override { return packed_layout(pool_); }
  std::unique_ptr<Matrix> adopt(const PackedBytes& packed) override { return adopt_matrix(packed); }
  std::unique_ptr<KvCache> make_cache(const KvShape& shape, const Heads& heads) override;
  void prepare(const Limits& limits, const Heads& heads, const std::vector<RopeTable>& ropes) override;

  void begin_lanes(const Batch* lanes, int count, KvCache& cache) override;
  void use_lane(int lane) override;
  void embed(const RowSource& table, float scale, Rows out) override;
  void norm(Rows in, const Norm& norm, Rows out, int tokens, size_t width) override;
  void linear(const LinearArgs& args) override;
  void linear_heads(const HeadsArgs& args) override;
  void gated_linear(const GatedArgs& args) override;
  void rope_store(const RopeStoreArgs& args) override;
  void attention(const AttentionArgs& args) override;
  void experts(const ExpertsArgs& args) override;
  void add_gated(Rows in, Rows gate, Rows out, int tokens, size_t width) override;
  void all_reduce(comm::Communicator& comm, float* data, size_t count, const Matrix* next) override;
  void start_all_reduce(comm::Communicator& comm, float* data, size_t count, size_t whole) override;
  void finish_all_reduce(comm::Communicator& comm) override;
  void add(Rows x, Rows partial, const Norm& norm, int tokens, size_t width) override;
  void gather_rows(Rows in, const int32_t* rows, int count, Rows out, size_t width) override;
  void finish_logits(Rows logits, int rows, size_t width, size_t used, float softcap) override;
  void summarise(Rows logits, int rows, size_t width, int first_id, const SummaryRequest* requests, Summary* summaries,
                 Candidate* candidates, size_t candidate_stride, Candidate* tops, size_t top_stride) override;
  void to_host(const float* from, size_t count, float* host) override;
  void from_host(const float* host, size_t count, float* to) override;
  void zero(float* data, size_t count) override;

 private:
  // What a product reads: f32 rows, or rounded activations when the matrix has a fast product.
  struct Operand {
    Rows exact;
    FastInput fast;
    bool rounded = false;
  };
  // `out` is where panel `first` goes.
  void matmul(const PackedMatrix& m, int first, int last, const Operand& in, int tokens, Rows out) const;
  bool rounds(const PackedMatrix& m, bool exact) const { return fast_ && !exact && has_fast(m.dtype); }
  FastInput fast_input(const PackedMatrix& m, int tokens, uint8_t* memory) const;
  // The normalised and rounded input: `in` itself where it needs neither, else this thread's own copy (few tokens) or a
  // shared one that an extra phase has filled.
  Operand operand(const LinearArgs& args, int thread);
  void share_operand(const LinearArgs& args);
  // How a gated product ends: act(gate + bias) * (up + bias); `bias` is [gate; up] or null.
  struct Gate {
    Activation activation = Activation::silu;
    Clamp clamp{};
    const float* bias = nullptr;
  };
  // out = gate applied to a thread's share of the panels
  void gated(const PackedMatrix& m, Share share, const Operand& in, const Gate& gate, Rows out, int tokens, int thread) const;
  void add_gated_bias(int first, int last, const float* bias, size_t half, Rows gate_up, int tokens) const;

  // Lets exchanges that are on their way go on. Threads call it between pieces of work of a millisecond or less; the first of
  // them, whose communicator it is, does it.
  void breathe(int thread) const {
    if (moving_ && thread == 0) moving_->progress();
  }
  // How many panels of a product make such a piece.
  int panels_per_breath(const PackedMatrix& m, int tokens, int thread) const;

  // cos and sin of a token's rotation: [dim / 2] each
  float* rotation(int table, int token) const;
  void begin_lane(const Batch& batch);
  void rotate_tokens(int first, int last);

  void prepare_attention();
  const AttentionSchedule& schedule(int window);
  void build_schedule(AttentionSchedule& schedule);
  void attend(const AttentionArgs& args, const AttentionItem& item, int thread);
  void attend_split(const AttentionArgs& args, const AttentionItem& item, int split, const float* q, int rows,
                    float* scores, float* sums, float* maxima, float* totals);
  void merge(const AttentionArgs& args, const AttentionMerge& item);
  // The same with the fast arithmetic, over a cache in bf16 or int8.
  bool attends_fast() const;
  bool attends_by_tiles(int rows) const;
  int fast_attention_rows(int rows) const;  // most of an item, for a step of so many
  void prepare_fast_attention();
  void attend_fast(const AttentionArgs& args, const AttentionItem& item, int thread);
  void attend_fast_split(AttendArgs& a, int layer, const AttentionItem& item, int split, bool tiles, uint8_t* copied);
  void merge_fast(const AttentionArgs& args, const AttentionMerge& item);

  void choose_experts(const ExpertsArgs& args);

  const Kernels& kernels_;
  const FastChoice* fast_;
  Pool pool_;
  std::vector<Memory> memory_;
  size_t allocated_ = 0;

  Limits limits_;
  Heads heads_;
  std::vector<RopeTable> ropes_;
  std::vector<size_t> rope_first_;  // offset of a table's rotations within a token's
  size_t rope_width_ = 0;
  float* rotation_memory_ = nullptr;  // [limits.tokens][rope_width_]

  Rows shared_;               // [limits.tokens, limits.width]
  std::vector<Rows> own_;     // per thread: [kOwnTokens, limits.width]
  // The same rounded, and the experts' inputs; null when exact.
  uint8_t* fast_shared_ = nullptr;
  std::vector<uint8_t*> fast_own_;
  uint8_t* fast_experts_ = nullptr;
  std::vector<Rows> gate_up_;  // per thread: [limits.tokens, some panels of gate and up]
  std::vector<float*> attention_scratch_;  // per thread
  std::vector<float*> fast_attention_;     // likewise, empty when exact
  int fast_rows_ = 0;                      // what it has room for
  std::vector<int> group_first_;           // [groups + 1] first query head of a group
  int tile_rows_ = 0;                      // most rows (tokens * heads) of an attention item
  std::vector<std::vector<Candidate>> undo_;   // per thread: logits changed by an adjustment
  std::vector<std::vector<float>> masked_;      // per thread: a row under a mask
  std::vector<std::vector<Candidate>> select_;  // per thread: candidates while selecting
  Rows partial_;              // [kPartialRows, dim + maximum and total]

  CpuKvCache* cache_ = nullptr;
  // Of the lane that is being computed; the others' are put aside.
  Batch batch_;
  float* rotations_ = nullptr;  // [tokens][rope_width_]
  std::vector<AttentionSchedule> schedules_;
  size_t schedules_used_ = 0;
  struct Aside {
    Batch batch;
    float* rotations = nullptr;
    std::vector<AttentionSchedule> schedules;
    size_t schedules_used = 0;
  };
  Aside aside_[kLanes];
  int lane_ = 0;

  comm::Communicator* moving_ = nullptr;  // while exchanges are on their way
  int exchanges_ = 0;

  struct Slot {
    int expert, token;
    float weight;
  };
  std::vector<Slot> slots_;            // [tokens * per_token], sorted by expert
  std::vector<int> expert_first_;      // [experts + 1]
  std::vector<float> choice_;          // [experts] of a token
  Rows expert_in_, expert_mid_, expert_out_;
};

}  // namespace lanyard::ops::cpu
