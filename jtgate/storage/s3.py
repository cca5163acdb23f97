"""Files in a folder with S3-compatible storage behind it.

    put, keep ─► folder ─► answered ┄┄► marker in <root>/s3/put/ ─► uploaded ─► marker gone
    delete    ─► folder ─► answered ┄┄► marker in <root>/s3/delete/ ─► deleted there
    open      ─► folder, or downloaded into it

What is still to be done lies in the folder as empty files, so it outlives a restart, takes no memory and waits as long
as the storage is away. One process carries it out. Keys come from the usual variables (AWS_ACCESS_KEY_ID …) or files
and are never looked at here; errors are told by their class and code only.
"""

import threading
from collections.abc import Iterator
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import Any, Final, NamedTuple
from urllib.parse import parse_qsl, urlsplit

from jtgate.storage.files import FileMissing, FileStoreUnavailable
from jtgate.storage.folder import FolderFiles, hash_of, sync_folder

#: How long the uploader waits when nothing is to be done, and after a failure at most.
LOOK_S: Final = 2.0
RETRY_FIRST_S: Final = 1.0
RETRY_MAX_S: Final = 300.0
#: Markers taken at a time.
MARKERS_PER_ROUND: Final = 100
#: How many markers are counted; there may be more.
WAITING_COUNT_MAX: Final = 10_000

_TIMEOUT_S: Final = 20
_GONE: Final = ("404", "NoSuchKey", "NotFound", "NoSuchBucket")
_OPTIONS: Final = ("endpoint", "region")


class S3Place(NamedTuple):
    """Where files go."""

    bucket: str
    prefix: str  # "" or with a slash at its end
    endpoint: str | None
    region: str | None


def parse_s3(url: str) -> S3Place:
    """Read s3://BUCKET/PREFIX?endpoint=URL&region=NAME.

    Raises:
        ValueError: it is none; the text says why without quoting it.
    """
    parts = urlsplit(url)
    if parts.scheme != "s3" or not parts.hostname or parts.username is not None or parts.port is not None:
        raise ValueError("expected s3://BUCKET/PREFIX?endpoint=URL")
    options = dict(parse_qsl(parts.query, keep_blank_values=True))
    strange = [name for name in options if name not in _OPTIONS]
    if strange:
        raise ValueError(f"there is no option {strange[0]!r}; there are {', '.join(_OPTIONS)}")
    endpoint = options.get("endpoint") or None
    if endpoint is not None:
        server = urlsplit(endpoint)
        if server.scheme not in ("http", "https") or not server.hostname:
            raise ValueError("the endpoint is no http:// or https:// URL")
        if server.username is not None:
            raise ValueError("keys belong into AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, not into the URL")
    prefix = parts.path.strip("/")
    return S3Place(parts.hostname, f"{prefix}/" if prefix else "", endpoint, options.get("region") or None)


