#include "weights.h"

#include <string>

#include "../error.h"
#include "files.h"
#include "latent.h"
#include "packed.h"
#include "rounded.h"

namespace lanyard::model {
namespace {

// Low-bit values stay as they are, also where 4 bits are asked for and stored: rounding again would only lose. What
// cannot be kept in groups of a common scale (act-order, cuts within 32 columns) becomes bf16.
ops::DType packed_type(WeightType weights, const ops::RowSource& source, bool low_bit) {
  const bool four = source.low == ops::DType::i4g || source.low == ops::DType::f4g;
  if (source.group > 0 && (weights == WeightType::stored || (weights >= WeightType::i4 && four))) return source.low;
  switch (weights) {
    case WeightType::stored: return low_bit ? ops::DType::bf16 : source.dtype;
    case WeightType::f32: return ops::DType::f32;
    case WeightType::bf16: return ops::DType::bf16;
    case WeightType::i8: return ops::DType::i8;
    case WeightType::i4:
    case WeightType::i4x64:
    case WeightType::i4x128: return ops::DType::i4;
  }
  return source.dtype;
}

// Columns of a group where they are not those of DType::i4.
int rounded_group(WeightType weights) { return weights == WeightType::i4x64 ? 64 : weights == WeightType::i4x128 ? 128 : 0; }

// Shapes as the decoder and the split demand them. 0: any width (an FFN share is as wide as its tensor says).
struct Shape {
  size_t rows, cols;
};

class Loader {
 public:
  Loader(const EngineSpec& spec, ops::Ops& ops, const Progress& progress) : spec_(spec), ops_(ops), progress_(progress) {
    for (const TensorSource& t : spec.tensors) total_ += stored_size(t);
    weights_.layers.resize(spec.decoder.layers);
    for (size_t i = 0; i < weights_.layers.size(); ++i) {
      if (spec.decoder.layer_moe[i]) weights_.layers[i].experts.resize(spec.decoder.experts);
    }
  }

  Weights load() {
    progress_(0, total_);
    const std::string layout = spec_.prepacked.file.empty() ? std::string() : ops_.layout();
    const std::string key = layout + "\n" + spec_.prepacked.key;
    if (!layout.empty()) packed_ = PrepackedFile::open(spec_.prepacked.file, key, spec_.threads);
    for (const TensorSource& tensor : spec_.tensors) {
      place(tensor);
      done_ += stored_size(tensor);
      progress_(done_, total_);
    }
    files_.forget();
    check();
    if (!layout.empty() && !parts_.empty()) {
      weights_.keeper = std::make_unique<PrepackedWriter>(spec_.prepacked.file, key, std::move(parts_));
    }
    return std::move(weights_);
  }

