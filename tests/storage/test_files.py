"""Files by their hash, in a folder and with S3 behind it: every promise of the interface."""

import errno
import hashlib
import logging
import os
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config
from moto.server import ThreadedMotoServer

from jtgate.codecs.timebase import now_ms
from jtgate.storage.files import FileMissing, FileStoreUnavailable
from jtgate.storage.folder import FolderFiles, hash_of
from jtgate.storage.open import open_files
from jtgate.storage.s3 import S3Files, S3Place, parse_s3
from jtgate.storage.suffixes import SUFFIXES, known_suffix, suffix_of

DATA = b"\xff\xd8\xff\xe0 a picture"
DIGEST = hashlib.sha256(DATA).hexdigest()
PATH = f"{DIGEST[:2]}/{DIGEST[2:4]}/{DIGEST}.jpg"


@pytest.fixture
def files(tmp_path: Path) -> FolderFiles:
    """An empty folder."""
    return open_files(tmp_path)


def everything(root: Path) -> list[str]:
    """Files below a folder, without the lock."""
    return sorted(
        path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file() and path.name != ".lock"
    )


def test_bytes_land_under_their_hash(files: FolderFiles) -> None:
    """The path is made of the hash and the suffix; what is kept can be read, and deleted once."""
    assert files.put(DATA, ".jpg") == (DIGEST, PATH)
    assert files.open(PATH).read_bytes() == DATA
    assert hash_of(PATH) == DIGEST
    assert everything(files.root) == [PATH]
    assert files.delete(PATH)
    assert not files.delete(PATH)
    with pytest.raises(FileMissing):
        files.open(PATH)


def test_a_file_that_has_arrived_is_moved(files: FolderFiles) -> None:
    """Keeping renames: afterwards there is one file, and it is in its place."""
    part = files.arriving / "1-a.part"
    part.write_bytes(DATA)
    assert files.keep(part, ".JPEG") == (DIGEST, PATH)
    assert everything(files.root) == [PATH]


def test_the_same_bytes_are_one_file(files: FolderFiles) -> None:
    """Also under another suffix, from many threads at once, and where a file of that name is cut short."""
    files.put(DATA, ".jpg")
    with ThreadPoolExecutor(8) as threads:
        found = set(threads.map(lambda number: files.put(DATA, (".png", ".bin", "")[number % 3]), range(24)))
    assert found == {(DIGEST, PATH)}
    files.open(PATH).write_bytes(DATA[:5])
    assert files.put(DATA, ".png") == (DIGEST, PATH)
    assert files.open(PATH).read_bytes() == DATA
    assert everything(files.root) == [PATH]


@pytest.mark.parametrize(
    "path",
    [
        "",
        "..",
        "../../etc/passwd",
        "/etc/passwd",
        f"ab/cd/{DIGEST}.jpg",
        f"{PATH}/x",
        f"{DIGEST}.jpg",
        PATH.upper(),
        f"{PATH}\n",
        PATH[:-4],
        "arriving/1-a.part",
    ],
)
def test_only_paths_of_ours_are_followed(files: FolderFiles, path: str) -> None:
    """A path that a row brings is not a way out of the folder."""
    files.put(DATA, ".jpg")
    for call in (files.open, files.delete, hash_of):
        with pytest.raises(FileMissing):
            call(path)


def test_what_is_kept_again_is_not_deleted(files: FolderFiles) -> None:
    """A file whose bytes came once more since the retention looked stays."""
    files.put(DATA, ".jpg")
    before = now_ms() + 1
    os.utime(files.open(PATH), (1, 1))
    files.put(DATA, ".jpg")
    assert not files.delete(PATH, kept_before_ms=before - 60_000)
    assert files.delete(PATH, kept_before_ms=before + 60_000)