class S3Files(FolderFiles):
    """`FileStore` in a folder, with copies in a bucket.

    Args:
        root: the folder.
        place: the bucket.
        uploads: carry out what is to be done there; in one process only.
        look_s: pause between two looks for work, seconds.
    """

    def __init__(self, root: Path, place: S3Place, *, uploads: bool = False, look_s: float = LOOK_S) -> None:
        super().__init__(root)
        self._place_there = place
        self._look_s = look_s
        self._to_put, self._to_delete = root / "s3" / "put", root / "s3" / "delete"
        for folder in (self._to_put, self._to_delete):
            folder.mkdir(parents=True, exist_ok=True)
        self._client: Any = None
        self._client_lock = threading.Lock()
        self._stopping = threading.Event()
        #: What the uploader did since the start, and why it last failed ("" when it did not).
        self.uploaded = self.deleted = self.failures = 0
        self.last_failure = ""
        self._thread: threading.Thread | None = None
        if uploads:
            self._thread = threading.Thread(target=self._work, name="s3", daemon=True)
            self._thread.start()

    def open(self, path: str) -> Path:
        """See FileStore; a local copy that is gone is fetched again and compared with its hash."""
        with suppress(FileMissing):
            return super().open(path)
        sha256 = hash_of(path)
        if (self._to_delete / Path(path).name).exists():
            raise FileMissing(f"the file {path} was deleted")
        beside = self.arriving / f"{sha256}.get{threading.get_ident()}"
        try:
            self._call("download_file", Bucket=self._place_there.bucket, Key=self._key(path), Filename=str(beside))
            found, kept = super().keep(beside, Path(path).suffix)
        finally:
            with suppress(OSError):
                beside.unlink(missing_ok=True)
        if found != sha256:
            super().delete(kept)
            raise FileMissing(f"the copy of {path} in the bucket has other bytes")
        (self._to_put / Path(path).name).unlink(missing_ok=True)  # it came from there
        return super().open(path)

    def waiting(self) -> int:
        """Uploads and deletions to be done, WAITING_COUNT_MAX at most."""
        both = (*islice(self._markers(self._to_put), WAITING_COUNT_MAX), *islice(self._markers(self._to_delete), 100))
        return min(len(both), WAITING_COUNT_MAX)

    def close(self) -> None:
        """End the uploader; what it has not done it does after the next start."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join(_TIMEOUT_S)

    def work_once(self) -> int:
        """Carry out a round of what is to be done; how many were.

        Raises:
            FileStoreUnavailable: the storage is away; the rest is still to be done.
        """
        done = 0
        for marker in list(islice(self._markers(self._to_put), MARKERS_PER_ROUND)):
            if self._stopping.is_set():
                return done
            done += self._upload(marker)
        for marker in list(islice(self._markers(self._to_delete), MARKERS_PER_ROUND)):
            self._call("delete_object", Bucket=self._place_there.bucket, Key=self._key(_path_of(marker.name)))
            marker.unlink(missing_ok=True)
            self.deleted += 1
            done += 1
        return done

    def _work(self) -> None:
        """The uploader."""
        pause_s = RETRY_FIRST_S
        while not self._stopping.is_set():
            try:
                done = self.work_once()
            except (FileStoreUnavailable, OSError) as error:
                self.failures += 1
                self.last_failure = str(error)
                self._stopping.wait(pause_s)
                pause_s = min(pause_s * 2, RETRY_MAX_S)
                continue
            self.last_failure = ""
            pause_s = RETRY_FIRST_S
            if not done:
                self._stopping.wait(self._look_s)

    def _upload(self, marker: Path) -> int:
        path = _path_of(marker.name)
        try:
            with super().open(path).open("rb") as file:
                self._call("put_object", Body=file, Bucket=self._place_there.bucket, Key=self._key(path))
        except (FileMissing, FileNotFoundError):  # deleted meanwhile, or the power went off between marker and file
            with self._locked():
                if not (self.root / path).exists():
                    marker.unlink(missing_ok=True)
            return 0
        marker.unlink(missing_ok=True)
        self.uploaded += 1
        return 1

    @staticmethod
    def _markers(folder: Path) -> Iterator[Path]:
        return folder.iterdir()

    def _key(self, path: str) -> str:
        return f"{self._place_there.prefix}{path}"

    def _keeping(self, path: str) -> None:
        name = Path(path).name
        (self._to_put / name).touch()
        sync_folder(self._to_put)
        (self._to_delete / name).unlink(missing_ok=True)

    def _deleted(self, path: str) -> None:
        name = Path(path).name
        (self._to_delete / name).touch()
        (self._to_put / name).unlink(missing_ok=True)

    def _call(self, name: str, **arguments: object) -> None:
        """Do something with the bucket.

        Raises:
            FileMissing: there is no such object.
            FileStoreUnavailable: anything else; the text holds neither key nor URL.
        """
        from boto3.exceptions import Boto3Error  # noqa: PLC0415  who has no bucket loads no client
        from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415

        try:
            getattr(self._connected(), name)(**arguments)
        except ClientError as error:
            code = str(error.response.get("Error", {}).get("Code", "?"))
            if code in _GONE and name == "download_file":
                raise FileMissing("the bucket has no such file") from None
            raise FileStoreUnavailable(f"the storage answers {code}") from None
        except (BotoCoreError, Boto3Error) as error:
            raise FileStoreUnavailable(f"the storage cannot be reached: {type(error).__name__}") from None

    def _connected(self) -> Any:
        with self._client_lock:
            if self._client is None:
                self._client = _client(self._place_there)
            return self._client


def _client(place: S3Place) -> Any:
    import boto3  # noqa: PLC0415  see _call
    from botocore.config import Config  # noqa: PLC0415

    config = Config(
        connect_timeout=_TIMEOUT_S,
        read_timeout=_TIMEOUT_S,
        retries={"max_attempts": 2, "mode": "standard"},
        s3={"addressing_style": "path" if place.endpoint else "auto"},
        request_checksum_calculation="when_required",  # servers that are not Amazon's know no trailing checksums
        response_checksum_validation="when_required",
    )
    session = boto3.session.Session()
    region = place.region or session.region_name or "us-east-1"
    return session.client("s3", endpoint_url=place.endpoint, region_name=region, config=config)


def _path_of(name: str) -> str:
    return f"{name[:2]}/{name[2:4]}/{name}"
