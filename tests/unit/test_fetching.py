"""Real sockets: a server that writes down what it is sent, and answers what a test says."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from types import SimpleNamespace

import pytest

from portal_gateway import fetching
from portal_gateway.fetching import Fetched, FetchFailed, fetch

Serve = Callable[..., str]
HEADERS = [(b"accept", b"text/plain"), (b"x-key", b"k")]


@pytest.fixture
def requests() -> list[bytes]:
    return []


@pytest.fixture
def serve(requests: list[bytes]) -> Iterator[Serve]:
    """Answers one connection with `pieces`; those that are left when the client is gone are not sent."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        threads = []

        def answering(pieces: tuple[bytes, ...]) -> None:
            try:
                connection, _ = listener.accept()
            except OSError:  # nobody came
                return
            with connection:
                requests.append(connection.recv(65536))
                try:
                    for piece in pieces:
                        connection.sendall(piece)
                except OSError:
                    pass

        def start(*pieces: bytes) -> str:
            threads.append(threading.Thread(target=answering, args=(pieces,)))
            threads[-1].start()
            return f"http://127.0.0.1:{listener.getsockname()[1]}"

        yield start
        listener.shutdown(socket.SHUT_RDWR)  # closing it would not wake a thread that waits in accept()
        for thread in threads:
            thread.join()


def got(url: str, max_bytes: int = 1000, timeout_s: float = 5.0) -> Fetched:
    return fetch(url, HEADERS, timeout_s=timeout_s, max_bytes=max_bytes)


def test_an_answer(serve: Serve, requests: list[bytes], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")  # nobody is asked but the server itself
    url = serve(b"HTTP/1.1 404 Gone\r\nX-A: 1\r\nX-A: 2\r\nContent-Length: 2\r\n\r\nno")
    answer = got(f"{url}/a/b?c=d%20e")
    assert (answer.status, answer.body) == (404, b"no")
    assert answer.headers == [(b"x-a", b"1"), (b"x-a", b"2"), (b"content-length", b"2")]
    [request] = requests
    lines = request.decode().split("\r\n")
    assert lines[0] == "GET /a/b?c=d%20e HTTP/1.1"
    assert {line.partition(":")[0].lower() for line in lines[1:] if line} == {
        "host",
        "accept",
        "x-key",
        "accept-encoding",
    }


def test_a_redirect_is_an_answer(serve: Serve, requests: list[bytes]) -> None:
    url = serve(b"HTTP/1.1 302 Found\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n")
    assert got(url).status == 302
    assert len(requests) == 1


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n4\r\ndefg\r\n0\r\n\r\n", id="chunked"),
        pytest.param(b"\r\nabcdefg", id="until-the-end"),
    ],
)
def test_however_it_is_framed(serve: Serve, body: bytes) -> None:
    assert got(serve(b"HTTP/1.1 200 OK\r\n" + body)).body == b"abcdefg"


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        pytest.param(b"no HTTP\r\n\r\n", "is not HTTP", id="no-http"),
        pytest.param(b"", "closed connection|reset", id="nothing"),
        pytest.param(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc", "cut off", id="cut-off"),
        pytest.param(b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 1001, "longer than 1000 bytes", id="too-long"),
        pytest.param(
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab", "cut off", id="cut-off-in-a-chunk"
        ),
    ],
)
def test_what_is_no_complete_answer(serve: Serve, answer: bytes, message: str) -> None:
    with pytest.raises(FetchFailed, match=message):
        got(serve(answer))


def test_an_answer_that_does_not_end(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    now = iter([0.0, 4.0, 5.1, 5.2])
    monkeypatch.setattr(fetching, "time", SimpleNamespace(monotonic=lambda: next(now)))
    with pytest.raises(FetchFailed, match="does not end"):
        got(
            serve(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\na\r\n", b"1\r\nb\r\n0\r\n\r\n"),
            timeout_s=5.0,
        )


def test_nobody_listens() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        with pytest.raises(FetchFailed, match="Connection refused"):
            got(f"http://127.0.0.1:{unused.getsockname()[1]}/")


def test_a_failure_says_nothing_of_what_was_sent(serve: Serve) -> None:
    with pytest.raises(FetchFailed) as failure:
        fetch(serve(b""), [(b"x-key", b"bad\nvalue")], timeout_s=5, max_bytes=10)
    assert "value" not in str(failure.value)
