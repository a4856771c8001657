"""The text of files: decompressed, decoded, and cut into lines."""

from __future__ import annotations

import contextlib
import re
import shlex
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

from utils.errors import UserError, counted, first_line

BLOCK = 1 << 20  # bytes of a file that are read at once where it is read as a stream
TEXTS_OF_ONE_BYTE = 0.35  # share of bytes above 127 up to which text that is not UTF-8 is taken for Latin-1
MARKS = {
    b"\xff\xfe\x00\x00": "UTF-32",
    b"\x00\x00\xfe\xff": "UTF-32",
    b"\xff\xfe": "UTF-16",
    b"\xfe\xff": "UTF-16",
}  # the longer ones first


def read_content(path: Path) -> bytes:
    """Return the bytes of a file, decompressed where its ending is that of a compressed file.

    Raises UserError where it cannot be read or decompressed, or is an archive of several files.
    """
    unpack = UNPACK.get(path.suffix.lower())
    try:
        return unpack(path) if unpack else path.read_bytes()
    except UserError:
        raise
    except PermissionError as error:
        raise UserError(f"{path} cannot be read: permission denied", "change its permissions") from error
    except Exception as error:  # each library has errors of its own for a broken file
        if unpack is None:
            raise
        raise _broken(path, error) from error


def _broken(path: Path, error: Exception) -> UserError:
    """Return the error for a compressed file that cannot be unpacked."""
    hint = "check that the file is whole: copy it again"
    if "too much memory" in str(error):  # the window of a Zstandard frame exceeds 128 MB
        whole = path.with_name(inner_name(path))
        command = f"zstd -d --long=31 {_quoted(path)} -o {_quoted(whole)}"
        hint = f"it was compressed with a long window: unpack it by {command}"
    return UserError(f"{path} cannot be decompressed: {first_line(error)}", hint)


def inner_name(path: Path) -> str:
    """Return the name of a file without the ending of its compression."""
    return path.stem if path.suffix.lower() in UNPACK else path.name


def _gunzip(path: Path) -> bytes:
    import gzip

    return gzip.decompress(path.read_bytes())


def _unxz(path: Path) -> bytes:
    import lzma

    return lzma.decompress(path.read_bytes())


def _bunzip(path: Path) -> bytes:
    import bz2

    return bz2.decompress(path.read_bytes())


def _unzstd(path: Path) -> bytes:
    import pyarrow as pa

    with pa.CompressedInputStream(pa.OSFile(str(path)), "zstd") as stream:
        content: bytes = stream.read()
    return content


def _unzip(path: Path) -> bytes:
    import zipfile

    names = zipped_names(path)
    if len(names) != 1:
        raise UserError(
            f"{path} has {counted(len(names), 'file')}, expected one" + (f": {', '.join(names[:9])}" if names else ""),
            "unpack it, and name the file or the folder",
        )
    with zipfile.ZipFile(path) as archive:
        return archive.read(names[0])


def zipped_names(path: Path) -> list[str]:
    """Return the names of the files in a zip archive, without those that systems add."""
    import zipfile

    with zipfile.ZipFile(path) as archive:
        names = [entry.filename for entry in archive.infolist() if not entry.is_dir()]
    return [name for name in names if not name.startswith("__MACOSX/") and not Path(name).name.startswith(".")]


UNPACK: dict[str, Callable[[Path], bytes]] = {
    ".gz": _gunzip,
    ".xz": _unxz,
    ".bz2": _bunzip,
    ".zst": _unzstd,
    ".zip": _unzip,
}


def read_text(path: Path) -> str:
    """Return the text of a UTF-8 file as it stands, without byte order marks at its start.

    Raises UserError where it is in another encoding, which is named, or is no text.
    """
    content = read_content(path)
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise _not_utf8(path, content, error) from error
    if "\0" in text:
        raise _with_zeros(path, content, "it")
    return text.lstrip("\ufeff")  # some programs add a mark to a file that has one


def _with_zeros(path: Path, content: bytes, where: str) -> UserError:
    """Return the error for content with bytes of value 0: UTF-16 without a mark, or no text."""
    if (encoding := _utf16_by_zeros(content)) is not None:
        return UserError(f"{path} is in {encoding}, not in UTF-8", _conversion(path, encoding))
    return UserError(f"{path} is no text: {where} has bytes of value 0", "give a file of text in UTF-8")


