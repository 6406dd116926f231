"""Which files' tests begin first."""

from __future__ import annotations

LONGEST_FIRST = (
    "service/test_serve_trainings.py",
    "training/test_training.py",
    "page/test_page_training.py",
    "dataset/test_ingest.py",
    "http/test_serve_access.py",
    "page/test_page.py",
    "test_chain.py",
    "surrogate/test_reference_models.py",
    "evaluation/test_judge.py",
    "models/test_classical.py",
    "http/test_serve_reliability.py",
    "service/test_serve_ingests.py",
    "packaging/test_wheel.py",
    "page/test_page_views.py",
    "http/test_serve_hostile.py",
    "http/test_serve.py",
    "service/test_serve_oidc.py",
    "service/test_serve_jobs.py",
    "page/test_page_sign_in.py",
    "formats/test_fuzz.py",
    "formats/openfoam/test_openfoam.py",
    "solvers/test_solvers.py",
    "models/test_ab_upt.py",
    "surrogate/test_answers.py",
    "test_farm.py",
    "test_farm_ray.py",
    "test_farm_slurm.py",
)
"""Those that take longest: were one of them left to the end, one worker would have it and the others nothing to do."""


def rank(file: str) -> int:
    """Where a file, named from the folder of the tests, stands."""
    return LONGEST_FIRST.index(file) if file in LONGEST_FIRST else len(LONGEST_FIRST)
