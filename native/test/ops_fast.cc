// The fast arithmetic: every instruction set and AMX against its definition in plain loops, bit for bit, for any number
// of tokens; and how far the definition itself is from exact products.
//
//   ops_fast [TABLES]   TABLES: what this CPU must have, for example scalar,neon,dotprod
#include <algorithm>
#include <cstring>
#include <string>

#include "../ops/cpu/fast.h"
#include "../ops/cpu/matrix.h"
#include "check.h"

using namespace lanyard::ops;
using namespace lanyard::ops::cpu;
using check::Random;

namespace {

class Values final : public RowSource {
 public:
  Values(std::vector<float> values, size_t row_count, size_t col_count) : values_(std::move(values)) {
    rows = row_count;
    cols = col_count;
  }
  void read(size_t row, void* out) const override { std::memcpy(out, values_.data() + row * cols, cols * sizeof(float)); }

 private:
  std::vector<float> values_;
};

float e4m3(int code) {
  const int exponent = code >> 3 & 15, mantissa = code & 7;
  const float size = exponent == 0 ? std::ldexp(static_cast<float>(mantissa), -9) : std::ldexp(static_cast<float>(8 + mantissa), exponent - 10);
  return (code & 0x80) != 0 ? -size : size;
}

// Low-bit values as published: codes of every size, the largest in plenty, and scales of either sign.
class Grouped final : public RowSource {
 public:
  Grouped(DType type, int group_size, Factors kind_of_factors, size_t row_count, size_t col_count, Random& random) {
    low = type;
    group = group_size;
    factors = kind_of_factors;
    rows = row_count;
    cols = col_count;
    const size_t groups = (cols + group - 1) / group;
    const uint32_t largest = type == DType::i8g ? 255 : 15;
    codes_.resize(rows * cols);
    for (uint8_t& code : codes_) {
      const uint32_t kind = random.below(4);
      code = static_cast<uint8_t>(kind == 0 ? largest : kind == 1 ? 0 : random.below(largest + 1));
      // All codes of an e4m3, often those without an exponent, but no NaN.
      if (type == DType::f8g) code = static_cast<uint8_t>(kind == 0 ? random.below(8) | random.below(2) << 7 : random.below(256));
      if (type == DType::f8g && (code & 0x7f) == 0x7f) code = 0x80;
    }
    scales_ = random.reals(rows * groups, 0.01f);
    biases_ = random.reals(rows * groups, 0.1f);
    if (factors == Factors::pairs) return;
    for (size_t i = 0; i < scales_.size(); ++i) {
      scales_[i] = f16_to_float(float_to_f16(scales_[i]));
      biases_[i] = factors == Factors::biases    ? f16_to_float(float_to_f16(biases_[i]))
                   : factors == Factors::symmetric ? -static_cast<float>(largest / 2 + 1) * scales_[i]
                                                   : -static_cast<float>(random.below(largest + 2)) * scales_[i];
    }
  }
  void read(size_t, void*) const override {}
  void read_grouped(size_t row, uint8_t* codes, float* scales, float* biases) const override {
    const size_t groups = scales_.size() / rows;
    std::copy_n(codes_.data() + row * cols, cols, codes);
    std::copy_n(scales_.data() + row * groups, groups, scales);
    std::copy_n(biases_.data() + row * groups, groups, biases);
  }
  // A weight's exact value.
  double at(size_t row, size_t col) const {
    constexpr double kValues[16] = {0, 0.5, 1, 1.5, 2, 3, 4, 6, 0, -0.5, -1, -1.5, -2, -3, -4, -6};
    const size_t of = row * (scales_.size() / rows) + col / group;
    const uint8_t code = codes_[row * cols + col];
    if (low == DType::f8g) return double{e4m3(code)} * scales_[of];
    return low == DType::f4g ? kValues[code] * scales_[of] : code * double{scales_[of]} + biases_[of];
  }

