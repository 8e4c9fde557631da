"""Code and documentation use standard words; each banned word has its replacement."""

from __future__ import annotations

import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FOLDERS = sorted(
    path.name for path in (ROOT / "mvt_nas").iterdir() if (path / "__init__.py").exists()
)
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]

STANDARD = {
    "picture": "image, plot or figure",
    "judge": "evaluate",
    "judged": "evaluated",
    "judging": "evaluating",
    "sitting": "training",
    "heard": "callbacks",
    "anew": "again",
    "beside": "next to, with",
    "learnt": "learned, trained",
    "mend": "fix",
    "mended": "fixed",
    "whoever": "anyone who",
    "donor": "base profile",
    "climb": "promotion",
    "climbed": "promoted",
    "stranger": "external",
    "dialect": "key mapping",
    "tally": "counters",
    "campaign": "session",
}
"""Words that have a standard word in this field, and that word. Plurals count too."""

PHRASES = {
    "broken off": "interrupted",
    "goes on with": "continues",
    "in words": "formatted",
    "what came of": "the result of",
    "so many": "this many",
}
"""Idioms of another language."""

EXCEPTIONS: dict[str, set[str]] = {
    # a key of --json
    "mvt_nas/cli/training_run.py": {"judged"},
    # ``search(pictures=...)`` is the name of a parameter.
    "mvt_nas/nas/api.py": {"picture"},
    "mvt_nas/nas/request.py": {"picture"},
    "mvt_nas/cli/search_run.py": {"picture"},
    # keys of hashes and of stores
    "mvt_nas/nas/cache/keys.py": {"picture"},
    "mvt_nas/nas/runs/store.py": {"climb"},
    # keys of checkpoints and of tables
    "mvt_nas/training/job.py": {"picture"},
    "mvt_nas/training/short_training.py": {"picture"},
    "mvt_nas/training/state.py": {"picture"},
    # a column of the accuracy table
    "mvt_nas/accuracy/table.py": {"picture"},
    # an option
    "mvt_nas/cli/proxy.py": {"picture"},
    # a column of Parquet files
    "mvt_nas/data/sources/parquet.py": {"picture"},
    "mvt_nas/cli/export.py": {"picture"},  # an option
    "mvt_nas/cli/export_run.py": {"picture"},  # a key of --json
    "mvt_nas/cli/latency_profiles.py": {"donor", "judge"},
    "mvt_nas/cli/latency_devices.py": {"donor"},
    "mvt_nas/latency/calibration/measurement_session.py": {"campaign"},
    "mvt_nas/latency/latency_profile.py": {"donor"},
    "docs/accuracy.md": {"picture"},
    "docs/exporting.md": {"picture"},
    "docs/file-formats.md": {"climb", "donor", "judged", "picture"},
    "docs/gallery.md": {"picture"},
}
"""Words that a file needs: keys on disk and options that users know."""

_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


def words(text: str) -> Iterator[str]:
    """Yield the words of a text in lower case; identifiers are taken apart."""
    for word in re.findall(r"[A-Za-z]+", _CAMEL.sub(" ", text.replace("_", " "))):
        yield word.lower()


def singular(word: str) -> str:
    """Return a word without the ending of a plural."""
    return word[:-1] if word.endswith("s") and word[:-1] in STANDARD else word


def banned(text: str, allowed: set[str]) -> set[str]:
    """Return the banned words and phrases of a text."""
    found = {singular(word) for word in words(text)} & set(STANDARD)
    lower = " ".join(text.lower().split())
    return (found | {phrase for phrase in PHRASES if phrase in lower}) - allowed


def complaints(path: Path, text: str) -> list[str]:
    """Return one line for each banned word of a file."""
    name = path.relative_to(ROOT).as_posix()
    standard = STANDARD | PHRASES
    return [
        f"{name}: {word!r}; say {standard[word]}"
        for word in sorted(banned(text, EXCEPTIONS.get(name, set())))
    ]


def prose_and_names(source: str) -> str:
    """Return the identifiers, comments and strings of Python source."""
    kinds = {tokenize.NAME, tokenize.COMMENT, tokenize.STRING}
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    return "\n".join(token.string for token in tokens if token.type in kinds)


@pytest.mark.parametrize("folder", FOLDERS)
def test_code_uses_the_standard_words(folder: str) -> None:
    found = []
    for path in sorted((ROOT / "mvt_nas" / folder).rglob("*.py")):
        found += complaints(path, prose_and_names(path.read_text()))
    assert found == []


def test_the_root_modules_use_the_standard_words() -> None:
    found = []
    for path in sorted((ROOT / "mvt_nas").glob("*.py")):
        found += complaints(path, prose_and_names(path.read_text()))
    assert found == []


def test_the_documentation_uses_the_standard_words() -> None:
    found = []
    for path in PAGES:
        found += complaints(path, path.read_text())
    assert found == []


def test_a_banned_word_would_be_noticed() -> None:
    source = 'def draw_pictures() -> None:\n    """Return what was JudgedByHand."""\n'
    assert banned(prose_and_names(source), set()) == {"picture", "judged"}
    assert banned("was broken\noff", set()) == {"broken off"}
    assert banned("an image evaluated again", set()) == set()
