/* What Gemini answers with; see reconciler/codec/gemini.py. */
#include "members.h"

static bool pass_thought(Cursor *cursor, Slice *text)
{
    bool first = true, thought = false;
    Seen seen = 0;
    Slice key;
    Step step;
    *text = NOTHING;
    while ((step = next_member(cursor, &first, &key)) == MORE) {
        if (IS(key, "text")) {
            if (!once(&seen, TEXT) || !pass_kept(cursor, text)) {
                return false;
            }
        } else if (IS(key, "thought")) {
            thought = peek(cursor) == 't';
            if (!once(&seen, THOUGHT) || !pass_text(cursor, thought ? "true" : "false")) {
                return false;
            }
        } else if (IS(key, "functionCall") ? !pass_null(cursor) : !pass_value(cursor)) {
            return false;
        }
    }
    if (thought) {
        *text = (Slice){NULL, 0};
    }
    return step == END;
}

static bool pass_thoughts(Cursor *cursor, Answer *answer, size_t *texts)
{
    bool first = true;
    Slice text;
    Step step;
    while ((step = next_item(cursor, &first)) == MORE) {
        if (!pass_thought(cursor, &text)) {
            return false;
        }
        if (text.start != NULL) {
            answer->text = text;
            (*texts)++;
        }
    }
    return step == END;
}

static bool pass_content(Cursor *cursor, Answer *answer, size_t *texts)
{
    bool first = true;
    Seen seen = 0;
    Slice key;
    Step step;
    while ((step = next_member(cursor, &first, &key)) == MORE) {
        if (IS(key, "parts") ? !once(&seen, PARTS) || !pass_thoughts(cursor, answer, texts) : !pass_value(cursor)) {
            return false;
        }
    }
    return step == END;
}

static bool pass_candidate(Cursor *cursor, Answer *answer)
{
    bool first = true;
    Seen seen = 0;
    Slice key;
    Step step;
    size_t texts = 0;
    while ((step = next_member(cursor, &first, &key)) == MORE) {
        if (IS(key, "content")) {
            if (!once(&seen, CONTENT) || !pass_content(cursor, answer, &texts)) {
                return false;
            }
        } else if (IS(key, "finishReason")) {
            if (!once(&seen, FINISH_REASON) || !pass_word(cursor, &answer->finish_reason, &answer->passes)) {
                return false;
            }
        } else if (!pass_value(cursor)) {
            return false;
        }
    }
    answer->passes = answer->passes && texts == 1;
    return step == END && (seen & CONTENT) != 0;
}

bool pass_gemini(Cursor *cursor, Answer *answer)
{
    bool first = true;
    if (next_item(cursor, &first) != MORE || !pass_candidate(cursor, answer)) {
        return false;
    }
    return next_item(cursor, &first) == END;
}
