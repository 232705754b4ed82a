"""Many certificates in one file."""

import io
import zipfile
from collections.abc import Iterator
from typing import IO, cast

from printing.batch import NotPrinted, Order, render_many
from printing.certificate import render_certificate
from tests.printing.papers import ISSUER, PRINTED, URL, certificate


class Pipe:
    """A stream that can only be written to, like a response."""

    def __init__(self) -> None:
        self.content = b""

    def write(self, part: bytes) -> int:
        self.content += part
        return len(part)

    def flush(self) -> None: ...


def test_every_certificate_is_in_the_file_as_it_prints_alone() -> None:
    into = io.BytesIO()
    orders = [
        Order(certificate(number=f"2413010603{n:02}"), ISSUER, URL, PRINTED) for n in range(3)
    ]
    assert render_many(orders, into) == []
    with zipfile.ZipFile(into) as archive:
        assert archive.namelist() == [f"{n + 1:05}-2413010603{n:02}.pdf" for n in range(3)]
        assert archive.read("00001-241301060300.pdf") == render_certificate(
            orders[0].certificate, issuer_name=ISSUER, url=URL, timestamp=PRINTED
        )


def test_one_that_cannot_be_printed_is_named_and_keeps_back_no_other() -> None:
    into = io.BytesIO()
    orders = [
        Order(certificate(number="241301060301", content={"holder": "𠮷"}), ISSUER, URL, PRINTED),
        Order(certificate(number="241301060302"), ISSUER, URL, PRINTED),
        Order(certificate(number="../../2413/\\01"), ISSUER, URL, PRINTED),
    ]
    [left_out] = render_many(orders, into)
    assert left_out[:2] == ("241301060301", "characters_missing")
    assert isinstance(left_out, NotPrinted)
    with zipfile.ZipFile(into) as archive:
        names = archive.namelist()
        assert names == ["00002-241301060302.pdf", "00003-______2413__01.pdf", "未打印.txt"]
        assert "241301060301\t" in archive.read("未打印.txt").decode("utf-8-sig")
        assert "𠮷（U+20BB7）" in archive.read("未打印.txt").decode("utf-8-sig")


def test_printing_and_writing_go_hand_in_hand() -> None:
    """Each certificate has left for the reader before the next one is even asked for."""
    pipe = Pipe()
    written: list[int] = []
    told: list[int] = []

    def orders() -> Iterator[Order]:
        for number in range(3):
            written.append(len(pipe.content))
            yield Order(certificate(number=f"24130106030{number}"), ISSUER, URL, PRINTED)

    render_many(orders(), cast(IO[bytes], pipe), progress=told.append)
    assert told == [1, 2, 3]
    assert written == sorted(set(written))
    assert zipfile.ZipFile(io.BytesIO(pipe.content)).testzip() is None


def test_the_same_orders_make_the_same_file() -> None:
    files = [io.BytesIO(), io.BytesIO()]
    for file in files:
        render_many([Order(certificate(), ISSUER, URL, PRINTED)], file)
    assert files[0].getvalue() == files[1].getvalue()
