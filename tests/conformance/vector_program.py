"""A codec program as the kit asks it: hex lines in, JSON lines out (conformance/vectors/README.md).

    python vector_program.py [good|wrong|null|broken|dying|silent|shy]

`wrong` adds one to every serial, `null` decodes nothing, `shy` no location, `broken` prints what is no JSON, `dying`
ends at the third line, `silent` never answers.
"""

import json
import sys
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))

from jtgate.codecs.compose import recompose
from jtgate.codecs.describe import walk_wire
from jtgate.codecs.header import BODY_BYTES_MAX
from jtgate.codecs.profile import AUTO, Profile, profile_from


def answer(line: str, how: str) -> Any:
    """What the program says to a line."""
    words = line.split(" ")
    encodes = words[0] == "encode"
    if encodes:
        words = words[1:]
    settings = {}
    while words and "=" in words[0] and not words[0].startswith("{"):
        name, _, value = words.pop(0).partition("=")
        settings[name] = value
    profile: Profile = profile_from("line", settings) if settings else AUTO
    if encodes:
        frames = recompose(json.loads(" ".join(words)), profile=profile, part_bytes=BODY_BYTES_MAX).frames
        return [frame.hex() for frame in frames]
    objects = [one.json for one in walk_wire([bytes.fromhex(word) for word in words], profile=profile)]
    if how == "null" or (how == "shy" and any(one["message"] == "location_report" for one in objects)):
        return None
    for one in objects:
        if how == "wrong" and isinstance(one["header"], dict):
            one["header"]["serial"] += 1
    return objects[0] if len(objects) == 1 else objects


def main() -> None:
    """Answer every line."""
    how = sys.argv[1] if len(sys.argv) > 1 else "good"
    for number, line in enumerate(sys.stdin):
        if how == "silent":
            time.sleep(60)
        if how == "dying" and number == 2:
            sys.exit(7)
        sys.stdout.write(f"{'?' if how == 'broken' else json.dumps(answer(line.rstrip(chr(10)), how))}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
