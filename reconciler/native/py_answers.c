#include "module.h"

#include "lines.h"

#define PIECES 8

/* Puts the results line of an answer together, up to what all lines share. */
static PyObject *head_of(const Answer *answer, PyObject *pieces)
{
    const Slice nothing = {(const uint8_t *)"null", 4};
    const Slice fields[PIECES - 1] = {answer->id, answer->text, answer->finish_reason, nothing,
                                      nothing,    answer->usage, answer->model};
    char *piece[PIECES];
    Py_ssize_t sizes[PIECES], size = 0;
    if (!PyTuple_Check(pieces) || PyTuple_Size(pieces) != PIECES) {
        PyErr_SetString(PyExc_TypeError, "pieces: expected a tuple of eight");
        return NULL;
    }
    for (int n = 0; n < PIECES; n++) {
        if (PyBytes_AsStringAndSize(PyTuple_GetItem(pieces, n), &piece[n], &sizes[n]) < 0) {
            return NULL;
        }
        size += sizes[n] + (n < PIECES - 1 ? (Py_ssize_t)fields[n].size : 0);
    }
    PyObject *head = PyBytes_FromStringAndSize(NULL, size);
    if (head == NULL) {
        return NULL;
    }
    char *to = PyBytes_AsString(head);
    for (int n = 0; n < PIECES; n++) {
        memcpy(to, piece[n], (size_t)sizes[n]);
        to += sizes[n];
        if (n < PIECES - 1) {
            memcpy(to, fields[n].start, fields[n].size);
            to += fields[n].size;
        }
    }
    return head;
}

PyObject *results_head(PyObject *Py_UNUSED(module), PyObject *arguments)
{
    Py_buffer line;
    PyObject *pieces, *head = NULL;
    Answer answer;
    if (!PyArg_ParseTuple(arguments, "y*O", &line, &pieces)) {
        return NULL;
    }
    Cursor cursor = {line.buf, (const uint8_t *)line.buf + line.len};
    if (pass_answer(&cursor, true, &answer) && cursor.at == cursor.end && answer.passes) {
        head = head_of(&answer, pieces);
    } else {
        head = Py_NewRef(Py_None);
    }
    PyBuffer_Release(&line);
    return head;
}

/* The arrays of an `Answers`, each with an entry for each request. */
enum { AT_ROLES, AT_NUMBERS, AT_OFFSETS, AT_SIZES, ARRAYS };

typedef struct {
    Py_buffer of[ARRAYS];
    int held;
    Py_ssize_t count;
} Places;

static void places_end(Places *places)
{
    while (places->held > 0) {
        PyBuffer_Release(&places->of[--places->held]);
    }
}

static int places_begin(Places *places, PyObject *const arrays[ARRAYS])
{
    places->held = 0;
    for (int n = 0; n < ARRAYS; n++) {
        if (PyObject_GetBuffer(arrays[n], &places->of[n], PyBUF_WRITABLE) < 0) {
            places_end(places);
            return -1;
        }
        places->held++;
        Py_ssize_t width = n == AT_ROLES ? 1 : (Py_ssize_t)sizeof(uint64_t);
        if (n == AT_ROLES) {
            places->count = places->of[n].len;
        }
        if (places->of[n].len != places->count * width) {
            PyErr_SetString(PyExc_ValueError, "the arrays differ in length");
            places_end(places);
            return -1;
        }
    }
    return 0;
}

/* The place of the request of an id that nobody has answered yet; -1 where there is none, -2 on an error. */
static Py_ssize_t place_of(const Places *places, PyObject *positions, Slice id)
{
    if (id.size > LONGEST_ID) {
        return -1;
    }
    PyObject *key = PyBytes_FromStringAndSize((const char *)id.start, (Py_ssize_t)id.size);
    if (key == NULL) {
        return -2;
    }
    PyObject *found = PyDict_GetItemWithError(positions, key);
    Py_DECREF(key);
    if (found == NULL) {
        return PyErr_Occurred() ? -2 : -1;
    }
    Py_ssize_t place = PyLong_AsSsize_t(found);
    if (place < 0 || place >= places->count) {
        if (!PyErr_Occurred()) {
            PyErr_SetString(PyExc_IndexError, "a position beyond the arrays");
        }
        return -2;
    }
    return ((const uint8_t *)places->of[AT_ROLES].buf)[place] == 0 ? place : -1;
}

PyObject *take_answers(PyObject *Py_UNUSED(module), PyObject *arguments)
{
    Py_buffer block;
    Py_ssize_t at, end, count = 0, place = 0;
    unsigned long long base, number;
    PyObject *positions, *arrays[ARRAYS], *heads, *pieces, *result = NULL;
    unsigned char role;
    Places places;
    if (!PyArg_ParseTuple(arguments, "y*nnKKObOOOOOO", &block, &at, &end, &base, &number, &positions, &role,
                          &arrays[AT_ROLES], &arrays[AT_NUMBERS], &arrays[AT_OFFSETS], &arrays[AT_SIZES], &heads,
                          &pieces)) {
        return NULL;
    }
    bool keep = heads != Py_None;
    if (!PyDict_Check(positions) || (keep && !PyList_Check(heads))) {
        PyErr_SetString(PyExc_TypeError, "expected a dict of positions, and a list of heads or None");
    } else if (is_part(&block, at, end) && places_begin(&places, arrays) == 0) {
        const uint8_t *start = block.buf;
        Cursor cursor = {start + at, start + end};
        Answer answer;
        while (cursor.at < cursor.end && pass_answer(&cursor, keep, &answer) && (answer.passes || !keep)) {
            place = place_of(&places, positions, answer.id);
            if (place < 0) {
                break;
            }
            if (keep) {
                PyObject *head = head_of(&answer, pieces);
                if (head == NULL || PyList_SetItem(heads, place, head) < 0) {
                    place = -2;
                    break;
                }
            }
            Py_ssize_t stop = cursor.at - start;
            count++;
            ((uint8_t *)places.of[AT_ROLES].buf)[place] = role;
            ((uint64_t *)places.of[AT_NUMBERS].buf)[place] = number + (uint64_t)count;
            ((uint64_t *)places.of[AT_OFFSETS].buf)[place] = base + (uint64_t)at;
            ((uint64_t *)places.of[AT_SIZES].buf)[place] = (uint64_t)(stop - at - 1);
            at = stop;
        }
        places_end(&places);
        if (place != -2) {
            result = Py_BuildValue("nn", at, count);
        }
    }
    PyBuffer_Release(&block);
    return result;
}
