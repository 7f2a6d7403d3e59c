// Low-bit tensors read from files: whole rows against plain loops over the stored bytes, blocks of llama.cpp's formats
// against values computed by its own reference, and tables that do not fit.
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <string>

#include "../error.h"
#include "../model/blocks.h"
#include "../model/packed.h"
#include "../model/rounded.h"
#include "check.h"

using namespace lanyard;
using namespace lanyard::model;
using check::Random;

namespace {

constexpr size_t kRows = 24, kCols = 96, kGroup = 32;

// A file of random bytes that is gone at the end.
class RandomFile {
 public:
  explicit RandomFile(size_t size) : path_("/tmp/lanyard-packed-" + std::to_string(getpid())) {
    Random random(77);
    for (size_t i = 0; i < size; ++i) bytes.push_back(static_cast<uint8_t>(random.below(256)));
    write();
  }
  ~RandomFile() { std::remove(path_.c_str()); }
  void write() const {
    FILE* file = std::fopen(path_.c_str(), "wb");
    std::fwrite(bytes.data(), 1, bytes.size(), file);
    std::fclose(file);
  }
  std::vector<Extent> table(size_t offset, size_t rows, size_t row_bytes) const { return {{path_, offset, rows, row_bytes, row_bytes}}; }
  uint32_t word(size_t at) const {
    uint32_t out;
    std::memcpy(&out, bytes.data() + at, 4);
    return out;
  }
  void put(size_t at, uint32_t value) { std::memcpy(bytes.data() + at, &value, 4); }
  std::vector<uint8_t> bytes;

