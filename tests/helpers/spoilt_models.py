"""Ways in which a saved model can be spoilt, each with a name."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import load_file, save_file

from tramontane.io.hashes import file_sha256

Spoil = Callable[[Path], None]
WEIGHTS, MANIFEST = "model.safetensors", "manifest.json"
KRIGING = "predictor.classical/"


def fit_manifest(model: Path) -> None:
    """Hashes as whoever wrote the files would have them."""
    manifest = json.loads((model / MANIFEST).read_text())
    manifest["sha256"] = {name: file_sha256(model / name) for name in manifest["sha256"]}
    (model / MANIFEST).write_text(json.dumps(manifest))


def zeroed(name: str) -> Spoil:
    return lambda model: (model / name).write_bytes(bytes((model / name).stat().st_size)) and None


def cut(name: str, share: float) -> Spoil:
    def spoil(model: Path) -> None:
        content = (model / name).read_bytes()
        (model / name).write_bytes(content[: int(share * len(content))])

    return spoil


def flipped(name: str) -> Spoil:
    def spoil(model: Path) -> None:
        content = bytearray((model / name).read_bytes())
        content[len(content) // 2] ^= 0xFF
        (model / name).write_bytes(content)

    return spoil


def removed(name: str) -> Spoil:
    return lambda model: (model / name).unlink()


def text(name: str, content: str) -> Spoil:
    return lambda model: (model / name).write_text(content) and None


def document(name: str, change: Callable[[Any], None]) -> Spoil:
    """Change the values of a JSON document."""

    def spoil(model: Path) -> None:
        values = json.loads((model / name).read_text())
        change(values)
        (model / name).write_text(json.dumps(values))

    return spoil


def array(name: str, change: Callable[[Any], Any] | None) -> Spoil:
    """Change one array, or leave it out."""

    def spoil(model: Path) -> None:
        arrays = load_file(model / WEIGHTS)
        value = arrays.pop(name)
        if change is not None:
            arrays[name] = np.ascontiguousarray(change(value))
        save_file(arrays, model / WEIGHTS)

    return spoil


def every_array(change: Callable[[Any], Any]) -> Spoil:
    def spoil(model: Path) -> None:
        arrays = {name: np.ascontiguousarray(change(value)) for name, value in load_file(model / WEIGHTS).items()}
        save_file(arrays, model / WEIGHTS)

    return spoil


def with_nan(value: Any) -> Any:
    value = value.copy()
    value.ravel()[0] = np.nan
    return value


def _first(values: dict[str, Any]) -> Any:
    return next(iter(values.values()))


NESTED = "[" * 100_000 + "]" * 100_000

UNFITTING: dict[str, Spoil] = {
    **{f"{name.split('.')[0]} {kind}": make(name)
       for name in (WEIGHTS, "contract.json", "predictor.json")
       for kind, make in (("zeroed", zeroed), ("flipped", flipped))},
    "weights cut": cut(WEIGHTS, 0.5),
    "weights removed": removed(WEIGHTS),
    "figures removed": removed("figures.json"),
    "manifest zeroed": zeroed(MANIFEST),
    "manifest cut": cut(MANIFEST, 0.5),
    "manifest nested": text(MANIFEST, NESTED),
    "manifest a list": text(MANIFEST, "[1, 2]"),
    "manifest without hashes": document(MANIFEST, lambda values: values.pop("sha256")),
    "manifest with a list of hashes": document(MANIFEST, lambda values: values.update(sha256=["model.safetensors"])),
    "manifest of another version": document(MANIFEST, lambda values: values.update(format_version=10**30)),
}  # fmt: skip
"""Bytes that are not as the manifest says, or a manifest that says nothing."""

FITTING: dict[str, Spoil] = {
    "weights all zero bytes": zeroed(WEIGHTS),
    "weights cut in half": cut(WEIGHTS, 0.5),
    "weights empty": cut(WEIGHTS, 0.0),
    "arrays all zero": every_array(np.zeros_like),
    "arrays all NaN": every_array(lambda value: np.full_like(value, np.nan) if value.dtype.kind == "f" else value),
    "contract cut": cut("contract.json", 0.5),
    "contract nested": text("contract.json", NESTED),
    "contract nested within bounds of Python": text("contract.json", "[" * 300 + "]" * 300),
    "contract a number": text("contract.json", "17"),
    "contract with NaN": document("contract.json", lambda values: _first(values["parameters"]).update(low=np.nan)),
    "contract of other fields": document("contract.json", lambda values: values["fields"].pop("volume")),
    "contract of a further parameter": document(
        "contract.json", lambda values: values["parameters"].update(speed={"unit": "m/s", "low": 1.0, "high": 2.0})
    ),
    "contract of other components": document(
        "contract.json", lambda values: _first(values["fields"]["volume"]).update(components=6)
    ),
    "predictor an empty list": text("predictor.json", "[]"),
    "predictor null": text("predictor.json", "null"),
    "figures with infinity": document("figures.json", lambda values: values.update(error=np.inf)),
    "training without data": document("training.json", lambda values: values.pop("data")),
    "training domain of two extents": document(
        "training_domain.json", lambda values: values.update(extent_low=[0.1, 0.2])
    ),
    "template of two columns": array("template.surface", lambda value: value[:, :2]),
    "template missing": array("template.volume", None),
}
"""Any model with a manifest whose hashes were made anew."""

OF_NETWORKS: dict[str, Spoil] = {
    "network of another size": document("predictor.json", lambda values: values["config"].update(dim=1 << 20)),
    "network of an unknown kind": document("predictor.json", lambda values: values.update(model="perceptron")),
    "network with NaN": array("predictor.physics.0.out.weight", with_nan),
    "network transposed": array("predictor.physics.0.qkv.weight", np.transpose),
    "scales of zero": document("predictor.json", lambda values: values["normalization"].update(half_extent=0.0)),
}

OF_KRIGING: dict[str, Spoil] = {
    "table of fewer cases": array(f"{KRIGING}kriging/tables/surface", lambda value: value[1:]),
    "table with NaN": array(f"{KRIGING}kriging/tables/surface", with_nan),
}

MANY = len(UNFITTING) + len(FITTING) + len(OF_NETWORKS) + len(OF_KRIGING)
