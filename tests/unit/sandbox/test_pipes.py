"""Pipes are capped without blocking anybody."""

import os
from collections.abc import Iterator

import pytest

from lethe.sandbox.pipes import Reader, Writer, open_pipe


@pytest.fixture
def incoming() -> Iterator[tuple[int, int]]:
    host, guest = open_pipe(host_reads=True)
    yield host, guest
    os.close(host)


def test_reader_keeps_the_first_bytes_and_counts_all(incoming: tuple[int, int]) -> None:
    host, guest = incoming
    reader = Reader(host, keep_bytes=5)
    for data in (b"abc", b"defg", b"hi"):
        os.write(guest, data)
        reader.pump()
    assert (bytes(reader.kept), reader.total_bytes, reader.truncated, reader.ended) == (b"abcde", 9, True, False)
    os.close(guest)
    reader.pump()
    assert reader.ended


def test_reader_does_not_wait(incoming: tuple[int, int]) -> None:
    host, guest = incoming
    reader = Reader(host, keep_bytes=5)
    reader.pump()
    reader.drain()
    assert (reader.total_bytes, reader.ended) == (0, False)
    os.close(guest)


def test_drain_reads_to_the_end_of_what_is_there(incoming: tuple[int, int]) -> None:
    host, guest = incoming
    os.write(guest, bytes(60_000))
    reader = Reader(host, keep_bytes=1 << 20)
    reader.drain()
    assert len(reader.kept) == 60_000
    os.close(guest)


def test_writer_goes_on_where_the_pipe_was_full() -> None:
    host, guest = open_pipe(host_reads=False)
    data = os.urandom(3 << 20)
    writer, received = Writer(host, memoryview(data)), bytearray()
    try:
        while writer.pump():
            received += os.read(guest, 1 << 20)
        os.close(host)
        while part := os.read(guest, 1 << 20):
            received += part
    finally:
        os.close(guest)
    assert received == data


def test_writer_gives_up_when_nobody_reads() -> None:
    host, guest = open_pipe(host_reads=False)
    os.close(guest)
    assert not Writer(host, memoryview(b"abc")).pump()
    os.close(host)


def test_pipes_are_not_inherited() -> None:
    for fd in (pair := open_pipe(host_reads=True)):
        assert not os.get_inheritable(fd)
    for fd in pair:
        os.close(fd)
