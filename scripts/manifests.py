#!/usr/bin/env python3
"""Checks assets/agones: kinds and fields as Agones 1.37 and later know them, and that the files fit together."""

import pathlib
import sys

import yaml

FOLDER = pathlib.Path(__file__).resolve().parent.parent / "assets" / "agones"
LIST_CAPACITY_MAX = 1000

# Fields that an object may have: a type, a tuple of allowed values, a list of one shape, a dict of shapes, or `{str: shape}` for
# any names. A name that ends in `!` must be there.
PORT = {"name!": str, "portPolicy!": ("Dynamic", "Static", "Passthrough"), "containerPort!": int, "protocol!": ("UDP", "TCP")}
COUNTERS = {str: {"count": int, "capacity!": int}}
LISTS = {str: {"capacity!": int, "values": [str]}}
CONTAINER = {
    "name!": str, "image!": str, "args": [str], "env": [{"name!": str, "value!": str}],
    "resources": {"requests": {str: str}, "limits": {str: str}},
    "securityContext": {"allowPrivilegeEscalation!": bool, "readOnlyRootFilesystem!": bool, "capabilities!": {"drop!": [str]}},
    "volumeMounts": [{"name!": str, "mountPath!": str, "readOnly": bool}],
}
POD = {
    "metadata": {"labels": {str: str}},
    "spec!": {
        "enableServiceLinks": bool,
        "terminationGracePeriodSeconds": int,
        "securityContext": {
            "runAsNonRoot!": bool, "runAsUser": int, "runAsGroup": int, "fsGroup": int, "seccompProfile": {"type!": str},
        },
        "containers!": [CONTAINER],
        "volumes": [{"name!": str, "configMap": {"name!": str}, "secret": {"secretName!": str}}],
    },
}
GAMESERVER = {
    "ports!": [PORT],
    "health": {"disabled": bool, "initialDelaySeconds": int, "periodSeconds": int, "failureThreshold": int},
    "sdkServer": {"logLevel": ("Info", "Debug", "Error"), "httpPort": int, "grpcPort": int},
    "counters": COUNTERS, "lists": LISTS,
    "eviction": {"safe": ("Always", "OnUpgrade", "Never")},
    "template!": POD,
}
META = {"name!": str, "labels": {str: str}}
SHAPES = {
    "Fleet": {
        "apiVersion!": ("agones.dev/v1",), "kind!": ("Fleet",), "metadata!": META,
        "spec!": {
            "replicas!": int, "scheduling": ("Packed", "Distributed"),
            "strategy": {"type!": ("RollingUpdate", "Recreate"), "rollingUpdate": {"maxSurge": str, "maxUnavailable": str}},
            "template!": {"metadata": {"labels": {str: str}}, "spec!": GAMESERVER},
        },
    },
    "FleetAutoscaler": {
        "apiVersion!": ("autoscaling.agones.dev/v1",), "kind!": ("FleetAutoscaler",), "metadata!": META,
        "spec!": {
            "fleetName!": str,
            "policy!": {
                "type!": ("Buffer", "Counter", "List", "Webhook", "Schedule", "Chain"),
                "buffer": {"bufferSize!": int, "minReplicas": int, "maxReplicas!": int},
                "counter": {"key!": str, "bufferSize!": int, "minCapacity": int, "maxCapacity!": int},
                "list": {"key!": str, "bufferSize!": int, "minCapacity": int, "maxCapacity!": int},
            },
            "sync": {"type!": ("FixedInterval",), "fixedInterval!": {"seconds!": int}},
        },
    },
    "GameServer": {
        "apiVersion!": ("agones.dev/v1",), "kind!": ("GameServer",), "metadata!": META, "spec!": GAMESERVER,
        "status": {
            "state": str, "address": str, "ports": [{"name": str, "port": int}], "counters": COUNTERS, "lists": LISTS,
        },
    },
}
FAULTS = []


