"""Logging, set up once per process: structlog in front, the standard library behind, standard error the only way out.

Standard output belongs to the answers of a command, so nothing is ever logged there. Events are constant
strings "area.thing_happened"; facts are keys. Everything goes through a standard-library handler, because
that swallows a broken pipe (the supervisor died) where a plain print would raise into the caller.
"""

import logging
import os
import sys
from typing import TYPE_CHECKING, Final, Protocol, cast

import structlog
from structlog.typing import EventDict, FilteringBoundLogger, Processor, WrappedLogger

if TYPE_CHECKING:
    from collections.abc import Sequence

LEVELS: Final = ("debug", "info", "warning", "error", "critical")
FORMATS: Final = ("auto", "console", "json")

#: Libraries that have more to say than an operator wants at our level; theirs starts at warning.
_CHATTY: Final = ("uvicorn", "uvicorn.error", "uvicorn.access", "asyncio", "multipart")

_CONSOLE_EVENT_WIDTH: Final = 34


class LogSettings(Protocol):
    """The part of the settings that is about logs."""

    @property
    def log_level(self) -> str:
        """One of LEVELS."""
        ...

    @property
    def log_format(self) -> str:
        """One of FORMATS."""
        ...


def configure(settings: LogSettings, *, process: str | None = None) -> None:
    """Set up logging for this process as its settings say; see `setup`."""
    setup(settings.log_level, settings.log_format, process=process)


def setup(level: str = "info", log_format: str = "auto", *, process: str | None = None) -> None:
    """Set up logging for this process; a second call replaces the first.

    Args:
        level: one of LEVELS; less important events are dropped before anything is computed.
        log_format: "console" for people, "json" for one object per line, "auto" = console on a terminal.
        process: name of the child ("gateway"), a key of every JSON line.

    Raises:
        ValueError: the level or the format is not known.
    """
    if level not in LEVELS:
        raise ValueError(f"log level {level!r} is none of {', '.join(LEVELS)}")
    number = logging.getLevelNamesMapping()[level.upper()]
    as_console = resolve_format(log_format) == "console"
    shared = _shared_processors(as_console, process)
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.add_log_level, structlog.stdlib.ExtraAdder(), *shared],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *_renderers(as_console)],
        )
    )
    logging.raiseExceptions = False  # a closed standard error must not produce more errors
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(number)
    for name in _CHATTY:
        logging.getLogger(name).setLevel(max(number, logging.WARNING))
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,
    )


def get_logger(area: str) -> FilteringBoundLogger:
    """The logger of one area of the program ("gateway", "pipeline"); bind phone and session id to it once."""
    return cast("FilteringBoundLogger", structlog.get_logger(f"jtgate.{area}"))


def resolve_format(log_format: str) -> str:
    """What "auto" means here: "console" when standard error is a terminal, else "json".

    Raises:
        ValueError: the format is not known.
    """
    if log_format not in FORMATS:
        raise ValueError(f"log format {log_format!r} is none of {', '.join(FORMATS)}")
    if log_format == "auto":
        return "console" if _on_terminal() else "json"
    return log_format


def wants_colour() -> bool:
    """True when standard error shows colours; the supervisor forces it for children whose pipe it relays."""
    if os.environ.get("NO_COLOR"):
        return False
    return bool(os.environ.get("FORCE_COLOR")) or _on_terminal()


def _on_terminal() -> bool:
    """True when a person may be reading standard error (it is None when it was closed before the start)."""
    return sys.stderr is not None and sys.stderr.isatty()


def _shared_processors(as_console: bool, process: str | None) -> "Sequence[Processor]":
    """Steps that our events and those of libraries both go through."""

    def name_process(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
        event.setdefault("process", process)
        return event

    stamp = structlog.processors.TimeStamper(fmt="%H:%M:%S" if as_console else "iso", utc=not as_console)
    return [stamp] if as_console or process is None else [stamp, name_process]


def _renderers(as_console: bool) -> "Sequence[Processor]":
    """The last steps: an event becomes text."""
    if as_console:
        return [
            structlog.dev.ConsoleRenderer(
                colors=wants_colour(),
                pad_event_to=_CONSOLE_EVENT_WIDTH,
                # The rich form prints local variables, and those hold personal data.
                exception_formatter=structlog.dev.plain_traceback,
            )
        ]
    return [structlog.processors.format_exc_info, structlog.processors.JSONRenderer(ensure_ascii=False)]
