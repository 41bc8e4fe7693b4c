#include "json.h"

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

#define QUOTE '"'
#define SLASH '\\'

static bool pass_nested(Cursor *cursor, unsigned depth);

bool pass_null(Cursor *cursor)
{
    pass_blanks(cursor);
    return pass_text(cursor, "null");
}

/* Goes to the first byte of a string that is not plain ASCII text: its end, an escape, a control, UTF-8. */
static const uint8_t *plain_until(const uint8_t *at, const uint8_t *end)
{
#if defined(__SSE2__)
    const __m128i quote = _mm_set1_epi8(QUOTE), slash = _mm_set1_epi8(SLASH), blank = _mm_set1_epi8(' ');
    while (end - at >= 16) {
        __m128i bytes = _mm_loadu_si128((const __m128i *)at);
        /* Bytes from 0x80 are negative, so they are less than a blank too. */
        __m128i odd = _mm_or_si128(_mm_cmplt_epi8(bytes, blank),
                                   _mm_or_si128(_mm_cmpeq_epi8(bytes, quote), _mm_cmpeq_epi8(bytes, slash)));
        int mask = _mm_movemask_epi8(odd);
        if (mask != 0) {
            return at + __builtin_ctz((unsigned)mask);
        }
        at += 16;
    }
#else
    const uint64_t ones = UINT64_C(0x0101010101010101), high = UINT64_C(0x8080808080808080);
    while (end - at >= 8) {
        uint64_t bytes;
        memcpy(&bytes, at, 8);
        /* A byte that is not odd leaves its high bit clear in each of these; others may be set for nothing. */
        uint64_t quote = bytes ^ (ones * QUOTE), slash = bytes ^ (ones * SLASH);
        uint64_t odd = bytes | (bytes - ones * ' ') | (quote - ones) | (slash - ones);
        if ((odd & high) != 0) {
            break;
        }
        at += 8;
    }
#endif
    while (at < end && *at >= ' ' && *at < 0x80 && *at != QUOTE && *at != SLASH) {
        at++;
    }
    return at;
}

static bool continues(const uint8_t *at, unsigned count)
{
    for (unsigned n = 0; n < count; n++) {
        if ((at[n] & 0xC0) != 0x80) {
            return false;
        }
    }
    return true;
}

/* Behind one character of UTF-8 from two bytes up, NULL where there is none: table 3-7 of the Unicode standard. */
static const uint8_t *behind_character(const uint8_t *at, const uint8_t *end)
{
    uint8_t lead = at[0];
    size_t left = (size_t)(end - at);
    if (lead >= 0xC2 && lead <= 0xDF) {
        return left >= 2 && continues(at + 1, 1) ? at + 2 : NULL;
    }
    if (lead >= 0xE0 && lead <= 0xEF) {
        if (left < 3 || !continues(at + 1, 2) || (lead == 0xE0 && at[1] < 0xA0) || (lead == 0xED && at[1] > 0x9F)) {
            return NULL;
        }
        return at + 3;
    }
    if (lead >= 0xF0 && lead <= 0xF4) {
        if (left < 4 || !continues(at + 1, 3) || (lead == 0xF0 && at[1] < 0x90) || (lead == 0xF4 && at[1] > 0x8F)) {
            return NULL;
        }
        return at + 4;
    }
    return NULL;
}

/* The value of a hexadecimal digit, and one more bit: tables, as what text is made of is hard to foresee. */
#define HEX(digit) (0x10 | (digit))
static const uint8_t HEXADECIMAL[256] = {
    ['0'] = HEX(0),  ['1'] = HEX(1),  ['2'] = HEX(2),  ['3'] = HEX(3),  ['4'] = HEX(4),  ['5'] = HEX(5),
    ['6'] = HEX(6),  ['7'] = HEX(7),  ['8'] = HEX(8),  ['9'] = HEX(9),  ['a'] = HEX(10), ['b'] = HEX(11),
    ['c'] = HEX(12), ['d'] = HEX(13), ['e'] = HEX(14), ['f'] = HEX(15), ['A'] = HEX(10), ['B'] = HEX(11),
    ['C'] = HEX(12), ['D'] = HEX(13), ['E'] = HEX(14), ['F'] = HEX(15),
};
/* What may stand behind a backslash; the length of the escape with it. */
static const uint8_t ESCAPES[256] = {
    ['"'] = 2, ['\\'] = 2, ['/'] = 2, ['b'] = 2, ['f'] = 2, ['n'] = 2, ['r'] = 2, ['t'] = 2, ['u'] = 6,
};

/* The four hexadecimal digits of a \u; -1 where they are none. */
static int32_t hexadecimal(const uint8_t *at)
{
    int32_t a = HEXADECIMAL[at[0]], b = HEXADECIMAL[at[1]], c = HEXADECIMAL[at[2]], d = HEXADECIMAL[at[3]];
    if ((a & b & c & d & 0x10) == 0) {
        return -1;
    }
    return (a & 15) << 12 | (b & 15) << 8 | (c & 15) << 4 | (d & 15);
}

