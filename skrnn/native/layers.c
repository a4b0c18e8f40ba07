/* Recurrent layers on a CPU: forward and backward, for skrnn/_native.py.

   One layer in one direction, in the equations and with the weights of torch's RNN,
   LSTM and GRU. Everything runs in the calling thread, on memory that the caller gives:
   nothing is allocated and nothing is kept, so any number of threads may call.

   A tile of up to TILE sequences goes through all steps, so that its state stays in the
   nearest cache. Products and gates of a step are one loop: what a sequence yields is
   computed by the same operations in the same order whatever its companions are.

   A layer may walk: it reads what it has forecast itself (see Walk).

   The file is plain C with the vector extensions of GCC and Clang. It includes itself
   once for each number type and instruction set; skrnn_target tells the best that the
   processor has.

   In the code: G gates, H units rounded up to whole vectors (P), F features. Gates are
   in torch's order: LSTM input, forget, cell, output; GRU reset, update, new. */

#ifndef SET /* the first pass: types, and the rest once for each instruction set */

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define ABI 4 /* changes with the meaning of Task, of Walk or of a function */

enum { RNN, LSTM, GRU };
#define SMOOTH ((REAL)0.04)
enum { TILE = 32, CHUNK = 32 }; /* sequences; steps whose weight gradients are summed */
enum { ITEMS = 16 };            /* numbers of either type: whole vectors of any set */

/* Series that go on by their own forecasts, as in forecasting/_walker.py. Before each
   step, the inputs that depend on the values so far are put into x; after it, a linear
   map of the output gives numbers for each column: the logarithms of the weights of the
   candidates, how far to go from the first towards the weighted mean, and corrections,
   of which the first is added. */
typedef struct {
    int64_t n_columns, n_candidates, n_numbers; /* numbers for each column */
    int64_t width;    /* numbers of all columns, padded to whole 64 bytes */
    int64_t n_lags, n_places;
    int64_t place;    /* where the value of the first step goes */
    int64_t n_walked; /* steps before */
    int64_t period;   /* of the profile */
    const int64_t *lags;           /* (n_lags), the first is the season */
    const void *rates;             /* (3), of the means */
    const void *fading;            /* (n_steps), of the trend */
    void *values, *moves;          /* (n_rows, n_places, n_columns) */
    const void *profile;           /* (n_rows, period, n_columns), usual moves */
    void *means;                   /* (n_rows, 3, n_columns): fast, slow, trend */
    void *unseen;                  /* (n_rows, 3), of the weights of the means */
    void *n_seen;                  /* (n_rows) */
    const void *zeros; /* where 0 lies, which no value may be below: (n_rows,
                          n_columns); or NULL */
    const void *head;              /* (n_hidden, width) */
    const void *head_back;         /* the same, (width, n_hidden padded likewise) */
    void *numbers;                 /* (n_rows, n_steps, width), before: a summand */
    void *kept;                    /* (n_rows, n_steps, skrnn_walk_kept) */
    void *grad_values;             /* those of values as losses; changed */
    void *grad_moves, *grad_means; /* zeros; changed */
    void *grad_candidates;         /* (n_rows, n_columns, n_candidates) */
    void *grad_numbers;            /* zeros; those of the summand */
} Walk;

typedef struct {
    int64_t cell, target, is_double, n_rows, n_steps, n_inputs, n_hidden, reverse;
    int64_t stride; /* numbers from one step's outputs, or one row's state, to the next */
    const int64_t *lengths; /* (n_rows), or NULL: all have n_steps */
    /* weights as torch has them; biases or NULL */
    const void *w_ih, *w_hh, *b_ih, *b_hh;
    void *packed;           /* made of them by skrnn_pack */
    const void *x;          /* (n_rows, n_steps, n_inputs) */
    const void *h_0, *c_0;  /* n_rows times n_hidden, or NULL: zeros */
    void *outputs;          /* n_rows * n_steps times n_hidden; zero after a row's end */
    void *h_n, *c_n;        /* n_rows times n_hidden */
    /* of the outputs of each row: sum, maximum and the step (of reading) that has it;
       n_rows times n_hidden, or all NULL: not wanted */
    void *sums, *maxima, *places; /* the steps as numbers of their type */
    void *reserve;          /* what backward needs, or NULL */
    void *scratch;          /* holds nothing between calls */
    const void *grad_outputs, *grad_h_n, *grad_c_n; /* or NULL: zeros */
    const void *grad_sums, *grad_maxima;            /* or NULL: zeros */
    void *grad_x;                                   /* or NULL: not wanted */
    void *grad_h_0, *grad_c_0;                      /* or NULL: not wanted */
    void *grad_w_ih, *grad_w_hh, *grad_b_ih, *grad_b_hh;
    const Walk *walk; /* or NULL; without lengths, and forwards */
} Task;

static int64_t gates_of(int64_t cell) { return cell == RNN ? 1 : cell == LSTM ? 4 : 3; }

/* Vectors of gradients for each unit: those of a GRU's new gate differ for x and h. */
static int64_t blocks_of(int64_t cell) { return cell == RNN ? 1 : 4; }

/* Vectors that backward needs for each unit. */
static int64_t kept_of(int64_t cell) { return cell == RNN ? 0 : cell == LSTM ? 5 : 4; }

static int64_t round_up(int64_t size, int64_t multiple) {
    return (size + multiple - 1) / multiple * multiple;
}

static int64_t length_of(const Task *t, int64_t row) { /* never beyond the memory */
    const int64_t length = t->lengths ? t->lengths[row] : t->n_steps;
    return length < 0 ? 0 : length > t->n_steps ? t->n_steps : length;
}

/* Order rows by falling length, by counting. */
static void sort_rows(const Task *t, int64_t *order, int64_t *counts) {
    if (!t->lengths) {
        for (int64_t row = 0; row < t->n_rows; ++row) order[row] = row;
        return;
    }
    memset(counts, 0, (size_t)(t->n_steps + 2) * sizeof(int64_t));
    for (int64_t row = 0; row < t->n_rows; ++row) counts[length_of(t, row)] += 1;
    int64_t before = 0;
    for (int64_t length = t->n_steps; length >= 0; --length) {
        int64_t here = counts[length];
        counts[length] = before;
        before += here;
    }
    for (int64_t row = 0; row < t->n_rows; ++row)
        order[counts[length_of(t, row)]++] = row;
}

/* Kept of a column: candidates and their weights, either padded; how far, the centre. */
static int64_t kept_of_column(const Walk *w) {
    return 2 * round_up(w->n_candidates, ITEMS) + 2;
}

/* Kept of a step: that of each column, and the weights of the last value in means. */
int64_t skrnn_walk_kept(const Walk *w) { return w->n_columns * kept_of_column(w) + 3; }

static int64_t padded_bytes(const Task *t) { /* of one vector of units */
    return round_up(t->n_hidden * (t->is_double ? 8 : 4), 64);
}

