#include "module.h"

bool is_part(const Py_buffer *block, Py_ssize_t at, Py_ssize_t end)
{
    if (at < 0 || at > end || end > block->len) {
        PyErr_SetString(PyExc_IndexError, "no part of the block");
        return false;
    }
    return true;
}

static PyMethodDef METHODS[] = {
    {"take_requests", take_requests, METH_VARARGS, NULL},
    {"take_answers", take_answers, METH_VARARGS, NULL},
    {"results_head", results_head, METH_VARARGS, NULL},
    {"group_names", group_names, METH_O, NULL},
    {NULL, NULL, 0, NULL},
};

static PyModuleDef_Slot SLOTS[] = {{0, NULL}};

static PyModuleDef MODULE = {
    .m_base = PyModuleDef_HEAD_INIT,
    .m_name = "reconciler.native._native",
    .m_methods = METHODS,
    .m_slots = SLOTS,
};

PyMODINIT_FUNC PyInit__native(void)
{
    return PyModuleDef_Init(&MODULE);
}
