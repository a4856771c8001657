"""What a script's wrapper makes of errors."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest

from utils.cli.main import run


def too_large_for_torch(_: Sequence[str]) -> None:
    import torch

    torch.empty(2**55)


def too_large_for_python(_: Sequence[str]) -> None:
    bytearray(2**60)


@pytest.mark.parametrize("main", [too_large_for_torch, too_large_for_python])
def test_memory_that_is_not_there_is_told(
    main: Callable[[Sequence[str]], None], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        run(main)
    assert caught.value.code == 2
    first, second = capsys.readouterr().err.splitlines()
    assert first == "error: out of memory" and second.startswith("hint: use a smaller --batch_size")
