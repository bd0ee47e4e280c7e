/* A CSR-Conv layer: all T steps of every image of a batch, for the one shape that the macros name (see maps.h).

   Further macros: CIN, COUT (channels of the layer), CI, CO (of one group), T, U_CHANNELS, V_CHANNELS (channels
   that one output reads: 1 in the depthwise form), UY0 UY1 UX0 UX1 and VY0 VY1 VX0 VX1 (taps that read anything
   but zeros), PV (V's padding), PLANE_H (reals of a plane of h), R and P (block of registers), FORM:

   FORM 0, vectors of pixels: R outputs by P vectors of places, weights broadcast. h keeps planes like the input's.
   FORM 1, vectors of channels: a tile of PY by PX pixels by R vectors of outputs, the input broadcast. h keeps
   the GOV channels of a pixel together.

   A step t > 0 puts V h_{t-1} + b_v into registers, keeps a copy v, adds U x_t + b_u, and is
   alpha relu(u + v) + (1 - beta) v. Steps write h into one of two buffers in turn; each is then copied to its
   channels of the output, or was written there at once where the rows of both are alike (DIRECT_H). */

#include "maps.h"

#if FORM == 0
#define STRIDE_H 1
#define LANES R
#else
#define STRIDE_H GOV
#define LANES (R * VL)
#endif

#define BLOCKS ((CO + LANES - 1) / LANES)
#define PADDED (BLOCKS * LANES)
#define U_TAPS ((UY1 - UY0) * (UX1 - UX0))
#define V_TAPS ((VY1 - VY0) * (VX1 - VX0))

struct layer {
    REAL alpha, rest;
    const REAL *bias_u, *bias_v, *u, *v;
};

static struct layer unpack(const REAL *packed)
{
    struct layer l = {packed[0], packed[1], packed + 16, packed + 16 + PADDED, 0, 0};
    l.u = l.bias_v + PADDED;
    l.v = l.u + PADDED * U_CHANNELS * U_TAPS;
    return l;
}

INLINE int tap_of_h(int dy, int dx) { return (dy * RS + dx) * STRIDE_H; }

#if FORM == 0

#define PLACES ((HO - 1) * RS + WO)
#define VECTORS ((PLACES + VL - 1) / VL)
#define REST (VECTORS % P)

INLINE void add_u(vec a[R][P], const int n, const REAL *in, const REAL *w)
{
    for (int c = 0; c < U_CHANNELS; c++, in += PLANES * PLANE)
        _Pragma("GCC unroll 5")
        for (int dy = UY0; dy < UY1; dy++)
            _Pragma("GCC unroll 5")
            for (int dx = UX0; dx < UX1; dx++, w += R) {
                vec b[P];
                _Pragma("GCC unroll 32")
                for (int p = 0; p < n; p++)
                    b[p] = load(in + tap_of_planes(dy, dx) + p * VL);
                _Pragma("GCC unroll 32")
                for (int r = 0; r < R; r++)
                    _Pragma("GCC unroll 32")
                    for (int p = 0; p < n; p++)
                        a[r][p] += w[r] * b[p];
            }
}

INLINE void add_v(vec a[R][P], const int n, const REAL *in, const REAL *w)
{
    for (int c = 0; c < V_CHANNELS; c++, in += PLANE_H)
        _Pragma("GCC unroll 5")
        for (int dy = VY0; dy < VY1; dy++)
            _Pragma("GCC unroll 5")
            for (int dx = VX0; dx < VX1; dx++, w += R) {
                vec b[P];
                _Pragma("GCC unroll 32")
                for (int p = 0; p < n; p++)
                    b[p] = load(in + tap_of_h(dy, dx) + p * VL);
                _Pragma("GCC unroll 32")
                for (int r = 0; r < R; r++)
                    _Pragma("GCC unroll 32")
                    for (int p = 0; p < n; p++)
                        a[r][p] += w[r] * b[p];
            }
}

/* Outputs r … r + R - 1 at n vectors of places. `h` is h_{t-1} (0 in the first step), `to` the first output's h_t. */
INLINE void block(const int n, const struct layer *l, int r0, const REAL *x, const REAL *h, REAL *to)
{
    vec a[R][P], v[R][P];
    if (h) {
        _Pragma("GCC unroll 32")
        for (int r = 0; r < R; r++)
            _Pragma("GCC unroll 32")
            for (int p = 0; p < n; p++)
                a[r][p] = l->bias_v[r0 + r] - (vec){0};
        add_v(a, n, h, l->v + r0 * V_CHANNELS * V_TAPS);
        _Pragma("GCC unroll 32")
        for (int r = 0; r < R; r++)
            _Pragma("GCC unroll 32")
            for (int p = 0; p < n; p++) {
                v[r][p] = a[r][p];
                a[r][p] += l->bias_u[r0 + r];
            }
    } else {
        _Pragma("GCC unroll 32")
        for (int r = 0; r < R; r++)
            _Pragma("GCC unroll 32")
            for (int p = 0; p < n; p++)
                a[r][p] = l->bias_u[r0 + r] - (vec){0};
    }
    add_u(a, n, x, l->u + r0 * U_CHANNELS * U_TAPS);
    _Pragma("GCC unroll 32")
    for (int r = 0; r < R; r++)
        if (PADDED == CO || r0 + r < CO)
            _Pragma("GCC unroll 32")
            for (int p = 0; p < n; p++)
                store(to + r * PLANE_H + p * VL, h ? l->alpha * relu(a[r][p]) + l->rest * v[r][p] : a[r][p]);
}

