"""Files that are no text in UTF-8 with commas or tabs, whatever they are called: what they are, and what to do."""

from __future__ import annotations

import re
from pathlib import Path

from ifm_ident.errors import InputError

_MAGIC = (
    (b"PK\x03\x04", "a spreadsheet (.xlsx, .ods) or a zip archive", "open it and save the sheet as CSV in UTF-8"),
    (b"\xd0\xcf\x11\xe0", "a spreadsheet (.xls)", "open it and save the sheet as CSV in UTF-8"),
    (b"PAR1", "a Parquet file", "call it .parquet"),
    (b"\x89HDF", "an HDF5 file, such as .h5ad", "call it .h5ad"),
    (b"\x1f\x8b", "a gzip archive", "unpack it"),
    (b"ARROW1", "an Arrow file", "save it as .parquet"),
    (b"%PDF", "a PDF file", "save the table as CSV"),
)
_HTML = re.compile(rb"\s*<(!doctype|html|table|\?xml)", re.IGNORECASE)
_DIRECTIVE = re.compile(rb'"?sep=(.)', re.IGNORECASE)
_DECIMAL_COMMA = re.compile(rb"(?:^|[;\t|])\s*\"?[-+]?[0-9]+,[0-9]+\"?\s*(?:$|[;\t|])", re.MULTILINE)
_LOOKED_AT = 2**16


def refuse_other_formats(path: Path, data: bytes) -> None:
    """Raise InputError, with the real cause, for bytes that are another format than a table of text in UTF-8.

    >>> refuse_other_formats(Path("t.csv"), b"sep=;\\nA;B\\n")
    Traceback (most recent call last):
    ...
    ifm_ident.errors.InputError: t.csv: the first line is 'sep=;', which Excel writes and no column is called; \
remove the line, and save the table with commas
    """
    for magic, what, remedy in _MAGIC:
        if data.startswith(magic):
            raise InputError(f"{path}: this is {what}, whatever its name says; {remedy}")
    if _HTML.match(data):
        raise InputError(f"{path}: this is HTML or XML, not a table of text; save the table as CSV in UTF-8")
    start = data[:4096]
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise InputError(
            f"{path}: byte offset 0 is 0x{data[0]:02x}: the file is UTF-16 ('Unicode text' of spreadsheets); save "
            "the table as CSV in UTF-8"
        )
    if b"\0" in start:
        raise InputError(
            f"{path}: byte offset {start.index(0)} is 0x00: the file is UTF-16 or no text at all; save the table "
            "as CSV in UTF-8"
        )
    text = data.removeprefix(b"\xef\xbb\xbf")
    directive = _DIRECTIVE.match(text)
    if directive is not None and text.split(b"\n", 1)[0].strip().strip(b'"').lower() == b"sep=" + directive[1]:
        sign = directive[1].decode(errors="replace")
        also = "" if sign in ",\t" else ", and save the table with commas"
        raise InputError(
            f"{path}: the first line is {f'sep={sign}'!r}, which Excel writes and no column is called; remove the "
            f"line{also}"
        )


def other_separator(path: Path, data: bytes, delimiter: str) -> None:
    """Raise InputError for a header of one column that another character than `delimiter` would cut.

    >>> other_separator(Path("t.csv"), b"A;x\\n1;0,5\\n", ",")
    Traceback (most recent call last):
    ...
    ifm_ident.errors.InputError: t.csv: the first line names one column, 'A;x'; if ';' stands between columns, \
save the table with commas as .csv or with tabs as .tsv (and with decimal points: it has decimal commas)
    """
    header = data.split(b"\n", 1)[0].decode(errors="replace").strip().strip('"')
    other = next((sign for sign in ";\t|," if sign != delimiter and sign in header), None)
    if other is not None:
        comma = other != "," and _DECIMAL_COMMA.search(data[:_LOOKED_AT].replace(b"\r", b""))
        raise InputError(
            f"{path}: the first line names one column, {header[:60]!r}; if {other!r} stands between columns, save "
            "the table with commas as .csv or with tabs as .tsv"
            + (" (and with decimal points: it has decimal commas)" if comma else "")
        )
