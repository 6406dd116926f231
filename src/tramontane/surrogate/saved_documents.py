"""The JSON documents of a saved surrogate: read within bounds, and compared with its contract."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tramontane.contract import Contract
from tramontane.errors import SurrogateError
from tramontane.surrogate.constraints import obeyable
from tramontane.training import Normalization

_BYTES = 256 << 20  # of one document; figures of ten thousand cases have some megabytes
_DEPTH = 40  # of objects and lists in each other
_STATED = ("contract", "predictor", "training_domain")


def may_not_be_read(file: Path) -> SurrogateError:
    """The error for a surrogate's file that the program's user has no right to read."""
    return SurrogateError(f"{file}: may not be read by the user that this program runs as; allow it, for example "
                          f"with `chmod -R a+rX {file.parent}`")  # fmt: skip


def read_document(file: Path) -> Any:
    """The values of a JSON file.

    Raises:
        SurrogateError: It cannot be read, is too large or nested too deep, or has numbers that are not finite.
    """
    try:
        if (size := file.stat().st_size) > _BYTES:
            raise SurrogateError(f"{file}: has {size} bytes, {_BYTES} are the most that is read; copy it again")
        document = json.loads(file.read_text(encoding="utf-8"))
    except RecursionError:
        raise _too_deep(file) from None
    except PermissionError:
        raise may_not_be_read(file) from None
    except (OSError, ValueError) as error:
        raise SurrogateError(f"{file}: cannot be read ({error}); copy the directory again") from error
    level = [document]
    for _ in range(_DEPTH):
        inner: list[Any] = []
        for value in level:
            if isinstance(value, float) and not math.isfinite(value):
                raise SurrogateError(f"{file}: has a number that is not finite ({value}); copy the directory again, or "
                                     "train it anew")  # fmt: skip
            if isinstance(value, dict):
                inner.extend(value.values())
            elif isinstance(value, list):
                inner.extend(value)
        if not inner:
            return document
        level = inner
    raise _too_deep(file)


def plain(document: Any) -> Any:
    """A document as JSON can hold it: what is not finite is null."""
    if isinstance(document, float):
        return document if math.isfinite(document) else None
    if isinstance(document, Mapping):
        return {key: plain(value) for key, value in document.items()}
    if isinstance(document, list | tuple):
        return [plain(value) for value in document]
    return document


def to_text(name: str, document: Any) -> str:
    """A document as it is written.

    Raises:
        SurrogateError: What predictions are made with has numbers that are not finite.
    """
    try:
        return json.dumps(document if name in _STATED else plain(document), indent=1, allow_nan=False) + "\n"
    except ValueError as error:
        raise SurrogateError(f"{name}: has numbers that are not finite ({error}), so the model would be of no use; "
                             "check the training cases") from error  # fmt: skip


def check_documents(documents: Mapping[str, Any], contract: Contract) -> None:
    """See that documents are of the kinds that predictions rely on.

    Args:
        documents: By name.
        contract: Of the surrogate.

    Raises:
        SurrogateError: One is missing, is no object, or does not fit the contract.
    """
    for name in ("predictor", "training", "training_domain", "calibration", "figures"):
        if name not in documents:
            raise SurrogateError(f"{name}.json is missing")
        if not isinstance(documents[name], dict):
            raise SurrogateError(f"{name}.json holds no object")
    domain, data = documents["training_domain"], documents["training"].get("data")
    if contract.fields and "extent_low" not in domain:
        raise SurrogateError("training_domain.json has no extents, and the contract has fields")
    if "extent_low" in domain:
        low, high = (_numbers(domain.get(key), key) for key in ("extent_low", "extent_high"))
        if any(a > b for a, b in zip(low, high, strict=True)):
            raise SurrogateError("training_domain.json has a lowest extent above the highest")
    if not isinstance(domain.get("open", 0.0), int | float):
        raise SurrogateError("training_domain.json: 'open' is no number")
    exact = domain.get("exact", {})
    if not isinstance(exact, dict) or not all(obeyable(law, led_by, contract) for law, led_by in exact.items()):
        raise SurrogateError(f"training_domain.json: 'exact' has a law that the contract's fields cannot obey: {exact}")
    if not isinstance(data, dict) or not isinstance(data.get("fingerprint"), str):
        raise SurrogateError("training.json does not say which data it was trained on")
    if not isinstance(data.get("train"), list) or not all(isinstance(name, str) for name in data["train"]):
        raise SurrogateError("training.json has no list of training cases")


def check_scales(scales: Normalization, contract: Contract) -> None:
    """Compare a predictor's scales with the contract.

    Raises:
        SurrogateError: They are of other parameters or fields, or one that is divided by is not above zero.
    """
    if set(scales.parameters) != set(contract.operating):
        raise SurrogateError(f"predictor.json has scales of {', '.join(scales.parameters) or 'no parameters'}, the "
                             f"contract asks for {', '.join(contract.operating) or 'none'}")  # fmt: skip
    for domain, specs in contract.fields.items():
        for name, spec in specs.items():
            scale = scales.fields.get(domain, {}).get(name)
            if scale is None or len(scale.mean) != spec.components:
                raise SurrogateError(
                    f"predictor.json has no scale of field {domain}/{name}, or one of other components"
                )
    deviations = {name: scale.deviation for name, scale in scales.parameters.items()} | {
        f"{domain}/{name}": scale.deviation for domain, of in scales.fields.items() for name, scale in of.items()
    }
    if wrong := [name for name, value in (deviations | {"half_extent": scales.half_extent}).items() if value <= 0]:
        raise SurrogateError(f"predictor.json has a scale of {wrong[0]} that is not above zero")


def _numbers(value: Any, name: str) -> list[float]:
    if not isinstance(value, list) or len(value) != 3 or not all(isinstance(each, int | float) for each in value):
        raise SurrogateError(f"training_domain.json: {name} is not three numbers")
    return value


def _too_deep(file: Path) -> SurrogateError:
    return SurrogateError(f"{file}: has lists or objects nested over {_DEPTH} deep; copy the directory again")
