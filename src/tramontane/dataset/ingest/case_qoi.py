"""The QoIs of a solver's case that a contract defines by fields and the case itself does not state."""

from __future__ import annotations

import fnmatch

import numpy as np
import pyvista as pv

from tramontane.case import Case
from tramontane.contract import Contract
from tramontane.dataset.qoi_at_sites import measure_qoi
from tramontane.dataset.store.sites import Sites, SitesOf, mesh_sites
from tramontane.errors import ContractError, UnitError
from tramontane.formats.results import patches_of
from tramontane.qoi import QoiDefinition
from tramontane.units import si_unit, to_si


def add_defined_qoi(
    case: Case, contract: Contract, geometry: pv.PolyData | None, sites_of: SitesOf = mesh_sites
) -> None:
    """Add to a case the QoIs that its contract defines and it does not state.

    Args:
        case: In SI, under the contract; its QoIs are added to.
        contract: Whose definitions are measured.
        geometry: The closed triangle surface, metres; needed by volumes.
        sites_of: What gives the sites of a mesh, where they are known already.

    Raises:
        ContractError: A definition names a domain, field, patch or parameter that the case does not have.
    """
    given = {key: quantity for key, quantity in case.design.parameters.items() if key in contract.parameters}
    parameters: dict[str, float] = {}
    for name, spec in contract.qoi.items():
        if name in case.qoi or spec.definition is None:
            continue
        try:
            parameters = parameters or {
                key: to_si(quantity, unit=contract.parameters[key].unit, name=f"parameter {key}")
                for key, quantity in given.items()
            }
            case.qoi[name] = _measure(case, spec.definition, geometry, sites_of, parameters)
        except (KeyError, ValueError, UnitError) as error:
            reason = f"there is no {error}" if isinstance(error, KeyError) else str(error)
            raise ContractError(f"case {case.name}: QoI {name} cannot be measured ({reason}); correct its "
                                "definition in the contract") from error  # fmt: skip
        case.qoi_units[name] = si_unit(spec.unit)


def _measure(
    case: Case,
    definition: QoiDefinition,
    geometry: pv.PolyData | None,
    sites_of: SitesOf,
    parameters: dict[str, float],
) -> float:
    if definition.kind == "volume":
        volume = None if geometry is None else geometry.volume
        return measure_qoi(definition, {}, volume=volume, parameters=parameters)
    sites = _of_patches(case.meshes[definition.domain], case, definition, sites_of)
    return measure_qoi(definition, sites.fields, sites, parameters=parameters)


def _of_patches(mesh: pv.DataSet, case: Case, definition: QoiDefinition, sites_of: SitesOf) -> Sites:
    """The sites that count: all of the domain's, or those of the definition's patches."""
    location = case.field_names(definition.domain)[definition.field]
    if not definition.patches:
        return sites_of(mesh, location)
    patches = patches_of(mesh)
    if patches is None:
        raise ValueError(f"domain {definition.domain} has no named patches")
    ids, names = patches
    kept = [
        index for index, name in enumerate(names) if any(fnmatch.fnmatchcase(name, each) for each in definition.patches)
    ]
    if not kept:
        raise ValueError(f"no patch is called {', '.join(definition.patches)}; there are {', '.join(names)}")
    # Of a field at points, each cell has the mean of its own.
    sites, chosen = sites_of(mesh, "cell"), np.isin(ids, kept)
    return Sites(
        positions=sites.positions[chosen],
        fields={name: values[chosen] for name, values in sites.fields.items()},
        weights=sites.weights[chosen],
        normals=None if sites.normals is None else sites.normals[chosen],
    )
