"""A tank lorry 危险货物运输车辆 on the road graph: trips, loading, rests, nights; speed, mileage and fuel.

The day is compressed: ten hours on duty, four hours parked with ACC off, and the vehicles of a fleet start
anywhere in that cycle, so that at any moment some drive, some load and some sleep. Time is simulated seconds
since the start of the run and comes in as argument; it may jump, then the motion is worked out in larger
steps, at most STEPS_MAX for one call.
"""

import math
from enum import StrEnum

from jtgate.simulators.dice import Dice, Purpose
from jtgate.simulators.roads import Leg, Node, RoadGraph

DUTY_S = 10 * 3600.0
NIGHT_S = 4 * 3600.0

#: Motion is integrated in steps of this length, longer ones when a call covers more than STEPS_MAX of them.
STEP_S = 2.0
STEPS_MAX = 60

ACCELERATION = 0.6  # m/s², a loaded lorry
BRAKING = 1.0  # m/s², as a careful driver plans it
BRAKING_MAX = 3.0
TURN_MPS = 6.0  # through a sharp bend or crossing
TURN_DEG = 40
CREEP_MPS = 1.0  # the least speed while not yet there
RED_LIGHT_CHANCE = 0.3
REST_CHANCE = 0.5
REST_ROUTE_M = 60_000.0  # on routes longer than this a rest is possible
SWAP_CHANCE = 0.5  # the second driver takes over at a rest

TANK_L = 400.0
FUEL_LOW_L = 90.0
FUEL_L_PER_M = 0.34 / 1000
FUEL_IDLE_L_PER_S = 2.2 / 3600


class Activity(StrEnum):
    """What the vehicle is doing."""

    DRIVING = "driving"
    WAITING = "waiting"  # at a red light, engine on
    LOADING = "loading"
    UNLOADING = "unloading"
    RESTING = "resting"
    PARKED = "parked"


