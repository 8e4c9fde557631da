"""Optional dependencies: what is missing, how to install it, and one-line errors from libraries."""

from __future__ import annotations

import io
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec

from mvt_nas.errors import MvtNasError

_REASON_CHARACTERS = 300


def installed(module: str) -> bool:
    """Return True if a top-level module can be imported; it is not loaded."""
    return find_spec(module) is not None


def missing(modules: tuple[str, ...], extra: str) -> str | None:
    """Return the first module that is not installed and how to install it, or ``None``.

    Args:
        modules: names of top-level modules.
        extra: name of the extra of mvt-nas that installs them.
    """
    for module in modules:
        if not installed(module):
            return f"{module} is not installed; pip install 'mvt-nas[{extra}]'"
    return None


def package_version(package: str) -> str | None:
    """Return the version of an installed distribution, or ``None``."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def first_line(error: BaseException) -> str:
    """Return the first line of an exception's message that is not blank; empty without one."""
    lines = (line.strip() for line in str(error).splitlines())
    return next((line for line in lines if line), "")


def describe_error(error: BaseException) -> str:
    """Return the type of an exception, and the first line of its message if it has one."""
    line = first_line(error)
    return f"{type(error).__name__}: {line[:200]}" if line else type(error).__name__


@contextmanager
def one_line_errors(prefix: str, kind: type[MvtNasError]) -> Iterator[None]:
    """Replace any exception of a library inside the block by a one-line error of mvt-nas.

    Args:
        prefix: beginning of the message; the first line of the library's message follows.
        kind: class of the new exception.

    Raises:
        MvtNasError: the block raised something. It is of class ``kind``, unless the block raised an
            error of mvt-nas itself, which passes unchanged.
    """
    try:
        yield
    except MvtNasError:
        raise
    except Exception as error:
        reason = first_line(error) or type(error).__name__
        raise kind(f"{prefix}: {reason[:_REASON_CHARACTERS]}") from error


@contextmanager
def silence_output() -> Iterator[None]:
    """Suppress prints and warnings of Python code, and log records below errors, in the block.

    Libraries that convert networks print their progress and warn about themselves.
    """
    disabled = logging.root.manager.disable
    logging.disable(max(disabled, logging.WARNING))
    try:
        with warnings.catch_warnings(), redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(disabled)
