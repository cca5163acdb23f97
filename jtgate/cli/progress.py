"""How far long work has come: a line on standard error, when somebody looks."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskProgressColumn, TextColumn, TimeElapsedColumn

#: Called with how much is done, and of how much where that is known.
Tell = Callable[[int, int | None], None]


@contextmanager
def progress(what: str, unit: str) -> Iterator[Tell]:
    """Show a line while the block runs; nothing when standard error is no screen.

    Args:
        what: what is done, as "comparing".
        unit: what is counted, as "rows".
    """
    screen = Console(stderr=True, highlight=False)
    if not screen.is_terminal:
        yield lambda _done, _total: None
        return
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TextColumn(f"{{task.completed:,.0f}} {unit}"),
        TextColumn("{task.fields[rate]}"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=screen, transient=True) as bar:
        task = bar.add_task(what, total=None, rate="")

        def tell(done: int, total: int | None) -> None:
            elapsed_s = bar.tasks[0].elapsed or 0.0
            rate = f"{done / elapsed_s:,.0f} {unit}/s" if elapsed_s > 1 else ""
            bar.update(task, completed=done, total=total, rate=rate)

        yield tell
