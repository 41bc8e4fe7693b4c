/* Members of an answer: what is kept of them, and which of them were there. */
#ifndef RECONCILER_MEMBERS_H
#define RECONCILER_MEMBERS_H

#include "lines.h"

/* Members that an object may have once; a line in which one is given twice is none that is known here. */
enum {
    BODY = 1 << 0,
    CANDIDATES = 1 << 1,
    CHOICES = 1 << 2,
    CONTENT = 1 << 3,
    FINISH_REASON = 1 << 4,
    MESSAGE = 1 << 5,
    MODEL = 1 << 6,
    OBJECT = 1 << 7,
    OUTPUT = 1 << 8,
    PARTS = 1 << 9,
    REFUSAL = 1 << 10,
    STATUS = 1 << 11,
    STATUS_CODE = 1 << 12,
    TEXT = 1 << 13,
    THOUGHT = 1 << 14,
    TOOL_CALLS = 1 << 15,
    TYPE = 1 << 16,
    USAGE = 1 << 17,
};

/* Which of them an object has had so far. */
typedef unsigned Seen;

/* Notes a member; whether it is the first of its name. */
static inline bool once(Seen *seen, Seen member)
{
    bool again = (*seen & member) != 0;
    *seen |= member;
    return !again;
}

static const Slice NOTHING = {(const uint8_t *)"null", 4};

/* Goes past a value, and keeps it as it is written. */
bool pass_kept(Cursor *cursor, Slice *kept);

/* Goes past null, or a string; one with an escape is kept, and `passes` says that it cannot be passed on so. */
bool pass_word(Cursor *cursor, Slice *word, bool *passes);

/* Goes past a string without an escape, and keeps what is in it; most of what a `type` says is one. */
bool pass_type(Cursor *cursor, Slice *type);

/* Goes past the token counts of an answer. */
bool pass_usage(Cursor *cursor, Answer *answer);

/* Goes past the `body` of an answer of OpenAI's, as many others write it too. */
bool pass_openai(Cursor *cursor, Answer *answer);

/* Goes past the `candidates` of an answer of Gemini's. */
bool pass_gemini(Cursor *cursor, Answer *answer);

/* Goes past the `result` of an answer of Anthropic's. */
bool pass_anthropic(Cursor *cursor, Answer *answer);

#endif
