// What TVM's Metal source uses of Metal's standard library, for clang in its mode of C++ for OpenCL.
// It is enough to hold names, types and arguments against; nothing of it computes.
#pragma OPENCL EXTENSION cl_khr_fp16 : enable

#define device __global
#define threadgroup __local
#define thread __private
// OpenCL has these too, with other types.
#define select metal_select
#define abs metal_abs

// Metal constructs and casts vectors as C++ does, OpenCL does neither: `translate` in metal.rs writes
// `metal_float4(…)` for `float4(…)` and `metal_to_float4() ->* x` for `(float4)x`. The operator binds
// as a cast does: after calls and indices, before `*`.
#define METAL_VECTOR(T, N)                                                                 \
  template <class A> T##N metal_##T##N(A a) {                                              \
    if constexpr (__is_arithmetic(A)) return (T##N)((T)a);                                 \
    else return convert_##T##N(a);                                                         \
  }                                                                                        \
  template <class A, class B> T##N metal_##T##N(A a, B b) { return (T##N)(a, b); }         \
  template <class A, class B, class C> T##N metal_##T##N(A a, B b, C c) {                  \
    return (T##N)(a, b, c);                                                                \
  }                                                                                        \
  template <class A, class B, class C, class D> T##N metal_##T##N(A a, B b, C c, D d) {    \
    return (T##N)(a, b, c, d);                                                             \
  }                                                                                        \
  struct metal_to_##T##N {};                                                               \
  template <class A> T##N operator->*(metal_to_##T##N, A a) { return metal_##T##N(a); }
#define METAL_VECTORS(T) METAL_VECTOR(T, 2) METAL_VECTOR(T, 3) METAL_VECTOR(T, 4)

METAL_VECTORS(half)
METAL_VECTORS(float)
METAL_VECTORS(char)
METAL_VECTORS(uchar)
METAL_VECTORS(short)
METAL_VECTORS(ushort)
METAL_VECTORS(int)
METAL_VECTORS(uint)
METAL_VECTORS(long)
METAL_VECTORS(ulong)

typedef half3 packed_half3;
typedef float3 packed_float3;
typedef half bfloat;

template <class T, class S> T as_type(S value) { return __builtin_astype(value, T); }
template <class T, class C> T metal_select(T no, T yes, C) { return no; }
template <class T> T metal_abs(T value) { return value; }

// Matrices of 8 by 8 that the threads of a SIMD group share.
template <class T> struct simdgroup_matrix_8x8 {};
typedef simdgroup_matrix_8x8<half> simdgroup_half8x8;
typedef simdgroup_matrix_8x8<float> simdgroup_float8x8;
typedef simdgroup_matrix_8x8<bfloat> simdgroup_bfloat8x8;
template <class T, int R, int C> simdgroup_matrix_8x8<T> make_filled_simdgroup_matrix(T);
template <class T, class P>
void simdgroup_load(simdgroup_matrix_8x8<T> &, P, ulong, ulong2, bool = false);
template <class T, class P>
void simdgroup_load(simdgroup_matrix_8x8<T> &, P, ulong, int, bool = false);
template <class T, class P>
void simdgroup_store(simdgroup_matrix_8x8<T>, P, ulong, ulong2, bool = false);
template <class T, class P>
void simdgroup_store(simdgroup_matrix_8x8<T>, P, ulong, int, bool = false);
template <class T, class A, class B, class C>
void simdgroup_multiply_accumulate(simdgroup_matrix_8x8<T> &, simdgroup_matrix_8x8<A>,
                                   simdgroup_matrix_8x8<B>, simdgroup_matrix_8x8<C>);

namespace metal {
enum class mem_flags { mem_none, mem_device, mem_threadgroup, mem_texture };
void threadgroup_barrier(mem_flags);
void simdgroup_barrier(mem_flags);
template <class T> T simd_shuffle(T value, ushort lane);
template <class T> T simd_shuffle_up(T value, ushort delta);
template <class T> T simd_shuffle_down(T value, ushort delta);
template <class T> T simd_shuffle_xor(T value, ushort mask);
}
