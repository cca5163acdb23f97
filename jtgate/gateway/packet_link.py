"""Links whose bytes come in packets that are whole by themselves: a UDP datagram, an MQTT message."""

from jtgate.gateway.link import Link


class PacketLink(Link):
    """A terminal behind a transport of packets."""

    __slots__ = ()

    def packet(self, data: bytes) -> None:
        """One packet with one or several frames; nothing is carried over to the next.

        A link that has not brought a single frame is not worth remembering.
        """
        self.lane.receive(data)
        error = self.lane.reset()
        if error is not None and not self.closed:
            self.hub.counters.rejected[error.code] += 1
        if not self.lane.frames and not self.forgiven:
            self.close("garbage")