def fault(where, what):
    FAULTS.append(f"{where}: {what}")


def check(where, value, shape):
    if isinstance(shape, tuple):
        if value not in shape:
            fault(where, f"{value!r} is none of {', '.join(shape)}")
    elif isinstance(shape, type):
        if not isinstance(value, shape) or (shape is int and isinstance(value, bool)):
            fault(where, f"{value!r} is no {shape.__name__}")
    elif isinstance(shape, list):
        if not isinstance(value, list):
            return fault(where, "is no list")
        for place, item in enumerate(value):
            check(f"{where}[{place}]", item, shape[0])
    elif not isinstance(value, dict):
        fault(where, "is no table")
    elif str in shape:
        for name, item in value.items():
            check(f"{where}.{name}", item, shape[str])
    else:
        fields = {name.rstrip("!"): of for name, of in shape.items()}
        for name in [name[:-1] for name in shape if name.endswith("!")]:
            if name not in value:
                fault(where, f"`{name}` is missing")
        for name, item in value.items():
            if name in fields:
                check(f"{where}.{name}", item, fields[name])
            else:
                fault(where, f"`{name}` is no field")


def fits(files):
    """What no schema says."""
    fleet, scaler = files["Fleet"], files["FleetAutoscaler"]
    server = fleet["spec"]["template"]["spec"]
    pod = server["template"]["spec"]
    policy = scaler["spec"]["policy"]
    if scaler["spec"]["fleetName"] != fleet["metadata"]["name"]:
        fault("fleetautoscaler", "is for another fleet")
    kind = policy["type"].lower()
    if policy.get(kind, {}).get("key") not in server[f"{kind}s"]:
        fault("fleetautoscaler", f"the fleet has no such {kind}")
    if policy[kind]["bufferSize"] > policy[kind]["maxCapacity"]:
        fault("fleetautoscaler", "wants more free than there may be")
    for of, spec in (("fleet", server), ("gameserver", files["GameServer"]["spec"])):
        if "rooms" not in spec["counters"] or "players" not in spec["lists"]:
            fault(of, "lacks the counter `rooms` or the list `players`, which the server tells")
        for name, some in spec["lists"].items():
            if some["capacity"] > LIST_CAPACITY_MAX:
                fault(of, f"the list {name} may hold {LIST_CAPACITY_MAX} at most")
    environment = {entry["name"]: entry["value"] for entry in pod["containers"][0]["env"]}
    if environment.get("DOWNBEAT_ORCHESTRATOR") != "agones":
        fault("fleet", "the server is not told of Agones")
    if pod["terminationGracePeriodSeconds"] <= float(environment["DOWNBEAT_DRAIN_DEADLINE"]):
        fault("fleet", "the pod is killed before the drain is over")
    mounts = {mount["name"] for mount in pod["containers"][0]["volumeMounts"]}
    if mounts != {volume["name"] for volume in pod["volumes"]}:
        fault("fleet", "volumes and mounts differ")
    if server["ports"][0]["containerPort"] != int(environment["DOWNBEAT_LISTEN"].rsplit(":", 1)[1]):
        fault("fleet", "the port is not the one that the server listens on")


def main():
    files = {}
    for path in sorted(FOLDER.glob("*.yaml")):
        for document in yaml.safe_load_all(path.read_text()):
            kind = document.get("kind")
            if kind not in SHAPES:
                fault(path.name, f"the kind {kind!r} is not known here")
                continue
            check(path.stem, document, SHAPES[kind])
            files[kind] = document
    if missing := set(SHAPES) - set(files):
        fault("assets/agones", f"lacks {', '.join(sorted(missing))}")
    if not FAULTS:
        fits(files)
    for text in FAULTS:
        print(text, file=sys.stderr)
    print(f"{len(files)} manifests, {len(FAULTS)} faults")
    return 1 if FAULTS else 0


if __name__ == "__main__":
    sys.exit(main())
