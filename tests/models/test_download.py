import dataclasses
import hashlib
import http.server
import threading

import pytest

from protocore.errors import WeightsUnavailableError
from protocore.models.catalog import find_entry
from protocore.models.download import Download, download_weights

CONTENT = bytes(range(256)) * 4096  # 1 MiB: four chunks
DIGEST = hashlib.sha256(CONTENT).hexdigest()


class _Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        if self.path.startswith("/missing"):
            self.send_error(404)
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(CONTENT)))
        self.end_headers()
        if self.path.startswith("/cut"):
            self.wfile.write(CONTENT[:300_000])
            return
        half = len(CONTENT) // 2
        self.wfile.write(CONTENT[:half])
        if self.path.startswith("/slow"):
            self.server.gate.wait(10)
        self.wfile.write(CONTENT[half:])

    def log_message(self, *args):
        pass


@pytest.fixture
def server():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    server.gate = threading.Event()
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    yield server
    server.gate.set()
    server.shutdown()
    server.server_close()


def entry_at(server, folder="ok", digest=DIGEST[:8]):
    url = f"http://127.0.0.1:{server.server_port}/{folder}/tiny-{digest}.pth"
    return dataclasses.replace(find_entry("resnet18"), url=url, file_size=len(CONTENT))


def files_beside(entry):
    return sorted(path.name for path in entry.path.parent.iterdir())


def test_download_writes_the_file_and_reports_its_progress(server):
    entry = entry_at(server)
    seen = []
    path = download_weights(entry, progress=lambda done, total: seen.append((done, total)))
    assert path == entry.path
    assert path.read_bytes() == CONTENT
    assert files_beside(entry) == [entry.file_name]
    assert len(seen) >= 4
    assert seen == sorted(seen)
    assert seen[-1] == (len(CONTENT), len(CONTENT))


def test_a_file_on_disk_is_not_fetched_again(server):
    entry = entry_at(server, "missing")
    entry.path.parent.mkdir(parents=True)
    entry.path.write_bytes(b"mine")
    assert download_weights(entry).read_bytes() == b"mine"


def test_another_content_is_refused(server):
    entry = entry_at(server, digest="0123abcd")
    with pytest.raises(WeightsUnavailableError) as error:
        download_weights(entry)
    text = str(error.value)
    for fact in ("0123abcd", DIGEST[:16], entry.url, "1.0 MB", "tiny-0123abcd.pth"):
        assert fact in text
    assert str(entry.path.parent) in text
    assert files_beside(entry) == []


@pytest.mark.parametrize(
    ("folder", "reason"),
    [
        ("missing", "the server answered 404 Not Found"),
        ("cut", "the connection ended after 300000 of 1048576 bytes"),
    ],
)
def test_a_failing_server_leaves_nothing_behind(server, folder, reason):
    entry = entry_at(server, folder)
    with pytest.raises(WeightsUnavailableError, match=reason):
        download_weights(entry)
    assert files_beside(entry) == []


def test_an_unreachable_server_is_explained():
    entry = dataclasses.replace(
        find_entry("resnet18"), url="http://127.0.0.1:9/resnet18-f37072fd.pth"
    )
    with pytest.raises(WeightsUnavailableError) as error:
        download_weights(entry)
    text = str(error.value)
    assert "the server cannot be reached" in text
    assert str(entry.path.parent) in text
    assert "under the name resnet18-f37072fd.pth" in text
    assert files_beside(entry) == []


def test_a_silent_server_times_out(server):
    with pytest.raises(WeightsUnavailableError, match="did not answer in time"):
        download_weights(entry_at(server, "slow"), timeout=0.2)


def test_a_folder_that_cannot_be_written_is_explained(server):
    entry = entry_at(server)
    entry.path.parent.parent.mkdir(parents=True)
    entry.path.parent.write_text("a file where the folder should be")
    with pytest.raises(WeightsUnavailableError, match="cannot be written"):
        download_weights(entry)


def test_cancelling_keeps_nothing(server):
    entry = entry_at(server)
    done = []
    with pytest.raises(WeightsUnavailableError, match="cancelled after 262144 of 1048576"):
        download_weights(
            entry, progress=lambda now, total: done.append(now), cancelled=lambda: bool(done)
        )
    assert files_beside(entry) == []


def test_background_download_can_be_watched_and_finishes(server):
    entry = entry_at(server)
    state = Download(entry).wait(10)
    assert (state.done, state.total, state.active, state.error) == (
        len(CONTENT),
        len(CONTENT),
        False,
        "",
    )
    assert entry.on_disk


def test_background_download_can_be_cancelled(server):
    entry = entry_at(server, "slow")
    running = Download(entry)
    assert running.state.active
    running.cancel()
    server.gate.set()
    state = running.wait(10)
    assert not state.active
    assert "cancelled" in state.error
    assert files_beside(entry) == []
