/*
 * Strict JSON in memory that is only looked at: no copies, nothing built, no allocation.
 *
 * What is taken for JSON here is exactly what RFC 8259 allows on one line, in valid UTF-8, nested no deeper than
 * DEPTH levels. Every function returns false where something else stands, and says nothing of why: whoever asked
 * then reads the line the long way, in Python.
 */
#ifndef RECONCILER_JSON_H
#define RECONCILER_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define DEPTH 64

/* Where reading has come; no byte at `end` or behind it is ever looked at. */
typedef struct {
    const uint8_t *at;
    const uint8_t *end;
} Cursor;

/* Some bytes of the line. */
typedef struct {
    const uint8_t *start;
    size_t size;
} Slice;

/* A string, without its quotes. */
typedef struct {
    Slice inside;
    bool escaped; /* there is a backslash in it, so its text is not its bytes */
} String;

/* Goes past one value of any kind. */
bool pass_value(Cursor *cursor);

/* Goes past a string; the cursor stands before its opening quote, or behind blanks before it. */
bool pass_string(Cursor *cursor, String *found);

/* Goes past `null`, and past nothing else. */
bool pass_null(Cursor *cursor);

/* Goes past blanks; a line feed is none, as it ends the line. */
static inline void pass_blanks(Cursor *cursor)
{
    while (cursor->at < cursor->end && (*cursor->at == ' ' || *cursor->at == '\t' || *cursor->at == '\r')) {
        cursor->at++;
    }
}

/* Goes past one byte that has to stand here, and past blanks before it. */
static inline bool pass_byte(Cursor *cursor, uint8_t byte)
{
    pass_blanks(cursor);
    if (cursor->at == cursor->end || *cursor->at != byte) {
        return false;
    }
    cursor->at++;
    return true;
}

/* The kind of the next value by its first byte, behind blanks; 0 at the end. */
static inline uint8_t peek(Cursor *cursor)
{
    pass_blanks(cursor);
    return cursor->at < cursor->end ? *cursor->at : 0;
}

/* Goes past these very bytes. */
static inline bool pass_text(Cursor *cursor, const char *text)
{
    size_t size = strlen(text);
    if ((size_t)(cursor->end - cursor->at) < size || memcmp(cursor->at, text, size) != 0) {
        return false;
    }
    cursor->at += size;
    return true;
}

typedef enum { BAD = -1, END = 0, MORE = 1 } Step;

/*
 * Goes to the next member of an object, or item of an array: MORE with the cursor before its value, END behind the
 * closing bracket. The cursor of the first call stands before the opening bracket; `first` is true then and is
 * taken back. A key with an escape in it is BAD: it may be any key.
 */
Step next_member(Cursor *cursor, bool *first, Slice *key);
Step next_item(Cursor *cursor, bool *first);

/* Whether these are the bytes of a literal. */
#define IS(slice, literal) \
    ((slice).size == sizeof(literal) - 1 && memcmp((slice).start, literal, sizeof(literal) - 1) == 0)

#endif
