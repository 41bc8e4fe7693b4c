/*
 * Lines of batch files that are written as most lines are; see reconciler/codec/plain.py and passing.py, whose
 * short ways these are once more. A line that is taken here is one that those take, with the same id and fields;
 * of a line that they take, this may still know nothing.
 */
#ifndef RECONCILER_LINES_H
#define RECONCILER_LINES_H

#include "json.h"

/* JSON text of what the results say of an answer; `id` has no quotes. */
typedef struct {
    Slice id;
    Slice text;
    Slice finish_reason;
    Slice usage;
    Slice model;
    bool wanted; /* whoever asks wants these; else only the id */
    bool passes; /* these are all there is to say */
} Answer;

/* Goes past a string without an escape, where one blank at most stands before it; an id, or a URL. */
static inline bool pass_name(Cursor *cursor, Slice *name)
{
    String found;
    (void)pass_text(cursor, " ");
    if (cursor->at == cursor->end || *cursor->at != '"' || !pass_string(cursor, &found)) {
        return false;
    }
    *name = found.inside;
    return !found.escaped;
}

/* Goes past the line of a request, its line feed included. */
bool pass_request(Cursor *cursor, Slice *id);

/* Goes past the line of an answer, its line feed included; fields that are not `wanted` may be no good. */
bool pass_answer(Cursor *cursor, bool wanted, Answer *answer);

#endif
