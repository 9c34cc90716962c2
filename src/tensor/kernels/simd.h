// The element loops behind the operators, one set for each instruction set, chosen when the program runs. Plain
// pointers and structs only: the files that implement them are compiled for their instruction set and may share no
// inline code.
#pragma once
#include <cstdint>

namespace easel::kernels {

using Bf16 = uint16_t;  // the bits of a bfloat16

// One block of attention scores on its way through the online softmax. Rows are queries, columns keys.
struct SoftmaxBlock {
  float* scores;  // [rows, ld]; replaced by probabilities, row r of them begins at byte r * ld * 4, whatever their type
  int64_t ld, rows, cols;
  int64_t padded_cols;  // probabilities are zero from cols to here
  int64_t visible;      // row r sees the columns before visible + r (causal); cols or more: all
  float scale;          // 1 / sqrt(D)
  const float* mask;    // added to the scaled scores, [rows, mask_ld]; null: none
  int64_t mask_ld;
  float *max, *sum;  // running, [rows]
  float* out;        // what the earlier blocks summed up, [rows, out_ld]: rescaled when the maximum rises
  int64_t out_ld, out_cols;
};

enum class Gate { kNone, kSilu, kGelu, kQuickGelu };

// x and y: float or Bf16; everything else and all arithmetic in float32.
template <class T>
struct Loops {
  void (*softmax)(const SoftmaxBlock&);
  // y[r] = x[r] / sum[r]
  void (*divide_rows)(const float* x, int64_t ld, int64_t rows, int64_t cols, const float* sum, T* y, int64_t ld_y);
  // sum[c] += x - pivot[c], squares[c] += (x - pivot[c])^2 over the rows; pivot keeps a large mean from cancelling
  void (*moments)(const T* x, int64_t rows, int64_t channels, const float* pivot, float* sum, float* squares);
  // y = gate(x * scale[c] + shift[c])
  void (*affine)(const T* x, int64_t rows, int64_t channels, const float* scale, const float* shift, bool silu, T* y);
  void (*layer_norm)(const T* x, int64_t rows, int64_t channels, const float* weight, const float* bias, float eps,
                     T* y);
  // y [rows, half] = x[:, :half] * gelu(x[:, half:])
  void (*geglu)(const T* x, int64_t rows, int64_t half, T* y);
  void (*unary)(Gate gate, const T* x, int64_t n, T* y);
  // the least and the greatest value, 0 among them
  void (*range)(const T* x, int64_t n, float* least, float* greatest);
  // y = x * factor + zero, rounded to the nearest and held within 0..255
  void (*to_bytes)(const T* x, int64_t n, float factor, float zero, uint8_t* y);
};

struct Simd {
  const char* name;
  Loops<float> f32;
  Loops<Bf16> bf16;
};

const Simd& simd_plain();
const Simd* simd_avx2();    // null where the processor, or the build, has it not
const Simd* simd_avx512();  // needs AVX512-BF16

// What this processor runs; tests choose another with use_simd(). Not to be changed while operators run.
const Simd& simd();
void use_simd(const Simd&);

template <class T>
const Loops<T>& loops();

}  // namespace easel::kernels
