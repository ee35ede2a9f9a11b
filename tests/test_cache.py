"""The price cache: kept, shared, limited, and done without where the disk fails."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest

from talaria_widget.compilers import cache as cache_module
from talaria_widget.compilers import shelf
from talaria_widget.compilers.cache import Cache, cache_dir, clear_cache, machine
from talaria_widget.compilers.machine import processor, runtime_version


@pytest.fixture(autouse=True)
def fresh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TALARIA_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("TALARIA_CACHE_BYTES", raising=False)
    monkeypatch.setattr(cache_module, "_said", set())
    monkeypatch.setattr(cache_module, "_aside", {})
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


def python(code: str, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-W", "always", "-c", code, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_what_is_put_is_there_for_the_next(tmp_path: Path) -> None:
    cache = Cache()
    assert cache.get("a") is None
    cache.put("a", b"\x00one")
    cache.put("a", b"two")
    cache.put_many({"b": b"", "é": b"3"})
    assert cache.get("a") == b"two"
    cache.close()
    other = Cache()
    assert other.get_many(["é", "a", "b", "none"]) == {"a": b"two", "b": b"", "é": b"3"}
    assert other.path.parent == tmp_path / "cache"


def test_threads_share_one(tmp_path: Path) -> None:
    cache = Cache()
    failed: list[BaseException] = []

    def work(name: str) -> None:
        try:
            for i in range(50):
                cache.put(f"{name}{i}", name.encode())
                assert cache.get(f"{name}{i}") == name.encode()
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=work, args=(name,)) for name in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not failed
    assert all(cache.get(f"{name}{i}") for name in "abcd" for i in range(50))


WRITE = """
import sys
from talaria_widget.compilers.cache import Cache
cache = Cache()
for i in range(100):
    cache.put(f"{sys.argv[1]}{i}", sys.argv[1].encode() * 1000)
    assert cache.get(f"{sys.argv[1]}{i}") == sys.argv[1].encode() * 1000
"""


def test_processes_that_write_at_once_lose_nothing() -> None:
    writers = [python(WRITE, name) for name in "abc"]
    assert [w.communicate(timeout=60) for w in writers] == [("", "")] * 3
    assert [w.returncode for w in writers] == [0] * 3
    cache = Cache()
    for name in "abc":
        keys = [f"{name}{i}" for i in range(100)]
        assert cache.get_many(keys) == dict.fromkeys(keys, name.encode() * 1000)


def test_a_process_killed_while_writing_leaves_all_or_nothing() -> None:
    code = """
from talaria_widget.compilers.cache import Cache
cache = Cache()
i = 0
while True:
    cache.put_many({f"{i}-{j}": b"x" * 5000 for j in range(20)})
    i += 1
    print(i, flush=True)