def test_a_disk_that_fails_is_told(files: FolderFiles, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Full or gone: a typed error, nothing in the tree and nothing left lying about."""

    def full(_fd: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as broken:
        broken.setattr(os, "fsync", full)
        with pytest.raises(FileStoreUnavailable, match="No space"):
            files.put(DATA, ".jpg")
    assert everything(files.root) == []
    with pytest.raises(FileStoreUnavailable):
        files.keep(tmp_path / "nothing", ".jpg")
    (tmp_path / "file").write_text("")
    with pytest.raises(FileStoreUnavailable):
        FolderFiles(tmp_path / "file")


def test_suffixes_come_from_a_short_list() -> None:
    """By what is in the file, else by the name, else .bin; never anything that a terminal has made up."""
    assert [known_suffix(text) for text in (".JPG", ".jpeg", ".264", ".exe", "", "./x")] == [
        *(".jpg", ".jpg", ".h264", ".bin", ".bin", ".bin")
    ]
    assert suffix_of("a.bin", b"GIF89a") == ".gif"
    assert suffix_of("a.mp3", b"RIFF\0\0\0\0AVI ") == ".avi"
    assert suffix_of("../../a.sh\0.jpg", b"#!/bin/sh") == ".jpg"
    assert suffix_of("a.sh", b"") == ".bin"
    assert {suffix_of(f"a{suffix}", b"") for suffix in SUFFIXES} == SUFFIXES


# --------------------------------------------------------------------------------------------------- S3

KEYS = {"AWS_ACCESS_KEY_ID": "AKIATESTKEY", "AWS_SECRET_ACCESS_KEY": "do-not-tell", "AWS_EC2_METADATA_DISABLED": "true"}


@pytest.fixture(scope="module")
def s3_url() -> Iterator[str]:
    """A server that speaks the protocol of S3, on a free port."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def bucket(s3_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """An empty bucket, as others see it."""
    for name, value in KEYS.items():
        monkeypatch.setenv(name, value)
    session = boto3.session.Session()
    client = session.client("s3", endpoint_url=s3_url, region_name="us-east-1", config=Config(max_pool_connections=2))
    client.create_bucket(Bucket="evidence")
    yield client
    for name in in_bucket(client):
        client.delete_object(Bucket="evidence", Key=name)
    client.delete_bucket(Bucket="evidence")
    client.close()


def in_bucket(client: Any) -> list[str]:
    """Names of what is in the bucket."""
    return [item["Key"] for item in client.list_objects_v2(Bucket="evidence").get("Contents", [])]


def s3_files(root: Path, s3_url: str, **options: Any) -> S3Files:
    """Files with the bucket behind them."""
    return S3Files(root, parse_s3(f"s3://evidence/jt/?endpoint={s3_url}"), **options)


def wait_until(true: Callable[[], bool]) -> None:
    """Wait for the uploader."""
    deadline = time.monotonic() + 20
    while not true():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)


def test_copies_follow_and_come_back(tmp_path: Path, s3_url: str, bucket: Any) -> None:
    """Folder first, then the bucket; a local copy that is gone is fetched; deleting deletes there as well."""
    files = s3_files(tmp_path, s3_url)
    assert files.put(DATA, ".jpg") == (DIGEST, PATH)
    assert (in_bucket(bucket), files.waiting()) == ([], 1)
    assert files.work_once() == 1
    assert (in_bucket(bucket), files.waiting(), files.uploaded) == ([f"jt/{PATH}"], 0, 1)
    files.put(DATA, ".jpg")
    assert files.waiting() == 0, "the same bytes are there already"
    (tmp_path / PATH).unlink()
    assert files.open(PATH).read_bytes() == DATA
    assert files.waiting() == 0
    assert files.delete(PATH)
    with pytest.raises(FileMissing):
        files.open(PATH)
    assert files.work_once() == 1
    assert (in_bucket(bucket), files.deleted) == ([], 1)
    with pytest.raises(FileMissing):
        files.open(PATH)
    assert everything(tmp_path) == []


def test_another_process_makes_the_copies(tmp_path: Path, s3_url: str, bucket: Any) -> None:
    """What is to be done lies in the folder: whoever keeps, and however often it was restarted, one carries it out."""
    keeping = s3_files(tmp_path, s3_url)
    paths = [keeping.put(b"%d" % number, ".bin")[1] for number in range(5)]
    gone = keeping.put(b"gone", ".bin")[1]
    keeping.delete(gone)
    uploading = s3_files(tmp_path, s3_url, uploads=True, look_s=0.05)
    wait_until(lambda: uploading.waiting() == 0)
    assert sorted(in_bucket(bucket)) == sorted(f"jt/{path}" for path in paths)
    keeping.put(b"later", ".bin")
    wait_until(lambda: uploading.uploaded == 6)
    uploading.close()
    uploading.close()


def test_a_copy_that_is_not_the_file_is_refused(tmp_path: Path, s3_url: str, bucket: Any) -> None:
    """Bytes from the bucket are compared with the hash that names them."""
    files = s3_files(tmp_path, s3_url)
    bucket.put_object(Bucket="evidence", Key=f"jt/{PATH}", Body=b"other bytes")
    with pytest.raises(FileMissing, match="other bytes"):
        files.open(PATH)
    assert not (tmp_path / PATH).exists()


def test_storage_that_is_away_costs_nothing_and_is_tried_again(
    tmp_path: Path, s3_url: str, bucket: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Files are kept all the same; the uploader goes on when the storage is there. No key stands in an error."""
    monkeypatch.setattr("jtgate.storage.s3.RETRY_FIRST_S", 0.02)
    nowhere = S3Files(tmp_path, S3Place("evidence", "jt/", "http://127.0.0.1:9", None), uploads=True, look_s=0.02)
    assert nowhere.put(DATA, ".jpg") == (DIGEST, PATH)
    wait_until(lambda: nowhere.failures >= 2)
    assert nowhere.open(PATH).read_bytes() == DATA
    assert "reached" in nowhere.last_failure
    assert not set(KEYS.values()) & set(nowhere.last_failure.split())
    nowhere.close()
    with pytest.raises(FileStoreUnavailable):
        nowhere.open(PATH.replace(".jpg", ".png"))
    wrong = S3Files(tmp_path, S3Place("other", "", s3_url, None))
    with pytest.raises(FileStoreUnavailable, match="NoSuchBucket"):
        wrong.work_once()
    there = s3_files(tmp_path, s3_url)
    assert there.waiting() == 1
    assert there.work_once() == 1
    assert in_bucket(bucket) == [f"jt/{PATH}"]


def test_keeping_and_deleting_at_once(tmp_path: Path, s3_url: str, bucket: Any) -> None:
    """In whatever order the same bytes are kept and deleted, folder and bucket end up with the same."""
    files = s3_files(tmp_path, s3_url, uploads=True, look_s=0.01)

    def shuffle(number: int) -> None:
        for turn in range(10):
            path = files.put(b"%d" % (turn % 3), ".bin")[1]
            if (turn + number) % 2:
                files.delete(path)

    threads = [threading.Thread(target=shuffle, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    wait_until(lambda: files.waiting() == 0)
    files.close()
    here = [name for name in everything(tmp_path) if not name.startswith("s3/")]
    assert [f"jt/{name}" for name in here] == in_bucket(bucket)


def test_how_a_bucket_is_written() -> None:
    """s3://BUCKET/PREFIX?endpoint=URL&region=NAME, without keys; what is wrong is said without quoting it."""
    assert parse_s3("s3://b") == S3Place("b", "", None, None)
    assert parse_s3("s3://b/a/c/?endpoint=http://127.0.0.1:9000&region=cn-north-1") == S3Place(
        "b", "a/c/", "http://127.0.0.1:9000", "cn-north-1"
    )
    for url, why in (
        ("http://b", "expected s3"),
        ("s3://", "expected s3"),
        ("s3://KEY:SECRET@b", "expected s3"),
        ("s3://b?endpoint=b:9000", "no http"),
        ("s3://b?endpoint=http://KEY:SECRET@h", "AWS_ACCESS_KEY_ID"),
        ("s3://b?secret=x", "no option"),
    ):
        with pytest.raises(ValueError, match=why) as caught:
            parse_s3(url)
        assert "SECRET@" not in str(caught.value)
