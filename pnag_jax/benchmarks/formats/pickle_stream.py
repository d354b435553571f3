"""Reads the entries of one large dictionary in a pickle, one at a time.

``pickle.load`` keeps all that it has read: every object, and the memo that
holds every string once more.  A benchmark of gigabytes needs ten times its
size in memory that way.  Here the opcodes of protocols 2 to 5 are interpreted
directly: an entry of the wanted dictionary is handed over as soon as it is
whole, and it and its part of the memo are forgotten.  Where a later entry
refers back to an earlier one, that one is read again from the file.

As in ``safe_pickle``, every global is looked up in an allow-list of inert
stand-ins and any other is refused by name; nothing is imported.  Values are
dictionaries, lists, tuples, sets, texts, bytes and numbers.
"""

from __future__ import annotations

import bisect
import struct
from collections.abc import Callable, Generator, Mapping
from typing import Any, BinaryIO

from pnag_jax.benchmarks.formats import pickle_opcodes as opcodes
from pnag_jax.errors import DataError

# Bytes that one entry, or all that stands before the first, may take.  A byte
# can ask for an object of at most 72 bytes, so they bound what is in memory.
MAX_ENTRY_BYTES = 8 * 2**20

# Objects of earlier entries that later ones refer to; they stay in memory.
MAX_SHARED = 10**6

_BLOCK = 2**20
# No opcode with its fixed argument is longer, and no name of a global.
_LONGEST = 16
_LONGEST_NAME = 1024

Open = Callable[[int], BinaryIO]


def entries(
    open_at: Open,
    path: tuple[str, ...],
    allowed: Mapping[tuple[str, str], type],
    *,
    persistent: Callable[[Any], Any] | None = None,
    max_entry_bytes: int = MAX_ENTRY_BYTES,
) -> Generator[tuple[Any, Any], None, Any]:
    """The items of the dictionary at ``path`` in the outermost one.

    They come one at a time where every dictionary on the way has two items or
    more; otherwise at once, and the bound is one of all of them together.

    Args:
      open_at: opens the pickle's bytes at an offset.
      path: keys that lead to the dictionary, at least one.
      allowed: what stands in for each ``(module, name)`` that may be named.
      persistent: what to make of a reference to outside data; None refuses.
      max_entry_bytes: a larger entry is refused.

    Yields:
      ``(key, value)`` in the order of the file.  The generator's return value
      is the outermost dictionary with what it holds beside these entries.

    Raises:
      DataError: damaged, truncated, not of this form, or a global or an entry
        that is not allowed.  The message does not name the file.
    """
    machine = Machine(open_at, allowed, persistent, max_entry_bytes)
    try:
        top = yield from machine.run(path)
        inner = top
        for key in path:
            if not isinstance(inner, dict) or key not in inner:
                raise DataError(f"it holds no dictionary at {'/'.join(path)}")
            inner = inner[key]
        if not isinstance(inner, dict):
            raise DataError(f"what it holds at {'/'.join(path)} is no dictionary")
    except DataError:
        raise
    # Damaged or hostile bytes may raise anything at all.
    except Exception as error:
        raise DataError(f"is truncated or damaged: {error or type(error).__name__}") from error
    # A dictionary of one entry is written in another way.
    rest = list(inner.items())
    inner.clear()
    yield from rest
    return top


class _Memo(dict):
    """Numbered objects of the current entry; others are looked up where they stand."""

    def __init__(self, missing: Callable[[int], Any]):
        super().__init__()
        self._find = missing

    def __missing__(self, number: int) -> Any:
        return self._find(number)


