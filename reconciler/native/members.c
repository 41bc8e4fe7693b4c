#include "members.h"

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

bool pass_kept(Cursor *cursor, Slice *kept)
{
    pass_blanks(cursor);
    kept->start = cursor->at;
    if (!pass_value(cursor)) {
        return false;
    }
    kept->size = (size_t)(cursor->at - kept->start);
    return true;
}

bool pass_word(Cursor *cursor, Slice *word, bool *passes)
{
    String found;
    if (peek(cursor) == 'n') {
        *word = NOTHING;
        return pass_null(cursor);
    }
    if (!pass_string(cursor, &found)) {
        return false;
    }
    *word = (Slice){found.inside.start - 1, found.inside.size + 2};
    *passes = *passes && !found.escaped;
    return true;
}

bool pass_type(Cursor *cursor, Slice *type)
{
    String found;
    if (!pass_string(cursor, &found)) {
        return false;
    }
    *type = found.inside;
    return !found.escaped;
}

/* Usage that has to be read: a number in it may be too big to stay as it is written once it was decoded. */
#define LONG_NUMBER 300 /* digits, as in codec/passing.py */

static bool is_odd(Slice usage)
{
    size_t run = 0, n = 0;
#if defined(__SSE2__)
    if (usage.size < LONG_NUMBER) {
        const __m128i below = _mm_set1_epi8('0' - 1), above = _mm_set1_epi8('9' + 1);
        const __m128i lower = _mm_set1_epi8(0x20), letter = _mm_set1_epi8('e');
        for (; usage.size - n > 16; n += 16) {
            __m128i one = _mm_loadu_si128((const __m128i *)(usage.start + n));
            __m128i next = _mm_loadu_si128((const __m128i *)(usage.start + n + 1));
            __m128i digit = _mm_and_si128(_mm_cmpgt_epi8(one, below), _mm_cmplt_epi8(one, above));
            if (_mm_movemask_epi8(_mm_and_si128(digit, _mm_cmpeq_epi8(_mm_or_si128(next, lower), letter))) != 0) {
                return true;
            }
        }
    }
#endif
    for (; n < usage.size; n++) {
        uint8_t byte = usage.start[n];
        if (byte >= '0' && byte <= '9') {
            if (++run == LONG_NUMBER) {
                return true;
            }
        } else {
            if (run > 0 && (byte == 'e' || byte == 'E')) {
                return true;
            }
            run = 0;
        }
    }
    return false;
}

bool pass_usage(Cursor *cursor, Answer *answer)
{
    if (!pass_kept(cursor, &answer->usage)) {
        return false;
    }
    if (answer->wanted && *answer->usage.start != 'n' && (*answer->usage.start != '{' || is_odd(answer->usage))) {
        answer->passes = false;
    }
    return true;
}
