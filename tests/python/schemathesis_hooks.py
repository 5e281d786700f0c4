"""What schemathesis makes up for the formats that distlogd's description of its API names.

A pattern cannot say what these are, so that texts made up without this would be refused.
"""

import datetime
import os

import schemathesis
from hypothesis import strategies as st

TRACE = os.environ["DISTLOG_TRACE"]

words = st.sampled_from(["order", "late", "card", "declined", "17", "größe", "漢字"])
numbers = st.integers(min_value=0, max_value=2**64 - 1).map(str)
places = st.builds("{}.{}.{}".format, numbers, numbers, numbers)
conditions = st.sampled_from(
    [
        "severity >= WARN",
        "message.contains('late')",
        "fields.amount > 100",
        "kind == 'end' && outcome == 'failed'",
        "duration > duration('1ms') || !(service in ['shop', 'pay'])",
        "resource['service.name'].startsWith('s')",
        "message.matches('[0-9]+')",
    ]
)
levels = st.sampled_from(["debug", "off", "orders=debug,hyper=warn", "info,orders::cart=trace"])
names = st.sampled_from(["service", "severity", "kind", "outcome", "task_name", "message", "fields.route", "resource.x"])
# Short ones: the live tail goes on for so long.
spans = st.builds("{}{}".format, st.integers(min_value=1, max_value=9), st.sampled_from(["ns", "us", "ms"]))
times = st.one_of(
    st.just("now"),
    st.builds("{}{}".format, st.integers(min_value=1, max_value=500), st.sampled_from("smhd")),
    st.datetimes(min_value=datetime.datetime(1971, 1, 1), max_value=datetime.datetime(2200, 1, 1)).map(
        lambda time: time.isoformat() + "Z"
    ),
)
ids = st.one_of(
    st.just(TRACE),
    st.builds("{}/{}".format, st.just(TRACE), st.sampled_from(["1", "1/2", "2.00000001", "~0000000000000001"])),
    st.uuids(version=4).map(str),
    st.uuids(version=4).map(lambda id: id.hex),
)

MADE = {}

for name, strategy in {
    "words": st.lists(words, min_size=1, max_size=5).map(" ".join),
    "cel": conditions,
    "names": st.lists(names, max_size=4, unique=True).map(",".join),
    "time-span": spans,
    "level-directives": levels,
    "time-or-ago": times,
    "task-id": ids,
    "trace-id": st.one_of(st.just(TRACE), st.uuids(version=4).map(str)),
    "cursor": places,
    "tree-cursor": places,
    "diff-cursor": st.builds("{}.{}".format, numbers, numbers),
}.items():
    MADE[name] = set()
    schemathesis.openapi.format(name, strategy.map(lambda text, made=MADE[name]: made.add(text) or text))


def holds(context, values):
    """Schemathesis cannot tell whether a text that it spoiled is still of one of these formats, and takes it for good:
    these are left out."""
    values = values or {}
    for parameter in context.operation.definition.raw["parameters"]:
        name, schema = parameter["name"], parameter["schema"]
        if "format" in schema and name in values:
            if values[name] not in [*schema.get("examples", []), *MADE[schema["format"]]]:
                return False
    return True


@schemathesis.hook
def filter_query(context, query):
    return holds(context, query)


@schemathesis.hook
def filter_path_parameters(context, path_parameters):
    return holds(context, path_parameters)


@schemathesis.hook
def map_query(context, query):
    """Both times together have to be in order, and they are drawn one by one."""
    if query and "from" in query and "to" in query:
        del query["to"]
    return query


@schemathesis.hook
def before_call(context, case, kwargs):
    """What one parameter says of another."""
    query = dict(case.query or {})
    is_positive = case.meta is None or case.meta.generation.mode.is_positive
    if case.operation.path == "/api/v1/levels":
        if is_positive and case.method in ("PUT", "DELETE"):
            # They are of a task, which has one level, or of a service or process.
            if "task" in query:
                query = {name: query[name] for name in query if name not in ("service", "process")}
            elif "process" not in query:
                query.setdefault("service", "orders")
            if case.method == "PUT":
                query["levels"] = "debug" if "task" in query else query.get("levels", "debug")
                query["for"] = "10m"
    elif case.operation.path in ("/api/v1/tail", "/api/v1/changes"):
        # They go on until the client goes away, unless they are told when to end.
        query.setdefault("timeout", "1ms")
    elif case.method == "DELETE":
        # What is deleted is not there for the others.
        query.setdefault("dry_run", "true")
        if is_positive:
            query["dry_run"] = "true"
            if "trace" in query:
                query = {name: query[name] for name in ("trace", "dry_run")}
            else:
                query = {"filter": "severity >= WARN", "to": "now", **query}
                query.pop("from", None)
    case.query = query
