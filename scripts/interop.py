#!/usr/bin/env python3
"""Does a stock QUIC stack that shares no line of code with us get along with a Downbeat server?

aioquic connects a few times: as a client that plays by the rules and hears snapshots, as one that goes on with its session over
another connection, to send its hello twice, to send something that is no hello. Where a server of several shards sends it elsewhere, it goes there. What is
known here of the protocol is what WIRE.md says.
Exit code 0 if all checks hold, 1 otherwise.
"""

import argparse
import asyncio
import contextlib
import functools
import os
import ssl
import struct
import sys
import time
from dataclasses import dataclass, field

from aioquic.asyncio import QuicConnectionProtocol, connect
from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.events import ConnectionTerminated, DatagramFrameReceived, HandshakeCompleted, StreamDataReceived
from cryptography.hazmat.primitives import hashes

ALPN = "downbeat"
MAGIC = b"DNBT"
PROTOCOL_VERSION = 5
REPLACED, ELSEWHERE, SESSION_OVER, BAD_MAGIC, SECOND_HELLO = 5, 20, 21, 32, 49
REDIRECTS_MAX = 3
SNAPSHOTS = 120
PATIENCE_S = 10
RATE_TOLERANCE = 0.1


class Failed(Exception):
    """A check that does not hold."""


def check(holds, what):
    if not holds:
        raise Failed(what)


# Bodies of the control stream: bincode 2 with its standard configuration.


def varint(value):
    if value < 251:
        return bytes([value])
    for mark, form, limit in ((251, "<H", 1 << 16), (252, "<I", 1 << 32), (253, "<Q", 1 << 64)):
        if value < limit:
            return bytes([mark]) + struct.pack(form, value)
    raise ValueError(f"{value} does not fit into 64 bits")


def text(value):
    value = value.encode()
    return varint(len(value)) + value


def hello(arguments, token=None):
    none = b"\0"
    resume = none if token is None else b"\1" + token + none
    hashes = varint(arguments.schema_hash) + varint(arguments.model_hash)
    body = text(arguments.game) + hashes + text("aioquic") + none + b"\0" + none + resume
    return MAGIC + struct.pack("<HH", PROTOCOL_VERSION, len(body)) + body


class Body:
    """Reads a bincode body."""

    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, count):
        check(self.at + count <= len(self.data), "the welcome is truncated")
        self.at += count
        return self.data[self.at - count : self.at]

    def varint(self):
        first = self.take(1)[0]
        if first < 251:
            return first
        check(first <= 253, "the welcome holds a number of more than 64 bits")
        form = {251: "<H", 252: "<I", 253: "<Q"}[first]
        return struct.unpack(form, self.take(struct.calcsize(form)))[0]

    def option(self):
        return self.varint() if self.take(1) == b"\1" else None


@dataclass
class Welcome:
    token: bytes | None
    is_resumed: bool
    room: int
    player: int | None
    tick_rate_hz: int
    send_rate_hz: int
    tick: int
    config: bytes

    @classmethod
    def read(cls, data):
        body = Body(data)
        check(body.varint() == 0, "the first message is no welcome")
        token = None
        if body.take(1) == b"\1":  # how the session can be resumed: a token, and for how many seconds
            token = body.take(24)
            body.varint()
        is_resumed = body.take(1) == b"\1"
        if is_resumed:
            check(body.take(1) == b"\0", "nothing is known from before")
            body.varint()
        fields = [token, is_resumed, body.varint(), body.option(), body.varint(), body.varint(), body.varint()]
        welcome = cls(*fields, config=body.take(body.varint()))
        check(body.at == len(data), "bytes follow the welcome")
        return welcome


# Datagrams: upstream bits from each byte's lowest up, downstream a range code.


def upstream(sequence):
    """A datagram with neither acknowledgements nor inputs: 16 bits, a zero, and zero input frames as `1` and `00`."""
    return struct.pack("<HB", sequence, 0b0010)


TICK_BITS = 12


