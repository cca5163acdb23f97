"""What the binding counts where one of its limits is reached."""

from prometheus_client import Counter

CUT = Counter(
    "jtgate_binding_inputs_cut_total",
    "Vehicles of which not everything was read, because there is more than the limit: rows, persons, waybills, times",
    ["what"],
)
