# cython: language_level=3, boundscheck=False, wraparound=False
"""Native doubles of the few functions that pass over every byte and every node of a page.

Rule: each gives the same answer as its double in Python, which stays the reference: `find_marks` as
`crawler.guard.find_marks`, `sort_of` as `crawler.url.sort_of`, `join_url` as `ada_url.join_url`, `Walker.walk` as
`crawler.extract.walk.walk_slowly`, `Linker.read` as `crawler.extract.elements.read_slowly`, `count_links` as
`crawler.extract.rows.count_links`.
The tree is selectolax's; it is read through the functions that lexbor exports for bindings (their names end in
`_noi`), so no layout of its structures is assumed; ada is asked through its own interface for C. Where these are not
to be had, importing this module raises ImportError, and all goes the slower way.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from cpython.dict cimport PyDict_SetDefault
from cpython.mem cimport PyMem_Free, PyMem_Realloc
from cpython.ref cimport Py_INCREF
from cpython.tuple cimport PyTuple_GET_ITEM, PyTuple_SET_ITEM
from cpython.unicode cimport PyUnicode_DecodeUTF8
from libc.stdint cimport INTPTR_MAX, uintptr_t
from libc.string cimport memchr, memcmp, memcpy, memset

import ada_url._ada_wrapper
import selectolax.lexbor

cdef extern from "Python.h":
    bint PyUnicode_IS_COMPACT_ASCII(object text)
    const void *PyUnicode_DATA(object text)
    Py_ssize_t PyUnicode_GET_LENGTH(object text)
    const char *PyUnicode_AsUTF8AndSize(object text, Py_ssize_t *size) except NULL
    str PyUnicode_New(Py_ssize_t size, int maxchar)
    ctypedef struct PyTypeObject:
        pass
    object untracked "(PyObject *)_PyObject_GC_NewVar" (PyTypeObject *type, Py_ssize_t items)

cdef extern from "dlfcn.h" nogil:
    void *dlopen(const char *path, int mode)
    void *dlsym(void *library, const char *name)
    int RTLD_LAZY
    int RTLD_NOLOAD

ctypedef void *(*Step)(void *) noexcept nogil
ctypedef uintptr_t (*TagOf)(void *) noexcept nogil
ctypedef int (*TypeOf)(void *) noexcept nogil
ctypedef const unsigned char *(*Piece)(void *, size_t *) noexcept nogil
ctypedef unsigned char *(*TextOf)(void *, size_t *) noexcept nogil
ctypedef void *(*GiveBack)(void *, unsigned char *) noexcept nogil


ctypedef struct Href:
    const char *text
    size_t length

ctypedef void *(*ParseUrl)(const char *, size_t, const char *, size_t) noexcept nogil
ctypedef unsigned char (*IsValid)(void *) noexcept nogil
ctypedef Href (*HrefOf)(void *) noexcept nogil
ctypedef void (*FreeUrl)(void *) noexcept nogil


cdef void *_function(const char *name, module=selectolax.lexbor) except NULL:
    cdef bytes path = module.__file__.encode()
    cdef void *library = dlopen(path, RTLD_LAZY | RTLD_NOLOAD)
    cdef void *found = dlsym(library, name) if library != NULL else NULL
    if found == NULL:
        raise ImportError(f"{module.__file__} does not export {name.decode()}")
    return found


cdef Step first_child = <Step>_function("lxb_dom_node_first_child_noi")
cdef Step next_of = <Step>_function("lxb_dom_node_next_noi")
cdef Step parent_of = <Step>_function("lxb_dom_node_parent_noi")
cdef TagOf tag_of = <TagOf>_function("lxb_dom_node_tag_id_noi")
cdef TypeOf type_of = <TypeOf>_function("lxb_dom_node_type_noi")
cdef Step first_attribute = <Step>_function("lxb_dom_element_first_attribute_noi")
cdef Step next_attribute = <Step>_function("lxb_dom_element_next_attribute_noi")
cdef Piece name_of = <Piece>_function("lxb_dom_attr_qualified_name")
cdef Piece value_of = <Piece>_function("lxb_dom_attr_value_noi")
cdef TextOf text_of = <TextOf>_function("lxb_dom_node_text_content")
cdef GiveBack give_back = <GiveBack>_function("lxb_dom_document_destroy_text_noi")
cdef ParseUrl parse_url = <ParseUrl>_function("ada_parse_with_base", ada_url._ada_wrapper)
cdef IsValid is_valid = <IsValid>_function("ada_is_valid", ada_url._ada_wrapper)
cdef HrefOf href_of = <HrefOf>_function("ada_get_href", ada_url._ada_wrapper)
cdef FreeUrl free_url = <FreeUrl>_function("ada_free", ada_url._ada_wrapper)

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


def join_url(str base not None, str href not None):
    """Return the URL that an href leads to from a base. Raises ValueError where there is none."""
    cdef Py_ssize_t base_length, length
    cdef const char *base_text = PyUnicode_AsUTF8AndSize(base, &base_length)
    cdef const char *text = PyUnicode_AsUTF8AndSize(href, &length)
    cdef void *url = parse_url(text, length, base_text, base_length)
    cdef Href joined
    try:
        if not is_valid(url):
            raise ValueError("Invalid URL")
        joined = href_of(url)
        return PyUnicode_DecodeUTF8(joined.text, joined.length, NULL)
    finally:
        free_url(url)


def sort_of(str href not None, Py_ssize_t characters_max):
    """Return the sort of an href: how it resolves if no parser is needed for that."""
    if not PyUnicode_IS_COMPACT_ASCII(href):
        return OTHER
    return _sort(<const unsigned char *>PyUnicode_DATA(href), PyUnicode_GET_LENGTH(href), characters_max)


cdef Py_ssize_t _sort(const unsigned char *text, Py_ssize_t length, Py_ssize_t characters_max) noexcept nogil:
    cdef Py_ssize_t at = 1, end, sort
    cdef unsigned char byte, before
    if length == 0:
        return OTHER
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


def find_marks(bytes body not None, bytes pairs not None, tuple names not None):
    """Return the number of `<` in a page, and the places of those that open elements with these names and attributes.

    `pairs` has a byte for each two bytes, the first one the lower half of the index: 1 where these can follow it.
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
        if end - at > 2 and picks[at[1] | at[2] << 8] and _opens(at + 1, end, names):
            places.append(at - start)
        at += 1
    return count, places