/* Behind an escape, NULL where it is none; half a surrogate pair is none. */
static const uint8_t *behind_escape(const uint8_t *at, const uint8_t *end)
{
    size_t left = (size_t)(end - at), size = left < 2 ? 0 : ESCAPES[at[1]];
    if (size == 0 || left < size) {
        return NULL;
    }
    if (size == 2) {
        return at + 2;
    }
    int32_t unit = hexadecimal(at + 2);
    if (unit < 0 || (unit & 0xFC00) == 0xDC00) {
        return NULL;
    }
    if ((unit & 0xFC00) == 0xD800) {
        if (left < 12 || at[6] != SLASH || at[7] != 'u') {
            return NULL;
        }
        int32_t low = hexadecimal(at + 8);
        return low >= 0 && (low & 0xFC00) == 0xDC00 ? at + 12 : NULL;
    }
    return at + 6;
}

bool pass_string(Cursor *cursor, String *found)
{
    const uint8_t *at, *end = cursor->end;
    if (!pass_byte(cursor, QUOTE)) {
        return false;
    }
    found->inside.start = at = cursor->at;
    found->escaped = false;
    for (;;) {
        at = plain_until(at, end);
        if (at == end) {
            return false;
        }
        if (*at == QUOTE) {
            found->inside.size = (size_t)(at - found->inside.start);
            cursor->at = at + 1;
            return true;
        }
        if (*at == SLASH) {
            found->escaped = true;
            at = behind_escape(at, end);
        } else if (*at >= 0x80) {
            do {
                at = behind_character(at, end);
            } while (at != NULL && at < end && *at >= 0x80);
        } else {
            return false;
        }
        if (at == NULL) {
            return false;
        }
    }
}

static const uint8_t *digits(const uint8_t *at, const uint8_t *end)
{
    while (at < end && *at >= '0' && *at <= '9') {
        at++;
    }
    return at;
}

static bool pass_number(Cursor *cursor)
{
    const uint8_t *at = cursor->at, *end = cursor->end, *begun;
    if (at < end && *at == '-') {
        at++;
    }
    begun = at;
    at = digits(at, end);
    if (at == begun || (*begun == '0' && at - begun > 1)) {
        return false;
    }
    if (at < end && *at == '.') {
        begun = ++at;
        at = digits(at, end);
        if (at == begun) {
            return false;
        }
    }
    if (at < end && (*at == 'e' || *at == 'E')) {
        at++;
        if (at < end && (*at == '+' || *at == '-')) {
            at++;
        }
        begun = at;
        at = digits(at, end);
        if (at == begun) {
            return false;
        }
    }
    cursor->at = at;
    return true;
}

static Step next_of(Cursor *cursor, bool *first, uint8_t opens, uint8_t closes)
{
    if (*first) {
        *first = false;
        if (!pass_byte(cursor, opens)) {
            return BAD;
        }
        return pass_byte(cursor, closes) ? END : MORE;
    }
    if (pass_byte(cursor, ',')) {
        return MORE;
    }
    return pass_byte(cursor, closes) ? END : BAD;
}

Step next_item(Cursor *cursor, bool *first)
{
    return next_of(cursor, first, '[', ']');
}

/* To the value of the next member, whatever its key is. */
static Step next_keyed(Cursor *cursor, bool *first, String *key)
{
    Step step = next_of(cursor, first, '{', '}');
    if (step == MORE && !(pass_string(cursor, key) && pass_byte(cursor, ':'))) {
        return BAD;
    }
    return step;
}

Step next_member(Cursor *cursor, bool *first, Slice *key)
{
    String found = {{NULL, 0}, false};
    Step step = next_keyed(cursor, first, &found);
    *key = found.inside;
    return found.escaped ? BAD : step;
}

static bool pass_nested(Cursor *cursor, unsigned depth)
{
    bool first = true;
    String string;
    Step step;
    if (depth == DEPTH) {
        return false;
    }
    switch (peek(cursor)) {
    case '{':
        while ((step = next_keyed(cursor, &first, &string)) == MORE) {
            if (!pass_nested(cursor, depth + 1)) {
                return false;
            }
        }
        return step == END;
    case '[':
        while ((step = next_item(cursor, &first)) == MORE) {
            if (!pass_nested(cursor, depth + 1)) {
                return false;
            }
        }
        return step == END;
    case QUOTE:
        return pass_string(cursor, &string);
    case 't':
        return pass_text(cursor, "true");
    case 'f':
        return pass_text(cursor, "false");
    case 'n':
        return pass_text(cursor, "null");
    default:
        return pass_number(cursor);
    }
}

bool pass_value(Cursor *cursor)
{
    return pass_nested(cursor, 0);
}
