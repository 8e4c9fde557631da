"""The store of candidates: torn, damaged and full."""

from __future__ import annotations

import resource
import signal
import zlib
from itertools import pairwise
from pathlib import Path

import pytest

from mvt_nas.errors import RunError
from mvt_nas.nas.runs.candidate import Candidate
from mvt_nas.nas.runs.store import NAME, BatchRecord, Store, read


def candidate(number: int, **changes: object) -> Candidate:
    fields: dict[str, object] = {
        "number": number,
        "key": f"{number:016x}",
        "row": (number, 0, 3),
        "status": "complete",
        "scores": {"macs": 1e9 / 3, "log_synflow": -0.1 * number},
        "seconds": 0.25,
        "notes": {"NSGAIISampler:generation": number},
    }
    return Candidate(**(fields | changes))  # type: ignore[arg-type]  # as the fields above


def filled(folder: Path) -> Path:
    """Write a store of two batches, the second unfinished, and return its file."""
    store = Store(folder)
    store.add(candidate(1))
    store.add(candidate(0, status="failed", scores={"macs": 5.0}, error='RuntimeError: "é" \\ {'))
    store.finish_batch(BatchRecord(0, 2, {"NSGAIISampler:parent:1": [0, 1]}))
    store.add(candidate(2, origin="mobilevit_s", status="infeasible"))
    store.close()
    return folder / NAME


def test_what_is_added_is_read_back(tmp_path: Path) -> None:
    filled(tmp_path)
    content = read(tmp_path)
    assert list(content.candidates) == [1, 0, 2]
    assert content.candidates[1] == candidate(1)
    assert content.candidates[0] == candidate(
        0, status="failed", scores={"macs": 5.0}, error='RuntimeError: "é" \\ {'
    )
    assert content.candidates[2].origin == "mobilevit_s"
    assert content.batches == {0: BatchRecord(0, 2, {"NSGAIISampler:parent:1": [0, 1]})}
    assert (content.finished, content.exhausted) == (2, False)
    store = Store(tmp_path)
    store.exhaust()
    store.close()
    assert read(tmp_path).exhausted


def test_there_is_nothing_where_there_is_no_file(tmp_path: Path) -> None:
    assert (read(tmp_path).candidates, read(tmp_path).finished) == ({}, 0)


def test_a_batch_that_is_finished_again_counts_once(tmp_path: Path) -> None:
    store = Store(tmp_path)
    for batch in (
        BatchRecord(0, 4, {}),
        BatchRecord(4, 2, {}),
        BatchRecord(4, 4, {"a": 1}),
        BatchRecord(8, 3, {}),
    ):
        store.finish_batch(batch)
    size = (tmp_path / NAME).stat().st_size
    store.finish_batch(BatchRecord(8, 3, {}))
    store.close()
    assert (tmp_path / NAME).stat().st_size == size
    content = read(tmp_path)
    assert content.finished == 11
    assert content.batches[4] == BatchRecord(4, 4, {"a": 1})


def test_a_last_line_torn_anywhere_is_cut_and_the_rest_kept(tmp_path: Path) -> None:
    path = filled(tmp_path)
    data = path.read_bytes()
    last = data.rindex(b"\n", 0, -1) + 1
    for end in range(last, len(data)):
        path.write_bytes(data[:end])
        assert list(read(tmp_path).candidates) == [1, 0]
        store = Store(tmp_path)
        assert path.read_bytes() == data[:last]
        store.add(candidate(7))
        store.close()
        assert list(read(tmp_path).candidates) == [1, 0, 7]


