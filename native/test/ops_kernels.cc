// Every kernel of every instruction set this CPU has, against plain loops in f64, on sizes that leave tails.
//
//   ops_kernels [TABLES]   TABLES: what this CPU must have, for example scalar,neon
#include <algorithm>
#include <cstring>
#include <limits>
#include <string>

#include "../ops/cpu/kernels.h"
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
  float at(size_t row, size_t col) const { return values_[row * cols + col]; }

 private:
  std::vector<float> values_;
};

// The value that a panel holds for w[row][col]: what quantisation makes of it.
std::vector<double> as_packed(const Values& w, DType dtype) {
  std::vector<double> out(w.rows * w.cols);
  for (size_t r = 0; r < w.rows; ++r) {
    float largest = 0;
    for (size_t c = 0; c < w.cols; ++c) largest = std::max(largest, std::fabs(w.at(r, c)));
    for (size_t c = 0; c < w.cols; ++c) {
      const float value = w.at(r, c);
      double packed = value;
      if (dtype == DType::f16) packed = f16_to_float(float_to_f16(value));
      if (dtype == DType::bf16) packed = bf16_to_float(float_to_bf16(value));
      if (dtype == DType::i8) {
        const float scale = largest / 127.0f;
        packed = static_cast<double>(std::nearbyint(value * (1.0f / scale))) * scale;
      }
      if (dtype == DType::i4) {
        float extreme = 0;
        const size_t group = c / kInt4Group * kInt4Group;
        for (size_t k = group; k < std::min(group + kInt4Group, w.cols); ++k) {
          if (std::fabs(w.at(r, k)) > std::fabs(extreme)) extreme = w.at(r, k);
        }
        const float scale = f16_to_float(float_to_f16(extreme / -8.0f));
        packed = scale == 0 ? 0 : std::clamp(std::nearbyint(value * (1.0f / scale)), -8.0f, 7.0f) * static_cast<double>(scale);
      }
      out[r * w.cols + c] = packed;
    }
  }
  return out;
}

void products(const Kernels& kernels, DType dtype) {
  Random random(3 + static_cast<uint64_t>(dtype));
  Pool pool(1);
  for (const int rows : {1, 16, 17, 75, 160}) {
    for (const int cols : {1, 7, 32, 100, 600}) {
      const Values w(random.reals(static_cast<size_t>(rows) * cols, 0.5f), rows, cols);
      const auto m = pack_matrix(w, dtype, RowOrder::plain, pool);
      const auto exact = as_packed(w, dtype);
      const size_t in_stride = padded_width(cols), out_stride = padded_width(rows);
      std::vector<float> first_row;
      for (const int tokens : {1, 2, 3, 5, 7, 12, 13, 25, 101}) {
        std::vector<float> x(tokens * in_stride), out(tokens * out_stride, -1);
        Random same(9);  // token 0 is the same in every batch
        for (int t = 0; t < tokens; ++t) {
          for (int k = 0; k < cols; ++k) x[t * in_stride + k] = same.real();
        }
        kernels.matmul[static_cast<int>(dtype)](m->product(0, m->panels, {x.data(), in_stride}, tokens, {out.data(), out_stride}));
        double worst = 0;
        for (int t = 0; t < tokens; ++t) {
          for (int r = 0; r < rows; ++r) {
            double sum = 0, size = 1e-30;
            for (int k = 0; k < cols; ++k) {
              const double product = exact[static_cast<size_t>(r) * cols + k] * x[t * in_stride + k];
              sum += product;
              size += std::fabs(product);
            }
            worst = std::max(worst, std::fabs(out[t * out_stride + r] - sum) / size);
          }
        }
        // One chain of f32 additions, relative to the sizes of what is added.
        CHECK(worst < 3e-7 * std::sqrt(cols), "%s %s %dx%d, %d tokens: %g", kernels.name, dtype_name(dtype), rows, cols, tokens, worst);
        if (tokens == 1) first_row.assign(out.begin(), out.begin() + rows);
        CHECK(std::memcmp(first_row.data(), out.data(), rows * sizeof(float)) == 0,
              "%s %s %dx%d: a token differs in a batch of %d", kernels.name, dtype_name(dtype), rows, cols, tokens);
      }
    }
  }
}

