"""Answers requests of Qdrant's API from its in-process engine.

Listens on a free port of loopback, prints "ready PORT", and ends with its stdin. A request is a line of JSON: {"call": NAME,
"collection": NAME, "request": the message as protobuf writes it in JSON}; the answer is one too: {"result": ...} or {"error": TEXT}.
"""
import json
import os
import shutil
import socket
import sys
import tempfile
import threading
import uuid

import qdrant_edge as edge

shards = {}
root = tempfile.mkdtemp(prefix="e2e-qdrant-", dir="/dev/shm" if os.path.isdir("/dev/shm") else None)


def plain(value):
    """A payload value without protobuf's wrapping."""
    if "listValue" in value:
        return [plain(v) for v in value["listValue"].get("values", [])]
    if "structValue" in value:
        return payload(value["structValue"].get("fields", {}))
    if "integerValue" in value:
        return int(value["integerValue"])
    for kind in ("stringValue", "doubleValue", "boolValue"):
        if kind in value:
            return value[kind]
    return None


def payload(fields):
    return {name: plain(value) for name, value in fields.items()}


def wrapped(value):
    if isinstance(value, bool):
        return {"boolValue": value}
    if isinstance(value, int):
        return {"integerValue": str(value)}
    if isinstance(value, float):
        return {"doubleValue": value}
    if isinstance(value, str):
        return {"stringValue": value}
    if isinstance(value, list):
        return {"listValue": {"values": [wrapped(v) for v in value]}}
    if isinstance(value, dict):
        return {"structValue": {"fields": {k: wrapped(v) for k, v in value.items()}}}
    return {"nullValue": "NULL_VALUE"}


def point_id(message):
    return uuid.UUID(message["uuid"])


def vector(message):
    if "sparse" in message:
        return edge.SparseVector(message["sparse"].get("indices", []), message["sparse"].get("values", []))
    return message["dense"].get("data", [])


def vectors(message):
    return {name: vector(v) for name, v in message.get("vectors", {}).get("vectors", {}).items()}


def matching(message):
    if "keyword" in message:
        return edge.MatchValue(message["keyword"])
    if "integer" in message:
        return edge.MatchValue(int(message["integer"]))
    if "boolean" in message:
        return edge.MatchValue(message["boolean"])
    if "keywords" in message:
        return edge.MatchAny(message["keywords"].get("strings", []))
    if "integers" in message:
        return edge.MatchAny([int(n) for n in message["integers"].get("integers", [])])
    raise ValueError(f"match {message} is not known here")


def condition(message):
    if "filter" in message:
        return filtered(message["filter"])
    if "isEmpty" in message:
        return edge.IsEmptyCondition(message["isEmpty"]["key"])
    if "hasId" in message:
        return edge.HasIdCondition({point_id(i) for i in message["hasId"].get("hasId", [])})
    field = message["field"]
    key = field["key"]
    if "match" in field:
        return edge.FieldCondition(key, match=matching(field["match"]))
    if "range" in field:
        return edge.FieldCondition(key, range=edge.RangeFloat(**field["range"]))
    if "datetimeRange" in field:
        return edge.FieldCondition(key, range=edge.RangeDateTime(**field["datetimeRange"]))
    raise ValueError(f"condition {message} is not known here")


def filtered(message):
    if message is None:
        return None
    parts = {}
    for name, at in (("must", "must"), ("should", "should"), ("must_not", "mustNot")):
        if message.get(at):
            parts[name] = [condition(c) for c in message[at]]
    return edge.Filter(**parts)


def selected(message):
    """What of a payload or of vectors is asked for."""
    if message is None:
        return False
    if "include" in message:
        return message["include"].get("fields", message["include"].get("names", []))
    if "exclude" in message:
        return edge.PayloadSelector.Exclude(message["exclude"]["fields"])
    return message.get("enable", False)


def shown(point):
    """A point as an answer."""
    message = {"id": {"uuid": str(point.id)}}
    if point.payload is not None:
        message["payload"] = {name: wrapped(v) for name, v in point.payload.items()}
    if point.vector:
        message["vectors"] = {"vectors": {"vectors": {name: vector_shown(v) for name, v in point.vector.items()}}}
    return message


def vector_shown(v):
    if isinstance(v, list):
        return {"dense": {"data": v}}
    return {"sparse": {"indices": list(v.indices), "values": list(v.values)}}