static void all_of(const struct layer *l, int r0, int at, const REAL *x, const REAL *h, REAL *to)
{
#ifdef DEPTHWISE
    x += r0 / (CO / CI) * PLANES * PLANE;
    h = h ? h + r0 * PLANE_H : h;
#endif
    if (REST && at + P > VECTORS)
        block(REST ? REST : P, l, r0, x + at * VL, h ? h + at * VL : h, to + r0 * PLANE_H + at * VL);
    else
        block(P, l, r0, x + at * VL, h ? h + at * VL : h, to + r0 * PLANE_H + at * VL);
}

#define GROUPS ((VECTORS + P - 1) / P)

static void step(const struct layer *l, const REAL *x, const REAL *h, REAL *to, int me, int all)
{
    for (int i = me; i < BLOCKS * GROUPS; i += all) {
#ifdef WEIGHTS_ONCE
        all_of(l, i / GROUPS * R, i % GROUPS * P, x, h, to);
#else
        all_of(l, i % BLOCKS * R, i / BLOCKS * P, x, h, to);
#endif
    }
}

/* One channel of h_t to the output (0 where the output ends before it), and zeros where vectors ran over. */
static void settle(REAL *restrict h, REAL *restrict out)
{
    REAL *restrict row = h + PV * RS + PV;
    for (int y = 0; y < HO; y++, row += RS) {
        if (out)
            memcpy(out + y * WO, row, WO * sizeof(REAL));
        for (int j = WO; j < RS; j++)
            row[j] = 0;
    }
    memset(row, 0, (PLANE_H - PV * RS - PV - HO * RS) * sizeof(REAL));
}

static void begin(REAL *h)
{
    for (int c = 0; c < CO; c++, h += PLANE_H)
        memset(h, 0, (PV * RS + PV) * sizeof(REAL));
}

#else

#define ACROSS ((WO + PX - 1) / PX)
#define DOWN ((HO + PY - 1) / PY)

INLINE void add_u(vec a[PY][PX][R], const REAL *in, const REAL *w)
{
    for (int c = 0; c < U_CHANNELS; c++, in += PLANES * PLANE)
        _Pragma("GCC unroll 5")
        for (int dy = UY0; dy < UY1; dy++)
            _Pragma("GCC unroll 5")
            for (int dx = UX0; dx < UX1; dx++, w += LANES)
                _Pragma("GCC unroll 32")
                for (int y = 0; y < PY; y++)
                    _Pragma("GCC unroll 32")
                    for (int x = 0; x < PX; x++)
                        _Pragma("GCC unroll 32")
                        for (int r = 0; r < R; r++)
                            a[y][x][r] += in[tap_of_planes(dy, dx) + y * RS + x] * load(w + r * VL);
}

INLINE void add_v(vec a[PY][PX][R], const REAL *in, const REAL *w)
{
    for (int c = 0; c < V_CHANNELS; c++, in++)
        _Pragma("GCC unroll 5")
        for (int dy = VY0; dy < VY1; dy++)
            _Pragma("GCC unroll 5")
            for (int dx = VX0; dx < VX1; dx++, w += LANES)
                _Pragma("GCC unroll 32")
                for (int y = 0; y < PY; y++)
                    _Pragma("GCC unroll 32")
                    for (int x = 0; x < PX; x++)
                        _Pragma("GCC unroll 32")
                        for (int r = 0; r < R; r++)
                            a[y][x][r] += in[tap_of_h(dy, dx) + (y * RS + x) * GOV] * load(w + r * VL);
}

