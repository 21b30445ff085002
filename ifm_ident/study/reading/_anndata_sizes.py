"""What an .h5ad file would unfold to, found before anything of it is read, and links that leave the file.

HDF5 keeps a text of no fixed length in a heap, and in its data set just a reference of 16 bytes: a length, the
address of a heap collection, a number in it. Many references may lead to one long text. A compressed chunk may
inflate to more than the chunk holds. Neither is told by shapes and types
(https://support.hdfgroup.org/documentation/hdf5/latest/_f_m_t3.html, sections III.E and IV.A.2.l).
"""

from __future__ import annotations

import math
import mmap
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ifm_ident.errors import InputError
from ifm_ident.limits import current, require_within

_DEEPEST = 3
"""A column of obs may be a group with categories, and these a group with values and a mask."""

_PARTS = 4
"""Such a group has codes and categories, or values and a mask."""

_CATEGORIES = "__categories"
"""Where anndata 0.7 keeps the categories of all columns of obs."""

_COLUMNS = frozenset(("", "categorical", "nullable-integer", "nullable-boolean", "nullable-string-array"))
"""What a group within obs may say it is: a sparse matrix there, whose indices lie, ends the process."""

_INFLATION = 1032
"""What deflate can inflate a byte to, at most."""


def require_own(path: Path, file: Any, names: Sequence[str]) -> None:
    """Raise InputError where a part of a file is elsewhere: by a link, in other files, as a view of others."""
    import h5py

    waiting = [(file, name) for name in names]
    seen = set()
    while waiting:
        group, name = waiting.pop()
        link = group.get(name, getlink=True)
        if link is None:
            continue
        at = f"{group.name.rstrip('/')}/{name}"
        other = ""
        if not isinstance(link, h5py.HardLink):
            other = f"is a link to {getattr(link, 'filename', '')}{link.path!r}"
        elif (found := h5py.h5o.get_info(group.id, name.encode())).type == h5py.h5o.TYPE_DATASET:
            dataset = group[name]
            other = "is kept in other files" if dataset.external else ""
            other = "is a view of other data sets" if dataset.is_virtual else other
        elif found.type == h5py.h5o.TYPE_GROUP and found.addr not in seen:
            seen.add(found.addr)
            waiting += [(group[name], child) for child in group[name]]
        if other:
            raise InputError(f"{path}: {at} {other}, and only what is in the file itself is read; write it whole")


def require_small(path: Path, obs: Any, index: Any, var: Any) -> None:
    """Raise InputError where obs or the names of var are larger than the limits, as they would be in memory."""
    if obs.attrs.get("encoding-type", "") not in ("", "dataframe") or "h5sparse_format" in obs.attrs:
        raise InputError(f"{path}: obs is no table; write the file anew")
    members = [obs[name] for name in obs if name != _CATEGORIES]
    old = obs.get(_CATEGORIES, {})
    columns = [*members, *(old[name] for name in old)]
    require_within("columns", len(columns), path)
    parts = [obs, *_parts(path, index, 0), *(part for one in columns for part in _parts(path, one, 0))]
    heap, found = _longest_collection(path), [one for one in parts if hasattr(one, "shape")]
    for one in (*parts, var):
        for name in one.attrs:
            about = one.attrs.get_id(name)
            words = f"{path}, the attribute {name!r} of {one.name}"
            require_within("file", math.prod(about.shape or ()) * (heap if about.dtype.kind == "O" else 1), words)
    sizes = [math.prod(one.shape or ()) for one in found]
    require_within("rows", max(sizes), path)
    require_within("cells", sum(sizes), path)
    plain = sum(size * one.dtype.itemsize for one, size in zip(found, sizes, strict=True))
    require_within("file", plain, f"{path}, decompressed")
    for one in found:
        require_chunks(path, one)
    texts = sum(_text_bytes(path, one, heap) for one in found if one.dtype.kind == "O")
    require_within("file", plain + texts, f"{path}, decompressed")


def _parts(path: Path, found: Any, depth: int) -> Iterator[Any]:
    """All that a part of a file is made of, as often as it is linked to, which is as often as it is read."""
    yield found
    if hasattr(found, "shape"):
        return
    names, kind = list(found), found.attrs.get("encoding-type", "")
    strange = kind not in _COLUMNS or "h5sparse_format" in found.attrs
    if depth == _DEEPEST or len(names) > _PARTS or strange:
        raise InputError(f"{path}: {found.name} holds more than a column does; write the file anew")
    for name in names:
        yield from _parts(path, found[name], depth + 1)


