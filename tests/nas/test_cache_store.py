"""The file of the cache of evaluations: values to the last bit, damage, and several processes."""

from __future__ import annotations

import logging
import math
import os
import random
import subprocess
import sys
from pathlib import Path

import pytest

from mvt_nas._io import cache_home
from mvt_nas.nas.cache.maintenance import cache_contents
from mvt_nas.nas.cache.store import CacheEntry, EvaluationCache, cache_path

pytestmark = pytest.mark.usefixtures("own_cache")

VALUES = (0.1 + 0.2, -0.0, 5e-324, 1.7976931348623157e308, -1 / 3, 1e22, 3.0, math.pi)


def test_values_come_back_to_the_last_bit() -> None:
    cache = EvaluationCache(cache_path())
    cache.keep(CacheEntry(str(n), "weights", value, value) for n, value in enumerate(VALUES))
    cache.close()
    found = EvaluationCache(cache_path()).find([str(n) for n in range(2000)])
    assert [found[str(n)].value.hex() for n in range(len(VALUES))] == [
        value.hex() for value in VALUES
    ]
    assert [found[str(n)].seconds.hex() for n in range(len(VALUES))] == [
        value.hex() for value in VALUES
    ]
    assert len(found) == len(VALUES)


def test_a_damaged_file_gives_the_very_values_or_none(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.CRITICAL)
    keys = [f"{n:032x}" for n in range(300)]
    cache = EvaluationCache(cache_path())
    cache.keep(CacheEntry(name, "weights", VALUES[n % 8] + n, 0.25) for n, name in enumerate(keys))
    cache.close()
    whole, chance = cache_path().read_bytes(), random.Random(0)
    path, counts = tmp_path / "damaged", []
    for _ in range(150):
        data = bytearray(whole)
        for _ in range(chance.choice((1, 3, 30))):
            data[chance.randrange(len(data))] = chance.randrange(256)
        for part in ("", "-wal", "-shm"):
            path.with_name(path.name + part).unlink(missing_ok=True)
        path.write_bytes(data[: chance.choice((len(data), chance.randrange(len(data))))])
        damaged = EvaluationCache(path)
        found = damaged.find(keys)
        assert all(
            found[name].value == VALUES[n % 8] + n for n, name in enumerate(keys) if name in found
        )
        damaged.keep([CacheEntry("new", "weights", 1.0, 0.0)])
        damaged.close()
        counts.append(len(found))
    assert {0, 300} < set(counts)
    assert any(0 < count < 300 for count in counts)


WRITER = """
import sys
from mvt_nas.nas.cache.store import EvaluationCache, CacheEntry, cache_path

cache = EvaluationCache(cache_path())
for n in range(int(sys.argv[2])):
    key = f"{n}" if sys.argv[1] == "shared" else f"{sys.argv[1]}-{n}"
    cache.keep([CacheEntry(key, "weights", n / 7, 0.5)])
    assert cache.find([key])[key].value == n / 7
    print(n, flush=True)
"""


def writer(name: str, count: int) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", WRITER, name, str(count)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_several_processes_write_at_once() -> None:
    processes = [writer(name, 200) for name in ("a", "b", "shared", "shared")]
    assert [process.communicate(timeout=60)[1] for process in processes] == [""] * 4
    assert [process.returncode for process in processes] == [0] * 4
    assert cache_contents(cache_path()).entries == 600


def test_what_was_kept_before_a_kill_is_there_after_it() -> None:
    process = writer("a", 10**9)
    assert process.stdout is not None
    while int(process.stdout.readline()) < 300:
        pass
    process.kill()
    last = int((process.communicate()[0].split() or ["300"])[-1])
    found = EvaluationCache(cache_path()).find([f"a-{n}" for n in range(last + 1)])
    assert {name: entry.value for name, entry in found.items()} == {
        f"a-{n}": n / 7 for n in range(last + 1)
    }


@pytest.mark.parametrize(
    ("value", "where"), [("", ".cache"), ("relative", ".cache"), ("/somewhere", "/somewhere")]
)
def test_the_home_of_caches(value: str, where: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", value)
    monkeypatch.setenv("HOME", "/home/someone")
    assert cache_home("evaluations") == Path("/home/someone") / where / "mvt-nas" / "evaluations"
    assert os.fspath(cache_path()).endswith("/mvt-nas/evaluations/evaluations-1.sqlite")