class Vehicle:
    """One vehicle, moved by `advance`.

    Args:
        dice: chances of this terminal.
        graph: where it drives.
    """

    __slots__ = (
        "_along_m",
        "_dice",
        "_draws",
        "_duty_end_s",
        "_exit_mps",
        "_final",
        "_graph",
        "_home",
        "_leg_no",
        "_legs",
        "_light_red",
        "_place",
        "_style",
        "_until_s",
        "activity",
        "braking",
        "doors_locked",
        "driver_no",
        "fuel_l",
        "hurry",
        "loaded",
        "mileage_m",
        "speed_mps",
        "time_s",
    )

    def __init__(self, dice: Dice, graph: RoadGraph) -> None:
        self._dice = dice
        self._graph = graph
        self._draws = 0
        self.time_s = 0.0
        self.speed_mps = 0.0
        self.braking = False
        self.hurry = 1.0  # above 1 while this driver ignores the limit
        self.mileage_m = self._draw(20_000e3, 400_000e3)
        self.fuel_l = self._draw(150.0, TANK_L)
        self._style = self._draw(0.88, 1.04)  # share of the limit this driver likes
        self._home = self._choose(graph.places("yard"))
        self.loaded = False
        self.doors_locked = False
        self.driver_no = 0  # 0: no card inserted
        self._along_m = 0.0
        self._leg_no = 0
        self._exit_mps = 0.0
        self._light_red = False
        self._legs: tuple[Leg, ...] = ()  # empty: off the road, at `_place`
        self._place = self._home  # where it stands or is driving to
        self._final = self._home  # where it goes on to after a rest
        self.activity = Activity.PARKED
        phase_s = dice.between(Purpose.PHASE, 0, 0.0, DUTY_S + NIGHT_S)
        self._duty_end_s = DUTY_S - phase_s
        self._until_s = DUTY_S + NIGHT_S - phase_s
        if phase_s < DUTY_S:
            self._start_on_the_road()

    @property
    def ignition(self) -> bool:
        """ACC: on while driving; off while loading, resting and parked."""
        return self.activity in (Activity.DRIVING, Activity.WAITING)

    @property
    def speed_kmh(self) -> float:
        """Speed over ground."""
        return self.speed_mps * 3.6

    @property
    def limit_kmh(self) -> float:
        """Speed limit where the vehicle is; 20 off the road."""
        return 20.0 if not self._legs else self._leg.limit_mps * 3.6

    @property
    def heading_deg(self) -> int:
        """Direction 方向, 0..359."""
        return 0 if not self._legs else self._leg.heading_deg

    @property
    def turning(self) -> int:
        """-1 just before a turn to the left, 1 to the right, else 0."""
        if self._leg_no + 1 >= len(self._legs):
            return 0
        leg = self._leg
        bend = _bend_deg(leg, self._legs[self._leg_no + 1])
        near = leg.end_m - self._along_m < 60.0
        return (1 if bend > 0 else -1) if near and abs(bend) > TURN_DEG else 0

    def position(self) -> tuple[float, float, float]:
        """Latitude and longitude in degrees, altitude in metres."""
        if not self._legs:
            return self._place.latitude, self._place.longitude, self._place.altitude_m
        leg = self._leg
        share = min(1.0, (self._along_m - leg.start_m) / leg.length_m)
        a, b = leg.start, leg.end
        return (
            a.latitude + (b.latitude - a.latitude) * share,
            a.longitude + (b.longitude - a.longitude) * share,
            a.altitude_m + (b.altitude_m - a.altitude_m) * share,
        )

    def advance(self, to_s: float) -> None:
        """Live on until `to_s`, in simulated seconds; a time in the past changes nothing."""
        step_s = max(STEP_S, (to_s - self.time_s) / STEPS_MAX)
        while self.time_s < to_s:
            if self.activity is Activity.DRIVING:
                self._drive(min(step_s, to_s - self.time_s))
                continue
            end_s = min(to_s, self._until_s)
            if self.activity is Activity.WAITING:
                self.fuel_l = max(0.0, self.fuel_l - FUEL_IDLE_L_PER_S * (end_s - self.time_s))
            self.time_s = max(end_s, self.time_s)
            if self.time_s >= self._until_s:
                self._go_on()

    @property
    def _leg(self) -> Leg:
        return self._legs[self._leg_no]

    @property
    def _length_m(self) -> float:
        return self._legs[-1].end_m

    def _draw(self, low: float, high: float) -> float:
        self._draws += 1
        return self._dice.between(Purpose.VEHICLE, self._draws, low, high)

    def _choose(self, places: list[Node]) -> Node:
        self._draws += 1
        return self._dice.pick(Purpose.VEHICLE, self._draws, places)

    def _start_on_the_road(self) -> None:
        """The run begins while this vehicle is somewhere between loading and a customer."""
        self.driver_no = 1
        self._place = self._choose(self._graph.places("loading_terminal", "chemical_park"))
        self.loaded = self._draw(0, 1) < 0.6
        self._set_out(self._choose(self._graph.places("customer")))
        self._along_m = self._length_m * self._draw(0.02, 0.9)
        while self._along_m >= self._leg.end_m:
            self._leg_no += 1
        self._enter_leg()
        self.speed_mps = 0.7 * self._leg.limit_mps

    def _set_out(self, to: Node) -> None:
        """Start driving from where it stands."""
        self._legs = self._graph.route(self._place.id, to.id).legs
        self._place = to
        self._along_m = 0.0
        self._leg_no = 0
        self.speed_mps = 0.0
        self.activity = Activity.DRIVING
        self._enter_leg()

    def _enter_leg(self) -> None:
        """Look ahead to the end of the leg: how fast it may be left, and whether the light is red."""
        leg = self._leg
        last = self._leg_no + 1 == len(self._legs)
        self._light_red = not last and leg.light and self._draw(0, 1) < RED_LIGHT_CHANCE
        if last or self._light_red:
            self._exit_mps = 0.0
            return
        following = self._legs[self._leg_no + 1]
        self._exit_mps = following.limit_mps * self._style
        if abs(_bend_deg(leg, following)) > TURN_DEG:
            self._exit_mps = min(self._exit_mps, TURN_MPS)

    def _drive(self, step_s: float) -> None:
        leg = self._leg
        end_m = leg.end_m
        rest_m = max(0.0, end_m - self._along_m)
        wanted = min(leg.limit_mps * self._style * self.hurry, math.sqrt(self._exit_mps**2 + 2 * BRAKING * rest_m))
        before = self.speed_mps
        if wanted >= before:
            self.speed_mps = min(wanted, before + ACCELERATION * step_s)
        else:
            self.speed_mps = max(wanted, before - BRAKING_MAX * step_s)
        self.speed_mps = max(self.speed_mps, CREEP_MPS)
        self.braking = self.speed_mps < before - 0.5
        moved_m = (before + self.speed_mps) / 2 * step_s
        if self._exit_mps == 0.0:
            moved_m = min(moved_m, rest_m)  # it stops there, whatever the step
        self._along_m += moved_m
        self.mileage_m += moved_m
        self.fuel_l = max(0.0, self.fuel_l - FUEL_L_PER_M * moved_m)
        self.time_s += step_s
        if self._along_m >= end_m - 0.5:
            self._leave_leg()

    def _leave_leg(self) -> None:
        if self._leg_no + 1 == len(self._legs):
            self._arrive()
            return
        if self._light_red:
            self.speed_mps = 0.0
            self.activity = Activity.WAITING
            self._until_s = self.time_s + self._draw(15, 60)
        while self._leg_no + 1 < len(self._legs) and self._along_m >= self._leg.end_m - 0.5:
            self._leg_no += 1
        self._along_m = min(self._along_m, self._length_m)
        self._enter_leg()

    def _arrive(self) -> None:
        """The end of a route: what is done there depends on the place."""
        self.speed_mps = 0.0
        self.braking = False
        self._legs = ()
        kind = self._place.kind
        if kind == "yard":
            self.activity = Activity.PARKED
            self.driver_no = 0
            self.fuel_l = TANK_L * 0.95
            self._until_s = self.time_s + NIGHT_S
        elif kind == "customer":
            self.activity = Activity.UNLOADING
            self._until_s = self.time_s + self._draw(15 * 60, 40 * 60)
        elif kind == "rest_area":
            self.activity = Activity.RESTING
            self._until_s = self.time_s + self._draw(20 * 60, 30 * 60)
        else:
            self.activity = Activity.LOADING
            self._until_s = self.time_s + self._draw(20 * 60, 45 * 60)

    def _go_on(self) -> None:
        """A stay has ended."""
        match self.activity:
            case Activity.WAITING:
                self.activity = Activity.DRIVING
            case Activity.PARKED:
                self._duty_end_s = self.time_s + DUTY_S
                self.driver_no = 1
                self._set_out(self._choose(self._graph.places("loading_terminal", "chemical_park")))
            case Activity.LOADING:
                self.loaded = True
                self._deliver(self._choose(self._graph.places("customer")))
            case Activity.UNLOADING:
                self.loaded = False
                if self.fuel_l < FUEL_LOW_L:
                    self.fuel_l = TANK_L * 0.95
                over = self.time_s >= self._duty_end_s
                self._set_out(
                    self._home if over else self._choose(self._graph.places("loading_terminal", "chemical_park"))
                )
            case Activity.RESTING:
                if self._draw(0, 1) < SWAP_CHANCE:
                    self.driver_no = 3 - self.driver_no
                self._set_out(self._final)

    def _deliver(self, customer: Node) -> None:
        """Drive to a customer, on a long way perhaps with a rest."""
        self._final = customer
        if self._graph.route(self._place.id, customer.id).length_m > REST_ROUTE_M and self._draw(0, 1) < REST_CHANCE:
            self._set_out(self._choose(self._graph.places("rest_area")))
        else:
            self._set_out(customer)


def _bend_deg(leg: Leg, following: Leg) -> int:
    """Change of direction at the end of a leg: -180..179, positive to the right."""
    return (following.heading_deg - leg.heading_deg + 180) % 360 - 180