// Random codes with random scales and biases.
class Grouped final : public RowSource {
 public:
  Grouped(DType type, int group_size, Factors kind_of_factors, size_t row_count, size_t col_count, Random& random) {
    low = type;
    group = group_size;
    factors = kind_of_factors;
    rows = row_count;
    cols = col_count;
    groups_ = (cols + group - 1) / group;
    const bool four = type == DType::i4g || type == DType::f4g;
    for (size_t i = 0; i < rows * cols; ++i) {
      auto code = static_cast<uint8_t>(random.below(four ? 16 : 256));
      if (type == DType::f8g && (code & 0x7f) == 0x7f) code = 0;  // NaN
      codes_.push_back(code);
    }
    scales_ = random.reals(rows * groups_, 0.01f);
    biases_ = random.reals(rows * groups_, 0.1f);
    if (factors == Factors::pairs || !has_biases(type)) return;
    for (size_t i = 0; i < scales_.size(); ++i) {
      scales_[i] = f16_to_float(float_to_f16(scales_[i]));
      const auto zero = static_cast<float>(factors == Factors::symmetric ? (four ? 8 : 128) : random.below(four ? 17 : 257));
      biases_[i] = factors == Factors::biases ? f16_to_float(float_to_f16(biases_[i])) : -zero * scales_[i];
    }
  }
  void read(size_t, void*) const override {}
  void read_grouped(size_t row, uint8_t* codes, float* scales, float* biases) const override {
    std::copy_n(codes_.data() + row * cols, cols, codes);
    std::copy_n(scales_.data() + row * groups_, groups_, scales);
    std::copy_n(biases_.data() + row * groups_, groups_, biases);
  }
  double at(size_t row, size_t col) const {
    const int code = codes_[row * cols + col];
    const double scale = scales_[row * groups_ + col / group], bias = biases_[row * groups_ + col / group];
    if (low == DType::i4g || low == DType::i8g) return code * scale + bias;
    const bool four = low == DType::f4g;
    const int sign = four ? code >> 3 : code >> 7, mantissa_bits = four ? 1 : 3, exponent_bias = four ? 1 : 7;
    const int magnitude = four ? code & 7 : code & 127;
    const int exponent = magnitude >> mantissa_bits, mantissa = magnitude & ((1 << mantissa_bits) - 1);
    const double value = exponent == 0 ? std::ldexp(mantissa, 1 - exponent_bias - mantissa_bits)
                                       : std::ldexp((1 << mantissa_bits) + mantissa, exponent - exponent_bias - mantissa_bits);
    return (sign ? -value : value) * scale;
  }
  // Of the numbers that at() is the sum of: rounding errors are relative to them.
  double size(size_t row, size_t col) const {
    if (low != DType::i4g && low != DType::i8g) return std::fabs(at(row, col));
    const size_t group_of = row * groups_ + col / group;
    return std::fabs(static_cast<double>(scales_[group_of])) * (codes_[row * cols + col] + 128) + std::fabs(biases_[group_of]);
  }

 private:
  size_t groups_;
  std::vector<uint8_t> codes_;
  std::vector<float> scales_, biases_;
};

void grouped_products(const Kernels& kernels, DType dtype) {
  Random random(31 + static_cast<uint64_t>(dtype));
  Pool pool(1);
  for (const int group : {16, 32, 64, 128}) {
    for (const int rows : {1, 17, 160}) {
      for (const int cols : {1, 32, 100, 640, 1100}) {
        const auto factors = static_cast<Factors>((group / 16 + rows + cols) % 4);
        const Grouped w(dtype, group, factors, rows, cols, random);
        const auto m = pack_matrix(w, dtype, RowOrder::plain, pool);
        const size_t in_stride = padded_width(cols), out_stride = padded_width(rows);
        std::vector<float> first_row;
        for (const int tokens : {1, 3, 12, 25}) {
          std::vector<float> x(tokens * in_stride), out(tokens * out_stride, -1);
          Random same(9);
          for (int t = 0; t < tokens; ++t) {
            for (int k = 0; k < cols; ++k) x[t * in_stride + k] = same.real();
          }
          kernels.matmul[static_cast<int>(dtype)](m->product(0, m->panels, {x.data(), in_stride}, tokens, {out.data(), out_stride}));
          double worst = 0;
          for (int t = 0; t < tokens; ++t) {
            for (int r = 0; r < rows; ++r) {
              double sum = 0, size = 1e-30;
              for (int k = 0; k < cols; ++k) {
                sum += w.at(r, k) * x[t * in_stride + k];
                size += w.size(r, k) * std::fabs(x[t * in_stride + k]);
              }
              worst = std::max(worst, std::fabs(out[t * out_stride + r] - sum) / size);
            }
          }
          CHECK(worst < 3e-7 * std::sqrt(cols), "%s %s of %d, %dx%d, %d tokens: %g", kernels.name, dtype_name(dtype), group, rows, cols, tokens, worst);
          if (tokens == 1) first_row.assign(out.begin(), out.begin() + rows);
          CHECK(std::memcmp(first_row.data(), out.data(), rows * sizeof(float)) == 0,
                "%s %s %dx%d: a token differs in a batch of %d", kernels.name, dtype_name(dtype), rows, cols, tokens);
        }
      }
    }
  }
}

