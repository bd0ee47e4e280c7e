/* A TCG plugin of qemu-aarch64: counts the guest's instructions by kind, between two marks.
 *
 * The guest marks with a prctl whose code no kernel knows, so that a real one answers EINVAL:
 *     prctl(MARK, 1)        counting begins
 *     prctl(MARK, 2, fd)    the counts since then are written to the file descriptor, as one line of JSON
 * bench/worker/instructions.py does both.
 *
 * A translated block has one counter, which generated code raises by one whenever the block runs; what the
 * block holds is decoded once, when it is translated. So counting costs little and loses nothing, as long as
 * one thread of the guest computes.
 *
 * The kinds are decoded from the top-level encodings of the "Arm Architecture Reference Manual for A-profile
 * architecture" (DDI 0487), chapter C4. The few names of qemu's plugin interface that are needed are declared
 * here: Debian ships no header for it. PLUGIN_API is the version of that interface: 1 up to qemu 8, 2 with
 * 9.0, 3 from 9.1 on.
 */
#include <inttypes.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifndef PLUGIN_API
#define PLUGIN_API 1
#endif

#define MARK 0x43535242
#define PRCTL 167 /* of AArch64 */

enum kind { MULTIPLY_ADD, LOAD, STORE, BRANCH, OTHER, KINDS };

static const char *const KIND_NAMES[KINDS] = {"multiply_add", "load", "store", "branch", "other"};

/* ---- decoding ---- */

/* Bits first..last of a word, counted from 0. */
static uint32_t bits(uint32_t word, int last, int first)
{
    return (word >> first) & ((1u << (last - first + 1)) - 1);
}

/* Loads and stores (C4.1.94). An instruction that does both (an atomic) is a load; a prefetch is neither. */
static enum kind memory_kind(uint32_t word)
{
    enum kind by_bit_22 = bits(word, 22, 22) ? LOAD : STORE;
    switch (bits(word, 29, 27)) {
    case 1: /* exclusive, ordered, compare and swap; structures of vectors */
        if (bits(word, 26, 26) == 0 && bits(word, 23, 23) && bits(word, 21, 21))
            return LOAD; /* CAS */
        return by_bit_22;
    case 3: /* literal; unscaled with release or acquire */
        if (bits(word, 25, 24) == 0)
            return bits(word, 31, 30) == 3 && bits(word, 26, 26) == 0 ? OTHER : LOAD;
        if (bits(word, 21, 21) || bits(word, 11, 10))
            return STORE; /* memory tags, copies */
        return bits(word, 23, 22) ? LOAD : STORE;
    case 5: /* pairs */
        return by_bit_22;
    default: /* one register */
        if (bits(word, 25, 24) == 0 && bits(word, 21, 21) && bits(word, 11, 10) != 2)
            return LOAD; /* atomics, and loads with pointer authentication */
        if (bits(word, 26, 26))
            return by_bit_22;
        if (bits(word, 31, 30) == 3 && bits(word, 23, 22) == 2)
            return OTHER; /* PRFM, PRFUM */
        return bits(word, 23, 22) ? LOAD : STORE;
    }
}

/* Floating-point instructions that add a product: those bits of a word, and what they are then. */
static const struct { uint32_t mask, value; } MULTIPLY_ADDS[] = {
    {0xff000000, 0x1f000000}, /* FMADD, FMSUB, FNMADD, FNMSUB */
    {0xbf20fc00, 0x0e20cc00}, /* FMLA, FMLS of vectors */
    {0xbf60fc00, 0x0e400c00}, /* the same, half precision */
    {0xbf80b400, 0x0f801000}, /* FMLA, FMLS by an element */
    {0xbfc0b400, 0x0f001000}, /* the same, half precision */
    {0xff80b400, 0x5f801000}, /* FMLA, FMLS of scalars, by an element */
    {0xffc0b400, 0x5f001000}, /* the same, half precision */
    {0xbf60fc00, 0x0e20ec00}, /* FMLAL, FMLSL */
    {0xbf60fc00, 0x2e20cc00}, /* FMLAL2, FMLSL2 */
    {0xbfc0b400, 0x0f800000}, /* FMLAL, FMLSL by an element */
    {0xbfc0b400, 0x2f808000}, /* FMLAL2, FMLSL2 by an element */
    {0xbf20e400, 0x2e00c400}, /* FCMLA */
    {0xbf009400, 0x2f001000}, /* FCMLA by an element */
    {0xbfe0fc00, 0x2e40fc00}, /* BFDOT */
    {0xbfc0f400, 0x0f40f000}, /* BFDOT by an element */
    {0xbfe0fc00, 0x2e40ec00}, /* BFMMLA */
    {0xbfe0fc00, 0x2ec0fc00}, /* BFMLALB, BFMLALT */
    {0xbfc0f400, 0x0fc0f000}, /* BFMLALB, BFMLALT by an element */
    {0xff200000, 0x65200000}, /* scalable vectors: FMLA, FMLS, FMAD, FMSB and the negated ones */
    {0xff20f800, 0x64200000}, /* scalable vectors: FMLA, FMLS by an element */
};

static bool adds_a_product(uint32_t word)
{
    for (size_t at = 0; at < sizeof MULTIPLY_ADDS / sizeof *MULTIPLY_ADDS; at++)
        if ((word & MULTIPLY_ADDS[at].mask) == MULTIPLY_ADDS[at].value)
            return true;
    return false;
}