/* A tile at (y, x) of outputs r0 … r0 + LANES - 1. */
static void tile(const struct layer *l, int r0, int y0, int x0, const REAL *in, const REAL *h, REAL *to)
{
    vec a[PY][PX][R], v[PY][PX][R];
    in += y0 * RS + x0;
    to += ((y0 + PV) * RS + x0 + PV) * GOV + r0;
    if (h) {
        _Pragma("GCC unroll 32")
        for (int y = 0; y < PY; y++)
            _Pragma("GCC unroll 32")
            for (int x = 0; x < PX; x++)
                _Pragma("GCC unroll 32")
                for (int r = 0; r < R; r++)
                    a[y][x][r] = load(l->bias_v + r0 + r * VL);
        add_v(a, h + (y0 * RS + x0) * GOV, l->v + r0 * V_CHANNELS * V_TAPS);
        _Pragma("GCC unroll 32")
        for (int y = 0; y < PY; y++)
            _Pragma("GCC unroll 32")
            for (int x = 0; x < PX; x++)
                _Pragma("GCC unroll 32")
                for (int r = 0; r < R; r++) {
                    v[y][x][r] = a[y][x][r];
                    a[y][x][r] += load(l->bias_u + r0 + r * VL);
                }
    } else {
        _Pragma("GCC unroll 32")
        for (int y = 0; y < PY; y++)
            _Pragma("GCC unroll 32")
            for (int x = 0; x < PX; x++)
                _Pragma("GCC unroll 32")
                for (int r = 0; r < R; r++)
                    a[y][x][r] = load(l->bias_u + r0 + r * VL);
    }
    add_u(a, in, l->u + r0 * U_CHANNELS * U_TAPS);
    _Pragma("GCC unroll 32")
    for (int y = 0; y < PY; y++)
        _Pragma("GCC unroll 32")
        for (int x = 0; x < PX; x++)
            _Pragma("GCC unroll 32")
            for (int r = 0; r < R; r++)
                store(to + (y * RS + x) * GOV + r * VL,
                      h ? l->alpha * relu(a[y][x][r]) + l->rest * v[y][x][r] : a[y][x][r]);
}

static void step(const struct layer *l, const REAL *x, const REAL *h, REAL *to, int me, int all)
{
    for (int i = me; i < BLOCKS * DOWN * ACROSS; i += all) {
        const int at = i % (DOWN * ACROSS), y = at / ACROSS * PY, x0 = at % ACROSS * PX;
        tile(l, i / (DOWN * ACROSS) * LANES, y < HO - PY ? y : HO - PY, x0 < WO - PX ? x0 : WO - PX, x, h, to);
    }
}

/* Channels c … of h_t to the output. */
static void settle_one(const REAL *restrict h, REAL *restrict out)
{
    for (int y = 0; y < HO; y++)
        for (int x = 0; x < WO; x++)
            out[y * WO + x] = h[((y + PV) * RS + x + PV) * GOV];
}

#endif

#if FORM == 0
#define SIZE_H (CO * PLANE_H)
#else
#define SIZE_H (PLANE_H * GOV)
#endif
#define ALIGNED(size) (((size) + 15) / 16 * 16)
#define SIZE_X ALIGNED(CI *PLANES *PLANE)
#define SCRATCH (SIZE_X + 2 * ALIGNED(SIZE_H))

static void image(const struct layer *l, const REAL *x, REAL *out, REAL *scratch, int me, int all)
{
    REAL *h[2] = {scratch + SIZE_X, scratch + SIZE_X + ALIGNED(SIZE_H)};
#ifndef DIRECT_H
    if (me == 0 && PV > 0) {
#if FORM == 0
        begin(h[0]);
        begin(h[1]);
#else
        memset(h[0], 0, 2 * ALIGNED(SIZE_H) * sizeof(REAL));
#endif
    }
#endif
    for (int t = 0; t < T; t++) {
#ifdef DIRECT_X
        const REAL *in = x + t * CI * PLANE;
#else
        const REAL *in = scratch;
        for (int c = me; c < CI; c += all)
            fill_planes(scratch + c * PLANES * PLANE, x + (t * CI + c) % CIN * H * W);
        WAIT
#endif
#ifdef DIRECT_H
        step(l, in, t ? out + (t - 1) * CO * PLANE_H : 0, out + t * CO * PLANE_H, me, all);
        WAIT
#else
        step(l, in, t ? h[(t + 1) % 2] : 0, h[t % 2] + (FORM == 0 ? PV * RS + PV : 0), me, all);
        WAIT
        for (int c = me; c < CO; c += all) {
            REAL *to = t * CO + c < COUT ? out + (t * CO + c) * HO * WO : 0;
#if FORM == 0
            settle(h[t % 2] + c * PLANE_H, to);
#else
            if (to)
                settle_one(h[t % 2] + c, to);
#endif
        }
#ifndef DIRECT_X
        if (t == T - 1) /* in other steps those who fill the planes wait for each other before h is read */
#endif
        {
            WAIT
        }
#endif
    }
}

/* `x` (batch, CIN, H, W) -> `out` (batch, COUT, HO, WO). */
void run(const REAL *x, REAL *out, const REAL *packed, REAL *scratch, long batch, long threads)
{
    const struct layer l = unpack(packed);
#ifdef _OPENMP
    const unsigned rounding = GET_ROUNDING();
#pragma omp parallel num_threads(threads)
    {
        SET_ROUNDING(rounding);
        for (long i = 0; i < batch; i++)
            image(&l, x + i * CIN * H * W, out + i * COUT * HO * WO, scratch, omp_get_thread_num(),
                  omp_get_num_threads());
    }
#else
    (void)threads;
    for (long i = 0; i < batch; i++)
        image(&l, x + i * CIN * H * W, out + i * COUT * HO * WO, scratch, 0, 1);
#endif
}

long scratch_reals(void) { return SCRATCH; }