"""
    for _ in range(5):
        writer = python(code)
        assert writer.stdout is not None
        writer.stdout.readline()
        time.sleep(0.02)
        writer.kill()
        done = int(writer.communicate(timeout=60)[0].split("\n")[-2] or 1)
        with Cache() as cache:
            for i in range(done + 2):
                assert len(cache.get_many(f"{i}-{j}" for j in range(20))) in (0, 20)
            assert cache.get("0-0") == b"x" * 5000


def test_what_was_used_least_lately_makes_room(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [1_000_000.0]
    monkeypatch.setattr(shelf.time, "time", lambda: now[0])
    cache = Cache(limit_bytes=300_000)
    for i in range(20):
        cache.put(f"{i}", b"x" * 10_000)
        now[0] += shelf.USED_S + 1
    assert cache.get("0") is not None
    for i in range(20, 40):
        cache.put(f"{i}", b"x" * 10_000)
        now[0] += shelf.USED_S + 1
        assert cache.get("0") is not None
    assert cache.get("1") is None
    assert cache.get("39") is not None
    cache.close()
    assert cache.path.stat().st_size <= 300_000


def test_what_is_larger_than_the_limit_drives_nothing_out() -> None:
    cache = Cache(limit_bytes=100_000)
    cache.put("a", b"a")
    cache.put("big", b"x" * 100_001)
    assert cache.get("big") is None
    assert cache.get("a") == b"a"


def test_the_limit_comes_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TALARIA_CACHE_BYTES", "1e5")
    cache = Cache()
    for i in range(30):
        cache.put(f"{i}", b"x" * 10_000)
    assert cache.path.stat().st_size <= 100_000
    monkeypatch.setenv("TALARIA_CACHE_BYTES", "0")
    none = Cache(cache.path.parent / "none")
    none.put("a", b"a")
    assert not none.path.exists()
    assert none.get("a") == b"a"
    monkeypatch.setenv("TALARIA_CACHE_BYTES", "much")
    with pytest.warns(UserWarning, match="TALARIA_CACHE_BYTES='much'"):
        Cache()


def damage(path: Path, how: str) -> None:
    data = path.read_bytes()
    if how == "text":
        path.write_bytes(b"no database at all\n" * 500)
    elif how == "half":
        path.write_bytes(data[: len(data) // 2])
    elif how == "pages":
        path.write_bytes(data[:4096] + os.urandom(len(data) - 4096))
    elif how == "another table":
        path.unlink()
        with sqlite3.connect(path) as other:
            other.execute("CREATE TABLE prices (k, v)")
        other.close()


@pytest.mark.parametrize("how", ["text", "half", "pages", "another table"])
@pytest.mark.parametrize("opened", [False, True])
def test_a_damaged_file_is_emptied_and_said_once(how: str, opened: bool) -> None:
    cache = Cache()
    cache.put_many({f"{i}": b"x" * 1000 for i in range(100)})
    if not opened:
        cache.close()
    damage(cache.path, how)

    def use() -> None:
        kept = cache.get_many(f"{i}" for i in range(100))
        assert all(value == b"x" * 1000 for value in kept.values())
        for _ in range(2):
            cache.put("a", b"a")
            damage(cache.path, how)
            cache.close()
            cache.get("a")
            cache.put("a", b"a")

    with pytest.warns(UserWarning, match="was damaged and has been emptied") as said:
        use()
    assert len(said) == 1
    assert cache.get("a") == b"a"
    cache.close()
    assert Cache().get("a") == b"a"


def test_a_value_that_changed_on_disk_is_not_believed() -> None:
    cache = Cache()
    cache.put("a", b"good" * 50)
    cache.close()
    data = cache.path.read_bytes()
    assert data.count(b"good" * 50) == 1
    cache.path.write_bytes(data.replace(b"good" * 50, b"evil" * 50))
    assert cache.get("a") is None


def put_both(first: Cache, second: Cache) -> None:
    first.put("c", b"c")
    second.put("d", b"d")


def test_a_damaged_file_is_mended_by_whoever_comes_first() -> None:
    first, second = Cache(), Cache()
    first.put("a", b"a")
    second.put("b", b"b")
    damage(first.path, "text")
    with pytest.warns(UserWarning, match="damaged") as said:
        put_both(first, second)
    assert len(said) == 1
    assert Cache().get_many("abcd") == {"c": b"c", "d": b"d"}


def test_a_file_that_may_not_be_written_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    with Cache() as cache:
        cache.put("a", b"a")
    plain = shelf.connect

    def connect(path: Path) -> sqlite3.Connection:
        connection = plain(path)
        connection.execute("PRAGMA query_only = ON")  # root may write anywhere
        return connection

    monkeypatch.setattr(shelf, "connect", connect)
    with pytest.warns(UserWarning, match="cannot be written") as said:
        put_both(cache, cache)
    assert len(said) == 1
    assert cache.get_many("acd") == {"a": b"a", "c": b"c", "d": b"d"}
    assert Cache().get("c") == b"c"


def test_a_folder_that_cannot_be_made_is_done_without(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    cache = Cache(tmp_path / "file" / "cache")
    with pytest.warns(UserWarning, match="cannot be used"):
        assert cache.get("a") is None
    cache.put("a", b"a")
    assert cache.get("a") == b"a"
    assert Cache(tmp_path / "file" / "cache").get("a") == b"a"


def test_a_folder_that_is_removed_is_made_again() -> None:
    cache = Cache()
    cache.put("a", b"a")
    shutil.rmtree(cache.path.parent)
    cache.put("b", b"b")
    assert Cache().get_many("ab") == {"b": b"b"}


@pytest.mark.skipif(os.name != "posix", reason="needs a limit on a file's size")
def test_a_full_disk_is_said_once_and_done_without() -> None:
    code = """
import resource
from talaria_widget.compilers.cache import Cache
cache = Cache()
cache.put("a", b"a")
resource.setrlimit(resource.RLIMIT_FSIZE, (40_000, 40_000))
for i in range(50):
    cache.put(f"{i}", b"x" * 5000)
    assert cache.get(f"{i}") == b"x" * 5000
