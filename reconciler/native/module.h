/*
 * The functions that Python calls; reconciler/native/__init__.py says what each is given and gives back.
 *
 * Written against the stable ABI, so that one build serves every Python from 3.11 on. Nothing here decides: a line
 * or a name that is not known ends the work, and Python goes on with it.
 */
#ifndef RECONCILER_MODULE_H
#define RECONCILER_MODULE_H

#define PY_SSIZE_T_CLEAN
#define Py_LIMITED_API 0x030b0000
#include <Python.h>

#include <stdbool.h>

#define LONGEST_ID 64 /* the bytes up to which an id is its own key: executor/asked.py */

PyObject *take_requests(PyObject *module, PyObject *arguments);
PyObject *take_answers(PyObject *module, PyObject *arguments);
PyObject *results_head(PyObject *module, PyObject *arguments);
PyObject *group_names(PyObject *module, PyObject *listed);

/* Whether a part of a block is one; if not, IndexError is set. */
bool is_part(const Py_buffer *block, Py_ssize_t at, Py_ssize_t end);

#endif
