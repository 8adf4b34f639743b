"""A reader service: lets a comparator read a store that it does not know. Copy it and put your own store behind it.

    pip install grpcio grpcio-tools
    python store_reader.py --listen 127.0.0.1:7500 --database shop.db

It reads an SQLite file here, each collection from a table of its own, and is meant to be read itself: the rules that
make its answers true stand in counterfoil/v1/store.proto. The comparator's configuration then says

    stores:
      shop: { url: "grpc://127.0.0.1:7500" }
    maps:
      - { name: cart, store: shop, collection: cart, codec: text }
"""

import argparse
import concurrent.futures
import contextlib
import pathlib
import sqlite3
import sys

import grpc

# Where counterfoil/v1/store.proto lies. Generated code (python -m grpc_tools.protoc) does as well.
PROTO_FOLDER = pathlib.Path(__file__).resolve().parent.parent / "proto"
sys.path.insert(0, str(PROTO_FOLDER))
store_pb2, store_pb2_grpc = grpc.protos_and_services("counterfoil/v1/store.proto")

# What may be read: a collection's name says which table, so that no question can name another one.
TABLES = {"cart": "cart"}
VALUE_BYTES_MAX = 1 << 20


class StoreReader(store_pb2_grpc.StoreReaderServicer):
    """Answers from tables with the columns key, value and version."""

    def __init__(self, database):
        self.database = database

    def ReadMany(self, request, context):
        table = self.table(request.collection, context)
        marks = ", ".join("?" * len(request.keys))
        query = f"SELECT key, value, version FROM {table} WHERE key IN ({marks})"
        found = {row[0]: row for row in self.rows(context, query, [bytes(key) for key in request.keys])}
        entries = [entry(key, found.get(key)) for key in map(bytes, request.keys)]
        return store_pb2.ReadManyResponse(entries=entries)

    def Scan(self, request, context):
        table = self.table(request.collection, context)
        # The place to go on is the last key, behind a byte that tells it from the beginning.
        query = f"SELECT key, value, version FROM {table} WHERE key > ? ORDER BY key LIMIT ?"
        if not request.after:
            query = query.replace(">", ">=")
        rows = self.rows(context, query, [request.after[1:], request.limit])
        more = len(rows) == request.limit
        return store_pb2.ScanResponse(
            entries=[entry(row[0], row) for row in rows],
            next=b"k" + rows[-1][0] if more else b"",
        )

    def table(self, collection, context):
        if collection not in TABLES:
            context.abort(grpc.StatusCode.NOT_FOUND, "no such collection")
        return TABLES[collection]

    def rows(self, context, query, values):
        # An error is never told as absence: the call fails, and the comparator asks again.
        try:
            with contextlib.closing(sqlite3.connect(f"file:{self.database}?mode=ro", uri=True)) as connection:
                return connection.execute(query, values).fetchall()
        except sqlite3.OperationalError:
            context.abort(grpc.StatusCode.UNAVAILABLE, "the database cannot be read now")


def entry(key, row):
    if row is None or row[1] is None:
        return store_pb2.StoreEntry(key=key, absent=store_pb2.StoreAbsent())
    _, value, version = row
    if len(value) > VALUE_BYTES_MAX:
        return store_pb2.StoreEntry(key=key, error="value_too_large")
    return store_pb2.StoreEntry(key=key, value=store_pb2.StoreValue(value=value, version=version))


def main():
    parser = argparse.ArgumentParser(description="A reader service over an SQLite file")
    parser.add_argument("--listen", default="127.0.0.1:7500", help="ADDRESS:PORT; port 0 takes a free one")
    parser.add_argument("--database", required=True)
    arguments = parser.parse_args()
    server = grpc.server(concurrent.futures.ThreadPoolExecutor(max_workers=8))
    store_pb2_grpc.add_StoreReaderServicer_to_server(StoreReader(arguments.database), server)
    # For callers of other machines: server.add_secure_port with grpc.ssl_server_credentials, and grpcs:// in the url.
    port = server.add_insecure_port(arguments.listen)
    server.start()
    print(f"listening on port {port}", flush=True)
    server.wait_for_termination()


if __name__ == "__main__":
    main()