cdef bint _opens(const unsigned char *text, const unsigned char *end, tuple names) except -1:
    # Tell whether one of these names stands here, and what separates it from an attribute.
    cdef size_t length = 0, at
    cdef unsigned char after
    cdef bytes name
    cdef bint is_same
    while text + length < end and <unsigned char>((text[length] | 32) - 97) < 26:  # a letter
        length += 1
    if text + length >= end:
        return False
    after = text[length]
    if after != 32 and after != b"/" and after != 9 and after != 10 and after != 12 and after != 13:
        return False
    for name in names:
        if <size_t>PyBytes_GET_SIZE(name) == length:
            is_same = True
            for at in range(length):
                is_same = is_same and text[at] | 32 == <unsigned char>PyBytes_AS_STRING(name)[at]
            if is_same:
                return True
    return False


cdef enum:
    # Numbers from here on belong to elements without a standard name.
    TAGS = 512
    # The type of a node that is an element (DOM Standard section 4.4).
    ELEMENT = 1
    # What a role may say instead of a place: that its element has none, or nothing.
    NO_PLACE = -1
    NO_ROLE = -2

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
    Py_ssize_t at           # where an <a> stands among the found elements, -1 for other elements
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


cdef struct Value:
    # The value of an attribute; `text` is NULL where there is none.
    const unsigned char *text
    size_t length


cdef inline Value _attribute(void *element, const char *wanted, size_t wanted_length) noexcept:
    # Return the value of one attribute.
    cdef Value value = Value(NULL, 0)
    cdef size_t length = 0
    cdef const unsigned char *name
    cdef void *attribute = first_attribute(element)
    while attribute != NULL:
        name = name_of(attribute, &length)
        if length == wanted_length and memcmp(name, wanted, length) == 0:
            value.text = value_of(attribute, &value.length)
            break
        attribute = next_attribute(attribute)
    return value


