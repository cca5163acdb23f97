"""Places as a small map of characters: north is up, both axes have the same scale."""

import math
from collections.abc import Iterator, Sequence
from typing import Final

#: Cells of the map; a character is about twice as high as it is wide.
WIDTH: Final = 48
HEIGHT: Final = 11
_ASPECT: Final = 2.0
_METRES_PER_DEGREE: Final = 111_195.0
#: Places closer together than this are one: the map would show the noise of the receiver.
_SPREAD_MIN_M: Final = 30.0

Point = tuple[float, float]  # latitude, longitude


def text_map(places: Sequence[Point], peak: Point | None = None) -> Iterator[str]:
    """Lines of a map: A where it began, B where it ended, * the peak, · between; nothing for less than two places.

    Args:
        places: latitude and longitude, in the order of time.
        peak: one of them.
    """
    if len(places) < 2:
        return
    latitudes, longitudes = [at for at, _ in places], [at for _, at in places]
    middle = math.cos(math.radians(sum(latitudes) / len(latitudes)))
    wide_m = (max(longitudes) - min(longitudes)) * _METRES_PER_DEGREE * middle
    high_m = (max(latitudes) - min(latitudes)) * _METRES_PER_DEGREE
    if max(wide_m, high_m) < _SPREAD_MIN_M:
        return
    cell_m = max(wide_m / (WIDTH - 1), high_m / (HEIGHT - 1) / _ASPECT)
    rows = [[" "] * WIDTH for _ in range(HEIGHT)]
    left = (WIDTH - 1 - wide_m / cell_m) / 2
    top = (HEIGHT - 1 - high_m / cell_m / _ASPECT) / 2

    def put(place: Point, sign: str) -> None:
        east_m = (place[1] - min(longitudes)) * _METRES_PER_DEGREE * middle
        south_m = (max(latitudes) - place[0]) * _METRES_PER_DEGREE
        rows[round(top + south_m / cell_m / _ASPECT)][round(left + east_m / cell_m)] = sign

    for place in places:
        put(place, "·")
    if peak is not None:
        put(peak, "*")
    put(places[-1], "B")
    put(places[0], "A")
    used = [at for at, row in enumerate(rows) if any(sign != " " for sign in row)]
    yield f"┌{'─' * WIDTH}┐ N"
    for row in rows[used[0] : used[-1] + 1]:
        yield f"│{''.join(row)}│"
    yield f"└{'─' * WIDTH}┘ {_length(cell_m * WIDTH)} wide"


def _length(metres: float) -> str:
    return f"{metres / 1000:.1f} km" if metres >= 1000 else f"{metres:.0f} m"