 private:
  std::vector<uint8_t> codes_;
  std::vector<float> scales_, biases_;
};

struct Type {
  DType dtype;
  int group = 0;  // of the grouped types
  Factors factors = Factors::pairs;
};
constexpr Type kTypes[] = {{DType::bf16}, {DType::i8}, {DType::i4},
                           {DType::i4g, 16, Factors::zeros}, {DType::i4g, 32, Factors::symmetric}, {DType::i4g, 32, Factors::biases},
                           {DType::i4g, 64, Factors::pairs}, {DType::i4g, 128, Factors::zeros}, {DType::i4g, 128, Factors::symmetric},
                           {DType::i8g, 16, Factors::biases}, {DType::i8g, 32, Factors::symmetric}, {DType::i8g, 32, Factors::biases},
                           {DType::i8g, 64, Factors::pairs}, {DType::i8g, 128, Factors::zeros},
                           {DType::f4g, 16}, {DType::f4g, 32}, {DType::f4g, 64}, {DType::f4g, 128},
                           {DType::f8g, 16}, {DType::f8g, 32}, {DType::f8g, 64}, {DType::f8g, 128}};

std::string name_of(const Type& type) {
  constexpr const char* kFactors[] = {"scales", "zeros", "biases", "pairs"};
  if (type.group == 0) return dtype_name(type.dtype);
  return std::string(dtype_name(type.dtype)) + " of " + std::to_string(type.group) + ", " + kFactors[static_cast<int>(type.factors)];
}

std::unique_ptr<PackedMatrix> random_matrix(const Type& type, int rows, int cols, Random& random, Pool& pool) {
  if (type.group > 0) return pack_matrix(Grouped(type.dtype, type.group, type.factors, rows, cols, random), type.dtype, RowOrder::plain, pool);
  return pack_matrix(Values(random.reals(static_cast<size_t>(rows) * cols, 0.5f), rows, cols), type.dtype, RowOrder::plain, pool);
}

// One row of a packed matrix: bf16 weights, or quantised ones as integers with their scales.
struct PackedRow {
  std::vector<float> values;
  std::vector<float> group_scales, group_biases;  // i4 and grouped types
  float scale = 1;                                // i8
};

PackedRow unpacked_groups(const PackedMatrix& m, int row) {
  constexpr int kTwice[16] = {0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12};
  PackedRow out;
  const int lane = row % kPanelRows;
  const bool bytes = m.dtype == DType::i8g;
  const bool eight = m.dtype == DType::f8g, floats = eight || m.dtype == DType::f4g;
  const bool wide = floats || m.factors == Factors::pairs;
  const size_t header = floats ? 64 : m.factors == Factors::pairs ? 128 : m.factors == Factors::symmetric ? 32 : 64;
  const size_t size = header + m.group * (bytes || eight ? 16 : 8);
  for (int k = 0; k < m.padded_cols; ++k) {
    const uint8_t* group = m.panel(row / kPanelRows) + k / m.group * size;
    const int at = k % m.group;
    if (at == 0) {
      float factors[2] = {};
      if (wide) {
        std::memcpy(factors, group + lane * 4, 4);
        if (header == 128) std::memcpy(factors + 1, group + 64 + lane * 4, 4);
      } else {
        uint16_t halves[2] = {};
        std::memcpy(halves, group + lane * 2, 2);
        if (header == 64) std::memcpy(halves + 1, group + 32 + lane * 2, 2);
        const float scale = f16_to_float(halves[0]), second = f16_to_float(halves[1]);
        factors[0] = scale;
        if (m.factors == Factors::zeros) factors[1] = second * scale;
        else if (m.factors == Factors::biases) factors[1] = bytes ? std::fma(128.0f, scale, second) : second;
        else factors[1] = bytes ? 0 : -8 * scale;
      }
      out.group_scales.push_back(factors[0]);
      out.group_biases.push_back(factors[1]);
    }
    if (eight) {
      out.values.push_back(e4m3(group[header + at / 2 * 32 + lane * 2 + at % 2]) / 256);
      continue;
    }
    if (bytes) {
      out.values.push_back(static_cast<int8_t>(group[header + at / 4 * 64 + lane * 4 + at % 4]));
      continue;
    }
    const int byte = group[header + at / 8 * 64 + lane * 4 + at % 8 / 2], code = at % 2 == 0 ? byte & 15 : byte >> 4;
    out.values.push_back(static_cast<float>(m.dtype == DType::f4g ? kTwice[code] : code));
  }
  return out;
}

PackedRow unpacked(const PackedMatrix& m, int row) {
  if (m.group > 0) return unpacked_groups(m, row);
  PackedRow out;
  const uint8_t* panel = m.panel(row / kPanelRows);
  const int lane = row % kPanelRows;
  for (int k = 0; k < m.padded_cols; ++k) {
    if (m.dtype == DType::bf16) {
      uint16_t half;
      std::memcpy(&half, panel + (k / 2 * 32 + lane * 2 + k % 2) * 2, 2);
      out.values.push_back(bf16_to_float(half));
    } else if (m.dtype == DType::i8) {
      out.values.push_back(static_cast<int8_t>(panel[k / 4 * 64 + lane * 4 + k % 4]));
    } else {
      const uint8_t* group = panel + k / 32 * 288;
      const uint8_t byte = group[32 + k % 32 / 8 * 64 + lane * 4 + k % 8 / 2];
      out.values.push_back(static_cast<float>(k % 2 == 0 ? byte & 15 : byte >> 4) - 8);
      if (k % 32 == 0) {
        uint16_t half;
        std::memcpy(&half, group + lane * 2, 2);
        out.group_scales.push_back(f16_to_float(half));
      }
    }
  }
  if (m.dtype == DType::i8) out.scale = m.scales[row];
  return out;
}

// The product as fast.h defines it.
float defined(const PackedRow& w, const Type& type, std::vector<float> x) {
  x.resize(w.values.size(), 0.0f);
  const DType dtype = type.dtype;
  const int group = type.group > 0 ? type.group : dtype == DType::i8 ? 64 : 32;
  float sum = 0;
  for (size_t g = 0; g * group < x.size(); ++g) {
    const float *xs = x.data() + g * group, *ws = w.values.data() + g * group;
    if (dtype == DType::f8g) {
      float own = 0;
      const int columns = std::min(group, static_cast<int>(x.size() - g * group)), block = std::min(group, 32);
      for (int b = 0; b < columns; b += block) {
        float even = 0, odd = 0;
        for (int k = b; k < b + block; k += 2) {
          even = std::fma(ws[k], bf16_to_float(float_to_bf16(xs[k])), even);
          odd = std::fma(ws[k + 1], bf16_to_float(float_to_bf16(xs[k + 1])), odd);
        }
        own += even + odd;
      }
      sum = std::fma(own, w.group_scales[g], sum);
      continue;
    }
    if (dtype == DType::bf16) {
      float even = 0, odd = 0;
      for (int k = 0; k < group; k += 2) {
        even = std::fma(ws[k], bf16_to_float(float_to_bf16(xs[k])), even);
        odd = std::fma(ws[k + 1], bf16_to_float(float_to_bf16(xs[k + 1])), odd);
      }
      sum += even + odd;
      continue;
    }
    float largest = 0;
    for (int k = 0; k < group; ++k) largest = std::max(largest, std::fabs(xs[k]));
    const float inverse = largest > 1e-30f ? 127.0f / largest : 0.0f, scale = largest / 127.0f;
    int32_t dot = 0, total = 0;
    for (int k = 0; k < group; ++k) {
      const auto q = static_cast<int32_t>(std::nearbyint(xs[k] * inverse));
      dot += static_cast<int32_t>(ws[k]) * q;
      total += q;
    }
    if (dtype == DType::i4g || dtype == DType::i8g) sum = std::fma(w.group_biases[g], scale * static_cast<float>(total), sum);
    sum = std::fma(static_cast<float>(dot), dtype == DType::i8 ? scale : w.group_scales[g] * scale, sum);
  }
  return dtype == DType::i8 ? sum * w.scale : sum;
}

struct Product {
  std::string name;
  const FastKernels* rounding;
  void (*const* matmul)(const FastArgs&);
  bool tiles;
};

void products(const Product& product, const Type& type) {
  const DType dtype = type.dtype;
  Random random(31 + static_cast<uint64_t>(dtype));
  Pool pool(1);
  for (const auto& [rows, cols] : {std::pair{1, 1}, {16, 64}, {17, 100}, {75, 600}, {90, 1300}, {48, 2112}}) {
    if (type.group > 0 && (cols == 64 || cols == 1300)) continue;
    const auto m = random_matrix(type, rows, cols, random, pool);
    std::vector<PackedRow> packed;
    for (int r = 0; r < rows; ++r) packed.push_back(unpacked(*m, r));
    const size_t in_stride = padded_width(cols), out_stride = padded_width(rows);
    std::vector<float> first;
    for (const int tokens : {1, 2, 3, 5, 6, 7, 15, 16, 17, 33, 101, 530}) {
      if (tokens > 101 && cols != 100) continue;
      // Of the many grouped types fewer: an emulated processor is slow.
      if (type.group > 0 && (tokens == 5 || tokens == 15 || tokens == 33 || (tokens == 101 && cols > 100))) continue;
      std::vector<float> x(tokens * in_stride), out(tokens * out_stride, -1);
      Random same(9);  // token 0 is the same in every batch
      for (int t = 0; t < tokens; ++t) {
        // Sizes from token to token and group to group, and a group of zeros.
        for (int k = 0; k < cols; ++k) x[t * in_stride + k] = t % 3 == 1 && k / 64 == 1 ? 0 : same.real() * std::exp2(same.real(4));
      }
      Memory memory((tokens + 15) / 16 * 16 * fast_capacity(cols));
      const FastInput input{memory.data(), fast_form(dtype), m->groups(), product.tiles, m->fast_columns()};
      for (int t = 0; t < tokens; ++t) fast_round(*product.rounding, input, t, x.data() + t * in_stride, cols);
      product.matmul[static_cast<int>(dtype)](m->fast_product(0, m->panels, input, tokens, {out.data(), out_stride}));
      if (tokens == 1) first.assign(out.begin(), out.begin() + rows);
      CHECK(std::memcmp(first.data(), out.data(), rows * sizeof(float)) == 0, "%dx%d: a token differs in a batch of %d", rows, cols, tokens);
      int wrong = 0;
      for (int t = 0; t < tokens; t += tokens > 40 ? 7 : 1) {
        const std::vector<float> row(x.begin() + t * in_stride, x.begin() + t * in_stride + cols);
        for (int r = 0; r < rows; ++r) wrong += out[t * out_stride + r] != defined(packed[r], type, row);
      }
      CHECK(wrong == 0, "%s %s %dx%d, %d tokens: %d values are not as defined", product.name.c_str(), name_of(type).c_str(), rows, cols, tokens, wrong);
    }
  }
}

// A row of fp8 in which one code is no number gives none, whatever multiplies it; other rows are as they were.
void no_number(const Product& product) {
  struct One final : RowSource {
    One() {
      low = DType::f8g;
      group = 64;
      rows = 20;
      cols = 200;
    }
    void read(size_t, void*) const override {}
    void read_grouped(size_t row, uint8_t* codes, float* scales, float*) const override {
      for (size_t k = 0; k < cols; ++k) codes[k] = row == 17 && k == 150 ? 0xff : 0x38;
      std::fill_n(scales, 4, 0.5f);
    }
  };
  Pool pool(1);
  const auto m = pack_matrix(One(), DType::f8g, RowOrder::plain, pool);
  const std::vector<float> x(padded_width(200), 1.0f);
  for (const int tokens : {1, 20}) {
    std::vector<float> out(tokens * 32), exact(32);
    Memory memory(32 * fast_capacity(200));
    const FastInput input{memory.data(), DType::bf16, m->groups(), product.tiles, 32};
    for (int t = 0; t < tokens; ++t) fast_round(*product.rounding, input, t, x.data(), 200);
    product.matmul[static_cast<int>(DType::f8g)](m->fast_product(0, m->panels, input, tokens, {out.data(), 32}));
    std::vector<float> padded(x.size());
    std::copy_n(x.begin(), 200, padded.begin());
    best_kernels().matmul[static_cast<int>(DType::f8g)](m->product(0, m->panels, {padded.data(), padded.size()}, 1, {exact.data(), 32}));
    for (int r = 0; r < 20; ++r) {
      const bool number = r != 17;
      CHECK((out[r] == 100) == number && std::isnan(out[r]) != number, "%s: row %d is %g", product.name.c_str(), r, out[r]);
      CHECK((exact[r] == 100) == number && std::isnan(exact[r]) != number, "exact: row %d is %g", r, exact[r]);
    }
  }
}

// Root mean square error of products of normal-like numbers, relative to their size.
void error(DType dtype, double bound) {
  Random random(77);
  Pool pool(1);
  const int rows = 64, cols = 1024;
  std::vector<float> values(rows * cols);
  for (float& v : values) v = (random.real() + random.real() + random.real()) * 0.3f;
  const Values w(values, rows, cols);
  const auto m = pack_matrix(w, dtype, RowOrder::plain, pool);
  std::vector<float> x(cols), out(rows);
  for (float& v : x) v = random.real() + random.real() + random.real();
  Memory memory(16 * fast_capacity(cols));
  const FastInput input{memory.data(), fast_form(dtype), m->groups(), false, m->fast_columns()};
  fast_round(fast_scalar_kernels(), input, 0, x.data(), cols);
  fast_scalar_kernels().matmul[static_cast<int>(dtype)](m->fast_product(0, m->panels, input, 1, {out.data(), 64}));
  double squares = 0, errors = 0;
  for (int r = 0; r < rows; ++r) {
    const PackedRow row = unpacked(*m, r);
    double exact = 0;
    for (int k = 0; k < cols; ++k) {
      exact += static_cast<double>(row.values[k]) * (dtype == DType::i4 ? row.group_scales[k / 32] : row.scale) * x[k];
    }
    squares += exact * exact;
    errors += (out[r] - exact) * (out[r] - exact);
  }
  const double relative = std::sqrt(errors / squares);
  std::printf("  %s: activations as rounded change a product by %.2g (root mean square, relative)\n", dtype_name(dtype), relative);
  CHECK(relative < bound);
}

// The same with published low-bit weights, also beside the bound that the rounding of each activation gives: half of its
// group's scale.
void grouped_error(const Type& type, double bound) {
  Random random(78);
  Pool pool(1);
  const int rows = 64, cols = 1024;
  const Grouped w(type.dtype, type.group, type.factors, rows, cols, random);
  const auto m = pack_matrix(w, type.dtype, RowOrder::plain, pool);
  std::vector<float> x(cols), out(rows);
  for (float& v : x) v = random.real() + random.real() + random.real();
  Memory memory(16 * fast_capacity(cols));
  const FastInput input{memory.data(), fast_form(type.dtype), m->groups(), false, m->fast_columns()};
  fast_round(fast_scalar_kernels(), input, 0, x.data(), cols);
  fast_scalar_kernels().matmul[static_cast<int>(type.dtype)](m->fast_product(0, m->panels, input, 1, {out.data(), 64}));
  double squares = 0, errors = 0;
  int beyond = 0;
  for (int r = 0; r < rows; ++r) {
    double exact = 0, size = 0, most = 0;
    for (int k = 0; k < cols; ++k) {
      const auto first = x.begin() + k / type.group * type.group;
      float largest = 0;
      for (int i = 0; i < type.group; ++i) largest = std::max(largest, std::fabs(first[i]));
      exact += w.at(r, k) * x[k];
      size += w.at(r, k) * x[k] * w.at(r, k) * x[k];
      most += std::fabs(w.at(r, k)) * largest / 254;
    }
    squares += size;  // as the weights are not centred, a sum may be far from their size
    errors += (out[r] - exact) * (out[r] - exact);
    beyond += std::fabs(out[r] - exact) > most * 1.0001;
  }
  const double relative = std::sqrt(errors / squares);
  std::printf("  %s: activations as rounded change a product by %.2g\n", name_of(type).c_str(), relative);
  CHECK(relative < bound && relative > 1e-4);
  CHECK(beyond == 0, "%d products differ by more than rounding can", beyond);
}

void odd_activations(const FastKernels& kernels) {
  Memory memory(16 * fast_capacity(64));
  std::vector<float> x(64, 0.0f);
  const FastInput input{memory.data(), DType::i8, 1, false, 64};
  const auto* bytes = reinterpret_cast<const int8_t*>(memory.data());
  const auto* scale = reinterpret_cast<const float*>(memory.data() + 64);
  x[5] = 1e-38f;  // too small to be scaled up: all zeros, no infinity
  fast_round(kernels, input, 0, x.data(), 64);
  CHECK(bytes[5] == 0 && scale[0] < 1e-30f);
  x[5] = -3e38f;
  x[6] = 1.5e38f;
  fast_round(kernels, input, 0, x.data(), 64);
  CHECK(bytes[5] == -127 && bytes[6] == 64 && bytes[7] == 0 && std::fabs(scale[0] * 127 / 3e38f - 1) < 1e-6);
}

// Halves go to even numbers; bf16 keeps denormals and what is no number.
void odd_roundings(const FastKernels& kernels) {
  Memory memory(16 * fast_capacity(64));
  std::vector<float> x(64);
  for (int i = 0; i < 64; ++i) x[i] = static_cast<float>(i % 2 == 0 ? i : -i) + 0.5f;
  x[63] = -127;
  const auto* bytes = reinterpret_cast<const int8_t*>(memory.data());
  fast_round(kernels, {memory.data(), DType::i8, 1, false, 64}, 0, x.data(), 64);
  for (int i = 0; i < 64; ++i) CHECK(bytes[i] == std::nearbyint(x[i]), "%s int8: %g became %d", kernels.name, x[i], bytes[i]);
  x[31] = 127;
  fast_round(kernels, {memory.data(), DType::i4, 1, false, 32}, 0, x.data(), 32);
  constexpr int kOrder[8] = {0, 2, 4, 6, 1, 3, 5, 7};
  for (int i = 0; i < 32; ++i) {
    const float value = x[i / 8 * 8 + kOrder[i % 8]];
    CHECK(bytes[i] == std::nearbyint(value), "%s int4: %g became %d", kernels.name, value, bytes[i]);
  }
  constexpr uint32_t kBits[] = {0x7fc12345, 0x7f800001, 0xff80ffff, 0x7f800000, 0xff800000, 0x7f7fffff, 0x00008000, 0x80018000,
                                0x00000001, 0x3f808000, 0x3f818000, 0x3f808001, 0xbf807fff, 0x00000000, 0x80000000, 0x3f800000};
  for (int i = 0; i < 32; ++i) x[i] = bits_to_float(kBits[i % 16]);
  fast_round(kernels, {memory.data(), DType::bf16, 1, true, 32}, 0, x.data(), 32);
  for (int i = 0; i < 32; ++i) {
    uint16_t half;
    std::memcpy(&half, memory.data() + 2 * i, 2);
    CHECK(half == float_to_bf16(bits_to_float(kBits[i % 16])), "%s bf16: %08x became %04x", kernels.name, kBits[i % 16], half);
  }
}

}  // namespace

