/* What Anthropic answers with; see reconciler/codec/anthropic.py. */
#include "members.h"

static bool pass_block(Cursor *cursor, Answer *answer, size_t *texts)
{
    bool first = true;
    Seen seen = 0;
    Slice key, type = NOTHING, text = NOTHING;
    Step step;
    while ((step = next_member(cursor, &first, &key)) == MORE) {
        if (IS(key, "type")) {
            if (!once(&seen, TYPE) || !pass_type(cursor, &type)) {
                return false;
            }
        } else if (IS(key, "text")) {
            if (!once(&seen, TEXT) || !pass_kept(cursor, &text)) {
                return false;
            }
        } else if (IS(key, "citations") ? !pass_null(cursor) : !pass_value(cursor)) {
            return false;
        }
    }
    if (IS(type, "tool_use")) {
        answer->passes = false;
    } else if (IS(type, "text")) {
        answer->text = text;
        (*texts)++;
    }
    return step == END && (seen & TYPE) != 0;
}

static bool pass_blocks(Cursor *cursor, Answer *answer)
{
    bool first = true;
    size_t texts = 0;
    Step step;
    while ((step = next_item(cursor, &first)) == MORE) {
        if (!pass_block(cursor, answer, &texts)) {
            return false;
        }
    }
    answer->passes = answer->passes && texts == 1;
    return step == END;
}

static bool pass_message(Cursor *cursor, Answer *answer)
{
    bool first = true;
    Seen seen = 0;
    Slice key;
    Step step;
    while ((step = next_member(cursor, &first, &key)) == MORE) {
        bool known;
        if (IS(key, "content")) {
            known = once(&seen, CONTENT) && pass_blocks(cursor, answer);
        } else if (IS(key, "stop_reason")) {
            known = once(&seen, FINISH_REASON) && pass_word(cursor, &answer->finish_reason, &answer->passes);
        } else if (IS(key, "usage")) {
            known = once(&seen, USAGE) && pass_usage(cursor, answer);
        } else if (IS(key, "model")) {
            known = once(&seen, MODEL) && pass_word(cursor, &answer->model, &answer->passes);
        } else {
            known = pass_value(cursor);
        }
        if (!known) {
            return false;
        }
    }
    answer->passes = answer->passes && !IS(answer->finish_reason, "\"refusal\"");
    return step == END && (seen & CONTENT) != 0;
}

bool pass_anthropic(Cursor *cursor, Answer *answer)
{
    bool first = true;
    Seen seen = 0;
    Slice key, type = NOTHING;
    Step step;
    while ((step = next_member(cursor, &first, &key)) == MORE) {
        if (IS(key, "type")) {
            if (!once(&seen, TYPE) || !pass_type(cursor, &type)) {
                return false;
            }
        } else if (IS(key, "message")) {
            if (!once(&seen, MESSAGE) || !pass_message(cursor, answer)) {
                return false;
            }
        } else if (!pass_value(cursor)) {
            return false;
        }
    }
    return step == END && seen == (TYPE | MESSAGE) && IS(type, "succeeded");
}
