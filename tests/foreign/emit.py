"""Emits writes to a sidecar with nothing but Python's stock protobuf library.

usage: emit.py DESCRIPTORS SOCKET MAP KEY=VALUE...

DESCRIPTORS is a file descriptor set of counterfoil/v1/emit.proto (protoc --descriptor_set_out). Prints the maps that the
sidecar knows.
"""

import socket
import sys
import time

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory


def messages(path):
    """The message classes of the descriptor set, by full name."""
    files = descriptor_pb2.FileDescriptorSet()
    with open(path, "rb") as file:
        files.ParseFromString(file.read())
    pool = descriptor_pool.DescriptorPool()
    for file in files.file:
        pool.Add(file)
    return lambda name: message_factory.GetMessageClass(pool.FindMessageTypeByName(name))


def varint(number):
    """A base-128 varint."""
    parts = bytearray()
    while number > 0x7F:
        parts.append(number & 0x7F | 0x80)
        number >>= 7
    parts.append(number)
    return bytes(parts)


def send(connection, frame):
    """A frame in the delimited form: its length as a varint, then the frame."""
    body = frame.SerializeToString()
    connection.sendall(varint(len(body)) + body)


def receive(connection, frame):
    """The next frame of the sidecar."""
    length, shift = 0, 0
    while True:
        byte = connection.recv(1)[0]
        length |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            break
    body = b""
    while len(body) < length:
        body += connection.recv(length - len(body))
    frame.ParseFromString(body)
    return frame


def now():
    """Nanoseconds of CLOCK_BOOTTIME."""
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME)


def main(descriptors, path, map_name, *writes):
    """Says hello, reports the writes, says goodbye."""
    frame_class = messages(descriptors)("counterfoil.v1.emit.Frame")
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(path)

        frame = frame_class()
        frame.hello.protocol = 1
        frame.hello.service = "python"
        frame.hello.instance = "test"
        frame.hello.epoch = now()
        with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as boot_id:
            frame.hello.clock.boot_id = boot_id.read().strip()
        send(connection, frame)
        welcome = receive(connection, frame_class()).welcome
        print(*welcome.maps)

        frame = frame_class()
        frame.events.first_seq = welcome.next_seq
        frame.events.maps.append(map_name)
        for write in writes:
            key, value = write.split("=", 1)
            event = frame.events.events.add()
            event.op = 1  # OP_PUT
            event.key = key.encode()
            event.value = value.encode()
            event.map_begin_ns = event.map_end_ns = now()
        send(connection, frame)

        frame = frame_class()
        frame.heartbeat.next_seq = welcome.next_seq + len(writes)
        frame.heartbeat.watermark_ns = now()
        send(connection, frame)

        frame = frame_class()
        frame.bye.SetInParent()
        send(connection, frame)

        # The sidecar closes when it has taken everything; what it acknowledged on the way does not matter here.
        connection.shutdown(socket.SHUT_WR)
        while connection.recv(4096):
            pass


if __name__ == "__main__":
    main(*sys.argv[1:])
