/* A convolution of sparse kernels: outputs that keep the same taps of the same inputs share a list of places to
   read, and are sums of R of them at a time over vectors of places. For the one shape that the macros name (see
   maps.h); further: CIN, COUT, R and P (block of registers).

   `lists`: number of blocks, then for each block the start and length of its list among the places, where its
   weights begin, and its R outputs (-1 for none); then the places. `weights`: a bias for each output, then for
   each block and each place of its list R weights side by side. */

#include "maps.h"

#define PLACES ((HO - 1) * RS + WO)
#define VECTORS ((PLACES + VL - 1) / VL)
#define REST (VECTORS % P)
#define LENGTH (3 + R)

INLINE void block(const int n, const int32_t *b, const int32_t *at, const REAL *w, const REAL *x, REAL *to)
{
    const REAL *weight = w + b[2];
    vec a[R][P];
    _Pragma("GCC unroll 32")
    for (int r = 0; r < R; r++)
        _Pragma("GCC unroll 32")
        for (int p = 0; p < n; p++)
            a[r][p] = (b[3 + r] < 0 ? 0 : w[b[3 + r]]) - (vec){0};
    at += b[0];
    for (int k = 0; k < b[1]; k++, weight += R) {
        const REAL *in = x + at[k];
        vec v[P];
        _Pragma("GCC unroll 32")
        for (int p = 0; p < n; p++)
            v[p] = load(in + p * VL);
        _Pragma("GCC unroll 32")
        for (int r = 0; r < R; r++)
            _Pragma("GCC unroll 32")
            for (int p = 0; p < n; p++)
                a[r][p] += weight[r] * v[p];
    }
    _Pragma("GCC unroll 32")
    for (int r = 0; r < R; r++)
        if (b[3 + r] >= 0)
            _Pragma("GCC unroll 32")
            for (int p = 0; p < n; p++)
                store(to + b[3 + r] * VECTORS * VL + p * VL, a[r][p]);
}

#define ALIGNED(size) (((size) + 15) / 16 * 16)
#define SIZE_X ALIGNED(CIN *PLANES *PLANE)
#define SCRATCH (SIZE_X + COUT * VECTORS * VL)

static void image(const REAL *x, REAL *out, const REAL *w, const int32_t *lists, REAL *scratch, int me, int all)
{
    const int blocks = lists[0];
    const int32_t *list = lists + 1, *at = lists + 1 + blocks * LENGTH;
    REAL *to = scratch + SIZE_X;
    for (int c = me; c < CIN; c += all)
        fill_planes(scratch + c * PLANES * PLANE, x + c * H * W);
    WAIT
    for (int p = 0; p + P <= VECTORS; p += P)
        for (int b = me; b < blocks; b += all)
            block(P, list + b * LENGTH, at, w, scratch + p * VL, to + p * VL);
    if (REST)
        for (int b = me; b < blocks; b += all)
            block(REST ? REST : P, list + b * LENGTH, at, w, scratch + (VECTORS - REST) * VL, to + (VECTORS - REST) * VL);
    WAIT
    for (int c = me; c < COUT; c += all)
        for (int y = 0; y < HO; y++)
            memcpy(out + (c * HO + y) * WO, to + c * VECTORS * VL + y * RS, WO * sizeof(REAL));
    WAIT
}

/* `x` (batch, CIN, H, W) -> `out` (batch, COUT, HO, WO). */
void run(const REAL *x, REAL *out, const REAL *weights, const int32_t *lists, REAL *scratch, long batch, long threads)
{
#ifdef _OPENMP
    const unsigned rounding = GET_ROUNDING();
#pragma omp parallel num_threads(threads)
    {
        SET_ROUNDING(rounding);
        for (long i = 0; i < batch; i++)
            image(x + i * CIN * H * W, out + i * COUT * HO * WO, weights, lists, scratch, omp_get_thread_num(),
                  omp_get_num_threads());
    }
#else
    (void)threads;
    for (long i = 0; i < batch; i++)
        image(x + i * CIN * H * W, out + i * COUT * HO * WO, weights, lists, scratch, 0, 1);
#endif
}

long scratch_reals(void) { return SCRATCH; }
