#include "packed.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstring>
#include <string>

#include "../error.h"
#include "blocks.h"

namespace lanyard::model {
namespace {

// Of a packed word's nibbles in ascending order, the row each holds is 0, 2, 4, 6, 1, 3, 5, 7; this is the inverse.
constexpr int kAwqNibble[8] = {0, 4, 1, 5, 2, 6, 3, 7};

// e4m3: 1 sign, 4 exponent (bias 7), 3 mantissa; no infinities, 0x7f is NaN.
std::array<float, 256> f8_values() {
  std::array<float, 256> out;
  for (int code = 0; code < 256; ++code) {
    const int exponent = (code >> 3) & 15, mantissa = code & 7;
    const float magnitude = exponent == 0 ? std::ldexp(static_cast<float>(mantissa), -9)
                                          : std::ldexp(static_cast<float>(8 + mantissa), exponent - 10);
    out[code] = (code & 0x7f) == 0x7f ? std::nanf("") : code & 0x80 ? -magnitude : magnitude;
  }
  return out;
}

const std::array<float, 256> kF8 = f8_values();

// e2m1: 1 sign, 2 exponent (bias 1), 1 mantissa.
constexpr float kF4[16] = {0, 0.5f, 1, 1.5f, 2, 3, 4, 6, -0.0f, -0.5f, -1, -1.5f, -2, -3, -4, -6};

uint32_t load32(const uint8_t* p) {
  uint32_t word;
  std::memcpy(&word, p, 4);
  return word;
}

size_t scale_size(ScaleType type) { return type == ScaleType::f32 ? 4 : type == ScaleType::e8m0 ? 1 : 2; }

float scale_at(ScaleType type, const uint8_t* table, size_t i) {
  if (type == ScaleType::e8m0) return std::ldexp(1.0f, static_cast<int>(table[i]) - 127);
  if (type == ScaleType::f32) return ops::bits_to_float(load32(table + 4 * i));
  uint16_t half;
  std::memcpy(&half, table + 2 * i, 2);
  return type == ScaleType::f16 ? ops::f16_to_float(half) : ops::bf16_to_float(half);
}

int bits_of(Encoding encoding) { return encoding == Encoding::f8_e4m3 || encoding == Encoding::gptq8 ? 8 : 4; }

// Scales and zeros are stored with groups of columns outside and rows inside.
bool columns_first(Encoding e) { return e == Encoding::gptq4 || e == Encoding::gptq8 || e == Encoding::awq4; }

ops::DType low_type(Encoding e) {
  switch (e) {
    case Encoding::f8_e4m3: return ops::DType::f8g;
    case Encoding::mxfp4: return ops::DType::f4g;
    case Encoding::gptq8:
    case Encoding::q8_0:
    case Encoding::q5_k:
    case Encoding::q6_k: return ops::DType::i8g;
    default: return ops::DType::i4g;
  }
}

constexpr size_t words(size_t parts, size_t per_word) { return (parts + per_word - 1) / per_word; }

}  // namespace

uint64_t stored_size(const TensorSource& tensor) {
  uint64_t total = 0;
  auto add = [&](const std::vector<Extent>& extents) {
    for (const Extent& e : extents) total += e.rows * e.row_bytes;
  };
  add(tensor.extents);
  for (const PackedPiece& piece : tensor.packed) {
    for (const auto* table : {&piece.values, &piece.scales, &piece.zeros, &piece.column_groups}) add(*table);
  }
  return total;
}

Table::Table(const std::vector<Extent>& extents, size_t rows, size_t row_bytes, Files& files, const std::string& what) {
  for (const Extent& extent : extents) {
    auto file = files.open(extent.file);
    const uint8_t* data = locate(extent, *file, what);
    if (extent.row_bytes < row_bytes || rows_.size() + extent.rows > rows) {
      throw Error("weights_mismatch", what + " should have " + std::to_string(rows) + " rows of " + std::to_string(row_bytes) +
                                          " bytes, but an extent has " + std::to_string(extent.rows) + " of " +
                                          std::to_string(extent.row_bytes) + ".");
    }
    for (uint64_t i = 0; i < extent.rows; ++i) rows_.push_back(data + i * extent.stride);
    files_.push_back(std::move(file));
  }
  if (!extents.empty() && rows_.size() != rows) {
    throw Error("weights_mismatch", what + " should have " + std::to_string(rows) + " rows, but its extents hold " +
                                        std::to_string(rows_.size()) + ".");
  }
}

PackedRows::PackedRows(const TensorSource& tensor, Files& files, bool round) {
  static std::atomic<uint64_t> made{0};
  id_ = ++made;
  dtype = ops::DType::f32;
  rows = tensor.rows;
  cols = tensor.cols;
  size_t first = 0;
  for (const PackedPiece& spec : tensor.packed) {
    pieces_.push_back(open(spec, first, files, describe(tensor)));
    first += spec.rows;
  }
  if (first != rows) {
    throw Error("weights_mismatch", describe(tensor) + " should have " + std::to_string(rows) + " rows, but its pieces have " +
                                        std::to_string(first) + ".");
  }
  low = low_type(tensor.packed.front().encoding);
  for (const Piece& piece : pieces_) {
    const ops::DType own = low_type(piece.spec.encoding);
    const auto whole = [](ops::DType type) { return type == ops::DType::i4g || type == ops::DType::i8g; };
    if (own != low && !(whole(own) && whole(low))) return;
    if (own != low) low = ops::DType::i8g;  // 4-bit codes are 8-bit codes too
  }
  ops::Factors widest = ops::Factors::symmetric;
  for (const Piece& piece : pieces_) {
    ops::Factors own = factors_of(piece, round);
    // Among 8-bit codes the middle of 4-bit ones is no longer that.
    if (own == ops::Factors::symmetric && low_type(piece.spec.encoding) != low) own = ops::Factors::zeros;
    widest = std::max(widest, own);
  }
  factors = widest;
  for (const int columns : {128, 64, 32, 16}) {
    if (!shares_scales(columns)) continue;
    group = columns;
    return;
  }
}

// The narrowest that holds the piece's scales and zeros.
ops::Factors PackedRows::factors_of(const Piece& piece, bool round) const {
  using enum Encoding;
  switch (piece.spec.encoding) {
    case q8_0:
    case q4_0: return ops::Factors::symmetric;
    case q4_k:
    case q5_k:
    case q6_k: return round ? ops::Factors::biases : ops::Factors::pairs;  // products of an f16 and 6 or 8 bits
    case f8_e4m3:
    case mxfp4: return ops::Factors::pairs;  // kept as f32
    default: break;
  }
  const ops::Factors narrow = piece.zeros.empty() ? ops::Factors::symmetric : ops::Factors::zeros;
  if (piece.spec.scale_type == ScaleType::f16 && !piece.scales.empty()) return narrow;
  if (piece.spec.scale_type != ScaleType::bf16 || piece.scales.empty()) return ops::Factors::pairs;
  // A bf16 is an f16 between these sizes.
  const bool by_columns = columns_first(piece.spec.encoding);
  const size_t lines = by_columns ? piece.groups : (piece.spec.skip_rows + piece.spec.rows - 1) / piece.spec.group_rows + 1;
  for (size_t i = 0; i < lines; ++i) {
    for (size_t j = 0; j < (by_columns ? piece.spec.rows : piece.groups); ++j) {
      const float size = std::fabs(scale_at(ScaleType::bf16, piece.scales.row(i), j));
      if (size != 0 && !(size >= 0x1p-17f && size < 0x1p15f)) return ops::Factors::pairs;
    }
  }
  return narrow;
}

// Do all runs of so many columns share a scale?
bool PackedRows::shares_scales(size_t columns) const {
  for (const Piece& piece : pieces_) {
    for (size_t c = 0; c < cols; ++c) {
      if (piece.group_of[c] != piece.group_of[c / columns * columns]) return false;
    }
  }
  return true;
}

PackedRows::Piece PackedRows::open(const PackedPiece& spec, size_t first, Files& files, const std::string& what) const {
  constexpr size_t kLargest = size_t{1} << 32;
  const bool sane = spec.rows > 0 && spec.rows <= rows && spec.group_rows > 0 && spec.group_cols > 0 &&
                    spec.group_rows < kLargest && spec.group_cols < kLargest && spec.skip_rows < kLargest &&
                    spec.skip_cols < kLargest && cols > 0 && cols < kLargest && !spec.values.empty();
  if (!sane) throw Error("weights_mismatch", what + " has a low-bit piece of impossible size.");
  Piece piece;
  piece.spec = spec;
  piece.first = first;
  const Encoding e = spec.encoding;
  const size_t per_word = 32 / bits_of(e);
  const size_t word_cols = words(spec.skip_cols % per_word + cols, per_word);
  const size_t word_rows = words(spec.skip_rows % per_word + spec.rows, per_word);

  piece.group_of.resize(cols);
  if (spec.column_groups.empty()) {
    for (size_t c = 0; c < cols; ++c) piece.group_of[c] = static_cast<uint32_t>((spec.skip_cols + c) / spec.group_cols);
    piece.groups = piece.group_of[cols - 1] + 1;
  } else {
    const Table order(spec.column_groups, 1, cols * 4, files, what + ": group numbers");
    for (const Extent& extent : columns_first(e) ? spec.scales : std::vector<Extent>{}) piece.groups += extent.rows;
    for (size_t c = 0; c < cols; ++c) {
      piece.group_of[c] = load32(order.row(0) + 4 * c);
      if (piece.group_of[c] >= piece.groups) {
        throw Error("weights_mismatch", what + ": column " + std::to_string(c) + " belongs to group " +
                                            std::to_string(piece.group_of[c]) + " of " + std::to_string(piece.groups) + ".");
      }
    }
  }

  switch (e) {
    case Encoding::f8_e4m3: piece.values = Table(spec.values, spec.rows, cols, files, what); break;
    case Encoding::int4_rows: piece.values = Table(spec.values, spec.rows, word_cols * 4, files, what); break;
    case Encoding::gptq4:
    case Encoding::gptq8: piece.values = Table(spec.values, word_cols, spec.rows * 4, files, what); break;
    case Encoding::awq4: piece.values = Table(spec.values, cols, word_rows * 4, files, what); break;
    case Encoding::mxfp4:
      piece.values = Table(spec.values, spec.rows, words(spec.skip_cols % 32 + cols, 32) * 16, files, what);
      break;
    default: {
      const BlockShape shape = block_shape(e);
      if (spec.skip_cols >= shape.columns || spec.group_cols != shape.group || !spec.column_groups.empty()) {
        throw Error("weights_mismatch", what + " has blocks of another shape.");
      }
      piece.values = Table(spec.values, spec.rows, words(spec.skip_cols + cols, shape.columns) * shape.bytes, files, what);
      return piece;
    }
  }
  const size_t scale_bytes = scale_size(spec.scale_type);
  const size_t row_groups = (spec.skip_rows + spec.rows - 1) / spec.group_rows + 1;
  piece.scales = columns_first(e) ? Table(spec.scales, piece.groups, spec.rows * scale_bytes, files, what + ": scales")
                                  : Table(spec.scales, row_groups, piece.groups * scale_bytes, files, what + ": scales");
  if (columns_first(e)) piece.zeros = Table(spec.zeros, piece.groups, word_rows * 4, files, what + ": zeros");
  return piece;
}

// The stored numbers of a row, one byte each.
void PackedRows::codes(const Piece& piece, size_t row, uint8_t* out) const {
  const PackedPiece& spec = piece.spec;
  switch (spec.encoding) {
    case Encoding::f8_e4m3: std::memcpy(out, piece.values.row(row), cols); return;
    case Encoding::int4_rows:
    case Encoding::mxfp4: {
      // Words of the machine's byte order (little endian everywhere this runs) are nibbles in ascending order.
      const size_t skip = spec.skip_cols % (spec.encoding == Encoding::mxfp4 ? 32 : 8);
      const uint8_t* from = piece.values.row(row);
      for (size_t c = 0; c < cols; ++c) out[c] = (from[(skip + c) / 2] >> (4 * ((skip + c) % 2))) & 15;
      return;
    }
    case Encoding::gptq4:
    case Encoding::gptq8: {
      const int bits = bits_of(spec.encoding);
      const size_t per_word = 32 / bits, skip = spec.skip_cols % per_word;
      const uint32_t mask = (1u << bits) - 1;
      for (size_t c = 0; c < cols;) {
        const size_t at = skip + c;
        uint32_t word = load32(piece.values.row(at / per_word) + 4 * row) >> (bits * (at % per_word));
        for (size_t part = at % per_word; part < per_word && c < cols; ++part, ++c, word >>= bits) {
          out[c] = static_cast<uint8_t>(word & mask);
        }
      }
      return;
    }
    case Encoding::awq4: {
      // A word holds eight rows of one column: fetched once for all of them.
      struct Fetched {
        uint64_t id = 0;
        const Piece* piece = nullptr;
        size_t at = 0;
        std::vector<uint32_t> words;
      };
      thread_local Fetched fetched;
      const size_t at = (spec.skip_rows % 8 + row) / 8;
      if (fetched.id != id_ || fetched.piece != &piece || fetched.at != at) {
        fetched.words.resize(cols);
        for (size_t c = 0; c < cols; ++c) fetched.words[c] = load32(piece.values.row(c) + 4 * at);
        fetched.id = id_;
        fetched.piece = &piece;
        fetched.at = at;
      }
      const int shift = 4 * kAwqNibble[(spec.skip_rows % 8 + row) % 8];
      for (size_t c = 0; c < cols; ++c) out[c] = (fetched.words[c] >> shift) & 15;
      return;
    }
    default: return;  // blocks()
  }
}

void PackedRows::blocks(const Piece& piece, size_t row, uint8_t* codes, std::vector<float>& scales,
                        std::vector<float>& biases) const {
  const BlockShape shape = block_shape(piece.spec.encoding);
  const size_t skip = piece.spec.skip_cols, count = words(skip + cols, shape.columns), groups = shape.columns / shape.group;
  scales.resize(count * groups);
  biases.resize(count * groups);
  uint8_t whole[256];
  for (size_t b = 0; b < count; ++b) {
    read_block(piece.spec.encoding, piece.values.row(row) + b * shape.bytes, whole, &scales[b * groups], &biases[b * groups]);
    const size_t first = b * shape.columns, from = std::max(first, skip), end = std::min(first + shape.columns, skip + cols);
    if (from < end) std::memcpy(codes + (from - skip), whole + (from - first), end - from);
  }
}

// Scale and zero point of a row's groups.
void PackedRows::scales_and_zeros(const Piece& piece, size_t row, float* scales, float* zeros) const {
  const PackedPiece& spec = piece.spec;
  const Encoding e = spec.encoding;
  const bool whole = e != Encoding::f8_e4m3 && e != Encoding::mxfp4;
  const int bits = bits_of(e);
  const size_t per_word = 32 / bits, at = spec.skip_rows % per_word + row;
  const size_t part = e == Encoding::awq4 ? kAwqNibble[at % 8] : at % per_word;
  for (size_t g = 0; g < piece.groups; ++g) {
    if (piece.scales.empty()) scales[g] = 1;
    else if (columns_first(e)) scales[g] = scale_at(spec.scale_type, piece.scales.row(g), row);
    else scales[g] = scale_at(spec.scale_type, piece.scales.row((spec.skip_rows + row) / spec.group_rows), g);
    if (piece.zeros.empty()) {
      zeros[g] = whole ? static_cast<float>(1 << (bits - 1)) : 0;
    } else {
      const uint32_t word = load32(piece.zeros.row(g) + 4 * (at / per_word));
      zeros[g] = static_cast<float>(((word >> (bits * part)) & ((1u << bits) - 1)) + spec.zero_offset);
    }
  }
}

const PackedRows::Piece& PackedRows::piece_of(size_t row) const {
  size_t index = 0;
  while (index + 1 < pieces_.size() && pieces_[index + 1].first <= row) ++index;
  return pieces_[index];
}

void PackedRows::read_grouped(size_t row, uint8_t* stored, float* scales, float* biases) const {
  const Piece& piece = piece_of(row);
  thread_local std::vector<float> all_scales, all_zeros;
  if (block_shape(piece.spec.encoding).columns > 0) {
    blocks(piece, row - piece.first, stored, all_scales, all_zeros);
    for (size_t g = 0; g * group < cols; ++g) {
      scales[g] = all_scales[piece.group_of[g * group]];
      biases[g] = all_zeros[piece.group_of[g * group]];
    }
    return;
  }
  all_scales.resize(piece.groups);
  all_zeros.resize(piece.groups);
  codes(piece, row - piece.first, stored);
  scales_and_zeros(piece, row - piece.first, all_scales.data(), all_zeros.data());
  for (size_t g = 0; g * group < cols; ++g) {
    const uint32_t from = piece.group_of[g * group];
    scales[g] = all_scales[from];
    biases[g] = -all_zeros[from] * all_scales[from];
  }
}

void PackedRows::read(size_t row, void* out) const {
  const Piece& piece = piece_of(row);
  thread_local std::vector<uint8_t> stored;
  thread_local std::vector<float> scales, zeros;
  stored.resize(cols);
  auto* to = static_cast<float*>(out);
  const uint32_t* group_of = piece.group_of.data();
  if (block_shape(piece.spec.encoding).columns > 0) {
    blocks(piece, row - piece.first, stored.data(), scales, zeros);
    for (size_t c = 0; c < cols; ++c) to[c] = static_cast<float>(stored[c]) * scales[group_of[c]] + zeros[group_of[c]];
    return;
  }
  scales.resize(piece.groups);
  zeros.resize(piece.groups);
  codes(piece, row - piece.first, stored.data());
  scales_and_zeros(piece, row - piece.first, scales.data(), zeros.data());
  switch (piece.spec.encoding) {
    case Encoding::f8_e4m3:
      for (size_t c = 0; c < cols; ++c) to[c] = kF8[stored[c]] * scales[group_of[c]];
      return;
    case Encoding::mxfp4:
      for (size_t c = 0; c < cols; ++c) to[c] = kF4[stored[c]] * scales[group_of[c]];
      return;
    default:
      for (size_t c = 0; c < cols; ++c) to[c] = (static_cast<float>(stored[c]) - zeros[group_of[c]]) * scales[group_of[c]];
  }
}

std::unique_ptr<ops::RowSource> open_rows(const TensorSource& tensor, Files& files, bool round) {
  if (tensor.packed.empty()) return std::make_unique<FileRows>(tensor, files);
  return std::make_unique<PackedRows>(tensor, files, round);
}

}  // namespace lanyard::model
