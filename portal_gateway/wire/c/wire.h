/* What the sources of portal_gateway.wire._compiled share. */

#ifndef PORTAL_GATEWAY_WIRE_H
#define PORTAL_GATEWAY_WIRE_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

/* The stable ABI has calls for what one version of Python lets us look at directly (setup.py). */
#ifdef Py_LIMITED_API
#define PyBytes_AS_STRING PyBytes_AsString
#define PyBytes_GET_SIZE PyBytes_Size
#define PyList_GET_ITEM PyList_GetItem
#define PyList_GET_SIZE PyList_Size
#define PyTuple_GET_ITEM PyTuple_GetItem
#define PyTuple_GET_SIZE PyTuple_Size
#define PyObject_CallOneArg(called, argument) PyObject_CallFunctionObjArgs((called), (argument), NULL)
#endif

extern PyType_Spec header_names, first_looks, first_look;

#endif