void gated_order() {
  Random random(5);
  Pool pool(3);
  const int half = 37, cols = 40;
  const Values w(random.reals(2 * half * cols), 2 * half, cols);
  const auto m = pack_matrix(w, DType::f32, RowOrder::gated, pool);
  std::vector<float> x(64, 0.0f), out(m->panels * 16);
  for (int k = 0; k < cols; ++k) x[k] = random.real();
  scalar_kernels().matmul[0](m->product(0, m->panels, {x.data(), 64}, 1, {out.data(), out.size()}));
  for (int r = 0; r < 2 * half; ++r) {
    double sum = 0;
    for (int k = 0; k < cols; ++k) sum += static_cast<double>(w.at(r, k)) * x[k];
    const int row = r % half;
    const int at = row / 16 * 32 + (r < half ? 0 : 16) + row % 16;
    CHECK(std::fabs(out[at] - sum) < 1e-4, "row %d", r);
  }
}

void element_wise(const Kernels& k) {
  Random random(8);
  for (const int n : {1, 15, 16, 17, 31, 32, 33, 100, 1000}) {
    const auto x = random.reals(n, 4), w = random.reals(n);
    std::vector<float> y(n), want(n);
    double squares = 0;
    for (const float v : x) squares += static_cast<double>(v) * v;
    for (int i = 0; i < n; ++i) want[i] = static_cast<float>(x[i] / std::sqrt(squares / n + 1e-5) * w[i]);
    k.rms_norm(x.data(), w.data(), n, 1e-5f, y.data());
    CHECK(check::difference(y.data(), want.data(), n) < 1e-6, "%s rms_norm %d", k.name, n);

    y = x;
    k.add(y.data(), w.data(), n);
    for (int i = 0; i < n; ++i) CHECK(y[i] == x[i] + w[i]);
    k.scale(y.data(), 2.0f, n);
    for (int i = 0; i < n; ++i) CHECK(y[i] == 2 * (x[i] + w[i]));

    y = x;
    k.softcap(y.data(), n, 3.0f);
    for (int i = 0; i < n; ++i) want[i] = static_cast<float>(3 * std::tanh(x[i] / 3.0));
    CHECK(check::difference(y.data(), want.data(), n) < 1e-6, "%s softcap %d", k.name, n);

    const float maximum = *std::max_element(x.begin(), x.end());
    CHECK(k.maximum(x.data(), n) == maximum);
    y = x;
    double total = 0, cold = 0;
    for (int i = 0; i < n; ++i) {
      want[i] = static_cast<float>(std::exp(static_cast<double>(x[i]) - maximum));
      total += want[i];
      cold += std::exp((static_cast<double>(x[i]) - maximum) * 7);
    }
    const float sum = k.exp_sum(y.data(), n, maximum);
    CHECK(check::difference(y.data(), want.data(), n) < 1e-6, "%s exp_sum %d", k.name, n);
    CHECK(std::fabs(sum - total) < 1e-5 * total);
    CHECK(std::fabs(k.exp_total(x.data(), n, maximum, 7) - cold) < 1e-5 * cold);
  }
  // Exponentials over the whole range, and what must be nothing.
  std::vector<float> range;
  for (float v = -86.5f; v <= 0; v += 0.37f) range.push_back(v);
  for (const float v : range) {
    float e = v;
    k.exp_sum(&e, 1, 0);
    CHECK(std::fabs(e / std::exp(static_cast<double>(v)) - 1) < 4e-7, "%s exp(%g) = %g", k.name, v, e);
  }
  float nothing[3] = {-std::numeric_limits<float>::infinity(), -200.0f, -1e30f};
  CHECK(k.exp_sum(nothing, 3, 0) == 0 && nothing[0] == 0 && nothing[1] == 0 && nothing[2] == 0);
}

void gates(const Kernels& k) {
  Random random(12);
  std::vector<float> in = random.reals(5 * 32, 12), silu(80), gelu(80);
  in[0] = 90;   // far beyond where e^x overflows
  in[1] = -95;
  k.gated_silu(in.data(), 5, silu.data());
  k.gated_gelu(in.data(), 5, gelu.data());
  for (int i = 0; i < 80; ++i) {
    const double gate = in[i / 16 * 32 + i % 16], up = in[i / 16 * 32 + 16 + i % 16];
    const double want_silu = gate / (1 + std::exp(-gate)) * up;
    const double want_gelu = 0.5 * gate * (1 + std::tanh(0.7978845608028654 * (gate + 0.044715 * gate * gate * gate))) * up;
    CHECK(std::fabs(silu[i] - want_silu) < 1e-6 * std::max(1.0, std::fabs(want_silu)), "%s silu(%g)", k.name, gate);
    CHECK(std::fabs(gelu[i] - want_gelu) < 4e-6 * std::max(1.0, std::fabs(want_gelu)), "%s gelu(%g)", k.name, gate);
  }
}

