"""What the opcodes of a pickle do to a stack: tables for ``pickle_stream``.

Protocols 2 to 5 in the names of ``pickletools``, without those of protocol 0
that write numbers as text.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable
from typing import Any


def _set_items(stack: list[Any], items: list[Any]) -> None:
    stack[-1].update(zip(items[::2], items[1::2], strict=True))


def _set_item(stack: list[Any], buf: bytes, pos: int) -> None:
    value, key = stack.pop(), stack.pop()
    stack[-1][key] = value


def _reduce(stack: list[Any], buf: bytes, pos: int) -> None:
    args = stack.pop()
    # Classes come from the allow-list and from nowhere else.
    if not isinstance(stack[-1], type):
        raise ValueError("a call of what is no class")
    stack[-1] = stack[-1](*args)


def _build(stack: list[Any], buf: bytes, pos: int) -> None:
    state = stack.pop()
    stack[-1].__setstate__(state)


def _tuple(size: int) -> Callable:
    def act(stack: list[Any], buf: bytes, pos: int) -> None:
        stack[len(stack) - size :] = [tuple(stack[len(stack) - size :])]

    return act


def _push(make: Callable[[], Any]) -> Callable:
    def act(stack: list[Any], buf: bytes, pos: int) -> None:
        stack.append(make())

    return act


def text(raw: bytes) -> str:
    return str(raw, "utf-8", "surrogatepass")


# Opcode: bytes of the length that precedes, and what to make of the rest.
SIZED: dict[int, tuple[int, Callable[[bytes], Any]]] = {
    0x58: (4, text),  # BINUNICODE
    0x8C: (1, text),  # SHORT_BINUNICODE
    0x8D: (8, text),  # BINUNICODE8
    0x54: (4, bytes),  # BINSTRING
    0x55: (1, bytes),  # SHORT_BINSTRING
    0x42: (4, bytes),  # BINBYTES
    0x43: (1, bytes),  # SHORT_BINBYTES
    0x8E: (8, bytes),  # BINBYTES8
    0x8A: (1, pickle.decode_long),  # LONG1
    0x8B: (4, pickle.decode_long),  # LONG4
}
# Opcodes that end what a MARK began: the stack below it, and what was put on it.
CLOSE: dict[int, Callable[[list[Any], list[Any]], None]] = {
    0x75: _set_items,  # SETITEMS
    0x65: lambda stack, items: stack[-1].extend(items),  # APPENDS
    0x74: lambda stack, items: stack.append(tuple(items)),  # TUPLE
    0x6C: lambda stack, items: stack.append(items),  # LIST
    0x90: lambda stack, items: stack[-1].update(items),  # ADDITEMS
    0x91: lambda stack, items: stack.append(frozenset(items)),  # FROZENSET
    0x31: lambda stack, items: None,  # POP_MARK
}
# Opcode: bytes of its argument, and what it does.
FIXED: dict[int, tuple[int, Callable[[list[Any], bytes, int], None]]] = {
    0x80: (1, lambda stack, buf, pos: None),  # PROTO
    0x95: (8, lambda stack, buf, pos: None),  # FRAME
    0x4E: (0, _push(lambda: None)),  # NONE
    0x88: (0, _push(lambda: True)),  # NEWTRUE
    0x89: (0, _push(lambda: False)),  # NEWFALSE
    0x7D: (0, _push(dict)),  # EMPTY_DICT
    0x5D: (0, _push(list)),  # EMPTY_LIST
    0x29: (0, _push(tuple)),  # EMPTY_TUPLE
    0x8F: (0, _push(set)),  # EMPTY_SET
    0x85: (0, _tuple(1)),  # TUPLE1
    0x86: (0, _tuple(2)),  # TUPLE2
    0x87: (0, _tuple(3)),  # TUPLE3
    0x4D: (2, lambda stack, buf, pos: stack.append(buf[pos] + 256 * buf[pos + 1])),  # BININT2
    0x61: (0, lambda stack, buf, pos: stack[-2].append(stack.pop())),  # APPEND
    0x73: (0, _set_item),  # SETITEM
    0x52: (0, _reduce),  # REDUCE
    0x81: (0, _reduce),  # NEWOBJ
    0x62: (0, _build),  # BUILD
    0x30: (0, lambda stack, buf, pos: stack.pop()),  # POP
    0x32: (0, lambda stack, buf, pos: stack.append(stack[-1])),  # DUP
}
# Opcodes that put a number or a text on the stack: where an entry is whole,
# the key of the next.
BEGIN_KEY = frozenset((*SIZED, 0x4A, 0x4B, 0x4D, 0x68, 0x6A))
