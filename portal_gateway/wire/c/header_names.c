/* Names of headers that are looked for in every request: see header_names.py. */

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "wire.h"

typedef unsigned char Byte;

typedef struct {
    const Byte *bytes;
    size_t size;
    Byte slot;
} Name;

enum { SLOTS = 256, MOST_NAMES = 0xFFFF };

typedef struct {
    PyObject_HEAD
    PyObject *given; /* whose bytes the names are */
    int folded;
    size_t count;
    Name *names; /* in the order of their slots */
    /* One more than the place of the first name of a slot. */
    uint16_t first[SLOTS];
} HeaderNames;

static Byte fold(Byte byte)
{
    if (byte == '_')
        return '-';
    return byte >= 'A' && byte <= 'Z' ? (Byte)(byte | 0x20) : byte;
}

/* Little of a name, so that those that are not sought, which is most of them, cost little; and the same for all names
   that fold to the same: the bits in which these differ are left out. */
enum { TELLING = 0xFF & ~(('a' ^ 'A') | ('-' ^ '_')) };

static Byte slot_of(const Byte *name, size_t size)
{
    return size ? (Byte)(size * 11 + (name[0] & TELLING) * 3u + (name[size - 1] & TELLING) * 5u) : 0;
}

static int is_same(const HeaderNames *self, const Name *sought, const Byte *name, size_t size)
{
    if (sought->size != size)
        return 0;
    if (!self->folded)
        return !memcmp(sought->bytes, name, size);
    for (size_t i = 0; i < size; i++)
        if (fold(name[i]) != sought->bytes[i])
            return 0;
    return 1;
}

static int is_among(const HeaderNames *self, const Byte *name, size_t size)
{
    Byte slot = slot_of(name, size);
    if (!self->first[slot])
        return 0;
    for (size_t i = self->first[slot] - 1u; i < self->count && self->names[i].slot == slot; i++)
        if (is_same(self, &self->names[i], name, size))
            return 1;
    return 0;
}

/* The name of a header, or NULL if that is none. */
static PyObject *name_of(PyObject *field)
{
    PyObject *name = PyTuple_Check(field) && PyTuple_GET_SIZE(field) ? PyTuple_GET_ITEM(field, 0) : NULL;
    return name && PyBytes_Check(name) ? name : NULL;
}

static PyObject *refused(PyObject *found)
{
    PyErr_SetString(PyExc_TypeError, "headers are a list of tuples that begin with a name as bytes");
    Py_XDECREF(found);
    return NULL;
}

static int add(PyObject **found, PyObject *field)
{
    if (!*found)
        *found = PyList_New(0);
    return *found ? PyList_Append(*found, field) : -1;
}

static PyObject *among(PyObject *object, PyObject *headers)
{
    const HeaderNames *self = (const HeaderNames *)object;
    if (!PyList_Check(headers))
        return refused(NULL);
    PyObject *found = NULL;
    Py_ssize_t count = PyList_GET_SIZE(headers);
    for (Py_ssize_t i = 0; i < count; i++) {
        PyObject *field = PyList_GET_ITEM(headers, i);
        PyObject *name = name_of(field);
        if (!name)
            return refused(found);
        if (is_among(self, (const Byte *)PyBytes_AS_STRING(name), (size_t)PyBytes_GET_SIZE(name)) &&
            add(&found, field) < 0) {
            Py_XDECREF(found);
            return NULL;
        }
    }
    return found ? found : Py_NewRef(Py_None);
}

static int by_slot(const void *one, const void *other)
{
    return ((const Name *)one)->slot - ((const Name *)other)->slot;
}

static int keep(HeaderNames *self)
{
    size_t count = (size_t)PyTuple_Size(self->given);
    if (count > MOST_NAMES) {
        PyErr_Format(PyExc_ValueError, "HeaderNames takes %d names at most", MOST_NAMES);
        return -1;
    }
    self->names = PyMem_Calloc(count + 1, sizeof *self->names);
    if (!self->names) {
        PyErr_NoMemory();
        return -1;
    }
    for (; self->count < count; self->count++) {
        char *bytes;
        Py_ssize_t size;
        if (PyBytes_AsStringAndSize(PyTuple_GetItem(self->given, (Py_ssize_t)self->count), &bytes, &size) < 0)
            return -1;
        self->names[self->count] = (Name){
            .bytes = (const Byte *)bytes,
            .size = (size_t)size,
            .slot = slot_of((const Byte *)bytes, (size_t)size),
        };
    }
    qsort(self->names, count, sizeof *self->names, by_slot);
    for (size_t i = count; i-- > 0;)
        self->first[self->names[i].slot] = (uint16_t)(i + 1);
    return 0;
}

static PyObject *new(PyTypeObject *type, PyObject *arguments, PyObject *keywords)
{
    static char *known[] = {"names", "folded", NULL};
    PyObject *names;
    int folded = 0;
    if (!PyArg_ParseTupleAndKeywords(arguments, keywords, "O|$p:HeaderNames", known, &names, &folded))
        return NULL;
    HeaderNames *self = (HeaderNames *)PyType_GenericAlloc(type, 0);
    if (self) {
        self->folded = folded;
        self->given = PySequence_Tuple(names);
        if (!self->given || keep(self) < 0) {
            Py_DECREF(self);
            self = NULL;
        }
    }
    return (PyObject *)self;
}

static void dealloc(PyObject *object)
{
    HeaderNames *self = (HeaderNames *)object;
    PyTypeObject *type = Py_TYPE(object);
    PyMem_Free(self->names);
    Py_XDECREF(self->given);
    ((freefunc)PyType_GetSlot(type, Py_tp_free))(object);
    Py_DECREF(type);
}

static PyMethodDef methods[] = {
    {"among", among, METH_O,
     "among(headers): those of the headers, a list of pairs, that have one of the names; None if none has."},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot slots[] = {
    {Py_tp_doc, "HeaderNames(names, *, folded=False): see header_names.py."},
    {Py_tp_new, new},
    {Py_tp_dealloc, dealloc},
    {Py_tp_methods, methods},
    {0, NULL},
};

PyType_Spec header_names = {
    .name = "portal_gateway.wire._compiled.HeaderNames",
    .basicsize = sizeof(HeaderNames),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = slots,
};
