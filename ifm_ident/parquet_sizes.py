"""How much a Parquet file unfolds to, read off its footer.

pyarrow tells the number of values of a column too, but ends the process where a damaged footer leaves it out
(`RowGroupMetaData.column`). The footer is Thrift's compact protocol
(https://github.com/apache/parquet-format/blob/master/src/main/thrift/parquet.thrift).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ifm_ident.errors import InputError

_STEPS = 5_000_000
"""More fields than this take too long, and no result has them."""

_TRUE, _FALSE, _BYTE, _DOUBLE, _BINARY, _LIST, _SET, _MAP, _STRUCT, _UUID = 1, 2, 3, 7, 8, 9, 10, 11, 12, 13
_WIDTH = {_BYTE: 1, _DOUBLE: 8, _UUID: 16}
_ROW_GROUPS, _COLUMNS, _METADATA, _VALUES, _UNCOMPRESSED = 4, 1, 3, 5, 6


def row_group_sizes(path: Path) -> list[tuple[int, int]]:
    """For every row group its number of values, those inside lists counted, and its bytes without compression.

    Raises InputError, without the file's name, for a footer that cannot be read.
    """
    try:
        groups = _Footer(_tail(path)).value(_STRUCT).get(_ROW_GROUPS) or []
        columns = [[chunk[_METADATA] for chunk in group[_COLUMNS]] for group in groups]
        return [(sum(c[_VALUES] for c in group), sum(c[_UNCOMPRESSED] for c in group)) for group in columns]
    except (AttributeError, LookupError, OSError, OverflowError, RecursionError, TypeError):
        raise InputError("no Parquet: the footer is damaged") from None


def _tail(path: Path) -> bytes:
    """The footer: its length stands before the last four bytes."""
    with path.open("rb") as stream:
        stream.seek(-8, 2)
        length = int.from_bytes(stream.read(4), "little")
        stream.seek(max(stream.tell() - 4 - length, 0))
        return stream.read(length)


class _Footer:
    """Reads values one after the other; structures become maps from field numbers, texts None."""

    def __init__(self, data: bytes) -> None:
        self.data, self.at, self.steps = data, 0, 0

    def value(self, kind: int) -> Any:
        self.steps += 1
        if self.steps > _STEPS:
            raise InputError(f"the footer has more than {_STEPS:,} fields; write the file in fewer row groups")
        if kind == _STRUCT:
            return self._struct()
        if kind in (_LIST, _SET):
            return self._list()
        if kind == _MAP:
            size = self._varint()
            kinds = self._byte() if size else 0
            return [(self.value(kinds >> 4), self.value(kinds & 15)) for _ in range(size)] and None
        if kind == _BINARY:
            length = self._varint()
            self.at += length
            return None
        if kind in _WIDTH:
            self.at += _WIDTH[kind]
            return None
        number = self._varint()
        return (number >> 1) ^ -(number & 1)

    def _struct(self) -> dict[int, Any]:
        fields: dict[int, Any] = {}
        number = 0
        while head := self._byte():
            step, kind = head >> 4, head & 15
            number = number + step if step else self.value(5)
            fields[number] = kind == _TRUE if kind in (_TRUE, _FALSE) else self.value(kind)
        return fields

    def _list(self) -> list[Any]:
        head = self._byte()
        size, kind = head >> 4, head & 15
        size = self._varint() if size == 15 else size
        kind = _BYTE if kind in (_TRUE, _FALSE) else kind
        return [self.value(kind) for _ in range(size)]

    def _byte(self) -> int:
        self.at += 1
        return self.data[self.at - 1]

    def _varint(self) -> int:
        number = shift = 0
        while True:
            byte = self._byte()
            number |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return number
            if shift > 63:
                raise IndexError
