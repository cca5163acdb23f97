"""What the checks are made of: a promise, what it needs, and expectations that say what was found instead."""

import inspect
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any, Final, Literal

from jtgate.storage.contract.rows import FIRST_TERMINALS, T0_MS
from jtgate.storage.store import Store

StoreOpener = Callable[[], Store]

#: What a check asks for: `open_store` opens the store of this check once more (nobody has migrated it before the
#: first one does); `store` is one that is open, migrated and knows three terminals.
Need = Literal["open_store", "store"]
_NEEDS: Final = ("open_store", "store")

#: Longest that jobs side by side may take, seconds.
TOGETHER_S: Final = 60.0
#: Longest text of a value in a message.
_SHOWN_MAX: Final = 300


class ContractBroken(Exception):
    """A store does not keep a promise; the text says which value was found instead of which."""


@dataclass(frozen=True, slots=True)
class Check:
    """One promise of the contract.

    Args:
        theme: module it stands in.
        name: of the function.
        promise: first paragraph of its docstring.
        needs: parameters of the function.
        body: the function.
    """

    theme: str
    name: str
    promise: str
    needs: tuple[Need, ...]
    body: Callable[..., None]

    def __call__(self, open_store: StoreOpener) -> None:
        """Make the check on a store that is empty and not migrated; everything it opens is closed again.

        Args:
            open_store: opens the store once more, for another process in the story.

        Raises:
            ContractBroken: the promise is not kept.
            StoreError: the store refuses what it should take.
        """
        with ExitStack() as opened:

            def opener() -> Store:
                store = open_store()
                opened.callback(store.close)
                return store

            given: dict[str, object] = {"open_store": opener}
            if "store" in self.needs:
                given["store"] = migrated(opener)
            self.body(**{need: given[need] for need in self.needs})


def promise(body: Callable[..., None]) -> Check:
    """Make a check of a function whose docstring is the promise and whose parameters are what it needs."""
    needs = tuple(inspect.signature(body).parameters)
    if not set(needs) <= set(_NEEDS):
        raise TypeError(f"{body.__name__} needs {needs}")
    return Check(
        theme=body.__module__.rpartition(".")[2],
        name=body.__name__,
        promise=" ".join((body.__doc__ or body.__name__.replace("_", " ")).partition("\n\n")[0].split()),
        needs=needs,  # type: ignore[arg-type]
        body=body,
    )


def migrated(open_store: StoreOpener) -> Store:
    """The store, migrated, with the first three terminals as 1 to 3."""
    store = open_store()
    store.migrate()
    found = store.terminal_ids(FIRST_TERMINALS, T0_MS)
    same(found, {name: number for number, name in enumerate(FIRST_TERMINALS, 1)}, "ids of the first three terminals")
    return store


# --------------------------------------------------------------------------------------------- expectations


def same(found: object, expected: object, what: str) -> None:
    """Expect a value.

    Raises:
        ContractBroken: it is another.
    """
    if found != expected:
        raise ContractBroken(
            f"{what}: expected {_shown(expected)}, found {_shown(found)}{_difference(found, expected)}"
        )


def holds(condition: bool, what: str) -> None:
    """Expect something to be so.

    Raises:
        ContractBroken: it is not.
    """
    if not condition:
        raise ContractBroken(what)


@contextmanager
def refused(error: type[Exception], what: str, *, saying: str = "") -> Iterator[None]:
    """Expect the block to raise an error, with a word in its text.

    Raises:
        ContractBroken: it raises another one, or none.
    """
    try:
        yield
    except error as found:
        holds(saying in str(found), f"{what}: the error should say “{saying}”, it says {_shown(str(found))}")
    except Exception as found:
        raise ContractBroken(
            f"{what}: should raise {error.__name__}, raised {type(found).__name__}: {found}"
        ) from found
    else:
        raise ContractBroken(f"{what}: should raise {error.__name__}, raised nothing")


def integer(value: object) -> int:
    """A value of a row that has to be an integer.

    Raises:
        ContractBroken: it is none.
    """
    if not isinstance(value, int):
        raise ContractBroken(f"an integer is expected, found {_shown(value)}")
    return value


def together(jobs: Sequence[Callable[[], object]], *, limit_s: float = TOGETHER_S) -> None:
    """Run jobs side by side, each in a thread; the first error of one of them is raised.

    Raises:
        ContractBroken: they are not done in time.
    """
    errors: list[BaseException] = []

    def guarded(job: Callable[[], object]) -> None:
        try:
            job()
        except BaseException as error:  # noqa: BLE001  raised again below, in the thread that waits
            errors.append(error)

    threads = [threading.Thread(target=guarded, args=(job,), name="contract", daemon=True) for job in jobs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(limit_s)
    if errors:
        raise errors[0]
    holds(not any(thread.is_alive() for thread in threads), f"jobs side by side were not done after {limit_s:g} s")


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= _SHOWN_MAX else f"{text[:_SHOWN_MAX]}… ({len(text)} characters)"


def _difference(found: object, expected: object) -> str:
    """Which fields of two rows differ: rows are longer than a message."""
    if isinstance(found, list) and isinstance(expected, list) and len(found) == len(expected):
        found, expected = next(((f, e) for f, e in zip(found, expected, strict=True) if f != e), (None, None))
    if not isinstance(found, dict) or not isinstance(expected, dict):
        return ""
    names = [name for name in {**expected, **found} if found.get(name, ...) != expected.get(name, ...)]
    return "; they differ in " + _shown({name: (found.get(name), expected.get(name)) for name in names})