#define SCRATCH_ROWS(t) ((t)->n_rows + (t)->n_steps + 2) /* order and counts, int64 */

#if defined(__x86_64__) && (defined(__GNUC__) || defined(__clang__))
#define HAS_X86_TARGETS 1
#else
#define HAS_X86_TARGETS 0
#endif

#define JOIN3(a, b, c) a##_##b##_##c
#define JOIN2(a, b, c) JOIN3(a, b, c)
#define NAME(name) JOIN2(name, KIND, SET)

/* A forward tile is FORWARD_ROWS sequences by one vector of units, all gates; any other
   product ROWS by VECTORS vectors. They fill the registers of each instruction set. */

#define SET baseline
#define TARGET
#define BYTES 16
#if defined(__aarch64__)
#define FORWARD_ROWS 4
#define ROWS 4
#define VECTORS 4
#else
#define FORWARD_ROWS 2
#define ROWS 4
#define VECTORS 2
#endif
#include "layers.c"

#if HAS_X86_TARGETS
#define SET avx2
#define TARGET __attribute__((target("avx2,fma")))
#define BYTES 32
#define FORWARD_ROWS 2
#define ROWS 4
#define VECTORS 2
#include "layers.c"

#define SET avx512
#define TARGET __attribute__((target("avx512f,avx2,fma")))
#define BYTES 64
#define FORWARD_ROWS 4
#define ROWS 8
#define VECTORS 3
#include "layers.c"
#endif

#ifndef SKRNN_SOURCE
#define SKRNN_SOURCE "" /* digest of this file, if the build says it */
#endif

int64_t skrnn_abi(void) { return ABI; }
const char *skrnn_source(void) { return SKRNN_SOURCE; }

/* The best target that this processor has: 0 baseline, 1 AVX2, 2 AVX-512. */
int64_t skrnn_target(void) {
#if HAS_X86_TARGETS
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx512f")) return 2;
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return 1;
#endif
    return 0;
}

/* Bytes of packed, reserve, and scratch (forward and backward). */
void skrnn_sizes(const Task *t, int64_t *bytes) {
    int64_t width = padded_bytes(t), item = t->is_double ? 8 : 4;
    int64_t gates = gates_of(t->cell), blocks = blocks_of(t->cell);
    int64_t inputs = round_up(t->n_inputs * item, 64), units = width / item;
    int64_t order = round_up(SCRATCH_ROWS(t) * 8, 64);
    bytes[0] = width * (blocks + gates * (t->n_inputs + t->n_hidden));
    bytes[1] = t->n_rows * t->n_steps * kept_of(t->cell) * width;
    bytes[2] = order + 7 * TILE * width;
    bytes[3] = order + 5 * TILE * width + TILE * inputs /* states, gradient of x */
               + (CHUNK + TILE) * (blocks * width + width + inputs) /* steps */
               + gates * units * (width + inputs)                   /* weights */
               + (t->n_hidden + t->n_inputs) * gates * width        /* their gradients */
               + (blocks + 1) * width;
}