def _utf16_by_zeros(content: bytes) -> str | None:
    """Return the encoding of text without a byte order mark of whose bytes every other one is mostly 0."""
    start = content[:4096]
    shares = [start[side::2].count(0) / max(len(start) // 2, 1) for side in (0, 1)]
    if min(shares) > 0.05 or max(shares) < 0.3:
        return None
    encoding = "UTF-16BE" if shares[0] > shares[1] else "UTF-16LE"
    text = start[: len(start) // 2 * 2].decode(encoding, errors="replace")
    printable = sum(character.isprintable() or character in "\t\r\n" for character in text)
    return encoding if printable > 0.95 * len(text) else None


def _not_utf8(path: Path, content: bytes, error: UnicodeDecodeError, first: int = 1) -> UserError:
    """Return the error for bytes that are not UTF-8, with the line of the first one and the likely encoding.

    first: the number of the line with which the content begins.
    """
    mark = next((name for start, name in MARKS.items() if content.startswith(start)), None) if first == 1 else None
    if mark is not None:
        return UserError(f"{path} is in {mark}, not in UTF-8", _conversion(path, mark))
    number = content.count(b"\n", 0, error.start) + first
    if b"\0" in content:
        return _with_zeros(path, content, "it" if first == 1 else f"line {number}")
    place = f"line {number} has the byte 0x{content[error.start]:02X}"
    visible = re.sub(rb"[\s\d!-/:-@\[-`{-~]", b"", content)
    one_byte = sum(byte > 127 for byte in visible) <= TEXTS_OF_ONE_BYTE * len(visible)
    if one_byte:
        what = f"{path} is not in UTF-8 but, it seems, in Latin-1 or Windows-1252: {place}"
        return UserError(what, _conversion(path, "WINDOWS-1252"))
    return UserError(
        f"{path} is not in UTF-8: {place}",
        f"convert it from its encoding, such as GB18030, SHIFT_JIS or WINDOWS-1251: {_command(path, 'ENCODING')}",
    )


def _conversion(path: Path, encoding: str) -> str:
    return f"convert it: {_command(path, encoding)}"


def _command(path: Path, encoding: str) -> str:
    whole = path.with_name(inner_name(path))
    return f"iconv -f {encoding} -t UTF-8 {_quoted(whole)} > {_quoted(_beside(whole, 'utf8'))}"


def _beside(path: Path, word: str) -> Path:
    """Return a path whose name has a word before its ending."""
    return path.with_name(f"{path.stem}.{word}{path.suffix}")


def _quoted(path: Path) -> str:
    return shlex.quote(str(path))


def lines_of(text: str) -> list[str]:
    r"""Return the lines of a text: `\n` ends a line, one `\r` before it belongs to it, and all else is text."""
    lines = text.split("\n")
    if not lines[-1]:
        lines.pop()
    return [line.removesuffix("\r") for line in lines]


def read_lines(path: Path) -> list[str]:
    r"""Return the lines of a UTF-8 file without their line ends: `\n`, or `\r\n`.

    Raises UserError where it is no such file, or the only line ends are those of old Macintosh computers.
    """
    return lines_of(with_line_feeds(path, read_text(path)))


def with_line_feeds(path: Path, text: str) -> str:
    r"""Return a file's text; raises UserError where it has several lines that end with `\r` alone."""
    if "\n" not in text and text.count("\r") > 1:
        raise UserError(
            f"{path}: its lines end with carriage returns alone",
            f"convert the line ends: tr '\\r' '\\n' < {_quoted(path)} > {_quoted(_beside(path, 'lf'))}",
        )
    return text


def ignore(n: int) -> None:
    """Advance no bar."""


def stream_lines(path: Path, advance: Callable[[int], object] = ignore) -> Iterator[str]:
    r"""Yield the lines of a UTF-8 file of any size, decompressed where its ending says so, without `\n` or `\r\n`.

    Only a block of the file is in memory. `advance` is told how many more bytes of the file, which may be compressed,
    were read. Raises UserError where it cannot be read or decompressed, or is not UTF-8.
    """
    number, rest = 0, b""
    try:
        with path.open("rb") as file, _open_stream(path, file) as stream:
            read = 0
            while block := stream.read(BLOCK):
                advance(file.tell() - read)
                read = file.tell()
                *lines, rest = (rest + block).split(b"\n")
                for line in lines:
                    number += 1
                    yield _decoded(line, path, number)
            if rest:
                last = _decoded(rest, path, number + 1)
                yield last if number else with_line_feeds(path, last)
    except PermissionError as error:
        raise UserError(f"{path} cannot be read: permission denied", "change its permissions") from error
    except UserError:
        raise
    except Exception as error:  # each library has errors of its own for a broken file
        if path.suffix.lower() not in UNPACK:
            raise
        raise _broken(path, error) from error


def _open_stream(path: Path, file: IO[bytes]) -> IO[bytes] | Any:
    """Return the decompressed bytes of an open file as a stream."""
    kind = path.suffix.lower()
    if kind == ".zst":
        import pyarrow as pa

        return pa.CompressedInputStream(pa.PythonFile(file, "r"), "zstd")
    if kind == ".zip":
        raise UserError(f"{path} is an archive, which is not read as a stream", "unpack it, or use .gz or .zst")
    if kind == ".gz":
        import gzip

        return gzip.open(file)
    if kind == ".bz2":
        import bz2

        return bz2.open(file)
    if kind == ".xz":
        import lzma

        return lzma.open(file)
    return contextlib.nullcontext(file)


def _decoded(line: bytes, path: Path, number: int) -> str:
    """Return the text of a line without the rest of its end, and of the first line without a byte order mark."""
    try:
        text = line.decode("utf-8-sig" if number == 1 else "utf-8")
    except UnicodeDecodeError as error:
        raise _not_utf8(path, line, error, number) from error
    if "\0" in text:
        raise _with_zeros(path, line if number == 1 else b"", f"line {number}")
    return text.removesuffix("\r")
