/* Included before all that mypyc writes (setup.py): scopes and messages are plain dicts, nearly always. A compiler that
   is not told puts their look-ups aside, a line of the instruction cache each, and those for other mappings in the way. */

#include <Python.h>

#undef PyDict_CheckExact
#define PyDict_CheckExact(object) __builtin_expect(Py_IS_TYPE(object, &PyDict_Type), 1)
