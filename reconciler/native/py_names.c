#include "module.h"

#include <stdlib.h>

#include "names.h"

/* In their order: whoever goes through them finds them side by side in memory. */
static PyObject *named_as_dict(const Names *names)
{
    void *memory;
    const Key *keys = names_sorted(names, &memory);
    PyObject *found = keys == NULL ? PyErr_NoMemory() : PyDict_New();
    for (size_t n = 0; found != NULL && n < names->count; n++) {
        char digits[20];
        const char *text;
        size_t size = names_text(names, keys[n], digits, &text);
        PyObject *name = PyUnicode_FromStringAndSize(text, (Py_ssize_t)size);
        PyObject *roles = name == NULL ? NULL : PyLong_FromUnsignedLong(keys[n].roles);
        if (roles == NULL || PyDict_SetItem(found, name, roles) < 0) {
            Py_CLEAR(found);
        }
        Py_XDECREF(roles);
        Py_XDECREF(name);
    }
    free(memory);
    return found;
}

PyObject *group_names(PyObject *Py_UNUSED(module), PyObject *listed)
{
    PyObject *found = NULL, *others = NULL, *result = NULL;
    Names names;
    Added added = TAKEN;
    if (!PyList_Check(listed)) {
        PyErr_SetString(PyExc_TypeError, "expected a list of names");
        return NULL;
    }
    if (!names_begin(&names)) {
        names_end(&names);
        return PyErr_NoMemory();
    }
    others = PyList_New(0);
    for (Py_ssize_t n = 0; others != NULL && n < PyList_Size(listed); n++) {
        Py_ssize_t size;
        PyObject *name = PyList_GetItem(listed, n);
        const char *text = PyUnicode_AsUTF8AndSize(name, &size);
        if (text == NULL) {
            /* Bytes that are no UTF-8 stand in it as surrogates. */
            if (!PyErr_ExceptionMatches(PyExc_UnicodeEncodeError)) {
                Py_CLEAR(others);
                break;
            }
            PyErr_Clear();
        }
        added = text == NULL ? NOT_KNOWN : names_add(&names, text, (size_t)size);
        if (added == NO_MEMORY) {
            PyErr_NoMemory();
        }
        if (added == NO_MEMORY || (added == NOT_KNOWN && PyList_Append(others, name) < 0)) {
            Py_CLEAR(others);
        }
    }
    if (others != NULL) {
        found = named_as_dict(&names);
    }
    names_end(&names);
    if (found != NULL) {
        result = PyTuple_Pack(2, found, others);
    }
    Py_XDECREF(found);
    Py_XDECREF(others);
    return result;
}