def tick_of(datagram):
    """Low 12 bits of the tick of a snapshot: the first decision of its range code."""
    check(len(datagram) >= 2, "a snapshot is shorter than its head")
    code = int.from_bytes(datagram[:8].ljust(8, b"\0"), "big")
    return min(code // (((1 << 64) - 1) >> TICK_BITS), (1 << TICK_BITS) - 1)


@dataclass
class Heard:
    fingerprint: str | None = None
    alpn: str | None = None
    control: bytes = b""
    snapshots: list = field(default_factory=list)
    ended: ConnectionTerminated | None = None


class Client(QuicConnectionProtocol):
    def __init__(self, quic, *args, first=None, **kwargs):
        super().__init__(quic, *args, **kwargs)
        self.heard = Heard()
        if first is not None:
            # aioquic has no public way to the id that the first packets are addressed to.
            quic._peer_cid.cid = bytes([first]) + os.urandom(7)
            quic._original_destination_connection_id = quic._peer_cid.cid

    def quic_event_received(self, event):
        heard = self.heard
        if isinstance(event, HandshakeCompleted):
            heard.alpn = event.alpn_protocol
            # aioquic has no public way to the certificate.
            heard.fingerprint = self._quic.tls._peer_certificate.fingerprint(hashes.SHA256()).hex()
        elif isinstance(event, StreamDataReceived):
            heard.control += event.data
        elif isinstance(event, DatagramFrameReceived):
            heard.snapshots.append((time.monotonic(), event.data))
        elif isinstance(event, ConnectionTerminated):
            heard.ended = event

    async def until(self, holds, what):
        """Waits until `holds`, and fails if the connection ends before."""
        deadline = time.monotonic() + PATIENCE_S
        while not holds():
            ended = self.heard.ended
            check(ended is None, f"closed before {what}: {ended and (ended.error_code, ended.reason_phrase)}")
            check(time.monotonic() < deadline, f"no {what} within {PATIENCE_S} s")
            await asyncio.sleep(0.005)

    async def until_closed(self):
        deadline = time.monotonic() + PATIENCE_S
        while self.heard.ended is None:
            check(time.monotonic() < deadline, f"not closed within {PATIENCE_S} s")
            await asyncio.sleep(0.005)
        return self.heard.ended

    def send_control(self, data):
        self._quic.send_stream_data(0, data)
        self.transmit()

    def send_datagram(self, data):
        self._quic.send_datagram_frame(data)
        self.transmit()

    async def enter(self, arguments, token):
        """Says hello and is welcomed; `None` when another shard is to welcome it."""
        self.send_control(hello(arguments, token))
        heard = self.heard

        def is_sent_elsewhere():
            return heard.ended is not None and heard.ended.error_code == ELSEWHERE

        def is_framed():
            control = heard.control
            return len(control) >= 4 and len(control) >= 4 + struct.unpack_from("<I", control)[0]

        await self.until(lambda: is_sent_elsewhere() or is_framed(), "welcome")
        if is_sent_elsewhere():
            return None
        length = struct.unpack_from("<I", heard.control)[0]
        return Welcome.read(heard.control[4 : 4 + length])


@contextlib.asynccontextmanager
async def enter(arguments, token=None):
    """A connection that was welcomed by the shard that it belongs to, its welcome, and how often it was sent elsewhere."""
    first = None
    for redirects in range(1 + REDIRECTS_MAX):
        async with dial(arguments, first) as client:
            await client.until(lambda: client.heard.fingerprint, "handshake")
            welcome = await client.enter(arguments, token)
            if welcome is not None:
                yield client, welcome, redirects
                return
            reason = client.heard.ended.reason_phrase
            check(reason.isdecimal() and int(reason) < 256, f"sent elsewhere with `{reason}`, which is no byte")
            first = int(reason)
    raise Failed(f"sent elsewhere {1 + REDIRECTS_MAX} times in a row")


def dial(arguments, first=None):
    configuration = QuicConfiguration(
        is_client=True,
        alpn_protocols=[ALPN],
        # The certificate is checked by its fingerprint.
        verify_mode=ssl.CERT_NONE,
        max_datagram_frame_size=65_536,
        idle_timeout=10.0,
    )
    host, port = arguments.address.rsplit(":", 1)
    create = functools.partial(Client, first=first)
    return connect(host.strip("[]"), int(port), configuration=configuration, create_protocol=create)


async def plays(arguments):
    """Handshake, hello, welcome, datagrams both ways."""
    async with enter(arguments) as (client, welcome, redirects):
        heard = client.heard
        check(heard.alpn == ALPN, f"ALPN is {heard.alpn}")
        check(heard.fingerprint == arguments.fingerprint, f"the certificate is {heard.fingerprint}")
        interval, rest = divmod(welcome.tick_rate_hz, welcome.send_rate_hz)
        check(rest == 0, f"{welcome.send_rate_hz} Hz does not divide {welcome.tick_rate_hz} Hz")
        sent = 0
        while len(heard.snapshots) < SNAPSHOTS:
            client.send_datagram(upstream(sent))
            sent += 1
            before = len(heard.snapshots)
            await client.until(lambda: len(heard.snapshots) > before, "snapshot")
        rate = follow(heard.snapshots[:SNAPSHOTS], welcome, interval)
        client.close(error_code=0, reason_phrase="left")
        return (
            f"room {welcome.room}, player {welcome.player}, {len(welcome.config)} bytes of rules; {sent} datagrams up, "
            f"{SNAPSHOTS} snapshots down at {rate:.1f} Hz of {welcome.send_rate_hz}; sent elsewhere {redirects} times"
        )


def follow(snapshots, welcome, interval):
    """Ticks ascend as they should; returns the rate at which snapshots came."""
    before, missing, window = None, 0, 1 << TICK_BITS
    for _, datagram in snapshots:
        tick = tick_of(datagram)
        if before is None:
            ahead = (tick - welcome.tick) % window
            check(ahead < 10 * welcome.tick_rate_hz, f"the first tick is {ahead} after the welcome's")
        else:
            ticks = (tick - before) % window
            check(0 < ticks < window // 2 and ticks % interval == 0, f"tick {tick} follows {before}")
            missing += ticks // interval - 1
        before = tick
    check(missing <= len(snapshots) * 0.02, f"{missing} of {len(snapshots)} snapshots are missing")
    rate = (len(snapshots) - 1) / (snapshots[-1][0] - snapshots[0][0])
    allowed = welcome.send_rate_hz * RATE_TOLERANCE
    check(abs(rate - welcome.send_rate_hz) <= allowed, f"snapshots come at {rate:.1f} Hz, not {welcome.send_rate_hz}")
    return rate


async def goes_on(arguments):
    """A session goes on over another connection, and its token opens it once."""
    async with enter(arguments) as (client, welcome, _):
        check(welcome.token is not None and not welcome.is_resumed, "the session cannot be resumed")
        client.close(error_code=REPLACED, reason_phrase="")
    async with enter(arguments, welcome.token) as (client, again, redirects):
        check(again.is_resumed and again.token != welcome.token, "it is another session, or has the old token")
        where = [(it.room, it.player) for it in (welcome, again)]
        check(where[0] == where[1], f"it was {where[0]} and is {where[1]}")
        before = len(client.heard.snapshots)
        for sequence in range(5):
            client.send_datagram(upstream(sequence))
            await client.until(lambda: len(client.heard.snapshots) > before + sequence, "snapshot")
        async with dial(arguments, welcome.token[0]) as late:
            await late.until(lambda: late.heard.fingerprint, "handshake")
            told = await closes(late, SESSION_OVER, lambda late: late.send_control(hello(arguments, welcome.token)))
        client.close(error_code=0, reason_phrase="left")
    return f"room {again.room}, player {again.player}, sent elsewhere {redirects} times; the old token: {told}"


async def closes(client, code, misbehave):
    """The server answers `misbehave` with close code `code` and a reason."""
    misbehave(client)
    ended = await client.until_closed()
    told = f"code {ended.error_code}: {ended.reason_phrase}"
    # An application's close has no frame type.
    check(ended.error_code == code and ended.frame_type is None, f"closed with {told}, not {code}")
    check(ended.reason_phrase, f"closed with code {code} but no reason")
    return told


async def says_hello_twice(arguments):
    async with enter(arguments) as (client, _, _):
        return await closes(client, SECOND_HELLO, lambda client: client.send_control(hello(arguments)))


async def says_something_else(arguments):
    async with dial(arguments) as client:
        return await closes(client, BAD_MAGIC, lambda client: client.send_control(b"GET / HTTP/1.1\r\n\r\n"))


async def run(arguments):
    checks = [
        ("plays by the rules", lambda: plays(arguments)),
        ("goes on over another connection", lambda: goes_on(arguments)),
        ("second hello", lambda: says_hello_twice(arguments)),
        ("wrong magic", lambda: says_something_else(arguments)),
    ]
    failed = 0
    for name, perform in checks:
        try:
            print(f"ok      {name}: {await perform()}")
        except (Failed, OSError) as error:
            failed += 1
            # Some errors of the stack have no text.
            print(f"FAILED  {name}: {error or type(error).__name__}")
    print(f"interop with aioquic: {len(checks) - failed} passed, {failed} failed")
    return 1 if failed else 0


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("address", help="host:port of a running `downbeat serve`")
    parser.add_argument("fingerprint", type=lambda text: text.replace(":", "").lower(), help="SHA-256 of its certificate")
    parser.add_argument("game", help="the game it serves")
    for thing in ("schema", "model"):
        parser.add_argument(f"{thing}_hash", type=lambda text: int(text, 16), help="in hexadecimal")
    sys.exit(asyncio.run(run(parser.parse_args())))


if __name__ == "__main__":
    main()
