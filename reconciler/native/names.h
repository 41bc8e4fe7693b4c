/* Names of batch files; see reconciler/model/identity.py. */
#ifndef RECONCILER_NAMES_H
#define RECONCILER_NAMES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* One batch: its name, which is not copied, and a bit for each role that it has a file of. */
typedef struct {
    const char *name;
    uint64_t number; /* the value of a name that is a whole number, and NO_NUMBER of any other */
    uint32_t size;
    uint32_t hash;
    uint32_t roles;
} Named;

#define NO_NUMBER UINT64_MAX

/* Batches by name, in the order in which they were first seen. */
typedef struct {
    Named *all;
    size_t count;
    size_t room;
    uint32_t *slots; /* open addressing: 0, or one more than a place in `all` */
    size_t mask;
} Names;

bool names_begin(Names *names);
void names_end(Names *names);

typedef enum { NO_MEMORY = -1, NOT_KNOWN = 0, TAKEN = 1 } Added;

/* Takes in the name of a file; NOT_KNOWN where it is none of ours, or one that Python has to look at. */
Added names_add(Names *names, const char *text, size_t size);

/* One batch where all are sorted: enough to go on without looking at it where its name is a number. */
typedef struct {
    uint64_t number;
    uint32_t place; /* in `all` */
    uint32_t roles;
} Key;

/* All of them: whole numbers by value, then all else as it was seen. NULL: no memory. To be freed is `memory`. */
Key *names_sorted(const Names *names, void **memory);

/* The name of one, and its size; `digits` is room for it. */
size_t names_text(const Names *names, Key key, char digits[20], const char **text);

#endif
