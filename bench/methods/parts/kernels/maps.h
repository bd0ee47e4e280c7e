/* What the kernels share: vectors of the processor's width, and the input's maps with their zeros around.

   The text is compiled for one shape at a time. The macros that name it: REAL, VECTOR_BYTES; H, W and HO, WO (maps before and
   after); K, DILATE, SH, SW, PH, PW (kernel); RS and ROWS (length and number of the rows of a plane), PLANE (reals
   of a plane). A plane is a map from which every tap reads at one fixed distance: with strides, the SH*SW planes
   of a channel hold its rows and columns by their remainders. Rows lie end to end, so that a vector may run over
   their ends; what it computes there is thrown away. */

#include <stdint.h>
#include <string.h>

#define VL ((int)(VECTOR_BYTES / sizeof(REAL)))
#define INLINE static inline __attribute__((always_inline))
#define PLANES (SH * SW)

typedef REAL vec __attribute__((vector_size(VECTOR_BYTES)));
typedef vec loose __attribute__((aligned(sizeof(REAL)), may_alias));
#ifdef WIDE
typedef int64_t mask __attribute__((vector_size(VECTOR_BYTES)));
#else
typedef int32_t mask __attribute__((vector_size(VECTOR_BYTES)));
#endif

INLINE vec load(const REAL *from) { return *(const loose *)from; }
INLINE void store(REAL *to, vec value) { *(loose *)to = value; }

/* max(a, 0), and NaN stays NaN as in torch. */
INLINE vec relu(vec a) { return (vec)((mask)a & ~(mask)(a <= (vec){0})); }

/* Where a tap reads, from the place of the output in its plane. */
INLINE int tap_of_planes(int dy, int dx)
{
    const int y = dy * DILATE, x = dx * DILATE;
    return ((y % SH) * SW + x % SW) * PLANE + (y / SH) * RS + x / SW;
}

/* One channel of the input (H, W) -> its planes. */
static void fill_planes(REAL *restrict planes, const REAL *restrict x)
{
    for (int py = 0; py < SH; py++)
        for (int px = 0; px < SW; px++) {
            const int begin = PW > px ? (PW - px + SW - 1) / SW : 0;
            const int wanted = W + PW > px ? (W + PW - px + SW - 1) / SW : 0;
            const int end = wanted < RS ? wanted : RS;
            for (int row = 0; row < ROWS; row++) {
                REAL *restrict to = planes + (py * SW + px) * PLANE + row * RS;
                const int y = row * SH + py - PH;
                if (y < 0 || y >= H || begin >= end) {
                    memset(to, 0, RS * sizeof(REAL));
                    continue;
                }
                const REAL *restrict from = x + y * W + px - PW;
                for (int j = 0; j < begin; j++)
                    to[j] = 0;
                for (int j = begin; j < end; j++)
                    to[j] = from[j * SW];
                for (int j = end; j < RS; j++)
                    to[j] = 0;
            }
            memset(planes + (py * SW + px) * PLANE + ROWS * RS, 0, (PLANE - ROWS * RS) * sizeof(REAL));
        }
}

/* Threads, where the kernel is compiled for them: `me` of `all` takes every all-th piece of work. */
#ifdef _OPENMP
#include <omp.h>
#define WAIT _Pragma("omp barrier")
#else
#define WAIT
#endif

/* How the calling thread rounds, and whether it flushes denormal numbers: its helpers have to do the same. */
#if defined(__SSE__)
#define GET_ROUNDING() __builtin_ia32_stmxcsr()
#define SET_ROUNDING(as) __builtin_ia32_ldmxcsr(as)
#else
#define GET_ROUNDING() 0
#define SET_ROUNDING(as) ((void)(as))
#endif
