"""A surrogate's parts as tensors and documents, and back: what stands in its directory, checked."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import ValidationError
from torch import Tensor

from tramontane.contract import Contract
from tramontane.errors import SurrogateError
from tramontane.models.scalar_kriging import ScalarKriging
from tramontane.surrogate.files import read_surrogate, write_surrogate
from tramontane.surrogate.kinds import KINDS
from tramontane.surrogate.kinds.kind import Saved
from tramontane.surrogate.predictor import Predictor
from tramontane.surrogate.record import Record
from tramontane.surrogate.saved_arrays import check_arrays, check_domains
from tramontane.surrogate.saved_documents import check_documents, check_scales
from tramontane.training import Normalization
from tramontane.trust.applicability import Applicability
from tramontane.trust.calibration import Calibration

if TYPE_CHECKING:
    from tramontane.surrogate.surrogate import Surrogate

Array = NDArray[np.floating[Any]]


@dataclass(frozen=True)
class Parts:
    """What a surrogate is made of; see `tramontane.surrogate.Surrogate`."""

    contract: Contract
    predictor: Predictor
    templates: dict[str, Array]
    scalars: dict[str, ScalarKriging]
    record: Record
    calibration: Calibration | None
    applicability: Applicability | None


def write_parts(surrogate: Surrogate, path: Path, licence: str) -> None:
    """Write a surrogate's directory; see `Surrogate.save`."""
    tensors = {f"predictor.{name}": value for name, value in surrogate.predictor.tensors().items()}
    tensors |= {f"template.{domain}": torch.from_numpy(points) for domain, points in surrogate.templates.items()}
    for name, fit in surrogate.scalars.items():
        tensors |= {f"scalar.{name}.{key}": torch.from_numpy(v) for key, v in fit.state().items()}
    documents = {
        "contract": surrogate.contract.model_dump(mode="json"),
        "predictor": surrogate.predictor.document(),
        **surrogate.record.documents(),
    }
    if surrogate.calibration is not None:
        documents["calibration"] = documents["calibration"] | {"intervals": surrogate.calibration.document()}
    if surrogate.applicability is not None:
        documents["calibration"] = documents["calibration"] | {"applicability": surrogate.applicability.document()}
    write_surrogate(path, tensors=tensors, documents=documents, licence=licence)


def read_parts(path: Path, device: str) -> Parts:
    """The parts in a surrogate's directory; see `Surrogate.load`."""
    tensors, documents = read_surrogate(path)
    try:
        contract = Contract.model_validate(documents["contract"])
        check_documents(documents, contract)
        document, saved = documents["predictor"], _below(tensors, "predictor.")
        kind = KINDS.get(document["model"]) if isinstance(document["model"], str) else None
        if kind is None:
            raise SurrogateError(f"predictor.json: model {str(document['model'])[:40]!r} is not known")
        check_arrays(tensors, contract)
        check_domains(tensors, contract, reference=kind.at_references)
        templates = {domain: value.numpy() for domain, value in _below(tensors, "template.").items()}
        if kind.needs_fields:
            check_scales(Normalization.model_validate(document["normalization"]), contract)
        predictor = kind.restore(Saved(contract, saved, document, templates, device))
        scalars = {}
        for name in {key.removeprefix("scalar.").rpartition(".")[0] for key in tensors if key.startswith("scalar.")}:
            state = {key: value.numpy() for key, value in _below(tensors, f"scalar.{name}.").items()}
            scalars[name] = ScalarKriging.from_state(state)
        intervals = documents["calibration"].pop("intervals", None)
        applicability = documents["calibration"].pop("applicability", None)
        return Parts(
            contract, predictor, templates=templates, scalars=scalars, record=Record.of(documents),
            calibration=None if intervals is None else Calibration.of(intervals),
            applicability=None if applicability is None else Applicability.of(applicability),
        )  # fmt: skip
    except SurrogateError as error:
        raise SurrogateError(f"{path}: {error}; copy it again, or train it anew") from error
    except KeyError as error:
        raise SurrogateError(f"{path}: is not complete ({error.args[0]} is missing); copy it again") from error
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(str(part) for part in first["loc"]) or error.title
        raise SurrogateError(f"{path}: {error.title} does not hold what it must ({place}: {first['msg']}); copy it "
                             "again, or train it anew") from error  # fmt: skip
    # Whatever else the pieces are made of stumbles over: a file is at fault, not the program that reads it.
    except Exception as error:
        reason = " ".join(str(error).split())[:300] or type(error).__name__
        raise SurrogateError(f"{path}: cannot be used ({reason}); copy it again, or train it anew") from error


def _below(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}