assert cache.get("a") == b"a", "lost"
print(cache.path.stat().st_size)
"""
    process = python(code)
    out, errors = process.communicate(timeout=60)
    assert process.returncode == 0, errors
    assert errors.count("The price cache") == 1, errors
    assert int(out) <= 40_000
    # What had found room is whole.
    with Cache() as cache:
        assert cache.get("a") == b"a"


def test_a_file_that_another_holds_for_long_is_skipped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shelf, "BUSY_S", 0.02)
    cache = Cache()
    cache.put("a", b"a")
    other = sqlite3.connect(cache.path, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    cache.close()
    for _ in range(2):
        assert cache.get("a") is None
    other.execute("ROLLBACK")
    assert cache.get("a") == b"a"
    other.execute("BEGIN EXCLUSIVE")
    for _ in range(3):
        cache.put("b", b"b")
    with pytest.warns(UserWarning, match="locked"):
        cache.put("b", b"b")
    other.close()
    assert cache.get("b") == b"b"


def test_clearing_forgets_everything_everywhere() -> None:
    assert clear_cache() == 0
    cache = Cache()
    cache.put_many({f"{i}": b"x" * 10_000 for i in range(50)})
    freed = clear_cache()
    assert freed >= 50 * 10_000
    assert cache.get("0") is None
    cache.put("0", b"again")
    assert Cache().get("0") == b"again"
    damage(cache.path, "text")
    assert clear_cache() == 19 * 500
    assert cache.path.stat().st_size == 0


def test_a_fork_opens_the_file_anew() -> None:
    if not hasattr(os, "fork"):
        pytest.skip("no fork here")
    code = """
import os
from talaria_widget.compilers.cache import Cache
cache = Cache()
cache.put("a", b"a")
child = os.fork()
for i in range(50):
    cache.put(f"{child == 0}{i}", b"x")
    assert cache.get("a") == b"a"
if child == 0:
    os._exit(0)
assert os.waitpid(child, 0)[1] == 0
assert len(cache.get_many(f"{side}{i}" for side in (True, False) for i in range(50))) == 100
"""
    process = python(code)
    assert process.communicate(timeout=60) == ("", "")
    assert process.returncode == 0


def test_the_folder_is_the_systems_or_ones_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert cache_dir() == tmp_path / "cache"
    monkeypatch.setenv("TALARIA_CACHE", "")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr(sys, "platform", "linux")
    assert cache_dir() == tmp_path / ".cache" / "talaria-widget"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache_dir() == tmp_path / "xdg" / "talaria-widget"
    monkeypatch.setattr(sys, "platform", "darwin")
    assert cache_dir() == tmp_path / "Library" / "Caches" / "talaria-widget"
    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.setenv("LOCALAPPDATA", str(tmp_path / "local"))
    assert cache_dir() == tmp_path / "local" / "talaria-widget" / "Cache"
    assert not (tmp_path / "cache").exists()


CPUINFO = """processor\t: 0
vendor_id\t: GenuineIntel
cpu family\t: 6
model\t\t: 143
model name\t: Intel(R)  Xeon(R) Platinum 8488C
stepping\t: 8
cpu MHz\t\t: 2400.000
flags\t\t: fpu sse4_1 avx avx2 fma f16c avx512f avx512_vnni amx_int8

processor\t: 1
model name\t: another
"""


def test_a_machine_is_its_processor_its_instructions_and_its_runtime(tmp_path: Path) -> None:
    (tmp_path / "cpuinfo").write_text(CPUINFO)
    text = processor(tmp_path / "cpuinfo")
    assert text == (
        "vendor_id=GenuineIntel; cpu family=6; model=143; "
        "model name=Intel(R) Xeon(R) Platinum 8488C; stepping=8; "
        "flags=sse4_1,avx,avx2,fma,f16c,avx512f,avx512_vnni,amx_int8"
    )
    (tmp_path / "arm").write_text("processor : 0\nCPU implementer : 0x41\nFeatures : fp asimddp\n")
    assert processor(tmp_path / "arm") == "CPU implementer=0x41; flags=asimddp"
    assert f"onnxruntime={runtime_version()}" in machine()
    assert machine(1) != machine(2)
    assert "MHz" not in machine()