#define CALL_SET(function, set, t) \
    ((t)->is_double ? function##_double_##set(t) : function##_float_##set(t))
#if HAS_X86_TARGETS
#define CALL(function, t)                                   \
    ((t)->target == 2   ? CALL_SET(function, avx512, t)     \
     : (t)->target == 1 ? CALL_SET(function, avx2, t)       \
                        : CALL_SET(function, baseline, t))
#else
#define CALL(function, t) CALL_SET(function, baseline, t)
#endif

void skrnn_pack(const Task *t) { CALL(pack, t); }
void skrnn_forward(const Task *t) { CALL(forward, t); }
void skrnn_backward(const Task *t) { CALL(backward, t); }

#elif !defined(REAL) /* one instruction set: the rest for each number type */

#define REAL float
#define INTEGER int32_t
#define KIND float
#define MATH(name) __builtin_##name##f
#include "layers.c"
#define REAL double
#define INTEGER int64_t
#define KIND double
#define MATH(name) __builtin_##name
#include "layers.c"
#undef SET
#undef TARGET
#undef BYTES
#undef FORWARD_ROWS
#undef ROWS
#undef VECTORS

#else /* one number type for one instruction set */

#define LANES ((int64_t)(BYTES / sizeof(REAL)))
#define V NAME(Vector)
#define U NAME(Unaligned)
#define I NAME(Integers)
#define INLINE static inline __attribute__((always_inline)) TARGET
#define IS_DOUBLE (sizeof(REAL) == 8)
#ifdef __clang__
#define EACH _Pragma("clang loop unroll(full)") for
#else
#define EACH _Pragma("GCC unroll 16") for
#endif

typedef REAL V __attribute__((vector_size(BYTES)));
typedef REAL U __attribute__((vector_size(BYTES), aligned(sizeof(REAL)), may_alias));
typedef INTEGER I __attribute__((vector_size(BYTES)));

INLINE V NAME(load)(const REAL *from) { return *(const U *)from; }
INLINE void NAME(store)(REAL *to, V value) { *(U *)to = value; }
INLINE V NAME(all)(REAL value) { return value - (V){0}; }

INLINE V NAME(load_some)(const REAL *from, int64_t n) {
    if (n >= LANES) return NAME(load)(from);
    V value = {0};
    memcpy(&value, from, (size_t)n * sizeof(REAL));
    return value;
}

INLINE void NAME(store_some)(REAL *to, V value, int64_t n) {
    if (n >= LANES)
        NAME(store)(to, value);
    else
        memcpy(to, &value, (size_t)n * sizeof(REAL));
}

INLINE V NAME(choose)(I mask, V yes, V no) {
    return (V)((mask & (I)yes) | (~mask & (I)no));
}

INLINE V NAME(clip)(V x, REAL limit) { /* NaN stays NaN */
    V top = NAME(all)(limit), bottom = NAME(all)(-limit);
    return NAME(choose)(x > top, top, NAME(choose)(x < bottom, bottom, x));
}

/* exp(x) - 1: Taylor's series around the nearest multiple of ln 2. */
INLINE V NAME(expm1)(V x) {
    const REAL magic = IS_DOUBLE ? 6755399441055744.0 : 12582912.0f; /* rounds */
    const int shift = IS_DOUBLE ? 52 : 23;
    V shifted = x * (REAL)1.4426950408889634 + magic;
    V whole = shifted - magic;
    V rest = x - whole * (REAL)(IS_DOUBLE ? 0.693147180369123816490 : 0.693359375);
    rest = rest - whole * (REAL)(IS_DOUBLE ? 1.90821492927058770002e-10
                                           : -2.12194440054690583e-4);
    V power = (V)(((I)shifted + (IS_DOUBLE ? 1023 : 127)) << shift); /* 2^whole */
    V sum;
    if (IS_DOUBLE) {
        sum = NAME(all)((REAL)1.6059043836821613e-10);
        sum = sum * rest + (REAL)2.08767569878681e-09;
        sum = sum * rest + (REAL)2.505210838544172e-08;
        sum = sum * rest + (REAL)2.755731922398589e-07;
        sum = sum * rest + (REAL)2.7557319223985893e-06;
        sum = sum * rest + (REAL)2.48015873015873e-05;
        sum = sum * rest + (REAL)1.984126984126984e-04;
    } else {
        sum = NAME(all)((REAL)1.984126984126984e-04);
    }
    sum = sum * rest + (REAL)1.388888888888889e-03;
    sum = sum * rest + (REAL)8.333333333333333e-03;
    sum = sum * rest + (REAL)4.1666666666666664e-02;
    sum = sum * rest + (REAL)1.6666666666666666e-01;
    sum = sum * rest + (REAL)0.5;
    sum = sum * (rest * rest) + rest;
    return power * sum + (power - 1);
}

INLINE V NAME(tanh)(V x) {
    V t = NAME(expm1)(NAME(clip)(x, IS_DOUBLE ? (REAL)20.0 : (REAL)9.1) * 2);
    return t / (t + 2);
}

INLINE V NAME(sigmoid)(V x) {
    V t = NAME(expm1)(-NAME(clip)(x, IS_DOUBLE ? (REAL)700.0 : (REAL)87.0));
    return 1 / (t + 2);
}

/* log x of x from 1: the series of artanh around the nearest power of 2. */
INLINE V NAME(log)(V x) {
    const int shift = IS_DOUBLE ? 52 : 23;
    const INTEGER root_of_half = IS_DOUBLE ? (INTEGER)0x3fe6a09e667f3bcd : 0x3f3504f3;
    I bits = (I)x, power = (bits - root_of_half) >> shift;
    V part = (V)(bits - (power << shift)), whole = __builtin_convertvector(power, V);
    V ratio = (part - 1) / (part + 1), square = ratio * ratio, sum = {0};
    EACH(int n = IS_DOUBLE ? 21 : 11; n > 1; n -= 2) sum = (sum + 1 / (REAL)n) * square;
    sum = 2 * ratio * sum + 2 * ratio;
    sum += whole * (REAL)(IS_DOUBLE ? 1.90821492927058770002e-10
                                    : -2.12194440054690583e-4);
    V result = whole * (REAL)(IS_DOUBLE ? 0.693147180369123816490 : 0.693359375) + sum;
    return NAME(choose)(x - x == 0, result, x); /* NaN and infinity stay */
}

/* The root of x * x + 1. */
INLINE V NAME(root)(V x) {
    V square = x * x + 1;
    for (int i = 0; i < LANES; ++i) square[i] = MATH(sqrt)(square[i]);
    return square;
}

/* Area hyperbolic sine. */
INLINE V NAME(squash)(V x) {
    V negative = NAME(choose)(x < 0, x, -x);
    V result = NAME(log)(NAME(root)(x) - negative);
    return NAME(choose)(x < 0, -result, result);
}

/* c += a b for one tile: `rows` by `vectors` vectors, over n terms. Both are constants
   where this is inlined, so that the sums stay in registers. */
INLINE void NAME(multiply_tile)(const int rows, const int vectors, int64_t n,
                                const REAL *a, int64_t a_row, int64_t a_step,
                                const REAL *b, int64_t b_step, REAL *c, int64_t c_row) {
    V sums[ROWS][VECTORS];
    EACH(int i = 0; i < rows; ++i)
        EACH(int j = 0; j < vectors; ++j)
            sums[i][j] = NAME(load)(c + i * c_row + j * LANES);
    for (int64_t k = 0; k < n; ++k) {
        V right[VECTORS];
        EACH(int j = 0; j < vectors; ++j) right[j] = NAME(load)(b + j * LANES);
        EACH(int i = 0; i < rows; ++i) {
            REAL left = a[i * a_row];
            EACH(int j = 0; j < vectors; ++j) sums[i][j] += right[j] * left;
        }
        a += a_step;
        b += b_step;
    }
    EACH(int i = 0; i < rows; ++i)
        EACH(int j = 0; j < vectors; ++j)
            NAME(store)(c + i * c_row + j * LANES, sums[i][j]);
}

/* c (m, width) += a (m, n) b (n, width); width is one of whole vectors. */
TARGET static void NAME(multiply)(int64_t m, int64_t width, int64_t n, const REAL *a,
                                  int64_t a_row, int64_t a_step, const REAL *b,
                                  int64_t b_step, REAL *c, int64_t c_row) {
#define PART(vectors)                                                                 \
    for (; i + ROWS <= m; i += ROWS)                                                  \
        NAME(multiply_tile)(ROWS, vectors, n, a + i * a_row, a_row, a_step, b + j,    \
                            b_step, c + i * c_row + j, c_row);                        \
    for (; i < m; ++i)                                                                \
        NAME(multiply_tile)(1, vectors, n, a + i * a_row, a_row, a_step, b + j,       \
                            b_step, c + i * c_row + j, c_row)
    int64_t j = 0;
    for (; j + VECTORS * LANES <= width; j += VECTORS * LANES) {
        int64_t i = 0;
        PART(VECTORS);
    }
    for (; j < width; j += LANES) {
        int64_t i = 0;
        PART(1);
    }
#undef PART
}

/* For each vector of units: biases, then the weights of each input and of each unit
   before, gate by gate. A GRU has two biases for its new gate, of x and of h. */
TARGET static void NAME(pack)(const Task *t) {
    const int64_t G = gates_of(t->cell), H = t->n_hidden, F = t->n_inputs;
    const int64_t blocks = blocks_of(t->cell), P = round_up(H, LANES);
    const REAL *w_ih = t->w_ih, *w_hh = t->w_hh, *b_ih = t->b_ih, *b_hh = t->b_hh;
    REAL *to = t->packed;
    memset(to, 0, (size_t)(P * (blocks + G * (F + H))) * sizeof(REAL));
    for (int64_t j = 0; j < H; j += LANES, to += LANES * (blocks + G * (F + H))) {
        const int64_t n = H - j < LANES ? H - j : LANES;
        for (int64_t g = 0; g < G; ++g)
            for (int64_t u = 0; u < n; ++u) {
                const int64_t row = g * H + j + u;
                const REAL from_x = b_ih ? b_ih[row] : 0, from_h = b_hh ? b_hh[row] : 0;
                const int apart = t->cell == GRU && g == 2;
                to[g * LANES + u] = apart ? from_x : from_x + from_h;
                if (apart) to[3 * LANES + u] = from_h;
                REAL *weights = to + blocks * LANES + g * LANES + u;
                for (int64_t k = 0; k < F; ++k)
                    weights[k * G * LANES] = w_ih[row * F + k];
                for (int64_t k = 0; k < H; ++k)
                    weights[(F + k) * G * LANES] = w_hh[row * H + k];
            }
    }
}

/* One step of some rows, for one vector of units that begins with unit j. */
INLINE void NAME(step)(const int cell, const int rows, const Task *t,
                       const REAL *weights, const REAL *const *x, const REAL *h,
                       REAL *h_new, REAL *c, REAL *kept, REAL *const *outputs,
                       REAL *pooled, REAL number, int64_t j, int64_t P) {
    const int64_t F = t->n_inputs, H = t->n_hidden;
    const int G = cell == RNN ? 1 : cell == LSTM ? 4 : 3;
    const int blocks = cell == RNN ? 1 : 4;
    V sums[FORWARD_ROWS][4];
    EACH(int r = 0; r < rows; ++r)
        EACH(int g = 0; g < blocks; ++g) sums[r][g] = NAME(load)(weights + g * LANES);
    weights += blocks * LANES;
    for (int64_t k = 0; k < F; ++k, weights += G * LANES) {
        V right[4];
        EACH(int g = 0; g < G; ++g) right[g] = NAME(load)(weights + g * LANES);
        EACH(int r = 0; r < rows; ++r) {
            REAL left = x[r][k];
            EACH(int g = 0; g < G; ++g) sums[r][g] += right[g] * left;
        }
    }
    for (int64_t k = 0; k < H; ++k, weights += G * LANES) {
        V right[4];
        EACH(int g = 0; g < G; ++g) right[g] = NAME(load)(weights + g * LANES);
        EACH(int r = 0; r < rows; ++r) {
            REAL left = h[r * P + k];
            EACH(int g = 0; g < G; ++g)
                sums[r][cell == GRU && g == 2 ? 3 : g] += right[g] * left;
        }
    }
    EACH(int r = 0; r < rows; ++r) {
        V result, *s = sums[r];
        if (cell == RNN) {
            result = NAME(tanh)(s[0]);
        } else if (cell == LSTM) {
            V in = NAME(sigmoid)(s[0]), forget = NAME(sigmoid)(s[1]);
            V new = NAME(tanh)(s[2]), out = NAME(sigmoid)(s[3]);
            V product = in * new;
            V memory = NAME(load)(c + r * P + j) * forget + product;
            NAME(store)(c + r * P + j, memory);
            result = out * NAME(tanh)(memory);
            if (kept) {
                REAL *to = kept + r * 5 * P + j;
                NAME(store)(to, in);
                NAME(store)(to + P, forget);
                NAME(store)(to + 2 * P, new);
                NAME(store)(to + 3 * P, out);
                NAME(store)(to + 4 * P, memory);
            }
        } else {
            V reset = NAME(sigmoid)(s[0]), update = NAME(sigmoid)(s[1]);
            V new = NAME(tanh)(s[2] + reset * s[3]);
            V difference = NAME(load)(h + r * P + j) - new;
            result = new + update * difference;
            if (kept) {
                REAL *to = kept + r * 4 * P + j;
                NAME(store)(to, reset);
                NAME(store)(to + P, update);
                NAME(store)(to + 2 * P, new);
                NAME(store)(to + 3 * P, s[3]);
            }
        }
        NAME(store)(h_new + r * P + j, result);
        NAME(store_some)(outputs[r] + j, result, H - j);
        if (pooled) { /* sum, maximum, the step that has it */
            REAL *sum = pooled + r * P + j, *top = sum + TILE * P, *at = top + TILE * P;
            REAL *lost = at + TILE * P; /* what rounding took (Kahan, 1965) */
            V highest = NAME(load)(top), place = NAME(load)(at);
            I higher = (result > highest) | (result != result); /* NaN is kept */
            V before = NAME(load)(sum), more = result - NAME(load)(lost);
            V total = before + more;
            NAME(store)(lost, (total - before) - more);
            NAME(store)(sum, total);
            NAME(store)(top, NAME(choose)(higher, result, highest));
            NAME(store)(at, NAME(choose)(higher, NAME(all)(number), place));
        }
    }
}

/* One step of all active rows of a tile. */
INLINE void NAME(step_tile)(const int cell, const Task *t, int64_t active,
                            const REAL *const *x, const REAL *h, REAL *h_new, REAL *c,
                            REAL *kept, REAL *const *outputs, REAL *pooled,
                            int64_t number) {
    const int64_t H = t->n_hidden, P = round_up(H, LANES), n_kept = kept_of(cell) * P;
    const int64_t panel =
        LANES * (blocks_of(cell) + gates_of(cell) * (t->n_inputs + H));
    const REAL *weights = t->packed;
    for (int64_t j = 0; j < H; j += LANES, weights += panel) {
        int64_t r = 0;
        for (; r + FORWARD_ROWS <= active; r += FORWARD_ROWS)
            NAME(step)(cell, FORWARD_ROWS, t, weights, x + r, h + r * P, h_new + r * P,
                       c + r * P, kept ? kept + r * n_kept : NULL, outputs + r,
                       pooled ? pooled + r * P : NULL, (REAL)number, j, P);
        for (; r < active; ++r)
            NAME(step)(cell, 1, t, weights, x + r, h + r * P, h_new + r * P, c + r * P,
                       kept ? kept + r * n_kept : NULL, outputs + r,
                       pooled ? pooled + r * P : NULL, (REAL)number, j, P);
    }
}

/* Copy the state of a row, padded by zeros; or zeros. */
TARGET static void NAME(read_state)(const Task *t, REAL *to, const REAL *from,
                                    int64_t row) {
    const size_t width = (size_t)round_up(t->n_hidden, LANES);
    memset(to, 0, width * sizeof(REAL));
    if (from) memcpy(to, from + row * t->stride, (size_t)t->n_hidden * sizeof(REAL));
}

TARGET static void NAME(write_state)(const Task *t, REAL *to, const REAL *from,
                                     int64_t row) {
    if (to) memcpy(to + row * t->stride, from, (size_t)t->n_hidden * sizeof(REAL));
}

/* Add a value to the means of a row, and keep how far it was from the slow one. */
TARGET static void NAME(take_value)(const Walk *w, int64_t row, int64_t place,
                                    REAL *weights) {
    const int64_t C = w->n_columns, shift = row * w->n_places * C;
    const REAL *rates = w->rates, *values = (const REAL *)w->values + shift;
    REAL *moves = (REAL *)w->moves + shift, *means = (REAL *)w->means + row * 3 * C;
    REAL *unseen = (REAL *)w->unseen + row * 3;
    ((REAL *)w->n_seen)[row] += 1;
    for (int64_t m = 0; m < 3; ++m) {
        unseen[m] *= 1 - rates[m];
        weights[m] = rates[m] / (1 - unseen[m]);
    }
    for (int64_t c = 0; c < C; ++c) {
        const REAL new = values[place * C + c];
        const REAL change = new - values[(place - 1) * C + c];
        moves[place * C + c] = new - means[C + c];
        means[c] += weights[0] * (new - means[c]);
        means[C + c] += weights[1] * (new - means[C + c]);
        means[2 * C + c] += weights[2] * (change - means[2 * C + c]);
    }
}

/* What the coming step of n rows reads: candidates, and how many values there were. */
TARGET static void NAME(look)(const Task *t, int64_t begin, int64_t n, int64_t s) {
    const Walk *w = t->walk;
    const int64_t C = w->n_columns, K = w->n_candidates, KP = round_up(K, ITEMS);
    const int64_t n_kept = skrnn_walk_kept(w), n_kept_row = t->n_steps * n_kept;
    const int64_t place = w->place + s, F = t->n_inputs;
    const REAL fading = ((const REAL *)w->fading)[s];
    REAL *tile = (REAL *)w->kept + begin * n_kept_row + s * n_kept;
    REAL *x = (REAL *)t->x + (begin * t->n_steps + s) * F;
    for (int64_t r = 0; r < n; ++r) {
        const int64_t row = begin + r, shift = (row * w->n_places + place) * C;
        REAL *kept = tile + r * n_kept_row;
        if (w->n_walked + s > 0) NAME(take_value)(w, row, place - 1, kept + n_kept - 3);
        const REAL *means = (const REAL *)w->means + row * 3 * C;
        const int64_t season = w->lags[0], phase = (w->n_walked + s) % w->period;
        for (int64_t c = 0; c < C; ++c) {
            const REAL *value = (const REAL *)w->values + shift + c;
            const REAL *move = (const REAL *)w->moves + shift + c;
            const REAL slow = means[C + c], last = value[-C] - slow;
            REAL *to = kept + c * kept_of_column(w), *end = to + KP;
            *to++ = value[-season * C] - slow;
            *to++ = means[c] - slow;
            *to++ = 0;
            *to++ = last + fading * means[2 * C + c];
            if (season > 1) *to++ = last;
            for (int64_t i = 0; i < w->n_lags; ++i) {
                const int64_t back = w->lags[i] * C;
                if (i > 0) *to++ = value[-back] - slow;
                if (w->lags[i] > 1) *to++ = move[-back];
            }
            if (season > 1)
                *to++ = ((const REAL *)w->profile)[(row * w->period + phase) * C + c];
            while (to < end) *to++ = 0;
        }
    }
    /* in a loop of its own, where no vector waits for the numbers it is made of */
    for (int64_t r = 0; r < n; ++r) {
        REAL *to = x + r * t->n_steps * F;
        for (int64_t c = 0; c < C; ++c, to += K) {
            REAL *candidates = tile + r * n_kept_row + c * kept_of_column(w);
            REAL *squashed = candidates + KP; /* where the weights will be */
            for (int64_t k = 0; k < K; k += LANES)
                NAME(store)(squashed + k, NAME(squash)(NAME(load)(candidates + k)));
            for (int64_t k = 0; k < K; ++k) to[k] = squashed[k];
        }
    }
    const REAL *n_seen = (const REAL *)w->n_seen + begin;
    for (int64_t r = 0; r < n; r += LANES) {
        V age = (REAL)0.2 * NAME(log)(NAME(load_some)(n_seen + r, n - r) + 1);
        for (int64_t i = 0; i < LANES && r + i < n; ++i)
            x[(r + i) * t->n_steps * F + C * K + 2 * C] = age[i];
    }
}

/* From the numbers of n rows to their next values. */
TARGET static void NAME(move)(const Task *t, int64_t begin, int64_t n, int64_t s) {
    const Walk *w = t->walk;
    const int64_t C = w->n_columns, K = w->n_candidates, KP = round_up(K, ITEMS);
    const int64_t n_kept = skrnn_walk_kept(w), n_kept_row = t->n_steps * n_kept;
    const int64_t n_numbers_row = t->n_steps * w->width;
    REAL *tile = (REAL *)w->kept + begin * n_kept_row + s * n_kept;
    const REAL *numbers = w->numbers;
    numbers += begin * n_numbers_row + s * w->width;
    for (int64_t c = 0; c < C; ++c, numbers += w->n_numbers) {
        REAL *weights = tile + c * kept_of_column(w) + KP, bent[TILE + ITEMS] = {0};
        for (int64_t r = 0; r < n; ++r) {
            const REAL *from = numbers + r * n_numbers_row;
            REAL *to = weights + r * n_kept_row, top = from[0];
            for (int64_t k = 1; k < K; ++k) top = from[k] > top ? from[k] : top;
            for (int64_t k = 0; k < K; ++k) to[k] = from[k] - top;
            for (int64_t k = K; k < KP; ++k) to[k] = 0;
            bent[r] = from[K];
        }
        for (int64_t r = 0; r < n; r += LANES)
            NAME(store)(bent + r, NAME(tanh)(NAME(load)(bent + r)));
        for (int64_t r = 0; r < n; ++r)
            for (int64_t k = 0; k < K; k += LANES) {
                REAL *to = weights + r * n_kept_row + k;
                V power = NAME(clip)(NAME(load)(to), (REAL)80.0);
                NAME(store)(to, NAME(expm1)(power) + 1);
            }
        for (int64_t r = 0; r < n; ++r) {
            const int64_t row = begin + r;
            const REAL *candidates = weights + r * n_kept_row - KP;
            REAL *shares = weights + r * n_kept_row, total = 0, mixture = 0;
            for (int64_t k = 0; k < K; ++k) total += shares[k];
            for (int64_t k = 0; k < K; ++k) {
                shares[k] /= total;
                mixture += shares[k] * candidates[k];
            }
            const REAL away = bent[r] > 0 ? bent[r] : (REAL)0.1 * bent[r];
            const REAL centre = candidates[0] + away * (mixture - candidates[0]);
            shares[KP] = bent[r];
            shares[KP + 1] = centre;
            REAL value = ((const REAL *)w->means)[(row * 3 + 1) * C + c] +
                         (centre + numbers[r * n_numbers_row + K + 1]);
            if (w->zeros) { /* as Counts.mean in forecasting/_heads.py */
                const REAL zero = ((const REAL *)w->zeros)[row * C + c];
                const REAL above = value - zero;
                value = zero + (above + MATH(sqrt)(above * above + SMOOTH)) / 2;
            }
            ((REAL *)w->values)[(row * w->n_places + w->place + s) * C + c] = value;
        }
    }
}

/* The way back of move: gradients of a row's numbers and candidates. */
TARGET static void NAME(move_back)(const Task *t, int64_t row, int64_t s) {
    const Walk *w = t->walk;
    const int64_t C = w->n_columns, K = w->n_candidates, KP = round_up(K, ITEMS);
    const int64_t at = row * t->n_steps + s;
    const int64_t shift = (row * w->n_places + w->place + s) * C;
    const REAL *grad = (const REAL *)w->grad_values + shift;
    const REAL *values = (const REAL *)w->values + shift;
    REAL *of_means = (REAL *)w->grad_means + row * 3 * C;
    for (int64_t c = 0; c < C; ++c) {
        const REAL *candidates =
            (const REAL *)w->kept + at * skrnn_walk_kept(w) + c * kept_of_column(w);
        const REAL *shares = candidates + KP, bent = shares[KP];
        REAL g = grad[c];
        if (w->zeros) { /* value = zero + (above + root) / 2; its root - above is known */
            const REAL high = 2 * (values[c] - ((const REAL *)w->zeros)[row * C + c]);
            g *= high * high / (high * high + SMOOTH); /* (1 + above / root) / 2 */
        }
        REAL *of_numbers = (REAL *)w->grad_numbers + at * w->width + c * w->n_numbers;
        REAL *of_candidates = (REAL *)w->grad_candidates + (row * C + c) * K;
        const REAL slope = bent > 0 ? 1 : (REAL)0.1, away = slope * bent;
        REAL mixture = 0;
        for (int64_t k = 0; k < K; ++k) mixture += shares[k] * candidates[k];
        for (int64_t k = 0; k < K; ++k) {
            of_candidates[k] = g * away * shares[k];
            of_numbers[k] = of_candidates[k] * (candidates[k] - mixture);
        }
        of_candidates[0] += g * (1 - away);
        of_numbers[K] = g * (mixture - candidates[0]) * slope * (1 - bent * bent);
        of_numbers[K + 1] = g;
        of_means[C + c] += g;
    }
}

/* The way back of look: from gradients of a row's input to those of earlier values. */
TARGET static void NAME(look_back)(const Task *t, int64_t row, int64_t s,
                                   const REAL *grad_x) {
    const Walk *w = t->walk;
    const int64_t C = w->n_columns, K = w->n_candidates, place = w->place + s;
    const int64_t shift = (row * w->n_places + place) * C;
    const REAL *kept =
        (const REAL *)w->kept + (row * t->n_steps + s) * skrnn_walk_kept(w);
    const REAL *weights = kept + skrnn_walk_kept(w) - 3;
    REAL *of_means = (REAL *)w->grad_means + row * 3 * C;
    for (int64_t c = 0; c < C; ++c) {
        const REAL *candidates = kept + c * kept_of_column(w);
        REAL *grad = (REAL *)w->grad_candidates + (row * C + c) * K;
        REAL *value = (REAL *)w->grad_values + shift + c;
        REAL *move = (REAL *)w->grad_moves + shift + c;
        REAL fast = of_means[c], slow = of_means[C + c], trend = of_means[2 * C + c];
        for (int64_t k = 0; k < K; k += LANES) {
            V slopes = 1 / NAME(root)(NAME(load)(candidates + k));
            for (int64_t i = 0; i < LANES && k + i < K; ++i)
                grad[k + i] += grad_x[c * K + k + i] * slopes[i];
        }
        value[-w->lags[0] * C] += grad[0];
        fast += grad[1];
        value[-C] += grad[3];
        trend += ((const REAL *)w->fading)[s] * grad[3];
        slow -= grad[0] + grad[1] + grad[3];
        grad += 4;
        if (w->lags[0] > 1) {
            value[-C] += *grad;
            slow -= *grad++;
        }
        for (int64_t i = 0; i < w->n_lags; ++i) {
            const int64_t back = w->lags[i] * C;
            if (i > 0) {
                value[-back] += *grad;
                slow -= *grad++;
            }
            if (w->lags[i] > 1) move[-back] += *grad++;
        } /* the profile stays what it was */
        if (w->n_walked + s > 0) { /* the way back of take_value */
            value[-C] += weights[0] * fast + weights[1] * slow + weights[2] * trend;
            value[-2 * C] -= weights[2] * trend;
            value[-C] += move[-C];
            fast -= weights[0] * fast;
            slow -= weights[1] * slow + move[-C];
            trend -= weights[2] * trend;
        }
        of_means[c] = fast;
        of_means[C + c] = slow;
        of_means[2 * C + c] = trend;
    }
}

TARGET static void NAME(forward)(const Task *t) {
    const int64_t H = t->n_hidden, F = t->n_inputs, T = t->n_steps, S = t->stride;
    const int64_t P = round_up(H, LANES);
    int64_t *order = t->scratch, *counts = order + t->n_rows;
    REAL *h = (REAL *)((char *)t->scratch + round_up(SCRATCH_ROWS(t) * 8, 64));
    REAL *h_new = h + TILE * P, *c = h_new + TILE * P;
    REAL *pooled = t->sums ? c + TILE * P : NULL;
    const REAL *x[TILE];
    REAL *outputs[TILE];
    sort_rows(t, order, counts);
    for (int64_t begin = 0; begin < t->n_rows; begin += TILE) {
        const int64_t *rows = order + begin;
        const int64_t n = t->n_rows - begin < TILE ? t->n_rows - begin : TILE;
        REAL *kept = t->reserve;
        if (kept) kept += begin * T * kept_of(t->cell) * P;
        for (int64_t r = 0; r < n; ++r) {
            NAME(read_state)(t, h + r * P, t->h_0, rows[r]);
            NAME(read_state)(t, c + r * P, t->c_0, rows[r]);
        }
        if (pooled) {
            memset(pooled, 0, (size_t)(4 * TILE * P) * sizeof(REAL));
            for (int64_t k = TILE * P; k < 2 * TILE * P; ++k)
                pooled[k] = -(REAL)__builtin_inf();
        }
        int64_t active = n;
        for (int64_t s = 0; s <= T; ++s) {
            while (active > 0 && length_of(t, rows[active - 1]) <= s) { /* has ended */
                active -= 1;
                const int64_t row = rows[active];
                NAME(write_state)(t, t->h_n, h + active * P, row);
                NAME(write_state)(t, t->c_n, c + active * P, row);
                if (pooled) {
                    REAL *from = pooled + active * P;
                    NAME(write_state)(t, t->sums, from, row);
                    NAME(write_state)(t, t->maxima, from + TILE * P, row);
                    NAME(write_state)(t, t->places, from + 2 * TILE * P, row);
                }
                for (int64_t later = row * T + s; later < row * T + T; ++later)
                    memset((REAL *)t->outputs + later * S, 0, (size_t)H * sizeof(REAL));
            }
            if (active == 0) break;
            for (int64_t r = 0; r < active; ++r) {
                const int64_t row = rows[r];
                const int64_t place = t->reverse ? length_of(t, row) - 1 - s : s;
                x[r] = (const REAL *)t->x + (row * T + place) * F;
                outputs[r] = (REAL *)t->outputs + (row * T + place) * S;
            }
            if (t->walk) NAME(look)(t, begin, active, s);
            if (t->cell == RNN)
                NAME(step_tile)(RNN, t, active, x, h, h_new, c, kept, outputs, pooled,
                                s);
            else if (t->cell == LSTM)
                NAME(step_tile)(LSTM, t, active, x, h, h_new, c, kept, outputs, pooled,
                                s);
            else
                NAME(step_tile)(GRU, t, active, x, h, h_new, c, kept, outputs, pooled,
                                s);
            if (kept) kept += n * kept_of(t->cell) * P;
            if (t->walk) {
                const Walk *w = t->walk;
                REAL *numbers = (REAL *)w->numbers + (begin * T + s) * w->width;
                NAME(multiply)(active, w->width, H, h_new, P, 1, w->head, w->width,
                               numbers, T * w->width);
                NAME(move)(t, begin, active, s);
            }
            REAL *old = h;
            h = h_new;
            h_new = old;
        }
    }
}

/* Gradients of one row at one step: from those of its output (dh) and memory (dc) to
   those of its gates, of its memory before, and the straight part of those of its
   output before. */
INLINE void NAME(step_back)(const int cell, int64_t H, int64_t P, const REAL *kept,
                            const REAL *c_before, const REAL *h_before,
                            const REAL *output, const REAL *grad_output,
                            const REAL *pooled, REAL number, REAL *dh, REAL *dc,
                            REAL *gates) {
    for (int64_t j = 0; j < H; j += LANES) {
        V grad = NAME(load)(dh + j);
        if (grad_output) grad += NAME(load_some)(grad_output + j, H - j);
        if (pooled) { /* gradients of sum and maximum, the step that has it */
            const REAL *of_sum = pooled + j, *of_top = of_sum + TILE * P;
            I here = NAME(load)(of_top + TILE * P) == NAME(all)(number);
            grad += NAME(load)(of_sum) + (V)(here & (I)NAME(load)(of_top));
        }
        V straight = {0};
        if (cell == RNN) {
            V h = NAME(load_some)(output + j, H - j);
            NAME(store)(gates + j, grad * (1 - h * h));
        } else if (cell == LSTM) {
            V in = NAME(load)(kept + j), forget = NAME(load)(kept + P + j);
            V new = NAME(load)(kept + 2 * P + j), out = NAME(load)(kept + 3 * P + j);
            V bent = NAME(tanh)(NAME(load)(kept + 4 * P + j));
            V memory = NAME(load)(dc + j) + grad * out * (1 - bent * bent);
            NAME(store)(gates + j, memory * new * (in * (1 - in)));
            NAME(store)(gates + P + j,
                        memory * NAME(load)(c_before + j) * (forget * (1 - forget)));
            NAME(store)(gates + 2 * P + j, memory * in * (1 - new * new));
            NAME(store)(gates + 3 * P + j, grad * bent * (out * (1 - out)));
            NAME(store)(dc + j, memory * forget);
        } else { /* new gate (x), reset, update, new gate (h) */
            V reset = NAME(load)(kept + j), update = NAME(load)(kept + P + j);
            V new = NAME(load)(kept + 2 * P + j), from_h = NAME(load)(kept + 3 * P + j);
            V before = NAME(load)(h_before + j);
            V d_new = grad * (1 - update) * (1 - new * new);
            NAME(store)(gates + j, d_new);
            NAME(store)(gates + P + j, d_new * from_h * (reset * (1 - reset)));
            NAME(store)(gates + 2 * P + j,
                        grad * (before - new) * (update * (1 - update)));
            NAME(store)(gates + 3 * P + j, d_new * reset);
            straight = grad * update;
        }
        NAME(store)(dh + j, straight);
    }
}

/* Weights (G H, n) with rows and columns padded by zeros, (G P, width); gate g becomes
   block (g + shift) % G. */
TARGET static void NAME(pad_weights)(const REAL *from, REAL *to, int64_t G, int64_t H,
                                     int64_t P, int64_t n, int64_t width,
                                     int64_t shift) {
    memset(to, 0, (size_t)(G * P * width) * sizeof(REAL));
    for (int64_t g = 0; g < G; ++g)
        for (int64_t u = 0; u < H; ++u)
            memcpy(to + ((g + shift) % G * P + u) * width, from + (g * H + u) * n,
                   (size_t)n * sizeof(REAL));
}

/* The way back: gradients of weights, summed as (n, G P), as (G H, n). */
TARGET static void NAME(unpad)(const REAL *from, REAL *to, int64_t G, int64_t H,
                               int64_t P, int64_t n, int64_t shift) {
    for (int64_t g = 0; g < G; ++g)
        for (int64_t u = 0; u < H; ++u)
            for (int64_t k = 0; k < n; ++k)
                to[(g * H + u) * n + k] = from[(k * G + (g + shift) % G) * P + u];
}

/* Add the weight gradients of collected steps: gates (steps, blocks P), read (steps, A),
   which holds the output before and the input. */
TARGET static void NAME(sum_steps)(const Task *t, int64_t n_steps, const REAL *gates,
                                   const REAL *read, REAL *sum_hh, REAL *sum_ih,
                                   REAL *sum_b) {
    const int64_t P = round_up(t->n_hidden, LANES), G = gates_of(t->cell);
    const int64_t A = P + round_up(t->n_inputs, LANES), B = blocks_of(t->cell) * P;
    const REAL *of_h = t->cell == GRU ? gates + P : gates;
    NAME(multiply)(t->n_hidden, G * P, n_steps, read, 1, A, of_h, B, sum_hh, G * P);
    NAME(multiply)(t->n_inputs, G * P, n_steps, read + P, 1, A, gates, B, sum_ih, G * P);
    for (int64_t k = 0; k < n_steps; ++k)
        for (int64_t j = 0; j < B; j += LANES)
            NAME(store)(sum_b + j, NAME(load)(sum_b + j) + NAME(load)(gates + k * B + j));
}

TARGET static void NAME(backward)(const Task *t) {
    const int64_t H = t->n_hidden, F = t->n_inputs, T = t->n_steps, S = t->stride;
    const int64_t P = round_up(H, LANES), cell = t->cell, G = gates_of(cell), blocks = blocks_of(cell);
    const int64_t FP = round_up(F, LANES), A = P + FP, n_kept = kept_of(cell) * P;
    const int64_t of_h = cell == GRU ? P : 0; /* where the gates' gradients begin, for h */
    int64_t *order = t->scratch, *counts = order + t->n_rows;
    REAL *dh = (REAL *)((char *)t->scratch + round_up(SCRATCH_ROWS(t) * 8, 64));
    REAL *dc = dh + TILE * P, *pooled = dc + TILE * P, *dx = pooled + 3 * TILE * P;
    const int has_pooled = t->grad_sums || t->grad_maxima;
    REAL *gates = dx + TILE * FP;                  /* (steps, blocks P) */
    REAL *read = gates + (CHUNK + TILE) * blocks * P; /* (steps, A): h before, x */
    REAL *w_hh = read + (CHUNK + TILE) * A, *w_ih = w_hh + G * P * P;
    REAL *sum_hh = w_ih + G * P * FP, *sum_ih = sum_hh + H * G * P;
    REAL *sum_b = sum_ih + F * G * P, *c_0 = sum_b + blocks * P;
    const REAL *outputs = t->outputs, *grad_outputs = t->grad_outputs;
    REAL *grad_x = t->grad_x;
    const int wants_x = grad_x || t->walk;

    sort_rows(t, order, counts);
    memset(sum_hh, 0, (size_t)((H + F) * G * P + blocks * P) * sizeof(REAL));
    memset(read, 0, (size_t)((CHUNK + TILE) * A) * sizeof(REAL));
    NAME(pad_weights)(t->w_hh, w_hh, G, H, P, H, P, 0);
    if (wants_x) NAME(pad_weights)(t->w_ih, w_ih, G, H, P, F, FP, cell == GRU);

    int64_t n_steps = 0; /* collected, whose weight gradients are to be summed */
    for (int64_t begin = 0; begin < t->n_rows; begin += TILE) {
        const int64_t *rows = order + begin;
        const int64_t n = t->n_rows - begin < TILE ? t->n_rows - begin : TILE;
        const REAL *tile = t->reserve;
        if (tile) tile += begin * T * n_kept;
        int64_t active = 0;
        for (int64_t s = T - 1; s >= 0; --s) {
            while (active < n && length_of(t, rows[active]) > s) { /* its last step */
                NAME(read_state)(t, dh + active * P, t->grad_h_n, rows[active]);
                NAME(read_state)(t, dc + active * P, t->grad_c_n, rows[active]);
                REAL *to = pooled + active * P;
                NAME(read_state)(t, to, t->grad_sums, rows[active]);
                NAME(read_state)(t, to + TILE * P, t->grad_maxima, rows[active]);
                NAME(read_state)(t, to + 2 * TILE * P, t->places, rows[active]);
                active += 1;
            }
            if (active == 0) continue;
            if (t->walk) {
                const Walk *w = t->walk;
                const REAL *of_numbers =
                    (const REAL *)w->grad_numbers + (begin * T + s) * w->width;
                for (int64_t r = 0; r < active; ++r) NAME(move_back)(t, rows[r], s);
                NAME(multiply)(active, P, w->n_columns * w->n_numbers, of_numbers,
                               T * w->width, 1, w->head_back,
                               padded_bytes(t) / (int64_t)sizeof(REAL), dh, P);
            }
            REAL *here = gates + n_steps * blocks * P;
            for (int64_t r = 0; r < active; ++r) {
                const int64_t row = rows[r], back = t->reverse ? 1 : -1;
                const int64_t place = t->reverse ? length_of(t, row) - 1 - s : s;
                const REAL *output = outputs + (row * T + place) * S;
                const REAL *grad = grad_outputs;
                if (grad) grad += (row * T + place) * S;
                REAL *before = read + (n_steps + r) * A;
                if (s > 0)
                    memcpy(before, output + back * S, (size_t)H * sizeof(REAL));
                else
                    NAME(read_state)(t, before, t->h_0, row);
                memcpy(before + P, (const REAL *)t->x + (row * T + place) * F,
                       (size_t)F * sizeof(REAL));
                const REAL *kept = tile ? tile + (s * n + r) * n_kept : NULL;
                REAL *to = here + r * blocks * P;
                const REAL *pool = has_pooled ? pooled + r * P : NULL;
                const REAL number = (REAL)s;
                if (cell == RNN) {
                    NAME(step_back)(RNN, H, P, kept, NULL, before, output, grad, pool,
                                    number, dh + r * P, NULL, to);
                } else if (cell == LSTM) {
                    const REAL *c_before = kept - n * n_kept + 4 * P;
                    if (s == 0) NAME(read_state)(t, c_0, t->c_0, row);
                    NAME(step_back)(LSTM, H, P, kept, s > 0 ? c_before : c_0, before,
                                    output, grad, pool, number, dh + r * P,
                                    dc + r * P, to);
                } else {
                    NAME(step_back)(GRU, H, P, kept, NULL, before, output, grad, pool,
                                    number, dh + r * P, NULL, to);
                }
            }
            NAME(multiply)(active, P, G * P, here + of_h, blocks * P, 1, w_hh, P, dh, P);
            if (wants_x) {
                memset(dx, 0, (size_t)(active * FP) * sizeof(REAL));
                NAME(multiply)(active, FP, G * P, here, blocks * P, 1, w_ih, FP, dx, FP);
                for (int64_t r = 0; r < active; ++r) {
                    const int64_t row = rows[r];
                    if (t->walk) NAME(look_back)(t, row, s, dx + r * FP);
                    if (!grad_x) continue;
                    const int64_t place = t->reverse ? length_of(t, row) - 1 - s : s;
                    memcpy(grad_x + (row * T + place) * F, dx + r * FP,
                           (size_t)F * sizeof(REAL));
                }
            }
            n_steps += active;
            if (n_steps < CHUNK) continue;
            NAME(sum_steps)(t, n_steps, gates, read, sum_hh, sum_ih, sum_b);
            n_steps = 0;
        }
        for (; active < n; ++active) { /* of no steps at all */
            NAME(read_state)(t, dh + active * P, t->grad_h_n, rows[active]);
            NAME(read_state)(t, dc + active * P, t->grad_c_n, rows[active]);
        }
        for (int64_t r = 0; r < n; ++r) {
            const int64_t row = rows[r], length = length_of(t, row);
            if (grad_x)
                memset(grad_x + (row * T + length) * F, 0,
                       (size_t)((T - length) * F) * sizeof(REAL));
            NAME(write_state)(t, t->grad_h_0, dh + r * P, row);
            NAME(write_state)(t, t->grad_c_0, dc + r * P, row);
        }
    }
    NAME(sum_steps)(t, n_steps, gates, read, sum_hh, sum_ih, sum_b);
    NAME(unpad)(sum_hh, t->grad_w_hh, G, H, P, H, 0);
    NAME(unpad)(sum_ih, t->grad_w_ih, G, H, P, F, cell == GRU);
    for (int64_t g = 0; g < G; ++g)
        for (int64_t u = 0; u < H; ++u) {
            const int64_t from_h = (g + (cell == GRU)) * P + u;
            const int64_t from_x = cell == GRU ? (g + 1) % 3 * P + u : from_h;
            if (t->grad_b_ih) ((REAL *)t->grad_b_ih)[g * H + u] = sum_b[from_x];
            if (t->grad_b_hh) ((REAL *)t->grad_b_hh)[g * H + u] = sum_b[from_h];
        }
}

#undef LANES
#undef V
#undef U
#undef I
#undef INLINE
#undef IS_DOUBLE
#undef MATH
#undef EACH
#undef REAL
#undef INTEGER
#undef KIND
#endif