 private:
  std::string path_;
};

TensorSource tensor_of(PackedPiece piece, size_t cols = kCols) {
  TensorSource t;
  t.role = Role::ffn_down;
  t.layer = 1;
  t.rows = piece.rows;
  t.cols = cols;
  t.packed = {std::move(piece)};
  return t;
}

// GPTQ: words at 0, scales (f32) at 8192, zeros at 16384, group numbers at 24576.
PackedPiece gptq(RandomFile& file) {
  const size_t groups = kCols / kGroup;
  for (size_t i = 0; i < groups * kRows; ++i) file.put(8192 + 4 * i, ops::float_to_bits(0.25f + static_cast<float>(i)));
  for (size_t c = 0; c < kCols; ++c) file.put(24576 + 4 * c, static_cast<uint32_t>(c * 7 % groups));
  file.write();
  PackedPiece p;
  p.encoding = Encoding::gptq4;
  p.rows = kRows;
  p.group_cols = kGroup;
  p.values = file.table(0, kCols / 8, kRows * 4);
  p.scales = file.table(8192, groups, kRows * 4);
  p.zeros = file.table(16384, groups, kRows / 8 * 4);
  p.zero_offset = 1;
  return p;
}

void rows_of_gptq() {
  RandomFile file(32768);
  for (const bool ordered : {false, true}) {
    PackedPiece p = gptq(file);
    if (ordered) p.column_groups = file.table(24576, 1, kCols * 4);
    Files files;
    const auto rows = open_rows(tensor_of(p), files);
    CHECK(rows->group == (ordered ? 0 : 32) && rows->low == ops::DType::i4g);
    std::vector<float> out(kCols), scales(3), biases(3);
    std::vector<uint8_t> codes(kCols);
    for (size_t r = 0; r < kRows; ++r) {
      rows->read(r, out.data());
      if (!ordered) rows->read_grouped(r, codes.data(), scales.data(), biases.data());
      for (size_t c = 0; c < kCols; ++c) {
        const size_t g = ordered ? c * 7 % 3 : c / kGroup;
        const int q = (file.word((c / 8 * kRows + r) * 4) >> (4 * (c % 8))) & 15;
        const int z = static_cast<int>((file.word(16384 + (g * (kRows / 8) + r / 8) * 4) >> (4 * (r % 8))) & 15) + 1;
        const float scale = 0.25f + static_cast<float>(g * kRows + r);
        CHECK(out[c] == static_cast<float>(q - z) * scale, "row %zu column %zu", r, c);
        if (!ordered) CHECK(codes[c] == q && scales[g] == scale && biases[g] == static_cast<float>(-z) * scale);
      }
    }
  }
}

// How narrow scales and zeros are kept.
void factors() {
  RandomFile file(32768);
  PackedPiece p = gptq(file);
  const auto kept = [&](const std::vector<PackedPiece>& pieces, bool round = false) {
    TensorSource t = tensor_of(pieces.front());
    t.rows = kRows * pieces.size();
    t.packed = pieces;
    Files files;
    return open_rows(t, files, round)->factors;
  };
  CHECK(kept({p}) == ops::Factors::pairs, "scales are f32");
  p.scale_type = ScaleType::f16;
  p.scales = file.table(8192, kCols / kGroup, kRows * 2);
  CHECK(kept({p}) == ops::Factors::zeros);
  PackedPiece symmetric = p;
  symmetric.encoding = Encoding::int4_rows;
  symmetric.zeros.clear();
  symmetric.values = file.table(0, kRows, kCols / 2);
  symmetric.scales = file.table(8192, kRows, kCols / kGroup * 2);
  CHECK(kept({symmetric}) == ops::Factors::symmetric);
  CHECK(kept({symmetric, p}) == ops::Factors::zeros, "a tensor takes the widest of its pieces");
  PackedPiece eight = symmetric;
  eight.encoding = Encoding::gptq8;
  eight.values = file.table(0, kCols / 4, kRows * 4);
  eight.scales = p.scales;
  CHECK(kept({eight}) == ops::Factors::symmetric);
  CHECK(kept({symmetric, eight}) == ops::Factors::zeros, "8 is not the middle of 8 bits");
  PackedPiece brain = symmetric;
  brain.scale_type = ScaleType::bf16;
  for (size_t i = 0; i < kRows * kCols / kGroup; ++i) {
    const uint16_t half = ops::float_to_bf16(std::ldexp(1.0f + static_cast<float>(i % 128) / 128, static_cast<int>(i % 31) - 17));
    std::memcpy(file.bytes.data() + 8192 + 2 * i, &half, 2);
    CHECK(ops::f16_to_float(ops::float_to_f16(ops::bf16_to_float(half))) == ops::bf16_to_float(half));
  }
  file.write();
  CHECK(kept({brain}) == ops::Factors::symmetric, "f16 holds them");
  const uint16_t tiny = ops::float_to_bf16(0x1.02p-18f);
  std::memcpy(file.bytes.data() + 8192 + 10, &tiny, 2);
  file.write();
  CHECK(kept({brain}) == ops::Factors::pairs, "f16 does not hold the smallest");
  PackedPiece block;
  block.encoding = Encoding::q4_k;
  block.rows = kRows;
  block.group_cols = 32;
  block.values = file.table(0, kRows, 144);
  CHECK(kept({block}) == ops::Factors::pairs && kept({block}, true) == ops::Factors::biases);
  block.encoding = Encoding::q8_0;
  block.values = file.table(0, kRows, kCols / 32 * 34);
  CHECK(kept({block}) == ops::Factors::symmetric);
}

// Rounded to 4 bits while read: no value is off by more than half a step, but where 7 is the last.
void rounded() {
  class Reals final : public ops::RowSource {
   public:
    Reals() {
      rows = 3;
      cols = 300;
      Random random(8);
      values = random.reals(rows * cols, 0.3f);
      std::fill_n(values.begin() + cols, 128, 0.0f);
    }
    void read(size_t row, void* out) const override { std::memcpy(out, values.data() + row * cols, cols * sizeof(float)); }
    std::vector<float> values;
  };
  auto reals = std::make_unique<Reals>();
  const std::vector<float> values = reals->values;
  const RoundedRows rows(std::move(reals), 128);
  CHECK(rows.low == ops::DType::i4g && rows.group == 128 && rows.factors == ops::Factors::symmetric && rows.cols == 300);
  for (size_t r = 0; r < 3; ++r) {
    std::vector<uint8_t> codes(300);
    float scales[3], biases[3];
    rows.read_grouped(r, codes.data(), scales, biases);
    for (size_t c = 0; c < 300; ++c) {
      const float scale = scales[c / 128], value = values[r * 300 + c], step = std::fabs(scale);
      CHECK(ops::f16_to_float(ops::float_to_f16(scale)) == scale && biases[c / 128] == -8 * scale && codes[c] < 16);
      const float error = std::fabs(scale * static_cast<float>(codes[c]) + biases[c / 128] - value);
      CHECK(error <= 0.501f * step || (codes[c] == 15 && error <= 1.01f * step), "row %zu column %zu: %g", r, c, error);
    }
  }
}

// FP8 and FP4 against the definition of their bits.
void rows_of_floats() {
  RandomFile file(32768);
  PackedPiece p;
  p.encoding = Encoding::f8_e4m3;
  p.rows = kRows;
  p.skip_rows = 3;
  p.skip_cols = 5;
  p.group_rows = 8;
  p.group_cols = 40;
  p.scale_type = ScaleType::e8m0;
  p.values = file.table(0, kRows, kCols);
  p.scales = file.table(8192, 4, 3);
  for (size_t i = 0; i < 12; ++i) file.bytes[8192 + i] = static_cast<uint8_t>(120 + i);
  for (size_t i = 0; i < kRows * kCols; ++i) {
    if ((file.bytes[i] & 0x7f) == 0x7f) file.bytes[i] = 0;  // NaN
  }
  file.write();
  Files files;
  std::vector<float> out(kCols);
  const auto eight = open_rows(tensor_of(p), files);
  CHECK(eight->group == 0, "cuts at columns 35 and 75 allow no groups, but %d", eight->group);
  for (size_t r = 0; r < kRows; ++r) {
    eight->read(r, out.data());
    for (size_t c = 0; c < kCols; ++c) {
      const int code = file.bytes[r * kCols + c], exponent = (code >> 3) & 15;
      const double magnitude = exponent == 0 ? (code & 7) / 512.0 : (1 + (code & 7) / 8.0) * std::pow(2.0, exponent - 7);
      const double scale = std::pow(2.0, static_cast<double>((r + 3) / 8 * 3 + (c + 5) / 40) - 7);
      CHECK(out[c] == (code & 128 ? -magnitude : magnitude) * scale, "fp8 row %zu column %zu", r, c);
    }
  }

  p.encoding = Encoding::mxfp4;
  p.skip_rows = 0;
  p.skip_cols = 9;
  p.group_rows = 1;
  p.group_cols = 32;
  p.values = file.table(0, kRows, 64);
  p.scales = file.table(8192, kRows, 4);
  for (size_t i = 0; i < kRows * 4; ++i) file.bytes[8192 + i] = static_cast<uint8_t>(100 + i % 50);
  file.write();
  Files again;
  const auto four = open_rows(tensor_of(p), again);
  constexpr double kValues[8] = {0, 0.5, 1, 1.5, 2, 3, 4, 6};
  for (size_t r = 0; r < kRows; ++r) {
    four->read(r, out.data());
    for (size_t c = 0; c < kCols; ++c) {
      const size_t at = c + 9;
      const int code = (file.bytes[r * 64 + at / 2] >> (4 * (at % 2))) & 15;
      const double scale = std::pow(2.0, static_cast<double>((r * 4 + at / 32) % 50) - 27);
      CHECK(out[c] == (code & 8 ? -kValues[code & 7] : kValues[code & 7]) * scale, "fp4 row %zu column %zu", r, c);
    }
  }
}

// Blocks of fixed bytes; the values are what the gguf package (0.19, its `quants.dequantize`) makes of them.
void blocks_of_llama_cpp() {
  struct Case {
    Encoding encoding;
    std::vector<std::pair<size_t, float>> halves;
    std::vector<std::pair<size_t, double>> values;
    double weighted_sum;  // of (i + 1) * value[i]
  };
  const std::vector<Case> cases = {
      {Encoding::q8_0, {{0, 0.03f}}, {{0, 3.389862060546875}, {1, -2.129913330078125}, {15, 3.089874267578125}, {16, -3.809844970703125}, {31, -3.149871826171875}}, -195.83203125},
      {Encoding::q4_0, {{0, 0.03f}}, {{0, -0.209991455078125}, {1, 0.029998779296875}, {15, -0.029998779296875}, {16, -0.029998779296875}, {31, -0.05999755859375}}, 1.589935302734375},
      {Encoding::q4_k, {{0, 0.03f}, {2, 0.02f}}, {{0, 3.9295806884765625}, {31, 4.8295440673828125}, {32, 7.3496246337890625}, {63, 4.2897491455078125}, {100, 6.7894744873046875}, {129, 0.2896881103515625}, {177, 3.249664306640625}, {255, 10.249313354492188}}, 248007.353515625},
      {Encoding::q5_k, {{0, 0.03f}, {2, 0.02f}}, {{0, 11.129287719726562}, {31, 12.029251098632812}, {32, 47.12800598144531}, {63, 1.2298736572265625}, {100, 17.889022827148438}, {129, 0.2896881103515625}, {177, 8.109466552734375}, {255, 8.509384155273438}}, 522484.1845703125},
      {Encoding::q6_k, {{208, 0.003f}}, {{0, -4.293371200561523}, {31, -1.0710926055908203}, {32, 1.6171398162841797}, {63, -0.6090526580810547}, {100, -2.730236053466797}, {129, -5.313459396362305}, {177, -1.3231143951416016}, {255, 7.722667694091797}}, -7737.981018066406},
  };
  for (const Case& each : cases) {
    const BlockShape shape = block_shape(each.encoding);
    std::vector<uint8_t> block(shape.bytes), codes(shape.columns);
    for (size_t i = 0; i < block.size(); ++i) block[i] = static_cast<uint8_t>(i * i * 7 + i * 37 + 11);
    for (const auto& [at, value] : each.halves) {
      const uint16_t bits = ops::float_to_f16(value);
      std::memcpy(block.data() + at, &bits, 2);
    }
    std::vector<float> scales(shape.columns / shape.group), biases(scales.size());
    read_block(each.encoding, block.data(), codes.data(), scales.data(), biases.data());
    const auto value = [&](size_t i) { return static_cast<double>(codes[i]) * scales[i / shape.group] + biases[i / shape.group]; };
    const char* name = kEncodingNames[static_cast<int>(each.encoding)];
    for (const auto& [at, expected] : each.values) CHECK(std::fabs(value(at) - expected) < 2e-6 * (1 + std::fabs(expected)), "%s[%zu] = %g", name, at, value(at));
    double sum = 0;
    for (size_t i = 0; i < shape.columns; ++i) sum += static_cast<double>(i + 1) * value(i);
    CHECK(std::fabs(sum - each.weighted_sum) < 1e-6 * (1 + std::fabs(each.weighted_sum)) * static_cast<double>(shape.columns), "%s: %g", name, sum);
  }
}

// Rows of blocks, cut within a block.
void rows_of_blocks() {
  RandomFile file(4 * 3 * 210);
  for (size_t i = 0; i < 12; ++i) {  // finite scales
    file.bytes[i * 210 + 208] = 0x10;
    file.bytes[i * 210 + 209] = 0x18;
  }
  file.write();
  PackedPiece p;
  p.encoding = Encoding::q6_k;
  p.rows = 4;
  p.skip_cols = 48;
  p.group_cols = 16;
  p.values = file.table(0, 4, 3 * 210);
  Files files;
  const size_t cols = 650;
  const auto rows = open_rows(tensor_of(p, cols), files);
  CHECK(rows->group == 16 && rows->low == ops::DType::i8g);
  std::vector<float> out(cols), own(16), bias(16), scales(cols / 16 + 1), biases(cols / 16 + 1);
  std::vector<uint8_t> codes(256), read(cols);
  for (size_t r = 0; r < 4; ++r) {
    rows->read(r, out.data());
    rows->read_grouped(r, read.data(), scales.data(), biases.data());
    for (size_t c = 0; c < cols; ++c) {
      const size_t at = c + 48;
      if (c == 0 || at % 256 == 0) read_block(p.encoding, file.bytes.data() + (r * 3 + at / 256) * 210, codes.data(), own.data(), bias.data());
      const float expected = static_cast<float>(codes[at % 256]) * own[at % 256 / 16] + bias[at % 256 / 16];
      CHECK(out[c] == expected, "row %zu column %zu: %g, not %g", r, c, out[c], expected);
      CHECK(read[c] == codes[at % 256] && scales[c / 16] == own[at % 256 / 16] && biases[c / 16] == bias[at % 256 / 16]);
    }
  }
}

void refusals() {
  RandomFile file(32768);
  const auto refused = [](const PackedPiece& p, const char* code, size_t cols = kCols) {
    Files files;
    return check::throws<Error>([&] { open_rows(tensor_of(p, cols), files); }, [&](const Error& e) { return e.code() == code; });
  };
  const PackedPiece good = gptq(file);
  Files files;
  open_rows(tensor_of(good), files);
  PackedPiece p = good;
  p.values[0].rows -= 1;
  CHECK(refused(p, "weights_mismatch"));
  p = good;
  p.scales[0].row_bytes -= 4;
  CHECK(refused(p, "weights_mismatch"));
  p = good;
  p.zeros[0].offset = 1 << 20;
  CHECK(refused(p, "weights_truncated"));
  p = good;
  p.group_cols = 0;
  CHECK(refused(p, "weights_mismatch"));
  p = good;
  p.values.clear();
  CHECK(refused(p, "weights_mismatch"));
  p = good;
  p.column_groups = file.table(0, 1, kCols * 4);  // random numbers
  CHECK(refused(p, "weights_mismatch"));
  p = good;
  p.skip_cols = size_t{1} << 60;
  CHECK(refused(p, "weights_mismatch"));
  CHECK(refused(good, "weights_mismatch", 0));
  p = good;
  p.encoding = Encoding::q8_0;
  p.skip_cols = 40;
  CHECK(refused(p, "weights_mismatch"));
}

}  // namespace

int main() {
  check::section("rows of GPTQ", rows_of_gptq);
  check::section("how narrow scales and zeros are kept", factors);
  check::section("rows rounded to 4 bits", rounded);
  check::section("rows of FP8 and MXFP4", rows_of_floats);
  check::section("blocks of llama.cpp's formats", blocks_of_llama_cpp);
  check::section("rows of blocks", rows_of_blocks);
  check::section("tables that do not fit are refused", refusals);
  return check::result();
}
