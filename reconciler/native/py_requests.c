#include "module.h"

#include "blake2b.h"
#include "lines.h"

/* Where each request of a run stands, while the run is read. */
typedef struct {
    uint8_t *digests;
    uint64_t *starts;
    uint64_t *lines;
    Py_ssize_t count;
    Py_ssize_t room;
} Run;

static int run_grow(Run *run)
{
    Py_ssize_t room = run->room ? 2 * run->room : 256;
    void *digests = PyMem_Realloc(run->digests, (size_t)room * DIGEST);
    if (digests != NULL) {
        run->digests = digests;
        void *starts = PyMem_Realloc(run->starts, (size_t)room * sizeof *run->starts);
        if (starts != NULL) {
            run->starts = starts;
            void *lines = PyMem_Realloc(run->lines, (size_t)room * sizeof *run->lines);
            if (lines != NULL) {
                run->lines = lines;
                run->room = room;
                return 0;
            }
        }
    }
    PyErr_NoMemory();
    return -1;
}

/* Gives an id its place; 1 done, 0 it has one already or is too long, -1 an error. */
static int place_request(Run *run, PyObject *positions, Slice id, uint64_t start, uint64_t line)
{
    if (id.size > LONGEST_ID) {
        return 0;
    }
    if (run->count == run->room && run_grow(run) < 0) {
        return -1;
    }
    int done = -1;
    PyObject *key = PyBytes_FromStringAndSize((const char *)id.start, (Py_ssize_t)id.size);
    PyObject *place = key == NULL ? NULL : PyLong_FromSsize_t(PyDict_Size(positions));
    if (place != NULL) {
        if (PyDict_GetItemWithError(positions, key) != NULL) {
            done = 0;
        } else if (!PyErr_Occurred() && PyDict_SetItem(positions, key, place) == 0) {
            blake2b_short(id.start, id.size, run->digests + run->count * DIGEST);
            run->starts[run->count] = start;
            run->lines[run->count] = line;
            run->count++;
            done = 1;
        }
    }
    Py_XDECREF(place);
    Py_XDECREF(key);
    return done;
}

PyObject *take_requests(PyObject *Py_UNUSED(module), PyObject *arguments)
{
    Py_buffer block;
    Py_ssize_t at, end;
    unsigned long long base, number;
    PyObject *positions, *result = NULL;
    Run run = {NULL, NULL, NULL, 0, 0};
    int placed = 1;
    if (!PyArg_ParseTuple(arguments, "y*nnKKO", &block, &at, &end, &base, &number, &positions)) {
        return NULL;
    }
    if (!PyDict_Check(positions)) {
        PyErr_SetString(PyExc_TypeError, "positions: expected a dict");
    } else if (is_part(&block, at, end)) {
        const uint8_t *start = block.buf;
        Cursor cursor = {start + at, start + end};
        Slice id;
        while (cursor.at < cursor.end && pass_request(&cursor, &id)) {
            placed = place_request(&run, positions, id, base + (uint64_t)at, number + (uint64_t)run.count + 1);
            if (placed <= 0) {
                break;
            }
            at = cursor.at - start;
        }
        if (placed >= 0) {
            Py_ssize_t size = run.count * (Py_ssize_t)sizeof(uint64_t);
            result = Py_BuildValue("nNNN", at, PyBytes_FromStringAndSize((char *)run.digests, run.count * DIGEST),
                                   PyBytes_FromStringAndSize((char *)run.starts, size),
                                   PyBytes_FromStringAndSize((char *)run.lines, size));
        }
    }
    PyMem_Free(run.digests);
    PyMem_Free(run.starts);
    PyMem_Free(run.lines);
    PyBuffer_Release(&block);
    return result;
}
