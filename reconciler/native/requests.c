#include "lines.h"

/* Goes past a name, as `pass_name` does, that is not empty. */
static bool pass_given(Cursor *cursor, Slice *name)
{
    return pass_name(cursor, name) && name->size > 0;
}

/* A comma, one blank at most, and a key with its colon, as it is written here. */
static bool pass_key(Cursor *cursor, const char *key)
{
    Cursor before = *cursor;
    if (pass_text(cursor, ",")) {
        (void)pass_text(cursor, " ");
        if (pass_text(cursor, key)) {
            return true;
        }
    }
    *cursor = before;
    return false;
}

static bool pass_payload(Cursor *cursor)
{
    return peek(cursor) == '{' && pass_value(cursor) && pass_byte(cursor, '}') && pass_text(cursor, "\n");
}

bool pass_request(Cursor *cursor, Slice *id)
{
    Slice word;
    if (pass_text(cursor, "{\"key\":")) {
        return pass_given(cursor, id) && pass_key(cursor, "\"request\":") && pass_payload(cursor);
    }
    if (!pass_text(cursor, "{\"custom_id\":") || !pass_given(cursor, id)) {
        return false;
    }
    if (pass_key(cursor, "\"method\":")) {
        return pass_given(cursor, &word) && IS(word, "POST") && pass_key(cursor, "\"url\":")
            && pass_given(cursor, &word) && pass_key(cursor, "\"body\":") && pass_payload(cursor);
    }
    return (pass_key(cursor, "\"params\":") || pass_key(cursor, "\"body\":")) && pass_payload(cursor);
}
