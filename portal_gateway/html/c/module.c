/* portal_gateway.html._compiled: the way in from Python. */

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <string.h>

#include "find.h"
#include "runs.h"

/* How `outside` is passed: the mode in the low bits, then one bit each, then a count. */
enum {
    MODE_BITS = 0xF,
    PARAGRAPH_BIT = 0x10,
    HEADING_BIT = 0x20,
    ITEMS_BIT = 0x40,
    LINK_BIT = 0x80,
    FORM_BIT = 0x100,
    FORMATTING_SHIFT = 9,
};

static Outside unpacked(unsigned long outside)
{
    return (Outside){
        .mode = (Mode)(outside & MODE_BITS),
        .paragraph = outside & PARAGRAPH_BIT,
        .heading = outside & HEADING_BIT,
        .takes_items = outside & ITEMS_BIT,
        .link = outside & LINK_BIT,
        .form = outside & FORM_BIT,
        .formatting = (unsigned)(outside >> FORMATTING_SHIFT),
    };
}

static PyObject *bytes_of(const Byte *start, size_t size)
{
    return PyBytes_FromStringAndSize((const char *)start, (Py_ssize_t)size);
}

static PyObject *lowered_name(const Tag *tag)
{
    /* Made empty: Python shares the objects of one byte that it makes with content. */
    PyObject *name = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)tag->name_size);
    char *bytes = name ? PyBytes_AsString(name) : NULL;
    for (size_t i = 0; bytes && i < tag->name_size; i++)
        bytes[i] = (char)lower(tag->name[i]);
    return name;
}

static PyObject *opened(const Run *run)
{
    PyObject *list = PyList_New(0);
    for (size_t i = 0; list && i < run->depth; i++) {
        const Tag *tag = &run->open[i].tag;
        PyObject *name = lowered_name(tag);
        PyObject *attributes = bytes_of(tag->attributes, tag->attributes_size);
        PyObject *pair = name && attributes ? PyTuple_Pack(2, name, attributes) : NULL;
        if (!pair || PyList_Append(list, pair) < 0)
            Py_CLEAR(list);
        Py_XDECREF(name);
        Py_XDECREF(attributes);
        Py_XDECREF(pair);
    }
    return list;
}

static PyObject *skip(PyObject *Py_UNUSED(module), PyObject *const *arguments, Py_ssize_t count)
{
    if (count != 5) {
        PyErr_SetString(PyExc_TypeError, "skip() takes buffer, position, limit, outside and room");
        return NULL;
    }
    char *buffer;
    Py_ssize_t size;
    if (PyBytes_AsStringAndSize(arguments[0], &buffer, &size) < 0)
        return NULL;
    Py_ssize_t position = PyLong_AsSsize_t(arguments[1]);
    Py_ssize_t limit = PyLong_AsSsize_t(arguments[2]);
    unsigned long outside = PyLong_AsUnsignedLong(arguments[3]);
    Py_ssize_t room = PyLong_AsSsize_t(arguments[4]);
    if (PyErr_Occurred())
        return NULL;
    if (position < 0 || limit < position || limit > size || room < 0) {
        PyErr_SetString(PyExc_ValueError, "skip() is asked to read outside of the buffer");
        return NULL;
    }
    /* Not initialised as a whole: most of it is never used. */
    Run run;
    run.cursor = (Cursor){.at = (const Byte *)buffer + position, .end = (const Byte *)buffer + size};
    run.limit = (const Byte *)buffer + limit;
    run.outside = unpacked(outside);
    run.room = room < MOST_OPEN ? (size_t)room : MOST_OPEN;
    run.depth = run.paragraphs = run.formatting = 0;
    read_run(&run);

    PyObject *following = PyLong_FromSsize_t(run.cursor.at - (const Byte *)buffer);
    PyObject *open = following ? opened(&run) : NULL;
    PyObject *result = open ? PyTuple_Pack(2, following, open) : NULL;
    Py_XDECREF(following);
    Py_XDECREF(open);
    return result;
}

typedef const Byte *Finder(Cursor text, const Byte *word, size_t size);

static PyObject *found_by(Finder *finder, PyObject *const *arguments, Py_ssize_t count)
{
    if (count != 3) {
        PyErr_SetString(PyExc_TypeError, "the arguments are buffer, word and position");
        return NULL;
    }
    char *buffer, *word;
    Py_ssize_t size, word_size;
    if (PyBytes_AsStringAndSize(arguments[0], &buffer, &size) < 0 ||
        PyBytes_AsStringAndSize(arguments[1], &word, &word_size) < 0)
        return NULL;
    Py_ssize_t position = PyLong_AsSsize_t(arguments[2]);
    if (PyErr_Occurred())
        return NULL;
    if (position < 0 || position > size || !word_size) {
        PyErr_SetString(PyExc_ValueError, "asked to search outside of the buffer, or for nothing");
        return NULL;
    }
    const Byte *start = (const Byte *)buffer;
    const Byte *found = finder((Cursor){start + position, start + size}, (const Byte *)word, (size_t)word_size);
    return PyLong_FromSsize_t(found ? found - start : -1);
}

