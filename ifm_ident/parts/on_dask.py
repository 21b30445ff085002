"""Parts written by the workers of a Dask cluster: for what one machine cannot do in time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from ifm_ident.errors import MissingExtraError
from ifm_ident.parts.running import Job, Runner
from ifm_ident.results.manifest import Part

if TYPE_CHECKING:
    from distributed import Client


def on_dask(client: Client) -> Runner:
    """A runner that gives the parts to the workers of a cluster, all of which must reach the folder.

    Each worker is sent the design once and factors it once; a part whose worker dies is given to another one.
    Raises MissingExtraError without the package distributed.
    """
    try:
        from distributed import as_completed
    except ImportError:
        raise MissingExtraError("distributed", "dask") from None

    def run(job: Job, numbers: Sequence[int]) -> Iterator[Part]:
        sent = client.submit(_same, job, pure=False)  # unlike scattered data it comes back when its worker dies
        futures = client.map(_write, numbers, job=sent, pure=False, batch_size=1000)
        for done in as_completed(futures):  # type: ignore[no-untyped-call]
            yield done.result()
            done.release()

    return run


def _same(job: Job) -> Job:
    return job


def _write(number: int, job: Job) -> Part:
    return job.write(number)
