"""aiomqtt with the frequent packets taken off its hands.

aiomqtt and the paho client below it connect, subscribe, keep alive and disconnect. Reading a message costs paho three
system calls and some 60 µs, sending one as much, and each message of aiomqtt's iterator two tasks: at thousands of
messages a second that is more than a core. So this class reads whatever has arrived in one go and handles PUBLISH and
PUBACK itself (see packets.py); what goes out in one turn of the event loop goes out in one write.

It leans on private parts of paho, all of them named in this file; requirements.lock pins the version, and
tests/gateway/test_mqtt_client.py holds every path against a real broker.
"""
# ruff: noqa: SLF001

import asyncio
import ssl
from collections.abc import Callable
from typing import Any, Final, Protocol

import aiomqtt
from aiomqtt.types import PahoSocket
from paho.mqtt.client import Client as Paho
from paho.mqtt.client import ConnectFlags, DisconnectFlags
from paho.mqtt.enums import MQTTErrorCode
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from jtgate.mqtt.packets import (
    KIND,
    PUBACK,
    PUBLISH,
    MqttMessage,
    Packet,
    PacketError,
    PacketReader,
    read_puback,
    read_publish,
)

#: Bytes taken from the socket at a time.
READ_BYTES: Final = 256 * 1024
#: How often a goodbye looks whether everything before it is written.
_LOOK_S: Final = 0.01


class WireOwner(Protocol):
    """Who is told what comes over the wire, always on the event loop."""

    def wire_opened(self, *, is_session_present: bool, receive_maximum: int, packet_bytes_max: int) -> None:
        """The broker has let us in; messages may stand right behind that."""
        ...

    def wire_closed(self, why: str) -> None:
        """The connection was lost."""
        ...

    def wire_message(self, message: MqttMessage) -> None:
        """A message."""
        ...

    def wire_acknowledged(self, mid: int, reason: int) -> None:
        """The broker has a message of ours; a reason of 0x80 or more is a refusal (MQTT 5)."""
        ...


