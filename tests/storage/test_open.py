"""Which back end a setting opens, and where its files lie."""

from contextlib import closing
from pathlib import Path

import pytest

from jtgate.storage import open_directory, open_spool_progress, open_spool_reader, open_spool_writer, open_store
from jtgate.storage.store import StoreUrlError


def test_the_data_folder(tmp_path: Path) -> None:
    """Without a URL everything lies in the data folder, which is made."""
    data = tmp_path / "new" / "data"
    with closing(open_store("", data)) as store, closing(open_directory(data)):
        store.migrate()
        with closing(open_spool_writer(data, bytes_max=1 << 20, keep_us=10**9)) as writer:
            writer.append(b"x", 1, 1)
        with closing(open_spool_reader(data)) as reader:
            assert reader.last_seq() == 1
        open_spool_progress(data).set("pipeline", 1)
        assert {path.name for path in data.iterdir()} >= {"store.db", "directory.db", "spool"}


def test_a_store_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Three slashes are a relative path, four an absolute one."""
    monkeypatch.chdir(tmp_path)
    open_store("sqlite:///there/a.db", tmp_path / "data").close()
    open_store(f"sqlite:///{tmp_path}/b.db", tmp_path / "data").close()
    assert (tmp_path / "there" / "a.db").exists()
    assert (tmp_path / "b.db").exists()
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize(
    "url", ["postgresql://user:se%cret@db/jtgate", "mysql://user:secret@db", "store.db", "sqlite:///"]
)
def test_a_url_that_nobody_answers_to(url: str, tmp_path: Path) -> None:
    """The error says what to do, and never repeats a password."""
    with pytest.raises(StoreUrlError) as caught:
        open_store(url, tmp_path)
    assert "secret" not in str(caught.value)
    assert "se%cret" not in str(caught.value)
    assert "use " in str(caught.value)
