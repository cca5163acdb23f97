"""What a scenario leaves on the side: phone fixes, results of a face engine, registry rows, frames, as files."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

from jtgate.codecs import timebase
from jtgate.simulators import phones
from jtgate.simulators.scenario_model import ENGINE, Scenario
from jtgate.simulators.scenario_run import arrivals, conditions, script_of

ENGINE_NAME: Final = "simulated engine 1.0"
_DRIVER_CHANGE: Final = 0x11


def face_results(scenario: Scenario) -> list[dict[str, object]]:
    """What an engine outside finds in the pictures of driver-change events, as `jtgate bindings import-faces` takes it.

    Raises:
        ScenarioError: a motion makes no sense.
    """
    found: list[dict[str, object]] = []
    for truck in scenario.trucks:
        faces = {face.at_s: face for face in truck.faces if face.by == ENGINE}
        for one in script_of(scenario, truck).announced if faces else ():
            if one.kind == _DRIVER_CHANGE and one.at_s in faces:
                face = faces[one.at_s]
                found.append(
                    {
                        "terminal": truck.phone,
                        "time": timebase.iso_ms(scenario.time_ms(one.at_s)),
                        "fingerprint": one.fingerprint,
                        "engine": ENGINE_NAME,
                        "score": face.score,
                        "threshold": face.threshold,
                        "person": face.person,
                    }
                )
    return found


def phone_fixes(scenario: Scenario) -> list[dict[str, object]]:
    """What all phones tell, as `jtgate bindings import-phones` takes it.

    Raises:
        ScenarioError: a motion makes no sense.
    """
    return [fix.told(scenario) for fix in phones.fixes(scenario)]


def write_files(scenario: Scenario, folder: Path) -> dict[str, int]:
    """Write everything of a scenario into a folder.

    Args:
        scenario: which.
        folder: made when it is not there; files of these names are replaced.

    Returns:
        Rows of each file.

    Raises:
        ScenarioError: a motion makes no sense.
        OSError: it cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    frames = (
        {"received_us": one.received_us, "terminal": one.terminal, "frame": one.frame.hex()}
        for one in arrivals(scenario)
    )
    lines: dict[str, Iterable[Mapping[str, Any]]] = {
        "frames.jsonl": frames,
        "phones.jsonl": phone_fixes(scenario),
        "faces.jsonl": face_results(scenario),
        "conditions.jsonl": (one._asdict() for one in conditions(scenario)),
        **{f"{name}.jsonl": rows for name, rows in scenario.registry_rows().items()},
    }
    counts = {}
    for name, rows in lines.items():
        with (folder / name).open("w", encoding="utf-8") as file:
            count = 0
            for row in rows:
                file.write(json.dumps(row, ensure_ascii=False) + "\n")
                count += 1
        if count:
            counts[name] = count
        else:
            (folder / name).unlink()
    return counts
