"""A progress bar that is closed at the end of a ``with`` block, however that ends."""

from __future__ import annotations

from types import TracebackType
from typing import Any, Self


class ProgressBar:
    """Base of what shows progress with a bar of tqdm; the bar is made when it is first drawn."""

    def __init__(self) -> None:
        self._bar: Any = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._close_bar()

    def _close_bar(self) -> None:
        if self._bar is not None:
            self._bar.close()
            self._bar = None