cdef bint _is_collapsed(Value value) noexcept:
    # Tell whether there is no white space but single spaces inside.
    cdef size_t at
    cdef unsigned char byte, before = 32
    for at in range(value.length):
        byte = value.text[at]
        if byte == 9 or byte == 10 or byte == 12 or byte == 13 or (byte == 32 and before == 32):
            return False
        before = byte
    return before != 32


cdef str _words(Value value, collapse):
    # Return the text of an attribute without superfluous white space.
    text = _decode(value.text, value.length)
    return text if _is_collapsed(value) else collapse(text)


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


cdef struct Item:
    # An element that was found.
    void *node
    uintptr_t tag
    int place
    bint is_cut


cdef class Elements:
    """What a walk found, in document order; it becomes tuples, as the walk in Python gives them, when they are asked for."""

    cdef object _root           # keeps the tree alive
    cdef uintptr_t _anchor
    cdef Item *_items
    cdef Py_ssize_t _count
    cdef Py_ssize_t _room
    cdef list _values
    # The text of an <a>, or its text and images, and the text of a <title>.

    def __cinit__(self):
        self._values = []

    def __dealloc__(self):
        PyMem_Free(self._items)

    def __len__(self):
        return self._count

    def __iter__(self):
        cdef Py_ssize_t at
        for at in range(self._count):
            yield self._element(at)

    def tagged(self, uintptr_t tag):
        """Return the elements with this tag number."""
        cdef Py_ssize_t at
        return [self._element(at) for at in range(self._count) if self._items[at].tag == tag]

    cdef int _add(self, void *node, uintptr_t tag, int place, value) except -1:
        cdef Item *more
        cdef Py_ssize_t room
        if self._count == self._room:
            room = 2 * self._room + 64
            more = <Item *>PyMem_Realloc(self._items, room * sizeof(Item))
            if more == NULL:
                raise MemoryError
            self._items = more
            self._room = room
        self._items[self._count] = Item(node, tag, place, False)
        self._values.append(value)
        self._count += 1
        return 0

    cdef tuple _element(self, Py_ssize_t at):
        cdef Item item = self._items[at]
        value = self._values[at]
        text, images = value if type(value) is tuple else (value or "", None)
        return item.tag, _attributes(item.node), item.place, text, bool(item.is_cut), images, None, None