def test_damage_before_the_last_line_is_refused_with_file_and_line(tmp_path: Path) -> None:
    path = filled(tmp_path)
    data = path.read_bytes()
    starts = [0, *(i + 1 for i, byte in enumerate(data) if byte == ord("\n"))]
    for line, (start, end) in enumerate(pairwise(starts), start=1):
        for place in range(start, end - 1, 7):
            path.write_bytes(data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :])
            with pytest.raises(
                RunError,
                match=(
                    rf"candidates.jsonl: line {line} is damaged \(.+\); restore the file or start a"
                    r" new run"
                ),
            ):
                read(tmp_path)
    path.write_bytes(data[: starts[1] - 5] + data[starts[1] :])
    with pytest.raises(RunError, match="line 1 is damaged"):
        Store(tmp_path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[]", "an unknown record"),
        ('{"other":1}', "an unknown record"),
        ('{"candidate":{"number":9}}', "not a candidate"),
        ('{"batch":{"number":0,"size":0,"notes":{}}}', "a batch of 0"),
        ('{"batch":{"size":3}}', "number"),
        ('{"candidate":3}', "not a candidate"),
        ('{"exhausted":true} {}', "more than one record"),
        ("7", "not iterable|not a container"),
    ],
)
def test_a_line_that_is_whole_but_no_record_is_refused(
    text: str, message: str, tmp_path: Path
) -> None:
    (tmp_path / NAME).write_text(f"{zlib.crc32(text.encode()):08x} {text}\n")
    with pytest.raises(RunError, match=f"line 1 is damaged \\(.*({message})"):
        read(tmp_path)


def test_a_number_that_stands_twice_is_refused(tmp_path: Path) -> None:
    path = filled(tmp_path)
    first = path.read_bytes().split(b"\n")[0] + b"\n"
    with path.open("ab") as file:
        file.write(first)
    with pytest.raises(RunError, match="line 5 is damaged \\(candidate 1 appears twice\\)"):
        read(tmp_path)


@pytest.mark.parametrize(
    "changes",
    [
        {"status": "great"},
        {"scores": {"macs": float("nan")}},
        {"scores": {"macs": float("inf")}},
        {"scores": {"macs": "many"}},
    ],
)
def test_a_candidate_that_cannot_be_is_no_candidate(changes: dict[str, object]) -> None:
    data = candidate(0).to_dict()
    assert Candidate.from_dict(data) == candidate(0)
    with pytest.raises(ValueError, match=r"status|could not convert"):
        Candidate.from_dict(data | changes)


def test_a_full_disk_leaves_whole_lines_only(tmp_path: Path) -> None:
    path = filled(tmp_path)
    data = path.read_bytes()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        for room in (0, 1, 40, 150):
            store = Store(tmp_path)
            resource.setrlimit(resource.RLIMIT_FSIZE, (len(data) + room, limits[1]))
            with pytest.raises(
                RunError,
                match=(
                    r"candidates.jsonl: cannot be written \(.+\); nothing finished is lost,"
                    r" resume the run"
                ),
            ):
                store.add(candidate(3))
            assert 3 not in store.content.candidates
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
            assert path.read_bytes() == data
            store.add(candidate(3))
            store.close()
            assert list(read(tmp_path).candidates) == [1, 0, 2, 3]
            path.write_bytes(data)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)


def test_an_error_of_the_disk_is_a_run_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = filled(tmp_path)
    data = path.read_bytes()

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    store = Store(tmp_path)
    monkeypatch.setattr("mvt_nas.journal.os.fsync", full)
    with pytest.raises(RunError, match=r"cannot be written \(No space left on device\)"):
        store.finish_batch(BatchRecord(2, 1, {}))
    store.close()
    assert path.read_bytes().startswith(data)
    assert read(tmp_path).finished == 3


def test_a_store_that_cannot_be_opened_is_a_run_error(tmp_path: Path) -> None:
    (tmp_path / NAME).mkdir()
    with pytest.raises(RunError, match=r"candidates.jsonl: cannot be read \(Is a directory\)"):
        Store(tmp_path)
    with pytest.raises(
        RunError, match=r"candidates.jsonl: cannot be written \(No such file or directory\)"
    ):
        Store(tmp_path / "missing")
