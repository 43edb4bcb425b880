# cython: language_level=3, boundscheck=False, wraparound=False
"""Native doubles of what turns rows into Arrow columns: one column at a time, straight from the tuples.

Rule: each gives what `pyarrow.array` gives for the same values (`storage.columns`), as the buffers of Arrow's columnar
format: validity, offsets, values. Rows are tuples of one length; a value of another kind raises TypeError.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize
from cpython.list cimport PyList_GET_ITEM
from cpython.object cimport PyObject
from cpython.tuple cimport PyTuple_Check, PyTuple_GET_ITEM, PyTuple_GET_SIZE
from libc.stdint cimport INT32_MAX, int32_t, uint8_t, uint16_t
from libc.string cimport memcpy, memset

cdef extern from "Python.h":
    const char *PyUnicode_AsUTF8AndSize(object text, Py_ssize_t *size) except NULL


cdef inline object _value(list rows, Py_ssize_t row, Py_ssize_t column):
    cdef PyObject *values = PyList_GET_ITEM(rows, row)
    if not PyTuple_Check(<object>values) or column >= PyTuple_GET_SIZE(<object>values):
        raise TypeError(f"row {row} has no column {column}")
    return <object>PyTuple_GET_ITEM(<object>values, column)


def texts(list rows not None, Py_ssize_t column):
    """Return validity, offsets (32 bits), text (UTF-8) and the number of nulls of a column of str or None.

    The validity of a column without nulls is None. UnicodeEncodeError for lone surrogates, OverflowError for 2 GiB.
    """
    cdef Py_ssize_t count = len(rows), row, nulls = 0, size = 0, length = 0
    cdef bytes offsets = PyBytes_FromStringAndSize(NULL, 4 * (count + 1))
    cdef int32_t *ends = <int32_t *>PyBytes_AS_STRING(offsets)
    cdef bytes validity, text
    cdef char *to
    cdef const char *start
    ends[0] = 0
    for row in range(count):
        value = _value(rows, row, column)
        if value is None:
            nulls += 1
        else:
            PyUnicode_AsUTF8AndSize(value, &length)
            size += length
            if size > INT32_MAX:
                raise OverflowError("a column of 2 GiB")
        ends[row + 1] = <int32_t>size
    text = PyBytes_FromStringAndSize(NULL, size)
    to = PyBytes_AS_STRING(text)
    validity = _bits(count) if nulls else None
    for row in range(count):
        value = _value(rows, row, column)
        if value is not None:
            start = PyUnicode_AsUTF8AndSize(value, &length)
            memcpy(to + ends[row], start, length)
            if nulls:
                _set(validity, row)
    return validity, offsets, text, nulls


def numbers(list rows not None, Py_ssize_t column, Py_ssize_t size):
    """Return a column of int as numbers of 1 or 2 bytes without sign, or 4 with one; OverflowError for larger ones."""
    cdef Py_ssize_t count = len(rows), row
    cdef bytes values = PyBytes_FromStringAndSize(NULL, size * count)
    cdef void *to = PyBytes_AS_STRING(values)
    for row in range(count):
        value = _value(rows, row, column)
        if size == 1:
            (<uint8_t *>to)[row] = value
        elif size == 2:
            (<uint16_t *>to)[row] = value
        elif size == 4:
            (<int32_t *>to)[row] = value
        else:
            raise ValueError("numbers have 1, 2 or 4 bytes")
    return values


def flags(list rows not None, Py_ssize_t column):
    """Return a column of bool as bits."""
    cdef Py_ssize_t count = len(rows), row
    cdef bytes values = _bits(count)
    for row in range(count):
        value = _value(rows, row, column)
        if value is True:
            _set(values, row)
        elif value is not False:
            raise TypeError(f"{value!r} is no bool")
    return values


cdef bytes _bits(Py_ssize_t count):
    cdef bytes bits = PyBytes_FromStringAndSize(NULL, (count + 7) // 8)
    memset(PyBytes_AS_STRING(bits), 0, (count + 7) // 8)
    return bits


cdef inline void _set(bytes bits, Py_ssize_t at) noexcept:
    # The bits are not seen by anybody before they are complete.
    (<uint8_t *>PyBytes_AS_STRING(bits))[at >> 3] |= 1 << (at & 7)
