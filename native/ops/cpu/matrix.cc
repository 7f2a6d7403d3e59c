#include "matrix.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <exception>
#include <mutex>
#include <vector>

#include "../../error.h"
#include "grouped.h"

namespace lanyard::ops {

void read_f32(const RowSource& source, size_t row, float* out) {
  if (source.dtype == DType::f32) {
    source.read(row, out);
    return;
  }
  // Read into the upper half of the output and widen from the front: value i never overtakes value i + 1.
  auto* half = reinterpret_cast<uint8_t*>(out) + source.cols * 2;
  source.read(row, half);
  for (size_t i = 0; i < source.cols; ++i) {
    uint16_t stored;
    std::memcpy(&stored, half + 2 * i, 2);
    out[i] = source.dtype == DType::bf16 ? bf16_to_float(stored) : f16_to_float(stored);
  }
}

}  // namespace lanyard::ops

namespace lanyard::ops::cpu {
namespace {

// Writes one row of a panel. `values` has padded_cols entries, zeros at the end.
void put_f32(uint8_t* panel, int row, const float* values, int cols) {
  auto* out = reinterpret_cast<float*>(panel);
  for (int k = 0; k < cols; ++k) out[k * kPanelRows + row] = values[k];
}

void put_f16(uint8_t* panel, int row, const float* values, int cols) {
  auto* out = reinterpret_cast<uint16_t*>(panel);
  for (int k = 0; k < cols; ++k) out[k * kPanelRows + row] = float_to_f16(values[k]);
}

void put_bf16(uint8_t* panel, int row, const float* values, int cols) {
  auto* out = reinterpret_cast<uint16_t*>(panel);
  for (int k = 0; k < cols; k += 2) {
    out[k * kPanelRows + row * 2] = float_to_bf16(values[k]);
    out[k * kPanelRows + row * 2 + 1] = float_to_bf16(values[k + 1]);
  }
}

// The same from stored 16-bit values, without the way through f32.
void put_bf16_stored(uint8_t* panel, int row, const uint8_t* stored, int cols) {
  for (int k = 0; k < cols; k += 2) std::memcpy(panel + (k * kPanelRows + row * 2) * 2, stored + 2 * k, 4);
}

// Symmetric: scale = max |w| / 127. Returns the scale.
float put_i8(uint8_t* panel, int row, const float* values, int cols) {
  float largest = 0;
  for (int k = 0; k < cols; ++k) largest = std::max(largest, std::fabs(values[k]));
  const float scale = largest / 127.0f;
  const float inverse = scale > 0 ? 1.0f / scale : 0.0f;
  auto* out = reinterpret_cast<int8_t*>(panel);
  for (int k = 0; k < cols; k += 4) {
    for (int j = 0; j < 4; ++j) {
      const float q = std::nearbyint(values[k + j] * inverse);
      out[(k * kPanelRows) + row * 4 + j] = static_cast<int8_t>(std::clamp(q, -127.0f, 127.0f));
    }
  }
  return scale;
}

// The value of largest magnitude in a group becomes -8 exactly, as the range of q - 8 is [-8, 7].
void put_i4(uint8_t* panel, int row, const float* values, int cols) {
  constexpr size_t kGroupBytes = 32 + 256;
  for (int g = 0; g * kInt4Group < cols; ++g) {
    const float* group = values + g * kInt4Group;
    float extreme = 0;
    for (int k = 0; k < kInt4Group; ++k) {
      if (std::fabs(group[k]) > std::fabs(extreme)) extreme = group[k];
    }
    const uint16_t stored = float_to_f16(extreme / -8.0f);
    const float scale = f16_to_float(stored);
    const float inverse = scale != 0 ? 1.0f / scale : 0.0f;
    uint8_t* base = panel + g * kGroupBytes;
    std::memcpy(base + row * 2, &stored, 2);
    for (int word = 0; word < 4; ++word) {
      uint32_t bits = 0;
      for (int j = 0; j < 8; ++j) {
        const float q = std::nearbyint(group[word * 8 + j] * inverse) + 8.0f;
        bits |= static_cast<uint32_t>(std::clamp(q, 0.0f, 15.0f)) << (4 * j);
      }
      std::memcpy(base + 32 + word * 64 + row * 4, &bits, 4);
    }
  }
}

// The source row of a packed row, or rows when it is padding.
size_t source_row(const PackedMatrix& m, size_t packed) {
  const size_t rows = m.rows;
  if (m.order == RowOrder::plain) return packed < rows ? packed : rows;
  const size_t half = rows / 2, pair = packed / 32, within = packed % 32;
  const size_t row = pair * 16 + within % 16;
  if (row >= half) return rows;
  return within < 16 ? row : half + row;
}

}  // namespace

MatmulArgs PackedMatrix::product(int first, int last, Rows in, int tokens, Rows out) const {
  // Only as far as the activations are padded: the last group of a fast product may reach further.
  const int step = column_step(dtype), width = static_cast<int>(cols);
  return {panel(first),
          stride,
          scales ? scales + first * kPanelRows : nullptr,
          last - first,
          (width + step - 1) / step * step,
          in.data,
          in.stride,
          tokens,
          out.data,
          out.stride,
          group,
          factors};
}

FastArgs PackedMatrix::fast_product(int first, int last, const FastInput& in, int tokens, Rows out) const {
  return {panel(first),
          stride,
          scales ? scales + first * kPanelRows : nullptr,
          last - first,
          in.groups,
          in.data,
          in.row_bytes(),
          tokens,
          out.data,
          out.stride,
          group,
          factors};
}

Share panel_share(const PackedMatrix& matrix, int thread, int threads) {
  if (matrix.order == RowOrder::plain) return share_of(matrix.panels, thread, threads);
  const Share pairs = share_of(matrix.panels / 2, thread, threads);
  return {pairs.first * 2, pairs.last * 2};
}

namespace {

// A matrix of this shape, without its memory.
std::unique_ptr<PackedMatrix> shaped(size_t rows, size_t cols, DType as, RowOrder order, int group, Factors factors) {
  auto m = std::make_unique<PackedMatrix>();
  m->rows = rows;
  m->cols = cols;
  m->dtype = as;
  m->order = order;
  const size_t per_panel = kPanelRows;
  m->panels = order == RowOrder::plain ? static_cast<int>((rows + per_panel - 1) / per_panel)
                                       : static_cast<int>((rows / 2 + per_panel - 1) / per_panel) * 2;
  m->group = is_grouped(as) ? group : 0;
  m->factors = factors;
  const int step = has_fast(as) ? std::max(column_step(as), m->fast_columns()) : column_step(as);
  m->padded_cols = static_cast<int>((cols + step - 1) / step) * step;
  m->stride = m->group > 0 ? grouped_panel_bytes(as, factors, m->padded_cols, m->group) : panel_bytes(as, m->padded_cols);
  m->bytes = m->stride * m->panels + (as == DType::i8 ? m->panels * per_panel * sizeof(float) : 0);
  return m;
}

// Gives it memory, and returns where the scales lie in it (i8).
float* settle(PackedMatrix& m, Memory memory) {
  m.memory = std::move(memory);
  auto* scales = m.dtype == DType::i8 ? reinterpret_cast<float*>(m.memory.data() + m.stride * m.panels) : nullptr;
  m.scales = scales;
  return scales;
}

// Small made-up values for the layout's name.
struct Sample final : RowSource {
  explicit Sample(DType as) {
    rows = 96;
    cols = 500;  // leaves padding
    low = as;
    group = is_grouped(as) ? 32 : 0;
  }
  void read(size_t row, void* out) const override {
    auto* values = static_cast<float*>(out);
    for (size_t i = 0; i < cols; ++i) values[i] = static_cast<float>((row * 131 + i * 29) % 509) - 254.0f;
  }
  void read_grouped(size_t row, uint8_t* codes, float* scales, float* biases) const override {
    for (size_t i = 0; i < cols; ++i) codes[i] = static_cast<uint8_t>((row * 131 + i * 29) % 251);
    for (size_t g = 0; g <= cols / 32; ++g) {
      scales[g] = static_cast<float>(g + 1);
      biases[g] = static_cast<float>(row);
    }
  }
};

}  // namespace

std::unique_ptr<PackedMatrix> adopt_matrix(const PackedBytes& packed) {
  if (is_grouped(packed.dtype) && packed.group == 0) return nullptr;
  auto m = shaped(packed.rows, packed.cols, packed.dtype, packed.order, packed.group, packed.factors);
  if (m->bytes != packed.bytes) return nullptr;
  settle(*m, Memory(packed.data, packed.bytes, packed.owner));
  return m;
}

std::string packed_layout(Pool& pool) {
  uint64_t sum = 0xcbf29ce484222325u;  // FNV-1a
  for (int type = 0; type < kDTypes; ++type) {
    const auto as = static_cast<DType>(type);
    for (const RowOrder order : {RowOrder::plain, RowOrder::gated}) {
      const auto m = pack_matrix(Sample(as), as, order, pool);
      for (size_t i = 0; i < m->bytes; ++i) sum = (sum ^ m->packed()[i]) * 0x100000001b3u;
    }
  }
  char text[17];
  std::snprintf(text, sizeof text, "%016llx", static_cast<unsigned long long>(sum));
  return "cpu " + std::to_string(kPackedLayout) + " " + text;
}

std::unique_ptr<PackedMatrix> pack_matrix(const RowSource& source, DType as, RowOrder order, Pool& pool) {
  if (is_grouped(as) && (source.low != as || source.group == 0)) {
    throw Error("weights_mismatch", std::string("Values cannot be packed as ") + dtype_name(as) + ": they are stored otherwise.");
  }
  auto m = shaped(source.rows, source.cols, as, order, source.group, source.factors);
  float* scales = settle(*m, Memory(m->bytes));

  std::exception_ptr failure;
  std::mutex failure_lock;
  pool.run([&](int thread) {
    try {
      std::vector<float> values(m->padded_cols, 0.0f);
      std::vector<uint8_t> codes(m->group > 0 ? m->padded_cols : 0);
      const size_t groups = m->group > 0 ? m->padded_cols / m->group + 1 : 0;
      std::vector<float> group_scales(groups, 0.0f), group_biases(groups, 0.0f);
      const Share share = panel_share(*m, thread, pool.threads());
      for (int p = share.first; p < share.last; ++p) {
        uint8_t* panel = m->memory.data() + p * m->stride;
        for (int r = 0; r < kPanelRows; ++r) {
          const size_t row = source_row(*m, static_cast<size_t>(p) * kPanelRows + r);
          if (row == source.rows) continue;  // stays zero
          if (as == DType::bf16 && source.dtype == DType::bf16) {
            auto* stored = reinterpret_cast<uint8_t*>(values.data());
            source.read(row, stored);
            put_bf16_stored(panel, r, stored, m->padded_cols);
            continue;
          }
          if (m->group > 0) {
            source.read_grouped(row, codes.data(), group_scales.data(), group_biases.data());
            put_grouped(as, m->factors, panel, r, codes.data(), group_scales.data(), group_biases.data(), m->padded_cols, m->group);
            continue;
          }
          read_f32(source, row, values.data());
          switch (as) {
            case DType::f32: put_f32(panel, r, values.data(), m->padded_cols); break;
            case DType::f16: put_f16(panel, r, values.data(), m->padded_cols); break;
            case DType::bf16: put_bf16(panel, r, values.data(), m->padded_cols); break;
            case DType::i8: scales[p * kPanelRows + r] = put_i8(panel, r, values.data(), m->padded_cols); break;
            case DType::i4: put_i4(panel, r, values.data(), m->padded_cols); break;
            default: break;
          }
        }
      }
    } catch (...) {
      std::lock_guard lock(failure_lock);
      failure = std::current_exception();
    }
  });
  if (failure) std::rethrow_exception(failure);
  return m;
}

}  // namespace lanyard::ops::cpu