void weighted_values(const Kernels& k) {
  Random random(21);
  for (const int dim : {16, 48, 112, 128}) {
    for (const int positions : {1, 3, 128}) {
      for (const int rows : {1, 4, 6, 7, 9, 12, 29}) {
        const auto v = random.reals(positions * dim), p = random.reals(rows * 130);
        std::vector<uint16_t> half(v.size());
        std::transform(v.begin(), v.end(), half.begin(), float_to_bf16);
        for (const bool wide : {true, false}) {
          std::vector<float> out(rows * dim, 0.5f), want(rows * dim);
          for (int r = 0; r < rows; ++r) {
            for (int d = 0; d < dim; ++d) {
              double sum = 0.5;
              for (int t = 0; t < positions; ++t) {
                sum += static_cast<double>(p[r * 130 + t]) * (wide ? v[t * dim + d] : bf16_to_float(half[t * dim + d]));
              }
              want[r * dim + d] = static_cast<float>(sum);
            }
          }
          const ValuesArgs args{wide ? static_cast<const void*>(v.data()) : half.data(), static_cast<size_t>(dim), positions,
                                p.data(), 130, rows, dim, out.data(), static_cast<size_t>(dim)};
          wide ? k.values_f32(args) : k.values_bf16(args);
          CHECK(check::difference(out.data(), want.data(), out.size()) < 1e-5, "%s values %d %d %d", k.name, dim, positions, rows);
        }
        std::vector<int8_t> bytes(v.size());
        for (int8_t& byte : bytes) byte = static_cast<int8_t>(random.below(256));
        std::vector<float> out(rows * dim, 0.5f), want(rows * dim);
        for (int r = 0; r < rows; ++r) {
          for (int d = 0; d < dim; ++d) {
            double sum = 0.5;
            for (int t = 0; t < positions; ++t) sum += static_cast<double>(p[r * 130 + t]) * bytes[t * dim + d];
            want[r * dim + d] = static_cast<float>(sum);
          }
        }
        k.values_i8({bytes.data(), static_cast<size_t>(dim), positions, p.data(), 130, rows, dim, out.data(), static_cast<size_t>(dim)});
        CHECK(check::difference(out.data(), want.data(), out.size()) < 1e-5, "%s int8 values %d %d %d", k.name, dim, positions, rows);
      }
    }
  }
}

void number_formats() {
  for (uint32_t bits = 0; bits < 0x10000; ++bits) {
    const auto h = static_cast<uint16_t>(bits);
    const float f = f16_to_float(h), b = bf16_to_float(h);
    if (std::isnan(f)) CHECK(std::isnan(f16_to_float(float_to_f16(f))));
    else CHECK(float_to_f16(f) == h, "f16 %04x", bits);
    if (std::isnan(b)) CHECK(std::isnan(bf16_to_float(float_to_bf16(b))));
    else CHECK(float_to_bf16(b) == h, "bf16 %04x", bits);
  }
  CHECK(float_to_bf16(1.00390625f) == 0x3f80 && float_to_bf16(1.01171875f) == 0x3f82);  // ties to even
  CHECK(float_to_f16(1e9f) == 0x7c00 && float_to_f16(65519.0f) == 0x7bff && float_to_f16(1e-9f) == 0);
}

}  // namespace

int main(int argc, char** argv) {
  check::section("number formats", number_formats);
  check::section("gated row order", gated_order);
  const Kernels* tables[3];
  const int count = available_kernels(tables);
  for (int i = 0; i < count; ++i) {
    const Kernels& k = *tables[i];
    for (const DType dtype : {DType::f32, DType::f16, DType::bf16, DType::i8, DType::i4}) {
      check::section((std::string(k.name) + " product " + dtype_name(dtype)).c_str(), [&] { products(k, dtype); });
    }
    for (const DType dtype : {DType::i4g, DType::i8g, DType::f4g, DType::f8g}) {
      check::section((std::string(k.name) + " product " + dtype_name(dtype)).c_str(), [&] { grouped_products(k, dtype); });
    }
    check::section((std::string(k.name) + " element-wise").c_str(), [&] { element_wise(k); });
    check::section((std::string(k.name) + " gates").c_str(), [&] { gates(k); });
    check::section((std::string(k.name) + " values").c_str(), [&] { weighted_values(k); });
  }
  std::string names = tables[0]->name;
  for (int i = 1; i < count; ++i) names += std::string(",") + tables[i]->name;
  CHECK(argc < 2 || names == argv[1], "this CPU has %s", names.c_str());
  std::printf("kernels tested: %s; chosen: %s\n", names.c_str(), best_kernels().name);
  return check::result();
}