cdef class Walker:
    """Walks pages by the tables of `crawler.extract`; tags are lexbor's numbers, `collapse` and `cut` work on text."""

    cdef unsigned char _what[TAGS]
    cdef int _place[TAGS]
    cdef uintptr_t _anchor
    cdef uintptr_t _text
    cdef int _nowhere
    cdef object _cut
    cdef object _collapsed
    cdef object _place_of_role
    cdef Py_ssize_t _bytes_max

    # Of the page being walked:
    cdef void *_document
    cdef Elements _found
    cdef Py_ssize_t _limit
    cdef Py_ssize_t _bytes_left
    cdef Open *_open
    cdef Py_ssize_t _depth
    cdef Py_ssize_t _room

    def __init__(
        self, read, parts, place_of_role, int nowhere, tags, hidden, inner, collapse, cut, Py_ssize_t text_bytes_max
    ):
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
        self._anchor = tags["a"]
        self._text = tags["-text"]
        self._nowhere = nowhere
        self._collapsed = collapse
        self._cut = cut
        self._place_of_role = place_of_role
        self._bytes_max = text_bytes_max

    def __dealloc__(self):
        PyMem_Free(self._open)

    def walk(self, root, Py_ssize_t limit_bytes, bint anchors):
        """Return the elements under the node `root`; texts are cut to `limit_bytes`, without `anchors` no <a> is read."""
        cdef void *start = <void *><uintptr_t>root.mem_id
        cdef void *node = start
        cdef void *following
        cdef int what, place, role
        cdef uintptr_t tag
        cdef Around around = Around(self._nowhere, -1, False)
        self._document = parent_of(start)
        self._found = Elements()
        self._found._root = root
        self._found._anchor = self._anchor
        self._limit = limit_bytes
        self._bytes_left = self._bytes_max
        self._depth = 0
        while True:
            tag = tag_of(node)
            what = self._what[tag] if tag < TAGS else 0
            role = self._role_of(node) if type_of(node) == ELEMENT else NO_ROLE
            if what != 0 or role != NO_ROLE:
                if what & ANCHOR and not anchors:
                    what = 0
                self._read(node, tag, what, around)
                place = self._place[tag] if what & PART else around.place
                if role != NO_ROLE:
                    place = around.place if role == NO_PLACE else role
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

    cdef int _role_of(self, void *element) except? -3:
        # Return what the role of an element says of its place.
        cdef Value role = _attribute(element, b"role", 4)
        place = self._place_of_role(_decode(role.text, role.length)) if role.text != NULL else None
        return NO_ROLE if place is None else place

    cdef int _read(self, void *node, uintptr_t tag, int what, Around around) except -1:
        if what & INNER and around.anchor >= 0:
            self._note(node, what, around.anchor)
        if what & ANCHOR:
            # Its text is read at its end, when it is known what is inside.
            self._found._add(node, tag, around.place, None)
        elif what & READ and not (what & TITLE and around.in_drawing):
            self._found._add(node, tag, around.place, self._text_of(node) if what & TITLE else None)
        return 0

    cdef int _note(self, void *node, int what, Py_ssize_t anchor) except -1:
        # Tell the <a> around an element of it.
        if what & HIDDEN:
            self._open[anchor].is_impure = True
            return 0
        cdef Py_ssize_t at = self._open[anchor].at
        cdef Value alt
        images = self._found._values[at]
        if images is None:
            images = self._found._values[at] = []
        if what & IMAGE:
            alt = _attribute(node, b"alt", 3)
            if alt.length > 0 and (words := _words(alt, self._collapsed)):
                images.append(words)
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
        self._open[self._depth] = Open(node, before, self._found._count - 1 if what & ANCHOR else -1, False)
        self._depth += 1
        return 0

    cdef Around _leave(self) except *:
        self._depth -= 1
        cdef Open done = self._open[self._depth]
        if done.at >= 0:
            text = self._shown(done.node, done.is_impure, &self._found._items[done.at].is_cut)
            images = self._found._values[done.at]
            self._found._values[done.at] = text if images is None else (text, images)
        return done.before

    cdef str _shown(self, void *anchor, bint is_impure, bint *is_cut):
        # Return the text of an <a>.
        cdef size_t length = 0
        cdef unsigned char *text
        if is_impure or self._bytes_left < 0:
            anchor_text = self._collapsed(self._visible_text(anchor))
        else:
            text = text_of(anchor, &length)
            if text == NULL:
                return ""
            self._bytes_left -= length
            try:
                anchor_text = _decode(text, _collapse(text, length))
            finally:
                give_back(self._document, text)
        if 4 * len(anchor_text) <= self._limit:
            return anchor_text
        shown = self._cut(anchor_text, self._limit)
        is_cut[0] = shown is not anchor_text
        return shown

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


cdef enum:
    # Columns of a `LinkRow`.
    COLUMNS = 15


cdef struct Said:
    # What the attributes of an element say.
    Value href
    Value rel
    Value words
    Value other_words
    bint is_plain               # no other attribute of it holds URLs


cdef class Plain:
    # How elements with one tag link when they have one URL: which attributes count, what kind of link it is.
    cdef object kind
    cdef bytes href
    cdef bytes rel
    cdef bytes words
    cdef bytes other_words
    cdef object source
    cdef object other_source
    cdef list others

    def __init__(self, kind, str href, str rel, words, others):
        names = [name.encode() for name in words] + [b"", b""]
        sources = [*words.values(), None, None]
        self.kind, self.href, self.rel = kind, href.encode(), rel.encode()
        self.words, self.other_words = names[:2]
        self.source, self.other_source = sources[:2]
        self.others = [name.encode() for name in others]

    cdef int look(self, void *element, Said *said) except -1:
        # Note what the attributes say.
        cdef size_t length = 0
        cdef const unsigned char *name
        cdef Value value
        cdef bytes other
        cdef void *attribute = first_attribute(element)
        memset(said, 0, sizeof(Said))
        said.is_plain = True
        while attribute != NULL:
            name = name_of(attribute, &length)
            value.length = 0
            value.text = value_of(attribute, &value.length)
            if _same(self.href, name, length):
                said.href = value
            elif _same(self.rel, name, length):
                said.rel = value
            elif _same(self.words, name, length):
                said.words = value
            elif _same(self.other_words, name, length):
                said.other_words = value
            else:
                for other in self.others:
                    if _same(other, name, length):
                        said.is_plain = False
            attribute = next_attribute(attribute)
        return 0


