/* RFC 7693, for one block without a key. */
#include "blake2b.h"

#include <string.h>

static const uint64_t START[8] = {
    UINT64_C(0x6A09E667F3BCC908), UINT64_C(0xBB67AE8584CAA73B), UINT64_C(0x3C6EF372FE94F82B),
    UINT64_C(0xA54FF53A5F1D36F1), UINT64_C(0x510E527FADE682D1), UINT64_C(0x9B05688C2B3E6C1F),
    UINT64_C(0x1F83D9ABFB41BD6B), UINT64_C(0x5BE0CD19137E2179),
};

static const uint8_t ORDER[10][16] = {
    {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}, {14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3},
    {11, 8, 12, 0, 5, 2, 15, 13, 10, 14, 3, 6, 7, 1, 9, 4}, {7, 9, 3, 1, 13, 12, 11, 14, 2, 6, 5, 10, 4, 0, 15, 8},
    {9, 0, 5, 7, 2, 4, 10, 15, 14, 1, 11, 12, 6, 8, 3, 13}, {2, 12, 6, 10, 0, 11, 8, 3, 4, 13, 7, 5, 15, 14, 1, 9},
    {12, 5, 1, 15, 14, 13, 4, 10, 0, 7, 6, 3, 9, 2, 8, 11}, {13, 11, 7, 14, 12, 1, 3, 9, 5, 0, 15, 4, 8, 6, 2, 10},
    {6, 15, 14, 9, 11, 3, 0, 8, 12, 2, 13, 7, 1, 4, 10, 5}, {10, 2, 8, 4, 7, 6, 1, 5, 15, 11, 9, 14, 3, 12, 13, 0},
};

static inline uint64_t turned(uint64_t word, unsigned bits)
{
    return (word >> bits) | (word << (64 - bits));
}

/* One column or diagonal; the words stay in registers where the compiler sees which they are. */
#define MIX(a, b, c, d, n)                 \
    do {                                   \
        v[a] += v[b] + words[order[2 * (n)]];     \
        v[d] = turned(v[d] ^ v[a], 32);    \
        v[c] += v[d];                      \
        v[b] = turned(v[b] ^ v[c], 24);    \
        v[a] += v[b] + words[order[2 * (n) + 1]]; \
        v[d] = turned(v[d] ^ v[a], 16);    \
        v[c] += v[d];                      \
        v[b] = turned(v[b] ^ v[c], 63);    \
    } while (0)

void blake2b_short(const uint8_t *message, size_t size, uint8_t digest[DIGEST])
{
    uint8_t block[BLOCK] = {0};
    uint64_t words[16], h[8], v[16];
    memcpy(block, message, size);
    for (unsigned n = 0; n < 16; n++) {
        words[n] = 0;
        for (unsigned byte = 8; byte-- > 0;) {
            words[n] = (words[n] << 8) | block[8 * n + byte];
        }
    }
    memcpy(h, START, sizeof h);
    h[0] ^= UINT64_C(0x01010000) ^ DIGEST;
    memcpy(v, h, sizeof h);
    memcpy(v + 8, START, sizeof START);
    v[12] ^= size;
    v[14] = ~v[14];
    for (unsigned round = 0; round < 12; round++) {
        const uint8_t *order = ORDER[round % 10];
        MIX(0, 4, 8, 12, 0);
        MIX(1, 5, 9, 13, 1);
        MIX(2, 6, 10, 14, 2);
        MIX(3, 7, 11, 15, 3);
        MIX(0, 5, 10, 15, 4);
        MIX(1, 6, 11, 12, 5);
        MIX(2, 7, 8, 13, 6);
        MIX(3, 4, 9, 14, 7);
    }
    for (unsigned byte = 0; byte < DIGEST; byte++) {
        unsigned n = byte / 8;
        digest[byte] = (uint8_t)((h[n] ^ v[n] ^ v[n + 8]) >> (8 * (byte % 8)));
    }
}