/* The kind of one instruction. Of scalable vectors a prefetch counts as a load. */
static enum kind kind_of(uint32_t word)
{
    uint32_t group = bits(word, 28, 25);
    if (adds_a_product(word))
        return MULTIPLY_ADD;
    if (group == 2 && bits(word, 31, 31)) /* scalable vectors */
        return bits(word, 30, 29) == 3 ? STORE : LOAD;
    if ((group & 5) == 4)
        return memory_kind(word);
    if ((group & 14) == 10) { /* branches, exceptions, system */
        bool system = bits(word, 31, 24) == 0xd5 || bits(word, 31, 24) == 0xd4;
        return system ? OTHER : BRANCH;
    }
    return OTHER;
}

/* ---- counting ---- */

typedef uint64_t qemu_plugin_id_t;
struct qemu_plugin_tb;
struct qemu_plugin_insn;
enum qemu_plugin_op { QEMU_PLUGIN_INLINE_ADD_U64 };
enum qemu_plugin_cb_flags { QEMU_PLUGIN_CB_NO_REGS };

size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *block);
struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *block, size_t at);
void qemu_plugin_register_vcpu_tb_trans_cb(qemu_plugin_id_t id,
                                           void (*translated)(qemu_plugin_id_t, struct qemu_plugin_tb *));
void qemu_plugin_register_vcpu_syscall_cb(qemu_plugin_id_t id,
                                          void (*called)(qemu_plugin_id_t, unsigned, int64_t, uint64_t, uint64_t,
                                                         uint64_t, uint64_t, uint64_t, uint64_t, uint64_t,
                                                         uint64_t));
#if PLUGIN_API == 1
void qemu_plugin_register_vcpu_tb_exec_inline(struct qemu_plugin_tb *block, enum qemu_plugin_op operation,
                                              void *counter, uint64_t by);
#else
void qemu_plugin_register_vcpu_tb_exec_cb(struct qemu_plugin_tb *block, void (*run)(unsigned, void *),
                                          enum qemu_plugin_cb_flags flags, void *data);
#endif
#if PLUGIN_API < 3
const void *qemu_plugin_insn_data(const struct qemu_plugin_insn *instruction);
#else
size_t qemu_plugin_insn_data(const struct qemu_plugin_insn *instruction, void *data, size_t size);
#endif

#define EXPORTED __attribute__((visibility("default")))
EXPORTED int qemu_plugin_version = PLUGIN_API;

/* A translated block: how often it ran since the last mark, and how many instructions of each kind it has. */
struct block {
    uint64_t runs;
    uint32_t holds[KINDS];
    struct block *next;
};

static struct block *blocks;

static uint32_t word_of(const struct qemu_plugin_insn *instruction)
{
    uint32_t word = 0;
#if PLUGIN_API < 3
    memcpy(&word, qemu_plugin_insn_data(instruction), sizeof word);
#else
    qemu_plugin_insn_data(instruction, &word, sizeof word);
#endif
    return word;
}

#if PLUGIN_API != 1
static void ran(unsigned vcpu, void *data)
{
    (void)vcpu;
    ((struct block *)data)->runs++;
}
#endif

static void translated(qemu_plugin_id_t id, struct qemu_plugin_tb *of)
{
    struct block *block = calloc(1, sizeof *block);
    (void)id;
    if (block == NULL)
        abort(); /* a count that is short by a block would look like a count */
    for (size_t at = 0; at < qemu_plugin_tb_n_insns(of); at++)
        block->holds[kind_of(word_of(qemu_plugin_tb_get_insn(of, at)))]++;
    do { /* threads of the guest translate at the same time */
        block->next = __atomic_load_n(&blocks, __ATOMIC_ACQUIRE);
    } while (!__sync_bool_compare_and_swap(&blocks, block->next, block));
#if PLUGIN_API == 1
    qemu_plugin_register_vcpu_tb_exec_inline(of, QEMU_PLUGIN_INLINE_ADD_U64, &block->runs, 1);
#else
    qemu_plugin_register_vcpu_tb_exec_cb(of, ran, QEMU_PLUGIN_CB_NO_REGS, block);
#endif
}

static void tell(int file)
{
    uint64_t found[KINDS] = {0}, total = 0;
    for (struct block *block = blocks; block != NULL; block = block->next)
        for (int kind = 0; kind < KINDS; kind++)
            found[kind] += block->runs * block->holds[kind];
    for (int kind = 0; kind < KINDS; kind++)
        total += found[kind];
    dprintf(file, "{\"total\": %" PRIu64, total);
    for (int kind = 0; kind < KINDS; kind++)
        dprintf(file, ", \"%s\": %" PRIu64, KIND_NAMES[kind], found[kind]);
    dprintf(file, "}\n");
}

static void called(qemu_plugin_id_t id, unsigned vcpu, int64_t number, uint64_t code, uint64_t mark, uint64_t file,
                   uint64_t a4, uint64_t a5, uint64_t a6, uint64_t a7, uint64_t a8)
{
    (void)id, (void)vcpu, (void)a4, (void)a5, (void)a6, (void)a7, (void)a8;
    if (number != PRCTL || code != MARK)
        return;
    if (mark == 1) {
        for (struct block *block = blocks; block != NULL; block = block->next)
            block->runs = 0;
    } else if (mark == 2) {
        tell((int)file);
    }
}

/* Called by qemu; 0 says that all is well. */
EXPORTED int qemu_plugin_install(qemu_plugin_id_t id, const void *info, int argc, char **argv)
{
    (void)info, (void)argc, (void)argv;
    qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
    qemu_plugin_register_vcpu_syscall_cb(id, called);
    return 0;
}
