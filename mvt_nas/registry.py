"""The registry class of everything that one file can add to mvt-nas.

A registry has a name, a package and an entry-point group. Its entries register themselves when
their module is imported. The modules of the package are imported at the first look-up, never when
the registry is created, so that ``--help`` loads nothing. Another distribution adds entries by
declaring an entry point in the registry's group that names a module to import.
"""

from __future__ import annotations

import importlib
import importlib.util
import pkgutil
from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

from mvt_nas.errors import PluginError, listing, nearest

T = TypeVar("T")


class Registry(Generic[T]):
    """A set of named entries, filled by importing the modules of a package.

    Args:
        noun: Name of an entry in messages, such as ``"proxy"``.
        package: Package whose modules register entries, such as ``"mvt_nas.proxies"``.
        suffix: Module that registers an entry, for packages with a folder per entry
            (``"lowering"`` for blocks).
    """

    def __init__(self, noun: str, package: str, suffix: str = "") -> None:
        self.noun = noun
        self.package = package
        self.group = package.replace(".", "_")
        self._suffix = f".{suffix}" if suffix else ""
        self._entries: dict[str, T] = {}
        self._discovered = False

    def register(self, name: str) -> Callable[[T], T]:
        """Return a decorator that adds its argument under ``name``.

        Raises:
            PluginError: Another entry has the name.
        """

        def add(entry: T) -> T:
            known = self._entries.setdefault(name, entry)
            if known is not entry:
                raise PluginError(
                    f"two {self.noun} entries are called {name!r}: {known!r} and {entry!r}"
                )
            return entry

        return add

    def get(self, name: str) -> T:
        """Return the entry called ``name``.

        Raises:
            PluginError: There is none; the message lists the known names.
        """
        if name not in self:
            raise PluginError(
                f"unknown {self.noun} {name!r}{nearest(name, self._entries)} (known:"
                f" {listing(self.names())})"
            )
        return self._entries[name]

    def names(self) -> list[str]:
        """Return the names of all entries, sorted."""
        self._discover()
        return sorted(self._entries)

    def __contains__(self, name: object) -> bool:
        # An entry is usually in the module of its name; only if not, all modules are imported.
        if name not in self._entries and isinstance(name, str):
            self._import_by_name(name)
        if name not in self._entries:
            self._discover()
        return name in self._entries

    def __iter__(self) -> Iterator[str]:
        return iter(self.names())

    def _import_by_name(self, name: str) -> None:
        """Import the module with the name of an entry, if there is one."""
        if (
            not self._discovered
            and name.isidentifier()
            and importlib.util.find_spec(f"{self.package}.{name}") is not None
        ):
            importlib.import_module(f"{self.package}.{name}{self._suffix}")

    def _discover(self) -> None:
        if self._discovered:
            return
        from importlib.metadata import entry_points

        # Set first, since a module of the package may look up another entry while it is imported.
        self._discovered = True
        package = importlib.import_module(self.package)
        for module in pkgutil.iter_modules(package.__path__, f"{self.package}."):
            if module.ispkg or not self._suffix:
                importlib.import_module(module.name + self._suffix)
        for point in entry_points(group=self.group):
            point.load()