int main(int argc, char** argv) {
  error(DType::bf16, 2e-3);
  error(DType::i8, 8e-3);
  error(DType::i4, 8e-3);
  for (const Type& type : kTypes) {
    if (type.group > 0) grouped_error(type, type.dtype == DType::f8g ? 2e-3 : 8e-3);
  }
  std::vector<Product> all;
  const FastKernels* tables[4];
  const int count = available_fast_kernels(tables);
  for (int i = 0; i < count; ++i) all.push_back({tables[i]->name, tables[i], tables[i]->matmul, false});
  const bool amx = amx_kernels() && enable_amx();
  // The records of AMX, filled by every instruction set's rounding.
  for (int i = 0; amx && i < count; ++i) all.push_back({std::string("amx after ") + tables[i]->name, tables[i], amx_kernels()->matmul, true});
  for (const Product& product : all) {
    for (const Type& type : kTypes) {
      check::section((product.name + " fast product " + name_of(type)).c_str(), [&] { products(product, type); });
    }
    check::section((product.name + " fp8 that is no number").c_str(), [&] { no_number(product); });
    check::section((product.name + " odd activations").c_str(), [&] { odd_activations(*product.rounding); });
    check::section((product.name + " odd roundings").c_str(), [&] { odd_roundings(*product.rounding); });
  }
  const FastChoice& best = best_fast();
  std::string names = tables[0]->name;
  for (int i = 1; i < count; ++i) names += std::string(",") + tables[i]->name;
  CHECK(argc < 2 || names == argv[1], "this CPU has %s", names.c_str());
  std::printf("fast kernels tested: %s; AMX %s; chosen: %s", names.c_str(), amx ? "too" : "not here", best.name);
  if (best.tiles) std::printf(" (tiles from %d tokens for bf16, %d int8, %d int4, %d, %d and %d in groups, %d fp8)", best.tile_tokens[2], best.tile_tokens[3], best.tile_tokens[4],
                               best.tile_tokens[5], best.tile_tokens[6], best.tile_tokens[7], best.tile_tokens[8]);
  std::printf("\n");
  return check::result();
}