cdef inline bint _same(bytes known, const unsigned char *text, size_t length) noexcept:
    return <size_t>PyBytes_GET_SIZE(known) == length and memcmp(PyBytes_AS_STRING(known), text, length) == 0


cdef str _ascii(str start, const unsigned char *text, size_t length):
    # Return `start`, which is ASCII, followed by a text that is ASCII.
    cdef Py_ssize_t before = PyUnicode_GET_LENGTH(start)
    cdef str made = PyUnicode_New(before + length, 127)
    memcpy(<void *>PyUnicode_DATA(made), PyUnicode_DATA(start), before)
    memcpy(<unsigned char *>PyUnicode_DATA(made) + before, text, length)
    return made


cdef inline void _put(row, Py_ssize_t column, value) noexcept:
    Py_INCREF(value)
    PyTuple_SET_ITEM(row, column, value)


cdef bint _is_like(row, kind, rel, str anchor, place) except -1:
    # Tell whether a row differs from a link to its URL in nothing that counts.
    if <object>PyTuple_GET_ITEM(row, 4) != rel or <object>PyTuple_GET_ITEM(row, 9) != place:
        return False
    return <object>PyTuple_GET_ITEM(row, 5) == anchor and <object>PyTuple_GET_ITEM(row, 3) == kind


cdef str _checked(str text):
    # Return a text that is ASCII, as normal forms of URLs are.
    if not PyUnicode_IS_COMPACT_ASCII(text):
        raise ValueError(f"{text!r} is no part of a normal form")
    return text


cdef bint _is_unchanged(const unsigned char *text, size_t length) noexcept:
    cdef size_t at
    for at in range(length):
        if not _characters[text[at]] & UNCHANGED:
            return False
    return True


cdef bint _is(str known, const unsigned char *text, Py_ssize_t length) noexcept:
    return PyUnicode_GET_LENGTH(known) == length and memcmp(PyUnicode_DATA(known), text, length) == 0


