#include "members.h"

/* What OpenAI and Gemini call a `response`. */

/* A status from 200 to 299; if it goes on, there is no member behind it. */
static bool pass_success(Cursor *cursor)
{
    const uint8_t *at;
    pass_blanks(cursor);
    at = cursor->at;
    if (cursor->end - at < 3 || at[0] != '2' || at[1] < '0' || at[1] > '9' || at[2] < '0' || at[2] > '9') {
        return false;
    }
    cursor->at += 3;
    return true;
}

static bool pass_response(Cursor *cursor, Answer *answer)
{
    bool first = true;
    Seen seen = 0;
    Slice key;
    Step step;
    while ((step = next_member(cursor, &first, &key)) == MORE) {
        bool known;
        if (IS(key, "status_code")) {
            known = once(&seen, STATUS_CODE) && pass_success(cursor);
        } else if (IS(key, "body")) {
            known = once(&seen, BODY) && pass_openai(cursor, answer);
        } else if (IS(key, "candidates")) {
            known = once(&seen, CANDIDATES) && pass_gemini(cursor, answer);
        } else if (IS(key, "usageMetadata")) {
            known = once(&seen, USAGE) && pass_usage(cursor, answer);
        } else if (IS(key, "modelVersion")) {
            known = once(&seen, MODEL) && pass_word(cursor, &answer->model, &answer->passes);
        } else {
            known = IS(key, "error") ? pass_null(cursor) : pass_value(cursor);
        }
        if (!known) {
            return false;
        }
    }
    if (step != END) {
        return false;
    }
    if ((seen & BODY) != 0) {
        return seen == (STATUS_CODE | BODY);
    }
    return (seen & (STATUS_CODE | CANDIDATES)) == CANDIDATES;
}

static bool pass_comma(Cursor *cursor)
{
    if (!pass_text(cursor, ",")) {
        return false;
    }
    (void)pass_text(cursor, " ");
    return true;
}

static bool pass_end(Cursor *cursor)
{
    return pass_text(cursor, ", \"error\": null}\n") || pass_text(cursor, ",\"error\":null}\n")
        || (pass_byte(cursor, '}') && pass_text(cursor, "\n"));
}

bool pass_answer(Cursor *cursor, bool wanted, Answer *answer)
{
    Slice word;
    *answer = (Answer){NOTHING, NOTHING, NOTHING, NOTHING, NOTHING, wanted, wanted};
    if (!pass_text(cursor, "{")) {
        return false;
    }
    if (pass_text(cursor, "\"id\":") && !(pass_name(cursor, &word) && pass_comma(cursor))) {
        return false;
    }
    if (!(pass_text(cursor, "\"custom_id\":") || pass_text(cursor, "\"key\":")) || !pass_name(cursor, &answer->id)
        || answer->id.size == 0 || !pass_comma(cursor)) {
        return false;
    }
    if (pass_text(cursor, "\"response\":")) {
        if (!pass_response(cursor, answer)) {
            return false;
        }
    } else if (!pass_text(cursor, "\"result\":") || !pass_anthropic(cursor, answer)) {
        return false;
    }
    answer->passes = answer->passes && answer->text.start[0] == '"';
    return pass_end(cursor);
}
