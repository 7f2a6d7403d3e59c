// Low-bit tensors of published checkpoints, read as f32 rows: value = (stored - zero) * scale, as their authors define it.
#pragma once

#include <array>
#include <memory>
#include <vector>

#include "files.h"

namespace lanyard::model {

// Bytes that a tensor's extents hold.
uint64_t stored_size(const TensorSource& tensor);

// A table in files: extents one below the other, all with rows of one length.
class Table {
 public:
  Table() = default;
  // Throws Error weights_truncated, weights_mismatch when it is smaller than rows x row_bytes; `what` names it.
  Table(const std::vector<Extent>& extents, size_t rows, size_t row_bytes, Files& files, const std::string& what);
  const uint8_t* row(size_t i) const { return rows_[i]; }
  bool empty() const { return rows_.empty(); }

 private:
  std::vector<const uint8_t*> rows_;
  std::vector<std::shared_ptr<const MappedFile>> files_;
};

// The rows of a low-bit tensor. Keeps its files mapped.
class PackedRows final : public ops::RowSource {
 public:
  // `round`: scales that f16 cannot hold exactly may be rounded to it. Throws Error weights_truncated, weights_mismatch.
  PackedRows(const TensorSource& tensor, Files& files, bool round);
  void read(size_t row, void* out) const override;
  void read_grouped(size_t row, uint8_t* codes, float* scales, float* biases) const override;

 private:
  struct Piece {
    PackedPiece spec;
    size_t first = 0;   // row of the tensor
    size_t groups = 0;  // columns' groups in the tables
    std::vector<uint32_t> group_of;  // [cols]
    Table values, scales, zeros;
  };

  Piece open(const PackedPiece& spec, size_t first, Files& files, const std::string& what) const;
  ops::Factors factors_of(const Piece& piece, bool round) const;
  const Piece& piece_of(size_t row) const;
  bool shares_scales(size_t columns) const;
  void codes(const Piece& piece, size_t row, uint8_t* out) const;
  void scales_and_zeros(const Piece& piece, size_t row, float* scales, float* zeros) const;
  // Both, of blocks with scales of their own.
  void blocks(const Piece& piece, size_t row, uint8_t* codes, std::vector<float>& scales, std::vector<float>& biases) const;

  uint64_t id_;  // of all sources ever made: names what a thread has cached
  std::vector<Piece> pieces_;
};

// The rows of any tensor; `round` as PackedRows has it. Throws as FileRows and PackedRows.
std::unique_ptr<ops::RowSource> open_rows(const TensorSource& tensor, Files& files, bool round = false);

}  // namespace lanyard::model