cdef class Linker:
    """Reads the elements of a page in order: plain links here, all else through the functions in Python.

    `readers` are these functions by tag, `plain` says by tag how elements link that may be read here (the arguments of
    `Plain`), the rest is what `crawler.extract` uses itself.
    """

    cdef list _readers          # by tag, None for elements that hold no URL
    cdef list _plain            # by tag, None for elements that are read by Python alone
    cdef object _rel_bits
    cdef object _collapse
    cdef object _cut
    cdef set _plain_hosts
    cdef object _is_plain
    cdef object _row
    cdef object _said
    cdef object _unsaid
    cdef object _shown
    cdef Py_ssize_t _characters_max

    # Of the page being read:
    cdef object _rows
    cdef list _links
    cdef dict _first
    cdef dict _variants
    cdef dict _repeats
    cdef Py_ssize_t _most
    cdef Py_ssize_t _limit
    cdef str _origin
    cdef str _directory
    cdef str _path
    cdef str _page
    cdef str _host
    cdef str _other_host
    cdef Py_ssize_t _same_document
    cdef Py_ssize_t _dropped

    # Of the link being read:
    cdef str _url
    cdef str _target_host
    cdef str _fragment
    cdef str _anchor
    cdef object _source
    cdef bint _is_cut
    cdef bint _is_image

    def __init__(
        self, dict readers, dict plain, rel_bits, collapse, cut, set plain_hosts not None, is_plain, row, sources,
        characters_max
    ):
        self._readers = [readers.get(tag) for tag in range(TAGS)]
        self._plain = [Plain(*plain[tag]) if tag in plain else None for tag in range(TAGS)]
        self._rel_bits = rel_bits
        self._collapse = collapse
        self._cut = cut
        self._plain_hosts = plain_hosts
        self._is_plain = is_plain
        self._row = row
        self._said, self._unsaid, self._shown = sources["text"], sources["none"], sources["alt"]
        self._characters_max = characters_max

    def read(self, reading, Elements elements not None):
        """Read the elements of a page as `crawler.extract.elements.read_slowly` does with all readers."""
        cdef Py_ssize_t at
        cdef uintptr_t tag
        cdef Plain plain
        self._begin(reading)
        for at in range(elements._count):
            tag = elements._items[at].tag  # below TAGS, as all that a `Walker` finds
            plain = <Plain>self._plain[tag]
            if plain is not None and self._link(elements, at, plain):
                continue
            reader = self._readers[tag]
            if reader is not None:
                reader(reading, elements._element(at))
        reading.page.same_document += self._same_document
        reading.page.links_dropped += self._dropped

    cdef int _begin(self, reading) except -1:
        rows = self._rows = reading.rows
        resolver = rows.resolver
        self._links = reading.page.links
        self._first = rows.first
        self._variants = rows.variants
        self._repeats = rows.repeats
        self._most = rows.most
        self._limit = reading.settings.anchor_bytes
        self._page = resolver.page
        self._origin = _checked(resolver.origin)
        self._directory = _checked(resolver.directory)
        self._path = _checked(resolver.path)
        self._host = _checked(resolver.host)
        self._other_host = self._host
        self._same_document = self._dropped = 0
        return 0

    cdef bint _link(self, Elements elements, Py_ssize_t at, Plain plain) except -1:
        # Read an element; False where only Python can.
        cdef Said said
        cdef bint is_anchor = elements._items[at].tag == elements._anchor
        plain.look(elements._items[at].node, &said)
        if said.href.text == NULL or not said.is_plain:
            return False
        if not self._resolve(said.href):
            if not is_anchor:
                return False
            href = _decode(said.href.text, said.href.length)
            target = self._rows.known.get(href) or self._rows.parts(href)
            if type(target) is not tuple:
                self._rows.refuse(target)
                return True
            self._url, self._target_host, self._fragment = target
        if self._url is None:
            self._same_document += 1
            return True
        if len(self._links) >= self._most:
            self._dropped += is_anchor
            return is_anchor
        self._is_cut = elements._items[at].is_cut
        self._listen(elements._values[at] if is_anchor else "", plain, &said)
        rel = self._rel_bits(_decode(said.rel.text, said.rel.length)) if said.rel.length > 0 else 0
        self._add(plain.kind, rel, elements._items[at].place)
        return True

    cdef bint _resolve(self, Value href) except -1:
        # Note where a plain href leads, no URL for the page itself; False for other hrefs.
        cdef const unsigned char *mark = <const unsigned char *>memchr(href.text, b"#", href.length)
        cdef size_t length = href.length if mark == NULL else mark - href.text
        self._url = self._fragment = None
        if length == 0:
            return True
        url = self._found(href.text, length)
        if url is None:
            return False
        if mark != NULL:
            length = href.length - length - 1
            if length > <size_t>self._characters_max or not _is_unchanged(mark + 1, length):
                return False
            if url == self._page:
                return True
            if length > 0:
                self._fragment = _ascii("", mark + 1, length)
        self._url = url
        return True

    cdef str _found(self, const unsigned char *href, size_t length):
        # Return the URL of an href without fragment, and note its host; None for hrefs that are not plain.
        cdef Py_ssize_t sort = _sort(href, length, self._characters_max)
        cdef Py_ssize_t start, size
        self._target_host = self._host
        if sort == PATH:
            return _ascii(self._origin, href, length)
        if sort == RELATIVE:
            return _ascii(self._directory, href, length)
        if sort == QUERY:
            return _ascii(self._path, href, length)
        if sort == OTHER:
            return self._climbed(href, length)
        start = 8 if href[4] == b"s" else 7
        size = sort - start
        if not _is(self._host, href + start, size):
            if not _is(self._other_host, href + start, size):
                host = _ascii("", href + start, size)
                if host not in self._plain_hosts and not self._is_plain(host):
                    return None
                self._other_host = host
            self._target_host = self._other_host
        return _ascii("", href, length)

    cdef str _climbed(self, const unsigned char *href, size_t length):
        # Return the URL of `../name`.
        cdef size_t at = 0, place
        cdef const unsigned char *directory = <const unsigned char *>PyUnicode_DATA(self._directory)
        cdef Py_ssize_t kept = PyUnicode_GET_LENGTH(self._directory)
        cdef Py_ssize_t least = PyUnicode_GET_LENGTH(self._origin) + 1
        while at + 3 <= length and memcmp(href + at, b"../", 3) == 0:
            at += 3
            kept = max(least, kept - 1)
            while kept > least and directory[kept - 1] != b"/":
                kept -= 1
        if at == 0 or length - at > <size_t>self._characters_max:
            return None
        if at < length and not _characters[href[at]] & WORD:
            return None
        for place in range(at, length):
            if not _characters[href[place]] & UNCHANGED:
                return None
            if href[place] == b"." and href[place - 1] == b"/" or href[place] == b"2" and href[place - 1] == b"%":
                return None
        return _ascii(self._directory[:kept], href + at, length - at)

    cdef int _listen(self, value, Plain plain, Said *said) except -1:
        # Note what a link says: its text, else its images, else its attributes.
        self._is_image = type(value) is tuple
        self._anchor = value[0] if self._is_image else value
        self._source = self._said
        if self._anchor:
            return 0
        if self._is_image and value[1]:
            self._anchor, self._source = " ".join(value[1]), self._shown
        elif self._says(said.words):
            self._source = plain.source
        elif self._says(said.other_words):
            self._source = plain.other_source
        else:
            self._source = self._unsaid
            return 0
        shown = self._cut(self._anchor, self._limit)
        self._is_cut = shown is not self._anchor
        self._anchor = shown
        return 0

    cdef bint _says(self, Value value) except -1:
        # Note the words of an attribute; False where it has none.
        if value.length == 0:
            return False
        self._anchor = _words(value, self._collapse)
        return bool(self._anchor)

    cdef int _add(self, kind, rel, place) except -1:
        # Store the link, or count it as a repeat, as `Rows.add` does.
        cdef object position = len(self._links)
        cdef object first = <object>PyDict_SetDefault(self._first, self._url, position)
        cdef object row
        if first is not position and not _is_like(self._links[first], kind, rel, self._anchor, place):
            key = (self._url, kind, rel, self._anchor, place)
            first = <object>PyDict_SetDefault(self._variants, key, position)
        if first is not position:
            self._repeats[first] = self._repeats.get(first, 0) + 1
            return 0
        # Never shown to the collector: of strings and numbers alone, so in no cycle; looking took 1.5 % of a crawl.
        row = untracked(<PyTypeObject *>self._row, COLUMNS)
        _put(row, 0, self._url)
        _put(row, 1, self._target_host)
        _put(row, 2, self._fragment)
        _put(row, 3, kind)
        _put(row, 4, rel)
        _put(row, 5, self._anchor)
        _put(row, 6, self._source)
        _put(row, 7, bool(self._is_cut))
        _put(row, 8, bool(self._is_image))
        _put(row, 9, place)
        _put(row, 10, position)
        _put(row, 11, 0)
        _put(row, 12, None)
        _put(row, 13, None)
        _put(row, 14, None)
        self._links.append(row)
        if len(self._links) >= self._most:
            self._rows.full = True
        return 0


cdef enum:
    # Columns of a `LinkRow` that are counted.
    TARGET_HOST = 1
    REL = 4


def count_links(page, str page_host not None, domains_of, Py_ssize_t nofollow):
    """Count the rows of a page by where they lead, and those with the bit `nofollow`."""
    cdef object own = domains_of(page_host)[0]
    cdef set outside = set()
    cdef object host = None
    cdef bint is_outside = False
    cdef Py_ssize_t internal = 0, external = 0, marked = 0
    cdef list links = page.links
    for row in links:
        target_host = <object>PyTuple_GET_ITEM(row, TARGET_HOST)
        if target_host is not host:
            host = target_host
            domains = domains_of(host)
            domain = <object>PyTuple_GET_ITEM(domains, 0)  # by index a named tuple takes 300 instructions
            is_outside = domain != own
            if is_outside:
                outside.add(domain)
        external += is_outside
        internal += not is_outside
        marked += (<Py_ssize_t><object>PyTuple_GET_ITEM(row, REL)) & nofollow != 0
    page.internal += internal
    page.external += external
    page.external_domains = len(outside)
    page.nofollow = marked
