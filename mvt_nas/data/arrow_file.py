"""Tables in Parquet files, and in files of Arrow's streaming format."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.ipc as ipc
import pyarrow.parquet as pq

from mvt_nas.errors import DataError


def read_arrow(file: Path) -> Any:
    """Return the ``pyarrow.Table`` in a file, which is Parquet if its suffix is ``.parquet``.

    Raises:
        DataError: it cannot be read.
    """
    try:
        if file.suffix == ".parquet":
            return pq.read_table(file)
        with pa.memory_map(str(file)) as mapped:
            return ipc.open_stream(mapped).read_all()
    except (OSError, pa.ArrowException) as error:
        raise DataError(f"{file}: cannot be read ({' '.join(str(error).split())})") from None