static PyObject *find_word(PyObject *Py_UNUSED(module), PyObject *const *arguments, Py_ssize_t count)
{
    return found_by(find, arguments, count);
}

static PyObject *find_tag_start(PyObject *Py_UNUSED(module), PyObject *const *arguments, Py_ssize_t count)
{
    return found_by(find_tag, arguments, count);
}

static PyObject *insert(PyObject *Py_UNUSED(module), PyObject *const *arguments, Py_ssize_t count)
{
    if (count != 3) {
        PyErr_SetString(PyExc_TypeError, "insert() takes page, position and snippet");
        return NULL;
    }
    char *page, *snippet;
    Py_ssize_t size, snippet_size;
    if (PyBytes_AsStringAndSize(arguments[0], &page, &size) < 0 ||
        PyBytes_AsStringAndSize(arguments[2], &snippet, &snippet_size) < 0)
        return NULL;
    Py_ssize_t position = PyLong_AsSsize_t(arguments[1]);
    if (PyErr_Occurred())
        return NULL;
    if (position < 0 || position > size || snippet_size > PY_SSIZE_T_MAX - size) {
        PyErr_SetString(PyExc_ValueError, "insert() is asked to write outside of the page");
        return NULL;
    }
    PyObject *result = PyBytes_FromStringAndSize(NULL, size + snippet_size);
    char *bytes = result ? PyBytes_AsString(result) : NULL;
    if (bytes) {
        memcpy(bytes, page, (size_t)position);
        memcpy(bytes + position, snippet, (size_t)snippet_size);
        memcpy(bytes + position + snippet_size, page + position, (size_t)(size - position));
    }
    return result;
}

static int add_constants(PyObject *module)
{
    static const struct {
        const char *name;
        long value;
    } constants[] = {
        {"INITIAL", INITIAL},
        {"BEFORE_HTML", BEFORE_HTML},
        {"BEFORE_HEAD", BEFORE_HEAD},
        {"IN_HEAD", IN_HEAD},
        {"AFTER_HEAD", AFTER_HEAD},
        {"IN_BODY", IN_BODY},
        {"IN_TABLE", IN_TABLE},
        {"IN_TABLE_BODY", IN_TABLE_BODY},
        {"IN_ROW", IN_ROW},
        {"IN_COLUMN_GROUP", IN_COLUMN_GROUP},
        {"PARAGRAPH", PARAGRAPH_BIT},
        {"HEADING", HEADING_BIT},
        {"TAKES_ITEMS", ITEMS_BIT},
        {"LINK", LINK_BIT},
        {"FORM", FORM_BIT},
        {"ONE_FORMATTING", 1 << FORMATTING_SHIFT},
    };
    for (size_t i = 0; i < sizeof constants / sizeof *constants; i++)
        if (PyModule_AddIntConstant(module, constants[i].name, constants[i].value) < 0)
            return -1;
    return 0;
}

static PyMethodDef methods[] = {
    {"skip", (PyCFunction)(void (*)(void))skip, METH_FASTCALL,
     "skip(buffer, position, limit, outside, room): the offset behind the run that begins at `position`, whose tags end\n"
     "before `limit`; and the elements that it leaves open, each as its name and its attributes as written."},
    {"find", (PyCFunction)(void (*)(void))find_word, METH_FASTCALL,
     "find(buffer, word, position): where `word` stands next, from `position` on; -1 if it does not."},
    {"find_tag", (PyCFunction)(void (*)(void))find_tag_start, METH_FASTCALL,
     "find_tag(buffer, name, position): the same for a tag of that name, which is in lower case."},
    {"insert", (PyCFunction)(void (*)(void))insert, METH_FASTCALL,
     "insert(page, position, snippet): the page with the snippet at that offset."},
    {NULL, NULL, 0, NULL},
};

static PyModuleDef_Slot slots[] = {
    {Py_mod_exec, add_constants},
    {0, NULL},
};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT,
    .m_name = "portal_gateway.html._compiled",
    .m_methods = methods,
    .m_slots = slots,
};

PyMODINIT_FUNC PyInit__compiled(void)
{
    return PyModuleDef_Init(&definition);
}