 private:
  void place(const TensorSource& t) {
    const DecoderSpec& d = spec_.decoder;
    const size_t hidden = d.hidden, heads = spec_.split.query_heads.count;
    const LatentSpec& l = d.latent;
    const size_t q = heads * (l.rank > 0 ? l.plain + d.head_dim - l.rank : d.head_dim);
    const size_t kv = static_cast<size_t>(spec_.split.kv_heads.count) * d.head_dim;
    const size_t query_rank = l.query_rank, qkv = l.rank > 0 ? (query_rank > 0 ? query_rank : q) + kv : q + 2 * kv;
    if (t.role == Role::embed) {
      expect(t, {static_cast<size_t>(d.vocab), hidden});
      weights_.embed = open_rows(t, files_);
      return;
    }
    if (t.role == Role::final_norm) {
      weights_.final_norm = norm(t, hidden);
      return;
    }
    if (t.role == Role::lm_head) {
      matrix(t, weights_.lm_head, {static_cast<size_t>(spec_.split.vocab.count), hidden});
      return;
    }
    if (t.layer < 0 || t.layer >= d.layers) throw Error("weights_mismatch", describe(t) + " is not part of the model.");
    LayerWeights& layer = weights_.layers[t.layer];
    switch (t.role) {
      case Role::attn_norm: layer.attn_norm = norm(t, hidden); break;
      case Role::attn_qkv: matrix(t, layer.qkv, {qkv, hidden}); break;
      case Role::attn_qkv_bias: layer.qkv_bias = vector(t, qkv); break;
      case Role::attn_q_norm: layer.q_norm = norm(t, d.head_dim); break;
      case Role::attn_k_norm: layer.k_norm = norm(t, d.head_dim); break;
      case Role::attn_q_latent_norm: layer.q_latent_norm = norm(t, query_rank); break;
      case Role::attn_q_up: matrix(t, layer.q_up, {q, query_rank}); break;
      case Role::attn_latent_norm: layer.latent_norm = norm(t, l.rank); break;
      case Role::attn_kv_up: kv_up(t, layer); break;
      case Role::attn_o: matrix(t, layer.o, {hidden, l.rank > 0 ? heads * l.value : q}); break;
      case Role::attn_o_bias: layer.o_bias = vector(t, hidden); break;
      case Role::attn_sinks: layer.sinks = vector(t, heads); break;
      case Role::attn_post_norm: layer.attn_post_norm = norm(t, hidden); break;
      case Role::ffn_norm: layer.ffn_norm = norm(t, hidden); break;
      case Role::ffn_gate_up: matrix(t, layer.gate_up, {0, hidden}, ops::RowOrder::gated); break;
      case Role::ffn_down: matrix(t, layer.down, {hidden, 0}); break;
      case Role::ffn_post_norm: layer.ffn_post_norm = norm(t, hidden); break;
      case Role::router: matrix(t, layer.router, {static_cast<size_t>(d.experts), hidden}, ops::RowOrder::plain, true); break;
      case Role::router_bias: layer.router_bias = vector(t, d.experts); break;
      case Role::router_correction: layer.router_correction = vector(t, d.experts); break;
      case Role::expert_gate_up: matrix(t, expert(t).gate_up, {0, hidden}, ops::RowOrder::gated); break;
      case Role::expert_down: matrix(t, expert(t).down, {hidden, 0}); break;
      case Role::expert_gate_up_bias: expert(t).gate_up_bias = gate_up_bias(t); break;
      case Role::expert_down_bias: expert(t).down_bias = vector(t, hidden); break;
      case Role::shared_gate_up: matrix(t, layer.shared_gate_up, {0, hidden}, ops::RowOrder::gated); break;
      case Role::shared_down: matrix(t, layer.shared_down, {hidden, 0}); break;
      case Role::shared_gate: matrix(t, layer.shared_gate, {1, hidden}, ops::RowOrder::plain, true); break;
      default: throw Error("weights_mismatch", describe(t) + " has no place in a layer.");
    }
  }

  ops::Expert& expert(const TensorSource& t) {
    auto& experts = weights_.layers[t.layer].experts;
    if (t.expert < 0 || static_cast<size_t>(t.expert) >= experts.size()) {
      throw Error("weights_mismatch", describe(t) + " is beyond the " + std::to_string(experts.size()) + " experts.");
    }
    return experts[t.expert];
  }

  void expect(const TensorSource& t, Shape shape) const {
    if ((shape.rows != 0 && t.rows != shape.rows) || (shape.cols != 0 && t.cols != shape.cols)) {
      throw Error("weights_mismatch", describe(t) + " is [" + std::to_string(t.rows) + ", " + std::to_string(t.cols) +
                                          "], but this rank's share is [" + std::to_string(shape.rows) + ", " +
                                          std::to_string(shape.cols) + "] (0: any).");
    }
  }

  // exact: never quantised (small, and it decides where tokens go).
  void matrix(const TensorSource& t, std::unique_ptr<ops::Matrix>& out, Shape shape,
              ops::RowOrder order = ops::RowOrder::plain, bool exact = false) {
    if (t.rows == 0 || t.cols == 0) return;
    expect(t, shape);
    if (order == ops::RowOrder::gated && t.rows % 2 != 0) {
      throw Error("weights_mismatch", describe(t) + " has " + std::to_string(t.rows) + " rows: gate and up differ.");
    }
    auto source = open_rows(t, files_, spec_.compute == ops::Compute::fast);
    ops::DType type = packed_type(exact ? WeightType::stored : spec_.weights, *source, !t.packed.empty());
    if (const int group = rounded_group(spec_.weights); group > 0 && type == ops::DType::i4) {
      source = std::make_unique<RoundedRows>(std::move(source), group);
      type = source->low;
    }
    out = packed(t, type, order, *source);
    if (!out) {
      out = ops_.pack(*source, type, order);
      if (out->packed()) parts_.push_back({place_of(t), out.get()});
    }
    weights_.bytes += out->bytes;
  }

  // Of each head rows that make keys of the latent, then rows that make values. Neither is rounded to fewer bits than bf16:
  // they are small, and every score and value goes through them.
  void kv_up(const TensorSource& t, LayerWeights& layer) {
    const LatentSpec& l = spec_.decoder.latent;
    const size_t heads = spec_.split.query_heads.count, rank = l.rank;
    if (t.rows == 0 || rank == 0) return;
    expect(t, {heads * (l.plain + l.value), rank});
    const auto source = open_rows(t, files_);
    const auto values = std::make_shared<std::vector<float>>(t.rows * t.cols);
    for (size_t row = 0; row < t.rows; ++row) ops::read_f32(*source, row, values->data() + row * rank);
    const ops::DType type = t.packed.empty() ? source->dtype : ops::DType::bf16;
    layer.k_up = ops_.pack(KeyRows(values, heads, l), type, ops::RowOrder::plain);
    layer.v_up = ops_.pack(ValueRows(values, heads, l), type, ops::RowOrder::plain);
    weights_.bytes += layer.k_up->bytes + layer.v_up->bytes;
  }