class Wire(aiomqtt.Client):
    """See the module.

    Args:
        owner: is told what comes.
        bytes_max: longest message that is read.
        is_v5: MQTT 5.
        arguments, options: of aiomqtt.Client.
    """

    def __init__(self, owner: WireOwner, bytes_max: int, is_v5: bool, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._owner = owner
        self._is_v5 = is_v5
        self._reader = PacketReader(bytes_max)
        self._out: list[bytes] = []
        self._out_bytes = 0
        self._handed_bytes = 0  # given to paho, perhaps not written yet
        self._is_flushing = False
        self._is_open = False
        self._is_torn = False
        self._paho = self._client
        self._paho.disable_logger()  # it logs every packet

    @property
    def backlog_bytes(self) -> int:
        """Bytes that could not be written yet."""
        return self._out_bytes + (self._handed_bytes if self._paho._out_packet else 0)

    def next_mid(self) -> int:
        """A number for a message; subscriptions take theirs from the same row."""
        return self._paho._mid_generate()

    def write(self, packet: bytes) -> None:
        """Send a packet with whatever else is sent in this turn of the event loop."""
        self._out.append(packet)
        self._out_bytes += len(packet)
        if not self._is_flushing:
            self._is_flushing = True
            self._loop.call_soon(self._flush)

    async def leave(self) -> None:
        """Write what is there and say goodbye.

        Raises:
            aiomqtt.MqttError: the broker did not take it in time.
        """
        deadline = self._loop.time() + self.timeout
        self._flush()
        while self._out and self._paho._sock is not None and self._loop.time() < deadline:  # noqa: ASYNC110  once
            await asyncio.sleep(_LOOK_S)
        await self.__aexit__(None, None, None)

    def tear_down(self) -> None:
        """Close the socket, whatever state the connection is in."""
        self._is_open = False
        self._is_torn = True
        self._paho._sock_close()
        self._out = []
        self._out_bytes = 0
        if self._misc_task is not None:
            self._misc_task.cancel()

    # ------------------------------------------------------------------------------------------- in

    def _on_socket_open(self, client: Paho, userdata: Any, sock: PahoSocket) -> None:  # noqa: ARG002
        """Called on the thread that connects."""
        self._loop.call_soon_threadsafe(self._watch, sock)

    def _watch(self, sock: PahoSocket) -> None:
        if self._is_torn:  # given up while the thread was connecting
            self._paho._sock_close()
        if sock.fileno() < 0:
            return
        self._misc_task = self._loop.create_task(self._misc_loop())
        self._loop.add_reader(sock.fileno(), self._read_ready, sock)

    def _read_ready(self, sock: Any) -> None:
        """There is something to read."""
        receive: Callable[[int], bytes] = sock.recv
        more = True  # what TLS has decrypted already, no selector tells
        while more and self._paho._sock is sock:
            try:
                data = receive(READ_BYTES)
                packets = self._reader.feed(data) if data else []
            except (BlockingIOError, ssl.SSLWantReadError):
                return
            except ssl.SSLWantWriteError:
                self._paho._call_socket_register_write()
                return
            except OSError:
                data, packets = b"", []
            except PacketError:
                self._lose(MQTTErrorCode.MQTT_ERR_PROTOCOL)
                return
            if not data:
                self._lose(MQTTErrorCode.MQTT_ERR_CONN_LOST)
                return
            self._handle(packets, sock)
            more = isinstance(sock, ssl.SSLSocket) and sock.pending() > 0

    def _handle(self, packets: list[Packet], sock: PahoSocket) -> None:
        """Every packet of one read, unless one of them leads to the end of the connection."""
        try:
            for packet in packets:
                kind = packet.first & KIND
                if kind == PUBLISH:
                    self._owner.wire_message(read_publish(packet, is_v5=self._is_v5))
                elif kind == PUBACK:
                    self._owner.wire_acknowledged(*read_puback(packet.body))
                else:
                    self._hand_to_paho(packet)
                if self._paho._sock is not sock:
                    return
        except PacketError:
            self._lose(MQTTErrorCode.MQTT_ERR_PROTOCOL)

    def _hand_to_paho(self, packet: Packet) -> None:
        """A packet as paho would have read it."""
        self._paho._in_packet = {
            "command": packet.first,
            "have_remaining": 1,
            "remaining_count": [],
            "remaining_mult": 1,
            "remaining_length": len(packet.body),
            "packet": bytearray(packet.body),
            "to_process": 0,
            "pos": 0,
        }
        try:
            code = self._paho._packet_handle()
        except Exception:  # noqa: BLE001  whatever it does not understand
            code = MQTTErrorCode.MQTT_ERR_PROTOCOL
        if code > 0:
            self._lose(code)

    def _lose(self, code: MQTTErrorCode) -> None:
        """Paho closes the socket and tells `_on_disconnect`."""
        self._paho._loop_rc_handle(code)

    # ------------------------------------------------------------------------------------------- out

    def _flush(self) -> None:
        """Hand all that is to be written to paho as one packet, unless it still has something to write."""
        self._is_flushing = False
        if not self._out or self._paho._sock is None or self._paho._out_packet:
            return
        data = b"".join(self._out)
        self._out.clear()
        self._out_bytes, self._handed_bytes = 0, len(data)
        self._paho._packet_queue(PUBACK, data, 0, 1)

    def _on_socket_register_write(self, client: Paho, userdata: Any, sock: PahoSocket) -> None:  # noqa: ARG002
        """Paho has something to write; called on the thread that connects, too, and under paho's lock."""
        self._loop.call_soon_threadsafe(self._write_first, sock)

    def _write_first(self, sock: PahoSocket) -> None:
        """Most of the time the socket takes it all at once."""
        if self._paho._sock is not sock:
            return
        self._write_ready()
        if self._paho._sock is sock and self._paho.want_write():
            self._loop.add_writer(sock.fileno(), self._write_ready)

    def _write_ready(self) -> None:
        """The socket takes bytes; paho takes the writer away when it has no more."""
        self._paho.loop_write()
        if not self._paho.want_write():
            self._flush()

    # ------------------------------------------------------------------------------------------- life

    def _on_connect(
        self,
        client: Paho,
        userdata: Any,
        flags: ConnectFlags,
        reason_code: ReasonCode,
        properties: Properties | None = None,
    ) -> None:
        if not reason_code.is_failure and not self._is_open:
            self._is_open = True
            said = properties or Properties(PacketTypes.CONNACK)  # type: ignore[no-untyped-call]
            self._owner.wire_opened(
                is_session_present=flags.session_present,
                receive_maximum=getattr(said, "ReceiveMaximum", 65_535),
                packet_bytes_max=getattr(said, "MaximumPacketSize", 0xFFFF_FFFF),
            )
        super()._on_connect(client, userdata, flags, reason_code, properties)

    def _on_disconnect(
        self,
        client: Paho,
        userdata: Any,
        flags: DisconnectFlags,
        reason_code: ReasonCode,
        properties: Properties | None = None,
    ) -> None:
        super()._on_disconnect(client, userdata, flags, reason_code, properties)
        if self._disconnected.done() and self._disconnected.exception() is not None and self._is_open:
            self._is_open = False
            self._owner.wire_closed(str(reason_code))
