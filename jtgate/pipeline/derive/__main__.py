"""`python -m jtgate.pipeline.derive --settings JSON`: the deriver process, normally started by `jtgate serve`."""

import argparse
import os
import signal
import sys
import threading
from contextlib import ExitStack

from jtgate import logs
from jtgate.parent import watch_parent
from jtgate.pipeline.backoff import Backoff
from jtgate.pipeline.derive.binding_watch import BindingWatch
from jtgate.pipeline.derive.crew import Crews, Filler
from jtgate.pipeline.derive.enrich import Plates
from jtgate.pipeline.derive.evidence_chores import evidence_chores
from jtgate.pipeline.derive.file_upkeep import FileUpkeep, Keeping
from jtgate.pipeline.derive.media import Media
from jtgate.pipeline.derive.states import Machines
from jtgate.pipeline.derive.timeline import Timeline
from jtgate.pipeline.derive.worker import Deriver, Limits
from jtgate.pipeline.derive.zone_watch import ZoneWatch
from jtgate.pipeline.following import Follower
from jtgate.profiles import ProfilesError
from jtgate.profiles import load as load_profiles
from jtgate.settings import EX_CONFIG, Settings, SettingsError
from jtgate.storage import open_spool_reader, open_store
from jtgate.storage.open import open_files
from jtgate.storage.rsa_key import PlatformKey
from jtgate.storage.store import Store, StoreTooNew, StoreUnavailable

#: What is derived can wait; answering and storing cannot.
NICENESS = 10

log = logs.get_logger("deriver")


def derive(settings: Settings, stop: threading.Event) -> None:
    """Run one deriver until `stop` is set.

    Raises:
        StoreTooNew: the store belongs to a later release.
        ProfilesError: a file of profiles is wrong.
    """
    with ExitStack() as stack:
        store = _open_store(settings, stop)
        if store is None:
            return
        stack.callback(store.close)
        reader = open_spool_reader(settings.data)
        stack.callback(reader.close)
        assignments = load_profiles(settings.profiles).assignments
        follower = Follower(
            store,
            reader,
            parts_bytes_max=settings.parts_bytes_max,
            assignments=assignments,
            opener=PlatformKey(settings.data, settings.rsa_key).open,
        )
        zones = ZoneWatch(store)
        timeline = Timeline(store, Machines(zones.read()))
        zones.changed = timeline.use_zones
        plates, crews = Plates(store), Crews(store)
        filler = Filler(store, crews, plates.name_of)
        files = open_files(settings.data, settings.evidence_s3)
        stack.callback(files.close)
        upkeep = FileUpkeep(store, files, Keeping(settings.evidence_days, settings.routine_media_days))
        bindings = BindingWatch(store, plates, crews, filler)
        deriver = Deriver(
            store,
            follower,
            timeline,
            makers=[Media(store, files)],
            fill=filler.fill,
            plates=plates,
            chores=[zones, *evidence_chores(settings, store, assignments, stack), bindings, upkeep],
            listeners=[bindings],
            stop=stop,
        )
        bindings.write = deriver.write
        deriver.run()


def _open_store(settings: Settings, stop: threading.Event) -> Store | None:
    """Open the store when the pipeline has made or migrated it, however long that takes; None when told to stop."""
    limits = Limits()
    backoff = Backoff(limits.backoff_first_s, limits.backoff_max_s)
    while not stop.is_set():
        try:
            store = open_store(settings.store, settings.data)
        except StoreTooNew:
            raise
        except StoreUnavailable as error:
            if backoff.failures == 0:
                log.warning("deriver.store_unavailable", code=error.code)
            stop.wait(backoff.next_s())
            continue
        try:
            if not store.pending():
                return store
        except StoreUnavailable:
            pass
        store.close()
        stop.wait(backoff.next_s())
    return None


def main(arguments: list[str] | None = None) -> int:
    """Entry of the process; returns its exit code."""
    parser = argparse.ArgumentParser(prog="python -m jtgate.pipeline.derive", description=__doc__)
    parser.add_argument("--settings", required=True, help="settings as JSON")
    try:
        settings = Settings.from_json(parser.parse_args(arguments).settings, env=os.environ)
    except SettingsError as error:
        print(f"{error.message}; {error.advice}", file=sys.stderr)  # noqa: T201
        return EX_CONFIG
    logs.setup(settings.log_level, settings.log_format, process="deriver")
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    watch_parent(stop.set)
    os.nice(NICENESS)
    try:
        derive(settings, stop)
    except StoreTooNew as error:
        print(error, file=sys.stderr)  # noqa: T201
        return EX_CONFIG
    except ProfilesError as error:
        print(f"{error.message}; {error.advice}", file=sys.stderr)  # noqa: T201
        return EX_CONFIG
    return 0


if __name__ == "__main__":
    sys.exit(main())