  static PrepackedPlace place_of(const TensorSource& t) { return {t.role, t.layer, t.expert}; }

  // As it was kept, or null. Where one matrix does not fit, the file is not of these weights: no other is taken from it.
  std::unique_ptr<ops::Matrix> packed(const TensorSource& t, ops::DType type, ops::RowOrder order, const ops::RowSource& source) const {
    const PrepackedFile::Entry* entry = packed_ ? packed_->find(place_of(t)) : nullptr;
    if (!entry || entry->rows != t.rows || entry->cols != t.cols) return nullptr;
    return ops_.adopt({t.rows, t.cols, type, order, source.group, source.factors, packed_->data(*entry), entry->bytes, packed_});
  }

  // A vector comes as [n, 1] or [1, n].
  float* vector(const TensorSource& t, size_t count) {
    if (t.rows * t.cols != count) expect(t, {count, 1});
    TensorSource line = t;
    line.rows = 1;
    line.cols = count;
    const FileRows source(line, files_);
    float* out = ops_.allocate(ops::padded_width(count));
    std::vector<float> host(count);
    ops::read_f32(source, 0, host.data());
    ops_.from_host(host.data(), count, out);
    return out;
  }

  // Comes after its matrix, whose width it has.
  float* gate_up_bias(const TensorSource& t) {
    const auto& gate_up = expert(t).gate_up;
    need(gate_up != nullptr, "expert before its bias", t.layer);
    return vector(t, gate_up->rows);
  }

  float* norm(const TensorSource& t, size_t count) {
    float* out = vector(t, count);
    if (!spec_.decoder.norm_plus_one) return out;
    std::vector<float> host(count);
    ops_.to_host(out, count, host.data());
    for (float& value : host) value += 1;
    ops_.from_host(host.data(), count, out);
    return out;
  }

  void need(bool present, const char* what, size_t layer) const {
    if (!present) throw Error("weights_mismatch", std::string("The plan gives no ") + what + " for layer " + std::to_string(layer) + ".");
  }

  void check() const {
    if (!weights_.embed || !weights_.final_norm || (!weights_.lm_head && spec_.split.vocab.count > 0)) {
      throw Error("weights_mismatch", "The plan gives no embedding, final norm or lm_head.");
    }
    for (size_t i = 0; i < weights_.layers.size(); ++i) {
      const LayerWeights& l = weights_.layers[i];
      need(l.attn_norm && l.ffn_norm, "norms", i);
      if (spec_.split.query_heads.count > 0) need(l.qkv && l.o, "attention", i);
      if (spec_.decoder.latent.rank > 0 && spec_.split.query_heads.count > 0) {
        need(l.latent_norm && l.k_up, "latent attention", i);
        need(!l.q_up == (spec_.decoder.latent.query_rank == 0) && !l.q_latent_norm == !l.q_up, "latent of queries", i);
      }
      if (spec_.decoder.qk_norm && spec_.split.query_heads.count > 0) need(l.q_norm && l.k_norm, "q and k norms", i);
      need(!l.gate_up == !l.down, "whole FFN", i);
      if (l.gate_up) need(l.gate_up->rows == 2 * l.down->cols, "FFN of one width", i);
      if (l.shared_gate_up) need(l.shared_down && l.shared_gate_up->rows == 2 * l.shared_down->cols, "whole shared expert", i);
      if (spec_.decoder.layer_moe[i]) need(l.router != nullptr, "router", i);
      for (const ops::Expert& e : l.experts) {
        need(!e.gate_up == !e.down && !e.gate_up == !l.experts[0].gate_up, "whole expert", i);
        if (e.gate_up) need(e.gate_up->rows == 2 * e.down->cols, "expert of one width", i);
      }
    }
  }

  const EngineSpec& spec_;
  ops::Ops& ops_;
  const Progress& progress_;
  Files files_;
  Weights weights_;
  uint64_t done_ = 0, total_ = 0;
  std::shared_ptr<const PrepackedFile> packed_;
  std::vector<PrepackedPart> parts_;  // packed here
};

}  // namespace

Weights load_weights(const EngineSpec& spec, ops::Ops& ops, const Progress& progress) {
  return Loader(spec, ops, progress).load();
}

}  // namespace lanyard::model
