/* The first look at what the app answers: see first_look.py. */

#include <stddef.h>
#include <string.h>

#include "wire.h"
#include <structmember.h>

typedef struct {
    PyObject_HEAD
    PyObject *others;
    PyObject *type, *headers; /* keys of a message */
    PyTypeObject *kind;       /* of each look */
    unsigned long long number;
} FirstLooks;

typedef struct {
    PyObject_HEAD
    FirstLooks *looks;
    PyObject *scope, *page, *send;
    /* Where all messages go, once the first has been seen. */
    PyObject *goes_to;
} FirstLook;

static int is_bytes(PyObject *object, const char *expected, Py_ssize_t size)
{
    return PyBytes_Check(object) && PyBytes_GET_SIZE(object) == size &&
           !memcmp(PyBytes_AS_STRING(object), expected, (size_t)size);
}

static int is_json_type(PyObject *field)
{
    return PyTuple_Check(field) && PyTuple_GET_SIZE(field) == 2 &&
           is_bytes(PyTuple_GET_ITEM(field, 0), "content-type", 12) &&
           is_bytes(PyTuple_GET_ITEM(field, 1), "application/json", 16);
}

/* What a plain dict has for a key, or NULL. */
static PyObject *value_of(PyObject *message, PyObject *key)
{
    PyObject *value = PyDict_CheckExact(message) ? PyDict_GetItemWithError(message, key) : NULL;
    if (!value)
        PyErr_Clear();
    return value;
}

static int begins_with_json(const FirstLooks *looks, PyObject *message)
{
    PyObject *type = value_of(message, looks->type);
    if (!type || !PyUnicode_Check(type) || PyUnicode_CompareWithASCIIString(type, "http.response.start"))
        return 0;
    PyObject *headers = value_of(message, looks->headers);
    Py_ssize_t count = headers && PyList_Check(headers) ? PyList_GET_SIZE(headers) : 0;
    for (Py_ssize_t i = 0; i < count; i++)
        if (is_json_type(PyList_GET_ITEM(headers, i)))
            return 1;
    return 0;
}

static PyObject *take(PyObject *object, PyObject *message)
{
    FirstLook *self = (FirstLook *)object;
    if (!self->goes_to) {
        FirstLooks *looks = self->looks;
        if (begins_with_json(looks, message)) {
            looks->number++;
            self->goes_to = Py_NewRef(self->send);
        } else {
            self->goes_to = PyObject_CallFunctionObjArgs(looks->others, self->scope, self->page, self->send, NULL);
            if (!self->goes_to)
                return NULL;
        }
    }
    return PyObject_CallOneArg(self->goes_to, message);
}

static PyMethodDef take_method = {"send", take, METH_O, "send(message): the `send` of one request."};

static PyObject *at(PyObject *object, PyObject *const *arguments, Py_ssize_t count)
{
    FirstLooks *self = (FirstLooks *)object;
    if (count != 3) {
        PyErr_SetString(PyExc_TypeError, "at() takes scope, page and send");
        return NULL;
    }
    FirstLook *look = (FirstLook *)PyType_GenericAlloc(self->kind, 0);
    if (!look)
        return NULL;
    look->looks = (FirstLooks *)Py_NewRef(object);
    look->scope = Py_NewRef(arguments[0]);
    look->page = Py_NewRef(arguments[1]);
    look->send = Py_NewRef(arguments[2]);
    PyObject *send = PyCFunction_New(&take_method, (PyObject *)look);
    Py_DECREF(look);
    return send;
}

static int look_traverse(PyObject *object, visitproc visit, void *arg)
{
    FirstLook *self = (FirstLook *)object;
    Py_VISIT(Py_TYPE(object));
    Py_VISIT(self->looks);
    Py_VISIT(self->scope);
    Py_VISIT(self->page);
    Py_VISIT(self->send);
    Py_VISIT(self->goes_to);
    return 0;
}

static int look_clear(PyObject *object)
{
    FirstLook *self = (FirstLook *)object;
    Py_CLEAR(self->looks);
    Py_CLEAR(self->scope);
    Py_CLEAR(self->page);
    Py_CLEAR(self->send);
    Py_CLEAR(self->goes_to);
    return 0;
}

static int looks_traverse(PyObject *object, visitproc visit, void *arg)
{
    FirstLooks *self = (FirstLooks *)object;
    Py_VISIT(Py_TYPE(object));
    Py_VISIT(self->others);
    Py_VISIT(self->kind);
    return 0;
}

static int looks_clear(PyObject *object)
{
    FirstLooks *self = (FirstLooks *)object;
    Py_CLEAR(self->others);
    Py_CLEAR(self->type);
    Py_CLEAR(self->headers);
    Py_CLEAR(self->kind);
    return 0;
}

static void end(PyObject *object, inquiry clear)
{
    PyTypeObject *type = Py_TYPE(object);
    PyObject_GC_UnTrack(object);
    clear(object);
    PyObject_GC_Del(object);
    Py_DECREF(type);
}

static void look_dealloc(PyObject *object)
{
    end(object, look_clear);
}

static void looks_dealloc(PyObject *object)
{
    end(object, looks_clear);
}

static PyObject *looks_new(PyTypeObject *type, PyObject *arguments, PyObject *keywords)
{
    static char *known[] = {"others", NULL};
    PyObject *others;
    if (!PyArg_ParseTupleAndKeywords(arguments, keywords, "O:FirstLooks", known, &others))
        return NULL;
    FirstLooks *self = (FirstLooks *)PyType_GenericAlloc(type, 0);
    if (!self)
        return NULL;
    self->others = Py_NewRef(others);
    self->type = PyUnicode_InternFromString("type");
    self->headers = PyUnicode_InternFromString("headers");
    PyObject *module = PyType_GetModule(type);
    self->kind = module ? (PyTypeObject *)PyObject_GetAttrString(module, "FirstLook") : NULL;
    if (!self->type || !self->headers || !self->kind)
        Py_CLEAR(self);
    return (PyObject *)self;
}

static PyMethodDef looks_methods[] = {
    {"at", (PyCFunction)(void (*)(void))at, METH_FASTCALL, "at(scope, page, send): the `send` of one request."},
    {NULL, NULL, 0, NULL},
};

static PyMemberDef looks_members[] = {
    {"number", T_ULONGLONG, offsetof(FirstLooks, number), 0, "How many answers were JSON."},
    {NULL, 0, 0, 0, NULL},
};

static PyType_Slot looks_slots[] = {
    {Py_tp_doc, "FirstLooks(others): see first_look.py."},
    {Py_tp_new, looks_new},
    {Py_tp_dealloc, looks_dealloc},
    {Py_tp_traverse, looks_traverse},
    {Py_tp_clear, looks_clear},
    {Py_tp_methods, looks_methods},
    {Py_tp_members, looks_members},
    {0, NULL},
};

PyType_Spec first_looks = {
    .name = "portal_gateway.wire._compiled.FirstLooks",
    .basicsize = sizeof(FirstLooks),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = looks_slots,
};

static PyType_Slot look_slots[] = {
    {Py_tp_doc, "One request: see FirstLooks."},
    {Py_tp_dealloc, look_dealloc},
    {Py_tp_traverse, look_traverse},
    {Py_tp_clear, look_clear},
    {0, NULL},
};

PyType_Spec first_look = {
    .name = "portal_gateway.wire._compiled.FirstLook",
    .basicsize = sizeof(FirstLook),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_IMMUTABLETYPE | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = look_slots,
};