def create(name, request):
    dense = {
        n: edge.EdgeVectorParams(int(p["size"]), getattr(edge.Distance, p["distance"]))
        for n, p in request["vectorsConfig"]["paramsMap"]["map"].items()
    }
    sparse = {n: edge.EdgeSparseVectorParams() for n in request["sparseVectorsConfig"]["map"]}
    graphs = request.get("hnswConfig", {})
    m, payload_m = int(graphs.get("m", 16)), int(graphs.get("payloadM", 0))
    hnsw = edge.HnswIndexConfig(m=m, ef_construct=100, full_scan_threshold=10000, payload_m=payload_m)
    config = edge.EdgeConfig(vectors=dense, sparse_vectors=sparse, hnsw_config=hnsw, wal_enabled=False)
    path = os.path.join(root, uuid.uuid4().hex)
    os.makedirs(path)
    shards[name] = (edge.EdgeShard.create(path, config), path)


def drop(name, _):
    shard, path = shards.pop(name, (None, None))
    if shard is not None:
        shard.close()
        shutil.rmtree(path, ignore_errors=True)


def index(name, request):
    kind = request.get("fieldType", "FieldTypeKeyword").removeprefix("FieldType")
    params = request.get("fieldIndexParams", {}).get("keywordIndexParams")
    schema = edge.KeywordIndexParams(is_tenant=params.get("isTenant")) if params else getattr(edge.PayloadSchemaType, kind)
    shards[name][0].update(edge.UpdateOperation.create_field_index(request["fieldName"], schema))


def update(name, request):
    shard = shards[name][0]
    op = edge.UpdateOperation
    if "upsert" in request:
        q = request["upsert"]
        points = [edge.Point(point_id(p["id"]), vectors(p.get("vectors", {})), payload(p.get("payload", {}))) for p in q.get("points", [])]
        mode = getattr(edge.UpdateMode, q.get("updateMode", "Upsert"))
        shard.update(op.upsert_points(points, update_mode=mode))
    elif "setPayload" in request:
        q = request["setPayload"]
        selector = q["pointsSelector"]
        shard.update(op.set_payload_by_filter(filtered(selector["filter"]), payload(q.get("payload", {}))))
    elif "deletePoints" in request:
        shard.update(op.delete_points_by_filter(filtered(request["deletePoints"]["points"]["filter"])))
    elif "updateVectors" in request:
        points = request["updateVectors"]["points"]
        shard.update(op.update_vectors([edge.PointVectors(point_id(p["id"]), vectors(p["vectors"])) for p in points]))
    else:
        raise ValueError(f"operation {list(request)} is not known here")


def query(name, request):
    nearest = request.get("query", {}).get("nearest")
    asked = edge.Query.Nearest(vector(nearest), request.get("using")) if nearest else None
    hits = shards[name][0].query(edge.QueryRequest(
        limit=int(request.get("limit", 10)), query=asked, filter=filtered(request.get("filter")),
        with_payload=selected(request.get("withPayload")), with_vector=selected(request.get("withVectors")),
    ))
    return [{**shown(p), "score": p.score} for p in hits]


def scroll(name, request):
    order = None
    if "orderBy" in request:
        by = request["orderBy"]
        start = by.get("startFrom", {}).get("integer")
        direction = edge.Direction.Desc if by.get("direction") == "Desc" else edge.Direction.Asc
        order = edge.OrderBy(by["key"], direction, None if start is None else int(start))
    points, offset = shards[name][0].scroll(edge.ScrollRequest(
        offset=point_id(request["offset"]) if "offset" in request else None, limit=int(request.get("limit", 10)),
        filter=filtered(request.get("filter")), order_by=order,
        with_payload=selected(request.get("withPayload")), with_vector=selected(request.get("withVectors")),
    ))
    message = {"result": [shown(p) for p in points]}
    if offset is not None:
        message["nextPageOffset"] = {"uuid": str(offset)}
    return message


def count(name, request):
    return shards[name][0].count(edge.CountRequest(exact=True, filter=filtered(request.get("filter"))))


def facet(name, request):
    answer = shards[name][0].facet(edge.FacetRequest(
        request["key"], limit=int(request.get("limit", 10)), exact=request.get("exact", False), filter=filtered(request.get("filter")),
    ))
    kinds = {str: "stringValue", int: "integerValue", bool: "boolValue"}
    return [{"value": {kinds[type(h.value)]: h.value}, "count": str(h.count)} for h in answer.hits]


CALLS = {f.__name__: f for f in (create, drop, index, update, query, scroll, count, facet)}


def main():
    listener = socket.create_server(("127.0.0.1", 0))
    print("ready", listener.getsockname()[1], flush=True)

    def end():
        sys.stdin.read()
        shutil.rmtree(root, ignore_errors=True)
        os._exit(0)

    threading.Thread(target=end, daemon=True).start()
    peer, _ = listener.accept()
    stream = peer.makefile("rwb")
    for line in stream:
        message = json.loads(line)
        try:
            answer = {"result": CALLS[message["call"]](message["collection"], message["request"])}
        except Exception as problem:  # whatever the engine says is an answer
            answer = {"error": f"{type(problem).__name__}: {problem}"}
        stream.write(json.dumps(answer).encode() + b"\n")
        stream.flush()


main()
