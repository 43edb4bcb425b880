# cython: language_level=3, boundscheck=False, wraparound=False
"""Native doubles of the few functions that pass over every byte and every node of a page.

Rule: each gives the same answer as its double in Python, which stays the reference: `find_marks` as
`crawler.guard.find_marks`, `sort_of` as `crawler.url.sort_of`, `Walker.walk` as `crawler.extract.walk.walk_slowly`.
The tree is selectolax's; it is read through the functions that lexbor exports for bindings (their names end in
`_noi`), so no layout of its structures is assumed. Where they are not to be had, importing this module raises
ImportError, and all goes the slower way.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from cpython.mem cimport PyMem_Free, PyMem_Realloc
from cpython.unicode cimport PyUnicode_DecodeUTF8
from libc.stdint cimport INTPTR_MAX, uintptr_t
from libc.string cimport memchr, memcmp, memset

import selectolax.lexbor

cdef extern from "Python.h":
    bint PyUnicode_IS_COMPACT_ASCII(object text)
    const void *PyUnicode_DATA(object text)
    Py_ssize_t PyUnicode_GET_LENGTH(object text)

cdef extern from "dlfcn.h" nogil:
    void *dlopen(const char *path, int mode)
    void *dlsym(void *library, const char *name)
    int RTLD_LAZY
    int RTLD_NOLOAD

ctypedef void *(*Step)(void *) noexcept nogil
ctypedef uintptr_t (*TagOf)(void *) noexcept nogil
ctypedef const unsigned char *(*Piece)(void *, size_t *) noexcept nogil
ctypedef unsigned char *(*TextOf)(void *, size_t *) noexcept nogil
ctypedef void *(*GiveBack)(void *, unsigned char *) noexcept nogil


cdef void *_function(const char *name) except NULL:
    cdef bytes path = selectolax.lexbor.__file__.encode()
    cdef void *library = dlopen(path, RTLD_LAZY | RTLD_NOLOAD)
    cdef void *found = dlsym(library, name) if library != NULL else NULL
    if found == NULL:
        raise ImportError(f"{selectolax.lexbor.__file__} does not export {name.decode()}")
    return found


cdef Step first_child = <Step>_function("lxb_dom_node_first_child_noi")
cdef Step next_of = <Step>_function("lxb_dom_node_next_noi")
cdef Step parent_of = <Step>_function("lxb_dom_node_parent_noi")
cdef TagOf tag_of = <TagOf>_function("lxb_dom_node_tag_id_noi")
cdef Step first_attribute = <Step>_function("lxb_dom_element_first_attribute_noi")
cdef Step next_attribute = <Step>_function("lxb_dom_element_next_attribute_noi")
cdef Piece name_of = <Piece>_function("lxb_dom_attr_qualified_name")
cdef Piece value_of = <Piece>_function("lxb_dom_attr_value_noi")
cdef TextOf text_of = <TextOf>_function("lxb_dom_node_text_content")
cdef GiveBack give_back = <GiveBack>_function("lxb_dom_document_destroy_text_noi")

cdef enum:
    # The sorts of hrefs, as in `crawler.url`; more is where the host of an absolute one ends.
    OTHER = 0
    PATH = 1
    RELATIVE = 2
    QUERY = 3

cdef enum:
    # What a character may stand in.
    UNCHANGED = 1
    NAME = 2
    WORD = 4

cdef unsigned char _characters[256]
memset(_characters, 0, sizeof(_characters))


cdef void _allow(const char *characters, int where) noexcept:
    while characters[0] != 0:
        _characters[<unsigned char>characters[0]] |= where
        characters += 1


_allow("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_", UNCHANGED | WORD)
_allow("!$&()*+,;=:@|~./?%[]-", UNCHANGED)
_allow("abcdefghijklmnopqrstuvwxyz0123456789._-", NAME)


def sort_of(str href not None, Py_ssize_t characters_max):
    """Return the sort of an href: how it resolves if no parser is needed for that."""
    cdef const unsigned char *text
    cdef Py_ssize_t length = PyUnicode_GET_LENGTH(href)
    cdef Py_ssize_t at = 1, end, sort
    cdef unsigned char byte, before
    if length == 0 or not PyUnicode_IS_COMPACT_ASCII(href):
        return OTHER
    text = <const unsigned char *>PyUnicode_DATA(href)
    end = characters_max + 1
    if text[0] == b"/":
        if length > 1 and text[1] == b"/":
            return OTHER
        sort = PATH
    elif text[0] == b"?":
        sort = QUERY
        end = characters_max
    elif length > 7 and memcmp(text, b"http", 4) == 0 and memcmp(text + 4 + (text[4] == b"s"), b"://", 3) == 0:
        at = 7 + (text[4] == b"s")
        end = at
        while at < length and _characters[text[at]] & NAME:
            at += 1
        if at == end or at >= length or text[at] != b"/" or text[end] == b".":
            return OTHER
        sort = at
        at += 1
        end = at + characters_max
    elif _characters[text[0]] & WORD:
        sort = RELATIVE
    else:
        return OTHER
    before = text[at - 1]
    while at < length:
        byte = text[at]
        if not _characters[byte] & UNCHANGED or (byte == b"." and before == b"/") or (byte == b"2" and before == b"%"):
            return OTHER
        if sort == RELATIVE:
            if byte == b":":
                return OTHER
            if byte == b"?":
                if at > end:
                    return OTHER
                sort = -RELATIVE  # the rest is its query
                end = at + 1 + characters_max
        before = byte
        at += 1
    return OTHER if length > end else RELATIVE if sort < 0 else sort


def find_marks(bytes body not None, bytes pairs not None):
    """Return the number of `<` in a page, and the places of those that `pairs` picks by the two bytes after them.

    `pairs` has a byte for each two bytes, the first one the lower half of the index; not 0 picks.
    """
    cdef const unsigned char *start = <const unsigned char *>PyBytes_AS_STRING(body)
    cdef const unsigned char *picks = <const unsigned char *>PyBytes_AS_STRING(pairs)
    cdef const unsigned char *end = start + PyBytes_GET_SIZE(body)
    cdef const unsigned char *at = start
    cdef Py_ssize_t count = 0
    cdef list places = []
    if PyBytes_GET_SIZE(pairs) != 1 << 16:
        raise ValueError("pairs are 65,536 bytes")
    while at < end:
        at = <const unsigned char *>memchr(at, b"<", end - at)
        if at == NULL:
            break
        count += 1
        if end - at > 2 and picks[at[1] | at[2] << 8]:
            places.append(at - start)
        at += 1
    return count, places


cdef enum:
    # Numbers from here on belong to elements without a standard name.
    TAGS = 512
    NO_PLACE = -1

cdef enum:
    # What an element is.
    READ = 1
    PART = 2
    INNER = 4
    HIDDEN = 8
    ANCHOR = 16
    IMAGE = 32
    TITLE = 64
    DRAWING = 128

cdef struct Around:
    # What the elements around a node make of it.
    int place
    Py_ssize_t anchor       # which of the open elements is the nearest <a>; -1 for none
    bint in_drawing

cdef struct Open:
    # An element whose end is still ahead and that changes how its content is read.
    void *node
    Around before
    Py_ssize_t row          # of an <a> among the found elements, -1 for other elements
    bint is_impure          # an <a> with hidden text inside


cdef str _decode(const unsigned char *text, size_t length):
    return PyUnicode_DecodeUTF8(<const char *>text, length, "replace")


cdef dict _attributes(void *element):
    cdef dict attributes = {}
    cdef size_t length = 0, size = 0
    cdef const unsigned char *name
    cdef const unsigned char *value
    cdef void *attribute = first_attribute(element)
    while attribute != NULL:
        name = name_of(attribute, &length)
        value = value_of(attribute, &size)
        attributes[_decode(name, length)] = _decode(value, size) if value != NULL else None
        attribute = next_attribute(attribute)
    return attributes


cdef size_t _collapse(unsigned char *text, size_t length) noexcept nogil:
    # Like `collapse`, in place; returns the new length. ASCII is never a part of a longer character in UTF-8.
    cdef size_t taken = 0, at
    cdef unsigned char byte
    cdef bint space = False
    for at in range(length):
        byte = text[at]
        if byte == 32 or byte == 9 or byte == 10 or byte == 12 or byte == 13:
            space = taken > 0
        else:
            if space:
                text[taken] = 32
                taken += 1
                space = False
            text[taken] = byte
            taken += 1
    return taken


cdef class Walker:
    """Walks pages by the tables of `crawler.extract`; tags are lexbor's numbers, `collapse` and `cut` work on text."""

    cdef unsigned char _what[TAGS]
    cdef int _place[TAGS]
    cdef uintptr_t _text
    cdef int _nowhere
    cdef object _cut
    cdef object _collapsed
    cdef Py_ssize_t _bytes_max

    # Of the page being walked:
    cdef void *_document
    cdef list _found
    cdef Py_ssize_t _limit
    cdef Py_ssize_t _bytes_left
    cdef Open *_open
    cdef Py_ssize_t _depth
    cdef Py_ssize_t _room

    def __init__(self, read, parts, int nowhere, tags, hidden, inner, collapse, cut, Py_ssize_t text_bytes_max):
        memset(self._what, 0, sizeof(self._what))
        for tags_of, kind in (
            (read, READ), (parts, PART), (inner, INNER), (hidden, HIDDEN), ([tags["a"]], ANCHOR),
            ([tags["img"]], IMAGE), ([tags["title"]], TITLE), ([tags["svg"]], DRAWING),
        ):
            for tag in tags_of:
                if not 0 <= tag < TAGS:
                    raise ImportError(f"lexbor {selectolax.lexbor.LEXBOR_VERSION_MAJOR} numbers a tag {tag}")
                self._what[<Py_ssize_t>tag] |= <int>kind
        for tag, place in parts.items():
            self._place[<Py_ssize_t>tag] = place
        self._text = tags["-text"]
        self._nowhere = nowhere
        self._collapsed = collapse
        self._cut = cut
        self._bytes_max = text_bytes_max

    def __dealloc__(self):
        PyMem_Free(self._open)

    def walk(self, uintptr_t root, list roles, Py_ssize_t limit_bytes, bint anchors):
        """Return the elements under the node whose `mem_id` is `root`; the caller keeps its document alive.

        `roles` are those of `place.roles`; texts are cut to `limit_bytes`; without `anchors` no <a> is read.
        """
        cdef void *start = <void *>root
        cdef void *node = start
        cdef void *following
        cdef void *with_role = <void *><uintptr_t>roles[0][0] if roles else NULL
        cdef Py_ssize_t role = 0
        cdef int what, place, own
        cdef uintptr_t tag
        cdef Around around = Around(self._nowhere, -1, False)
        self._document = parent_of(start)
        self._found = []
        self._limit = limit_bytes
        self._bytes_left = self._bytes_max
        self._depth = 0
        while True:
            tag = tag_of(node)
            what = self._what[tag] if tag < TAGS else 0
            if what != 0 or node == with_role:
                if what & ANCHOR and not anchors:
                    what = 0
                self._read(node, tag, what, around)
                place = self._place[tag] if what & PART else around.place
                if node == with_role:
                    own = roles[role][1]
                    place = around.place if own == NO_PLACE else own
                    role += 1
                    with_role = <void *><uintptr_t>roles[role][0] if role < len(roles) else NULL
                if place != around.place or what & (ANCHOR | DRAWING):
                    self._enter(node, what, around)
                    around.place = place
                    if what & ANCHOR:
                        around.anchor = self._depth - 1
                    elif what & DRAWING:
                        around.in_drawing = True
            following = first_child(node)
            while following == NULL:
                if self._depth > 0 and self._open[self._depth - 1].node == node:
                    around = self._leave()
                if node == start:
                    found, self._found = self._found, None
                    return found
                following = next_of(node)
                if following == NULL:
                    node = parent_of(node)
            node = following

    cdef int _read(self, void *node, uintptr_t tag, int what, Around around) except -1:
        if what & INNER and around.anchor >= 0:
            self._note(node, what, around.anchor)
        if what & ANCHOR:
            # Its text is read at its end, when it is known what is inside.
            self._found.append([tag, _attributes(node), around.place, None])
        elif what & READ and not (what & TITLE and around.in_drawing):
            text = self._text_of(node) if what & TITLE else ""
            self._found.append((tag, _attributes(node), around.place, text, False, None, None, None))
        return 0

    cdef int _note(self, void *node, int what, Py_ssize_t anchor) except -1:
        # Tell the <a> around an element of it.
        if what & HIDDEN:
            self._open[anchor].is_impure = True
            return 0
        cdef list row = self._found[self._open[anchor].row]
        if row[3] is None:
            row[3] = []
        if what & IMAGE:
            alt = self._collapsed(_attributes(node).get("alt") or "")
            if alt:
                row[3].append(alt)
        return 0

    cdef int _enter(self, void *node, int what, Around before) except -1:
        cdef Open *more
        cdef Py_ssize_t room
        if self._depth == self._room:
            room = 2 * self._room + 16
            more = <Open *>PyMem_Realloc(self._open, room * sizeof(Open))
            if more == NULL:
                raise MemoryError
            self._open = more
            self._room = room
        self._open[self._depth] = Open(node, before, len(self._found) - 1 if what & ANCHOR else -1, False)
        self._depth += 1
        return 0

    cdef Around _leave(self) except *:
        self._depth -= 1
        cdef Open done = self._open[self._depth]
        if done.row >= 0:
            tag, attributes, place, images = self._found[done.row]
            text, is_cut = self._shown(done.node, done.is_impure)
            self._found[done.row] = (tag, attributes, place, text, is_cut, images, None, None)
        return done.before

    cdef tuple _shown(self, void *anchor, bint is_impure):
        # Return the text of an <a>, and whether it is cut.
        cdef size_t length = 0
        cdef unsigned char *text
        if is_impure or self._bytes_left < 0:
            anchor_text = self._collapsed(self._visible_text(anchor))
        else:
            text = text_of(anchor, &length)
            if text == NULL:
                return "", False
            self._bytes_left -= length
            try:
                anchor_text = _decode(text, _collapse(text, length))
            finally:
                give_back(self._document, text)
        if 4 * len(anchor_text) <= self._limit:
            return anchor_text, False
        shown = self._cut(anchor_text, self._limit)
        return shown, shown is not anchor_text

    cdef str _visible_text(self, void *anchor):
        # Return the text inside without hidden text; once a page has used up its bytes, the beginning of it.
        cdef list parts = []
        cdef void *node = anchor
        cdef void *following
        cdef Py_ssize_t enough = 2 * self._limit if self._bytes_left < 0 else INTPTR_MAX
        cdef Py_ssize_t size = 0
        while True:
            if tag_of(node) == self._text and not self._is_hidden(parent_of(node)):
                text = self._text_of(node)
                parts.append(text)
                size += len(text)
                if size > enough:
                    break
            following = first_child(node)
            while following == NULL and node != anchor:
                following = next_of(node)
                if following == NULL:
                    node = parent_of(node)
            if following == NULL:
                break
            node = following
        self._bytes_left -= size
        return "".join(parts)

    cdef bint _is_hidden(self, void *parent) noexcept:
        cdef uintptr_t tag = tag_of(parent)
        return tag < TAGS and self._what[tag] & HIDDEN

    cdef str _text_of(self, void *node):
        cdef size_t length = 0
        cdef unsigned char *text = text_of(node, &length)
        if text == NULL:
            return ""
        try:
            return _decode(text, length)
        finally:
            give_back(self._document, text)
