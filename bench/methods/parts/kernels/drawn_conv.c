/* A convolution of sparse 3×3 kernels of which each has TAPS taps at places of its own. For the one shape that the
   macros name (see maps.h); further: CIN, COUT, TAPS, DILATE_W (dilation across), OWN, R, P (R outputs by P vectors
   of places in registers), IB (inputs whose planes stay in the first-level cache), DIRECT.

   Rows of a plane are as long as those of the output and lie end to end, so that no place is computed in vain and
   vectors of whole rows are aligned: each column of taps has planes of its own, shifted by what it reads beside the
   output. With OWN the rows of taps have theirs, too: every tap reads at the same distance, at nine times the room.

   `weights`: a bias for each output (of whole blocks); then by IB inputs, by R outputs, by input, by output its
   TAPS weights. `patterns`: in the same order the number of the kernel's row in `places`, which has TAPS distances
   from the output's place. With DIRECT the output itself takes the sums between the inputs' blocks. */

#include "maps.h"

#define PLACES (HO * WO)
#define VECTORS ((PLACES + VL - 1) / VL)
#define REST (VECTORS % P)
#define BLOCKS ((COUT + R - 1) / R)
#ifdef OWN
#define GROUPS 3
#define FIRST_ROW(group) ((group) * DILATE - PH)
#else
#define GROUPS SH
#define FIRST_ROW(group) ((group) - PH)
#endif
#define CHANNEL (GROUPS * 3 * PLANE)
#ifdef DIRECT
#define BETWEEN PLACES
#else
#define BETWEEN (VECTORS * VL)
#endif

/* One row of a plane: `x` is the input's, 0 where there is none. */
INLINE void fill_row(REAL *restrict to, const REAL *restrict x, const int column)
{
    const int left = PW - column * DILATE_W;
    const int before = left > 0 ? (left + SW - 1) / SW : 0, wanted = W + left > 0 ? (W + left + SW - 1) / SW : 0;
    const int begin = before < WO ? before : WO, most = wanted < WO ? wanted : WO, end = most > begin ? most : begin;
    if (!x) {
        memset(to, 0, WO * sizeof(REAL));
        return;
    }
    for (int j = 0; j < begin; j++)
        to[j] = 0;
    for (int j = begin; j < end; j++)
        to[j] = x[j * SW - left];
    for (int j = end; j < WO; j++)
        to[j] = 0;
}

/* One channel of the input (H, W) -> its planes. */
static void fill_channel(REAL *restrict planes, const REAL *restrict x)
{
    for (int group = 0; group < GROUPS; group++)
        _Pragma("GCC unroll 3")
        for (int column = 0; column < 3; column++, planes += PLANE) {
            for (int row = 0; row < ROWS; row++) {
                const int y = row * SH + FIRST_ROW(group);
                fill_row(planes + row * WO, y < 0 || y >= H ? 0 : x + y * W, column);
            }
            memset(planes + ROWS * WO, 0, (PLANE - ROWS * WO) * sizeof(REAL));
        }
}

/* Bytes of weights that are called for before their turn: each is read once, and a processor that looks ahead by
   itself stops at the end of a page. */
#define AHEAD 8192

/* Adds so many inputs to R outputs, of which `valid` exist, at n vectors of places; `bias` begins the sums. */
INLINE void add(const int n, int inputs, int valid, const REAL *bias, const REAL *w, const uint8_t *pattern,
                const int32_t *places, const REAL *x, REAL *to)
{
    vec a[R][P];
    _Pragma("GCC unroll 32")
    for (int r = 0; r < R; r++)
        _Pragma("GCC unroll 32")
        for (int p = 0; p < n; p++)
            a[r][p] = bias || r >= valid ? (bias ? bias[r] : 0) - (vec){0} : load(to + r * BETWEEN + p * VL);
    for (int i = 0; i < inputs; i++, x += CHANNEL) {
        for (int line = 0; line < R * TAPS * (int)sizeof(REAL); line += 64)
            __builtin_prefetch((const void *)((uintptr_t)w + AHEAD + line));
        _Pragma("GCC unroll 32")
        for (int r = 0; r < R; r++, w += TAPS) {
            const int32_t *at = places + *pattern++ * TAPS;
            _Pragma("GCC unroll 8")
            for (int tap = 0; tap < TAPS; tap++) {
                const REAL *in = x + at[tap];
                _Pragma("GCC unroll 32")
                for (int p = 0; p < n; p++)
                    a[r][p] += w[tap] * load(in + p * VL);
            }
        }
    }
    _Pragma("GCC unroll 32")
    for (int r = 0; r < R; r++)
        if (r < valid)
            _Pragma("GCC unroll 32")
            for (int p = 0; p < n; p++)
                store(to + r * BETWEEN + p * VL, a[r][p]);
}

#define ALIGNED(size) (((size) + 15) / 16 * 16)
#define SIZE_X ALIGNED((long)CIN *CHANNEL)
#ifdef DIRECT
#define SCRATCH SIZE_X
#else
#define SCRATCH (SIZE_X + (long)COUT * BETWEEN)
#endif

static void image(const REAL *x, REAL *out, const REAL *weights, const uint8_t *patterns, const int32_t *places,
                  REAL *scratch, int me, int all)
{
#ifdef DIRECT
    REAL *to = out;
#else
    REAL *to = scratch + SIZE_X;
#endif
    for (int c = me; c < CIN; c += all)
        fill_channel(scratch + (long)c * CHANNEL, x + (long)c * H * W);
    WAIT
    for (int p = 0; p < VECTORS; p += P)
        for (int c = 0; c < CIN; c += IB) {
            const int inputs = CIN - c < IB ? CIN - c : IB;
            for (int b = me; b < BLOCKS; b += all) {
                const long kernels = ((long)c * BLOCKS + (long)b * inputs) * R;
                const REAL *w = weights + BLOCKS * R + kernels * TAPS, *bias = c ? 0 : weights + b * R;
                const REAL *in = scratch + (long)c * CHANNEL + p * VL;
                REAL *sums = to + (long)b * R * BETWEEN + p * VL;
                const int valid = COUT - b * R < R ? COUT - b * R : R;
                if (REST && p + P > VECTORS)
                    add(REST ? REST : P, inputs, valid, bias, w, patterns + kernels, places, in, sums);
                else
                    add(P, inputs, valid, bias, w, patterns + kernels, places, in, sums);
            }
        }
    WAIT
#ifndef DIRECT
    for (int c = me; c < COUT; c += all)
        memcpy(out + (long)c * PLACES, to + (long)c * BETWEEN, PLACES * sizeof(REAL));
    WAIT
#endif
}

/* `x` (batch, CIN, H, W) -> `out` (batch, COUT, HO, WO). */
void run(const REAL *x, REAL *out, const REAL *weights, const uint8_t *patterns, const int32_t *places,
         REAL *scratch, long batch, long threads)
{
#ifdef _OPENMP
    const unsigned rounding = GET_ROUNDING();
#pragma omp parallel num_threads(threads)
    {
        SET_ROUNDING(rounding);
        for (long i = 0; i < batch; i++)
            image(x + i * CIN * H * W, out + i * COUT * PLACES, weights, patterns, places, scratch,
                  omp_get_thread_num(), omp_get_num_threads());
    }
#else
    (void)threads;
    for (long i = 0; i < batch; i++)
        image(x + i * CIN * H * W, out + i * COUT * PLACES, weights, patterns, places, scratch, 0, 1);
#endif
}

long scratch_reals(void) { return SCRATCH; }
