#include "members.h"

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
    size_t run = 0;
    for (size_t n = 0; n < usage.size; n++) {
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
