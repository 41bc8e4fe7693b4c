#include "names.h"

#include <stdlib.h>
#include <string.h>

#define LONGEST 90 /* longer names may be those of children: Python knows */
#define TRIES 64   /* names that were made to collide must not make a scan slow */

static const char HEAD[] = "batch_";
static const char TAIL[] = ".jsonl";
static const char *const ROLES[] = {"input_", "output_", "error_", "metadata_"};

bool names_begin(Names *names)
{
    *names = (Names){NULL, 0, 1024, NULL, 4095};
    names->all = malloc(names->room * sizeof *names->all);
    names->slots = calloc(names->mask + 1, sizeof *names->slots);
    return names->all != NULL && names->slots != NULL;
}

void names_end(Names *names)
{
    free(names->all);
    free(names->slots);
}

static bool is_alphanumeric(char byte)
{
    return (byte >= '0' && byte <= '9') || ((byte | 0x20) >= 'a' && (byte | 0x20) <= 'z');
}

/* The value of a name of up to 18 digits that does not begin with a zero, or is one. */
static uint64_t number_of(const char *name, size_t size)
{
    uint64_t value = 0;
    if (size > 18 || (name[0] == '0' && size > 1)) {
        return NO_NUMBER;
    }
    for (size_t n = 0; n < size; n++) {
        if (name[n] < '0' || name[n] > '9') {
            return NO_NUMBER;
        }
        value = value * 10 + (uint64_t)(name[n] - '0');
    }
    return value;
}

/* FNV-1a of a name; whether it is one. */
static bool hash_name(const char *name, size_t size, uint32_t *hash)
{
    uint32_t value = UINT32_C(2166136261);
    if (size == 0 || size > LONGEST || !is_alphanumeric(name[0])) {
        return false;
    }
    for (size_t n = 0; n < size; n++) {
        char byte = name[n];
        if (!is_alphanumeric(byte) && byte != '.' && byte != '_' && byte != '-') {
            return false;
        }
        value = (value ^ (uint8_t)byte) * UINT32_C(16777619);
    }
    *hash = value;
    return true;
}

static bool grow(Names *names)
{
    size_t mask = 2 * names->mask + 1;
    Named *all = realloc(names->all, 2 * names->room * sizeof *all);
    if (all == NULL) {
        return false;
    }
    names->all = all;
    names->room *= 2;
    uint32_t *slots = calloc(mask + 1, sizeof *slots);
    if (slots == NULL) {
        return false;
    }
    for (size_t n = 0; n < names->count; n++) {
        size_t slot = all[n].hash & mask;
        while (slots[slot] != 0) {
            slot = (slot + 1) & mask;
        }
        slots[slot] = (uint32_t)n + 1;
    }
    free(names->slots);
    names->slots = slots;
    names->mask = mask;
    return true;
}

static Added add(Names *names, Named new)
{
    size_t slot = new.hash & names->mask;
    for (unsigned tries = 0; tries < TRIES; tries++, slot = (slot + 1) & names->mask) {
        if (names->slots[slot] == 0) {
            names->all[names->count] = new;
            names->slots[slot] = (uint32_t)++names->count;
            return names->count < names->room || grow(names) ? TAKEN : NO_MEMORY;
        }
        Named *named = &names->all[names->slots[slot] - 1];
        if (named->hash == new.hash && named->number == new.number && named->size == new.size
            /* To look at the other name is slow, and needless for numbers. */
            && (new.number != NO_NUMBER || memcmp(named->name, new.name, new.size) == 0)) {
            named->roles |= new.roles;
            return TAKEN;
        }
    }
    return NOT_KNOWN;
}

Added names_add(Names *names, const char *text, size_t size)
{
    size_t head = sizeof HEAD - 1, tail = sizeof TAIL - 1;
    if (size < head + tail || memcmp(text, HEAD, head) != 0 || memcmp(text + size - tail, TAIL, tail) != 0) {
        return NOT_KNOWN;
    }
    text += head;
    size -= head + tail;
    for (unsigned n = 0; n < sizeof ROLES / sizeof *ROLES; n++) {
        size_t role = strlen(ROLES[n]);
        uint32_t hash;
        if (size > role && memcmp(text, ROLES[n], role) == 0) {
            if (!hash_name(text + role, size - role, &hash)) {
                return NOT_KNOWN;
            }
            uint64_t number = number_of(text + role, size - role);
            return add(names, (Named){text + role, number, (uint32_t)(size - role), hash, UINT32_C(1) << n});
        }
    }
    return NOT_KNOWN;
}

/* One pass of a radix sort, by one byte; equal ones keep their order. */
static void sort_by(const Key *from, Key *to, size_t count, unsigned shift)
{
    size_t starts[256] = {0}, start = 0;
    for (size_t n = 0; n < count; n++) {
        starts[(from[n].number >> shift) & 255]++;
    }
    for (unsigned byte = 0; byte < 256; byte++) {
        size_t many = starts[byte];
        starts[byte] = start;
        start += many;
    }
    for (size_t n = 0; n < count; n++) {
        to[starts[(from[n].number >> shift) & 255]++] = from[n];
    }
}

Key *names_sorted(const Names *names, void **memory)
{
    size_t count = names->count;
    uint64_t differing = 0;
    Key *from = malloc((2 * count + 1) * sizeof *from), *to;
    *memory = from;
    if (from == NULL) {
        return NULL;
    }
    to = from + count;
    for (size_t n = 0; n < count; n++) {
        from[n] = (Key){names->all[n].number, (uint32_t)n, names->all[n].roles};
        differing |= from[n].number ^ from[0].number;
    }
    for (unsigned shift = 0; shift < 64; shift += 8) {
        if (((differing >> shift) & 255) != 0) {
            Key *sorted = to;
            sort_by(from, to, count, shift);
            to = from;
            from = sorted;
        }
    }
    return from;
}

size_t names_text(const Names *names, Key key, char digits[20], const char **text)
{
    size_t at = 20;
    if (key.number == NO_NUMBER) {
        *text = names->all[key.place].name;
        return names->all[key.place].size;
    }
    do {
        digits[--at] = (char)('0' + key.number % 10);
        key.number /= 10;
    } while (key.number > 0);
    *text = digits + at;
    return 20 - at;
}
