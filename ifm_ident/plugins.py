"""What installed packages add to `ifm`, told by the entry points of their metadata and imported when asked for.

Groups: `ifm.commands`, a table of commands (see `ifm_ident.cli`); `ifm.report`, parts of the page that are made of
data (see `ifm_ident.report.part`); `ifm.demo`, the last steps of the demonstration.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from ifm_ident.errors import IfmError, MissingExtraError

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

OWN = "ifm-ident"
EXTRA = "learn"
"""What brings the packages that this distribution's own plug-ins need."""


class PluginError(IfmError):
    """A plug-in is not there or does not load; the message names it and the remedy."""


def added(group: str) -> tuple[EntryPoint, ...]:
    """The entry points of a group, by name.

    >>> [one.name for one in added("ifm.report")]
    ['estimates', 'falsification']
    """
    from importlib.metadata import entry_points  # slow, and most commands ask for nothing

    return tuple(sorted(entry_points(group=group), key=lambda one: one.name))


def loaded(one: EntryPoint, place: str | None = None) -> Any:
    """What an entry point names, or another object of its package, named as `module:object`.

    Raises MissingExtraError where this distribution's extra is not installed, PluginError for all else.

    >>> from importlib.metadata import EntryPoint
    >>> loaded(EntryPoint("more", "no_such_module:TABLE", "ifm.commands"))
    Traceback (most recent call last):
    ...
    ifm_ident.plugins.PluginError: the plug-in more = no_such_module:TABLE of ifm.commands does not load: No module named 'no_such_module'; install the package that brings it again
    """  # noqa: E501
    try:
        if place is None:
            return one.load()
        module, _, name = place.partition(":")
        return getattr(importlib.import_module(module), name)
    except MissingExtraError:
        raise
    except Exception as error:  # whatever a package does when it is imported
        missing = error.name if isinstance(error, ModuleNotFoundError) else None
        if one.dist is not None and one.dist.name == OWN and missing and not missing.startswith("ifm_"):
            raise MissingExtraError(missing, EXTRA) from None
        what = f"the plug-in {one.name} = {place or one.value} of {one.group}"
        raise PluginError(f"{what} does not load: {error}; install the package that brings it again") from error


def plugin(group: str, name: str) -> Any:
    """What the entry point of this name gives.

    >>> plugin("ifm.report", "weather")
    Traceback (most recent call last):
    ...
    ifm_ident.plugins.PluginError: no installed package has the plug-in weather of ifm.report; install ifm-ident again
    """  # noqa: E501
    for one in added(group):
        if one.name == name:
            return loaded(one)
    raise PluginError(f"no installed package has the plug-in {name} of {group}; install {OWN} again")