class Machine:
    """The interpreter, and what it keeps between entries."""

    def __init__(self, open_at: Open, allowed: Mapping, persistent: Any, max_entry_bytes: int):
        self.open_at = open_at
        self.allowed = allowed
        self.persistent = persistent
        self.max_entry_bytes = max_entry_bytes
        # Where each entry begins, and the number of its first object.
        self.offsets: list[int] = []
        self.numbers: list[int] = []
        self.shared: dict[int, Any] = {}
        self.read_again: dict[int, dict[int, Any]] = {}

    def find_class(self, module: str, name: str) -> type:
        try:
            return self.allowed[module, name]
        except KeyError:
            raise DataError(f"it names {module}.{name}, which is not allowed") from None

    def outside(self, pid: Any) -> Any:
        if self.persistent is None:
            raise DataError(f"it refers to outside data ({pid!r}), which is not allowed")
        return self.persistent(pid)

    def earlier(self, number: int) -> Any:
        """The object of that number, of an entry that was handed over before."""
        if number in self.shared:
            return self.shared[number]
        entry = bisect.bisect_right(self.numbers, number) - 1
        if not 0 <= entry < len(self.offsets) - 1:
            raise DataError(f"is damaged: it refers to object {number}, which is not there")
        if entry not in self.read_again:
            again = Machine(self.open_at, self.allowed, self.persistent, self.max_entry_bytes)
            memo = _Memo(self.earlier)
            start, until = self.offsets[entry : entry + 2]
            list(again.run((), start, until, memo, self.numbers[entry]))
            self.read_again = {entry: memo}
        if number not in self.read_again[entry]:
            raise DataError(f"is damaged: it refers to object {number}, which is not there")
        if len(self.shared) >= MAX_SHARED:
            raise DataError(f"entries share more than {MAX_SHARED:,} objects")
        self.shared[number] = self.read_again[entry][number]
        return self.shared[number]

    def check_size(self, size: int) -> None:
        if size > self.max_entry_bytes:
            raise DataError(f"an entry is larger than {self.max_entry_bytes:,} bytes")

    def begin_entry(self, offset: int, memo: dict[int, Any]) -> _Memo:
        """Closes the part of the memo that ends at ``offset``."""
        first = max(memo) + 1 if memo else (self.numbers[-1] if self.numbers else 0)
        if not self.offsets:
            self.shared = dict(memo)
        self.offsets.append(offset)
        self.numbers.append(first)
        return _Memo(self.earlier)

    def run(
        self,
        path: tuple[str, ...],
        start: int = 0,
        until: int | None = None,
        memo: _Memo | None = None,
        count: int = 0,
    ) -> Generator[tuple[Any, Any], None, Any]:
        """Interprets from ``start``; to the offset ``until``, or to the end.

        ``count`` is the number of the next object where the protocol leaves it
        implicit.  With an ``until`` the code is that of one entry.
        """
        read = self.open_at(start).read
        memo = _Memo(self.earlier) if memo is None else memo
        stack: list[Any] = []
        stream: list[Any] | None = None if until is None else stack
        meta: list[list[Any]] = []
        buf, pos, base, begun, ended = b"", 0, start, start, False
        safe = 0  # from here on the slow branch looks at every opcode
        sized, close, fixed = opcodes.SIZED, opcodes.CLOSE, opcodes.FIXED
        unpack_double = struct.Struct(">d").unpack_from
        unpack_int = struct.Struct("<i").unpack_from
        unpack_uint = struct.Struct("<I").unpack_from

        while True:
            if pos >= safe:
                if pos >= len(buf) - _LONGEST:
                    if ended:
                        raise DataError("is truncated")
                    more = read(_BLOCK)
                    base, buf, pos = base + pos, buf[pos:] + more, 0
                    ended = not more
                    if ended:
                        # So that the last opcodes, too, have _LONGEST bytes behind them.
                        buf += bytes(_LONGEST)
                    self.check_size(base - begun)
                    continue
                safe = len(buf) - _LONGEST
                if stack is stream:
                    safe = 0
                    if base + pos == until:
                        return None
                    if until is None and buf[pos] in opcodes.BEGIN_KEY:
                        # A container that is still empty may yet get its one item.
                        whole = len(stack) == 2 and isinstance(stack[1], dict) and stack[1]
                        if whole or not stack:
                            memo = self.begin_entry(base + pos, memo)
                            begun = base + pos
                        if whole:
                            yield stack[0], stack[1]
                            stack.clear()
            op = buf[pos]
            pos += 1

            if op == 0x47:  # BINFLOAT
                stack.append(unpack_double(buf, pos)[0])
                pos += 8
            elif op in sized:
                width, decode = sized[op]
                begin = pos + width
                size = int.from_bytes(buf[pos:begin], "little")
                if begin + size > len(buf) - _LONGEST:
                    self.check_size(base + begin + size - begun)
                    if not ended:
                        base, buf, begin = base + begin, buf[begin:] + read(size + _BLOCK), 0
                        safe = 0
                    if begin + size > len(buf) - ended * _LONGEST:
                        raise DataError("is truncated")
                pos = begin + size
                stack.append(decode(buf[begin:pos]))
            elif op == 0x72:  # LONG_BINPUT
                memo[unpack_uint(buf, pos)[0]] = stack[-1]
                pos += 4
            elif op == 0x6A:  # LONG_BINGET
                stack.append(memo[unpack_uint(buf, pos)[0]])
                pos += 4
            elif op == 0x94:  # MEMOIZE
                memo[count] = stack[-1]
                count += 1
            elif op == 0x4B:  # BININT1
                stack.append(buf[pos])
                pos += 1
            elif op == 0x71:  # BINPUT
                memo[buf[pos]] = stack[-1]
                pos += 1
            elif op == 0x68:  # BINGET
                stack.append(memo[buf[pos]])
                pos += 1
            elif op == 0x28:  # MARK
                if stream is None and len(meta) == len(path) and _leads(meta, stack, path):
                    stream = []
                    meta.append(stack)
                    stack = stream
                    safe = 0
                else:
                    if stack is stream:
                        safe = len(buf) - _LONGEST
                    meta.append(stack)
                    stack = []
            elif op in close:
                items, stack = stack, meta.pop()
                if items is stream and until is None:
                    if items:
                        memo = self.begin_entry(base + pos - 1, memo)
                        yield from zip(items[::2], items[1::2], strict=True)
                    stream = None
                else:
                    close[op](stack, items)
                if stack is stream:
                    safe = 0
            elif op in fixed:
                size, act = fixed[op]
                act(stack, buf, pos)
                pos += size
            elif op == 0x4A:  # BININT
                stack.append(unpack_int(buf, pos)[0])
                pos += 4
            elif op == 0x63:  # GLOBAL
                if len(buf) - pos < _LONGEST_NAME and not ended:
                    base, buf, pos = base + pos, buf[pos:] + read(_BLOCK), 0
                    safe = 0
                *names, _ = buf[pos : pos + _LONGEST_NAME].split(b"\n", 2)
                module, name = map(opcodes.text, names)
                stack.append(self.find_class(module, name))
                pos += len(module.encode()) + len(name.encode()) + 2
            elif op == 0x93:  # STACK_GLOBAL
                name, module = stack.pop(), stack.pop()
                stack.append(self.find_class(module, name))
            elif op == 0x51:  # BINPERSID
                stack.append(self.outside(stack.pop()))
            elif op == 0x2E:  # STOP
                (top,) = stack
                return top
            else:
                raise DataError(f"is damaged: {op:#04x} at byte {base + pos - 1} is no opcode")


def _leads(meta: list[list[Any]], stack: list[Any], path: tuple[str, ...]) -> bool:
    """Whether the dictionary that is about to be filled stands at ``path``."""
    levels = [*meta[1:], stack]
    return bool(path) and all(
        len(level) >= 2 and level[-2] == key and isinstance(level[-1], dict)
        for level, key in zip(levels, path, strict=True)
    )