def require_chunks(path: Path, dataset: Any) -> None:
    """Raise InputError for chunks that hold more than the limit, or inflate to more than they may hold."""
    if dataset.chunks is None:
        return
    holds = math.prod(dataset.chunks) * _width(dataset)
    require_within("file", holds, f"{path}, a chunk of {dataset.name}")
    plan, most = dataset.id.get_create_plist(), current().file
    filters = [plan.get_filter(i)[0] for i in range(plan.get_nfilters())]
    if (count := filters.count(1)) == 0:  # H5Z_FILTER_DEFLATE
        return
    inflates: list[tuple[Any, int]] = []
    dataset.id.chunk_iter(lambda chunk: inflates.append((chunk.chunk_offset, chunk.size)))
    for offset, size in inflates:
        if size * _INFLATION <= most and count == 1:
            continue
        found = dataset.id.read_direct_chunk(offset)[1]
        if count > 1 or len(zlib.decompressobj().decompress(found, holds + 1)) > holds:
            raise InputError(f"{path}: a chunk of {dataset.name} inflates to more than it may hold; write it anew")


def _width(dataset: Any) -> int:
    """The bytes of a value in the file."""
    return _reference(dataset) if dataset.dtype.kind == "O" else int(dataset.dtype.itemsize)


def _reference(dataset: Any) -> int:
    """The bytes of a reference to the heap: a length, an address and a number."""
    return 8 + int(dataset.file.id.get_create_plist().get_sizes()[0])


def _longest_collection(path: Path) -> int:
    """The bytes of the largest collection of the heap, in which every text of no fixed length is; 0 for none."""
    longest, size = 0, path.stat().st_size
    with path.open("rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as data:
        at = data.find(b"GCOL")
        while at >= 0:
            longest = max(longest, int.from_bytes(data[at + 8 : at + 16], "little"))
            at = data.find(b"GCOL", at + 4)
    return min(longest, size)


def _text_bytes(path: Path, dataset: Any, heap: int) -> int:
    """The bytes of all texts of a data set: told by their references, where no bound does."""
    import h5py

    if h5py.check_string_dtype(dataset.dtype) is None:
        raise InputError(f"{path}: {dataset.name} holds neither numbers nor texts; write the file anew")
    count, width = math.prod(dataset.shape or ()), _reference(dataset)
    if count * heap <= current().file:
        return 0
    offset = dataset.id.get_offset()
    if dataset.chunks is None and offset is not None:
        lengths = np.memmap(path, "u1", "r", offset, (count, width))[:, :4].copy()
    elif dataset.chunks is None:
        return count * heap
    else:
        lengths = _unfiltered(dataset, width)[:, :4].copy()
    return int(lengths.view("<u4").astype(np.int64).sum())


def _unfiltered(dataset: Any, width: int) -> Any:
    """The references of a data set in chunks, shape (n, width): the chunks read as those of plain bytes."""
    import h5py

    plan, same = dataset.id.get_create_plist(), h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    same.set_chunk(dataset.chunks)
    for i in range(plan.get_nfilters()):
        code, flags, values, _ = plan.get_filter(i)
        same.set_filter(code, flags, values)
    chunks: list[Any] = []
    dataset.id.chunk_iter(lambda chunk: chunks.append(chunk.chunk_offset))
    with h5py.File("references", "w", driver="core", backing_store=False) as memory:
        kind = h5py.h5t.create(h5py.h5t.OPAQUE, width)
        space = h5py.h5s.create_simple(dataset.shape)
        plain = h5py.Dataset(h5py.h5d.create(memory.id, b"references", kind, space, same))
        for offset in chunks:
            mask, data = dataset.id.read_direct_chunk(offset)
            plain.id.write_direct_chunk(offset, data, mask)
        return plain[...].reshape(-1).view("u1").reshape(-1, width)


def require_matrix(path: Path, x: Any, shape: tuple[int, int]) -> None:
    """Raise InputError where X, an HDF5 data set or group, is no matrix of numbers of obs by var."""
    import h5py

    sparse = isinstance(x, h5py.Group)
    parts = [x[name] for name in ("data", "indices", "indptr")] if sparse else [x]
    for one in parts:
        if one.dtype.kind not in "biuf" or len(one.shape or ()) != (1 if sparse else 2):
            raise InputError(f"{path}: {one.name} is no array of numbers; write the file anew")
        require_chunks(path, one)
    found = x.attrs["h5sparse_shape" if "h5sparse_shape" in x.attrs else "shape"] if sparse else x.shape
    if tuple(map(int, found)) != shape:
        raise InputError(
            f"{path}: X is {' by '.join(map(str, found))}, and obs by var are {shape[0]} by {shape[1]}"
        )
    if not sparse:
        return
    values, indices, pointers = parts
    kind = str(x.attrs.get("encoding-type", x.attrs.get("h5sparse_format")))
    long, wide = shape if kind.startswith("csr") else shape[::-1]
    if pointers.shape != (long + 1,) or values.shape != indices.shape:
        raise InputError(f"{path}: the parts of X do not fit each other; write the file anew")
    steps = np.diff(pointers[:].astype(np.int64), prepend=0, append=len(values))
    if steps.min() < 0 or steps[0] or steps[-1] or steps.max() > wide:
        raise InputError(f"{path}: /X/indptr does not tell where rows begin; write the file anew")
