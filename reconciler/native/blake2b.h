/* BLAKE2b of short messages, as hashlib.blake2b(message, digest_size=16) computes it. */
#ifndef RECONCILER_BLAKE2B_H
#define RECONCILER_BLAKE2B_H

#include <stddef.h>
#include <stdint.h>

#define DIGEST 16
#define BLOCK 128

/* The digest of at most BLOCK bytes. */
void blake2b_short(const uint8_t *message, size_t size, uint8_t digest[DIGEST]);

#endif
