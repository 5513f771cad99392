"""Reads what an ELF file wants the loader to load: 64-bit little-endian files, as on the machines that we support."""

import struct
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

_MAGIC = b"\x7fELF\x02\x01"
_LOAD, _DYNAMIC, _INTERPRETER = 1, 2, 3
_NEEDED, _STRINGS, _RPATH, _RUNPATH = 1, 5, 15, 29
_STRING_BYTES = 4096


@dataclass(frozen=True, slots=True)
class Wants:
    """machine: number of the architecture. needed: names or paths. search: folders, with $ORIGIN replaced."""

    machine: int
    needed: tuple[str, ...] = ()
    search: tuple[str, ...] = ()


def read_wants(path: Path) -> Wants | None:
    """What `path` wants loaded, its program interpreter included; None if it is no such file or cannot be read."""
    try:
        with path.open("rb") as file:
            header = file.read(64)
            if header[:6] != _MAGIC or len(header) < 64:
                return None
            (machine,) = struct.unpack_from("<H", header, 18)
            (table,) = struct.unpack_from("<Q", header, 32)
            size, count = struct.unpack_from("<HH", header, 54)
            file.seek(table)
            rows = file.read(size * count)
            segments = [struct.unpack_from("<IIQQQQ", rows, size * row) for row in range(count)]
            return _read_dynamic(file, path, machine, segments)
    except (OSError, ValueError, struct.error):
        return None


def _read_dynamic(file: BinaryIO, path: Path, machine: int, segments: list[tuple[int, ...]]) -> Wants:
    def text(offset: int) -> str:
        file.seek(offset)
        return file.read(_STRING_BYTES).split(b"\0", 1)[0].decode("utf-8", "surrogateescape")

    loaded = [segment for segment in segments if segment[0] == _LOAD]
    interpreters = [text(segment[2]) for segment in segments if segment[0] == _INTERPRETER]
    entries: list[tuple[int, int]] = []
    for segment in segments:
        if segment[0] == _DYNAMIC:
            file.seek(segment[2])
            data = file.read(segment[5])
            entries += struct.iter_unpack("<qQ", data[: len(data) // 16 * 16])
    strings = next((value for tag, value in entries if tag == _STRINGS), None)
    if strings is None:
        return Wants(machine, tuple(interpreters))
    base = next(
        (
            offset + strings - address
            for _, _, offset, address, _, size in loaded
            if address <= strings < address + size
        ),
        strings,
    )
    needed = [text(base + value) for tag, value in entries if tag == _NEEDED]
    origin = str(path.parent)
    search = [
        part.replace("$ORIGIN", origin).replace("${ORIGIN}", origin)
        for tag, value in entries
        if tag in (_RPATH, _RUNPATH)
        for part in text(base + value).split(":")
        if part
    ]
    return Wants(machine, (*interpreters, *needed), tuple(search))
