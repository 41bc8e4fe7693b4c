/* What OpenAI answers with, at its two endpoints; see reconciler/codec/openai.py. */
#include "members.h"

/* Chat completions. */

static bool pass_message(Cursor *cursor, Answer *answer)
{
    bool first = true;
    Seen seen = 0;
    Slice key, value;
    Step step;
    while ((step = next_member(cursor, &first, &key)) == MORE) {
        if (IS(key, "content")) {
            if (!once(&seen, CONTENT) || !pass_kept(cursor, &answer->text)) {
                return false;
            }
        } else if (IS(key, "refusal") || IS(key, "tool_calls")) {
            if (!once(&seen, IS(key, "refusal") ? REFUSAL : TOOL_CALLS) || !pass_kept(cursor, &value)) {
                return false;
            }
            answer->passes = answer->passes && *value.start == 'n';
        } else if (IS(key, "function_call") ? !pass_null(cursor) : !pass_value(cursor)) {
            return false;
        }
    }
    return step == END;
}

static bool pass_choice(Cursor *cursor, Answer *answer)
{
    bool first = true;
    Seen seen = 0;
    Slice key;
    Step step;
    while ((step = next_member(cursor, &first, &key)) == MORE) {
        if (IS(key, "message")) {
            if (!once(&seen, MESSAGE) || !pass_message(cursor, answer)) {
                return false;
            }
        } else if (IS(key, "finish_reason")) {
            if (!once(&seen, FINISH_REASON) || !pass_word(cursor, &answer->finish_reason, &answer->passes)) {
                return false;
            }
        } else if (IS(key, "text") ? !pass_null(cursor) : !pass_value(cursor)) {
            return false;
        }
    }
    return step == END && (seen & MESSAGE) != 0;
}

static bool pass_choices(Cursor *cursor, Answer *answer)
{
    bool first = true;
    if (next_item(cursor, &first) != MORE || !pass_choice(cursor, answer)) {
        return false;
    }
    /* More than one is read the long way. */
    return next_item(cursor, &first) == END;
}

/* Responses: what the model did on the way, and messages of parts. */

static bool pass_output_part(Cursor *cursor, Slice *text, bool *refused)
{
    bool first = true;
    Seen seen = 0;
    Slice key, type = NOTHING, word;
    Step step;
    *text = NOTHING;
    *refused = false;
    while ((step = next_member(cursor, &first, &key)) == MORE) {
        if (IS(key, "type")) {
            if (!once(&seen, TYPE) || !pass_type(cursor, &type)) {
                return false;
            }
        } else if (IS(key, "text")) {
            if (!once(&seen, TEXT) || !pass_kept(cursor, text)) {
                return false;
            }
        } else if (IS(key, "refusal")) {
            bool passes = true;
            if (!pass_word(cursor, &word, &passes)) {
                return false;
            }
        } else if (!pass_value(cursor)) {
            return false;
        }
    }
    *refused = IS(type, "refusal");
    if (!IS(type, "output_text")) {
        *text = (Slice){NULL, 0};
    }
    return step == END && (seen & TYPE) != 0;
}

typedef struct {
    Slice text;
    size_t count; /* texts among them */
    bool refused;
} Parts;

static bool pass_output_parts(Cursor *cursor, Parts *parts)
{
    bool first = true, refused;
    Slice text;
    Step step;
    if (peek(cursor) == 'n') {
        return pass_null(cursor);
    }
    while ((step = next_item(cursor, &first)) == MORE) {
        if (!pass_output_part(cursor, &text, &refused)) {
            return false;
        }
        parts->refused = parts->refused || refused;
        if (text.start != NULL) {
            parts->text = text;
            parts->count++;
        }
    }
    return step == END;
}

static bool pass_output_item(Cursor *cursor, Answer *answer, size_t *texts)
{
    bool first = true;
    Seen seen = 0;
    Parts parts = {{NULL, 0}, 0, false};
    Slice key, type = NOTHING;
    Step step;
    while ((step = next_member(cursor, &first, &key)) == MORE) {
        if (IS(key, "type")) {
            if (!once(&seen, TYPE) || !pass_type(cursor, &type)) {
                return false;
            }
        } else if (IS(key, "content")) {
            if (!once(&seen, PARTS) || !pass_output_parts(cursor, &parts)) {
                return false;
            }
        } else if (!pass_value(cursor)) {
            return false;
        }
    }
    if (step != END || (seen & TYPE) == 0) {
        return false;
    }
    if (IS(type, "function_call") || IS(type, "custom_tool_call")) {
        answer->passes = false;
    } else if (IS(type, "message")) {
        answer->passes = answer->passes && !parts.refused;
        *texts += parts.count;
        if (parts.count > 0) {
            answer->text = parts.text;
        }
    }
    return true;
}

static bool pass_output(Cursor *cursor, Answer *answer)
{
    bool first = true;
    size_t items = 0, texts = 0;
    Step step;
    while ((step = next_item(cursor, &first)) == MORE) {
        if (!pass_output_item(cursor, answer, &texts)) {
            return false;
        }
        items++;
    }
    /* Parts of a text are put together the long way. */
    answer->passes = answer->passes && texts == 1;
    return step == END && items > 0;
}

bool pass_openai(Cursor *cursor, Answer *answer)
{
    bool first = true, plainly = true;
    Seen seen = 0;
    Slice key, status = NOTHING, word;
    Step step;
    while ((step = next_member(cursor, &first, &key)) == MORE) {
        bool known;
        if (IS(key, "choices")) {
            known = once(&seen, CHOICES) && pass_choices(cursor, answer);
        } else if (IS(key, "output")) {
            known = once(&seen, OUTPUT) && pass_output(cursor, answer);
        } else if (IS(key, "usage")) {
            known = once(&seen, USAGE) && pass_usage(cursor, answer);
        } else if (IS(key, "model")) {
            known = once(&seen, MODEL) && pass_word(cursor, &answer->model, &answer->passes);
        } else if (IS(key, "status")) {
            known = once(&seen, STATUS) && pass_word(cursor, &status, &plainly);
        } else if (IS(key, "object")) {
            known = once(&seen, OBJECT) && pass_word(cursor, &word, &plainly);
        } else if (IS(key, "error") || IS(key, "incomplete_details")) {
            known = pass_null(cursor);
        } else {
            known = !IS(key, "data") && pass_value(cursor);
        }
        if (!known) {
            return false;
        }
    }
    if (step != END || !plainly) {
        return false;
    }
    if ((seen & OUTPUT) == 0) {
        return (seen & CHOICES) != 0;
    }
    /* `incomplete` has a reason, which says how the answer ended. */
    answer->finish_reason = status;
    return (seen & CHOICES) == 0 && IS(status, "\"completed\"");
}
