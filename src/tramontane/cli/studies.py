"""Commands that drive simulators over designs: optimise, learn, inverse, doe, sweep, sensitivity."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, Optional, cast

import typer

from tramontane.cli.common import On, Out, Seed, Workers, app, console, executors, naming, pairs_of, solvers

Simulator = Annotated[
    str, typer.Argument(help="A saved surrogate, a solver folder, or the name of a solver: {solvers}.")
]
Solver = Annotated[
    Optional[str],  # noqa: UP045 (typer reads it)
    typer.Option(help="The solver that checks the surrogate's answers, and makes its shapes."),
]
Shapes = Annotated[
    Optional[str],  # noqa: UP045
    typer.Option(help="A solver that makes the surrogate's shapes, and is not run; or a morph.toml."),
]
Vary = Annotated[
    Optional[list[str]],  # noqa: UP045
    typer.Option("--vary", help="Bounds of a parameter, speed=20:40m/s; the others stay. All vary if none is given."),
]
Fixed = Annotated[
    Optional[list[str]],  # noqa: UP045
    typer.Option("--set", help="A parameter that does not vary, load=500N."),
]
Integers = Annotated[
    Optional[list[str]],  # noqa: UP045
    typer.Option("--integer", help="A parameter that takes whole numbers."),
]
Minimise = Annotated[
    Optional[list[str]],  # noqa: UP045
    typer.Option("--minimise", help="A QoI, or max(domain.field) or min(domain.field), to lower."),
]
Maximise = Annotated[Optional[list[str]], typer.Option("--maximise", help="The same, to raise.")]  # noqa: UP045
Target = Annotated[
    Optional[list[str]],  # noqa: UP045
    typer.Option("--target", help="The same, to bring to a value: drag=5N."),
]
SubjectTo = Annotated[
    Optional[list[str]],  # noqa: UP045
    typer.Option("--subject-to", help="A bound: 'max_von_mises <= 200 MPa'."),
]
Outputs = Annotated[
    Optional[list[str]],  # noqa: UP045
    typer.Option("--output", help="A QoI, or max(domain.field); all QoIs if none is named."),
]


def _worst(require: str) -> Literal["inside", "edge", ""]:
    """The worst verdict that counts, as studies have it."""
    if require not in ("inside", "edge", "any"):
        raise typer.BadParameter(f"{require!r} is not inside, edge or any", param_hint="--require")
    return cast(Literal["inside", "edge", ""], "" if require == "any" else require)


@app.command(cls=naming(solvers=solvers, executors=executors))
def optimise(
    simulator: Simulator,
    minimise: Minimise = None,
    maximise: Maximise = None,
    target: Target = None,
    subject_to: SubjectTo = None,
    solver: Solver = None,
    shapes: Shapes = None,
    vary: Vary = None,
    settings: Fixed = None,
    integers: Integers = None,
    runs: Annotated[int, typer.Option(min=1, help="Solver runs at most.")] = 30,
    start: Annotated[Optional[int], typer.Option(min=1, help="Runs before the first proposal.")] = None,  # noqa: UP045
    batch: Annotated[int, typer.Option(min=1, help="Runs at once.")] = 2,
    require: Annotated[
        str, typer.Option(help="inside, edge or any: the worst verdict that counts where no solver checks.")
    ] = "inside",
    tolerance: Annotated[float, typer.Option(min=0, help="Gain below which it ends early; 0 takes all runs.")] = 0.002,
    seed: Seed = 0,
    out: Out = None,
    workers: Workers = None,
    on: On = "local",
) -> None:
    """Find the best designs, checked by the solver where there is one; run again to resume.

    Several objectives give the designs that none beats in all of them. With a surrogate and --solver, the surrogate
    says where to look; with a surrogate alone, the worse bounds of its intervals are optimised inside its
    applicability domain.
    """
    from tramontane.studies import optimise as run

    folder = out or Path("data") / f"{Path(simulator).name}-optimum"
    optimum = run(
        simulator, minimise=minimise or [], maximise=maximise or [], target=pairs_of(target or [], "--target"),
        subject_to=subject_to or [], out=folder, solver=solver, shapes=shapes, vary=pairs_of(vary or [], "--vary"),
        fixed=pairs_of(settings or [], "--set"), integers=integers or [], runs=runs, start=start, batch=batch,
        require=_worst(require), tolerance=tolerance,
        seed=seed, workers=workers, on=on, console=console,
    )  # fmt: skip
    console.print(str(optimum), highlight=False, markup=False, soft_wrap=True)
    console.print(f"Wrote {folder}", highlight=False, markup=False)


@app.command(cls=naming(solvers=solvers, executors=executors))
def learn(
    solver: Annotated[str, typer.Argument(help="A solver folder, or the name of a solver: {solvers}.")],
    to: Annotated[list[str], typer.Option("--to", help="An output and the error at which to end, drag=3%.")],
    vary: Vary = None,
    settings: Fixed = None,
    integers: Integers = None,
    runs: Annotated[int, typer.Option(min=1, help="Solver runs at most.")] = 60,
    start: Annotated[int, typer.Option(min=3, help="Runs before the first choice.")] = 10,
    batch: Annotated[int, typer.Option(min=1, help="Runs at once.")] = 2,
    seed: Seed = 0,
    out: Out = None,
    workers: Workers = None,
    on: On = "local",
) -> None:
    """Solve the designs from which most is learnt, until a stated error is reached; run again to resume.

    The cases are kept: `tramontane train` makes a surrogate of them.
    """
    from tramontane.studies import learn as run

    folder = out or Path("data") / f"{Path(solver).name}-learnt"
    learnt = run(solver, to=pairs_of(to, "--to"), out=folder, vary=pairs_of(vary or [], "--vary"),
                 fixed=pairs_of(settings or [], "--set"), integers=integers or [], runs=runs, start=start, batch=batch,
                 seed=seed, workers=workers, on=on, console=console)  # fmt: skip
    console.print(str(learnt), highlight=False, markup=False, soft_wrap=True)
    console.print(f"Wrote {folder}; next: tramontane train {learnt.cases}", highlight=False, markup=False)


@app.command(cls=naming(solvers=solvers, executors=executors))
def inverse(
    simulator: Simulator,
    target: Annotated[
        Optional[list[str]],  # noqa: UP045
        typer.Option("--target", help="A QoI, or max(domain.field), and the value to reach: drag=5N."),
    ] = None,
    target_field: Annotated[
        Optional[list[str]],  # noqa: UP045
        typer.Option(
            "--target-field", help="A field and a mesh file that has it as wanted: surface.pressure=goal.vtp."
        ),
    ] = None,
    shapes: Shapes = None,
    within: Annotated[float, typer.Option(help="Tolerance, a share of the value, or of a field's norm.")] = 0.02,
    count: Annotated[int, typer.Option("-n", min=1, help="Different designs wanted.")] = 3,
    require: Annotated[str, typer.Option(help="inside, edge or any: the worst verdict that counts.")] = "edge",
    vary: Vary = None,
    settings: Fixed = None,
    integers: Integers = None,
    seed: Seed = 0,
    out: Out = None,
    workers: Workers = None,
    on: On = "local",
) -> None:
    """Find several different designs that reach wanted values, or a wanted field."""
    from tramontane.studies import inverse as run

    folder = out or Path("data") / f"{Path(simulator).name}-inverse"
    reached = run(simulator, target=pairs_of(target or [], "--target"),
                  target_field=pairs_of(target_field or [], "--target-field"), out=folder, shapes=shapes,
                  tolerance=within, count=count, vary=pairs_of(vary or [], "--vary"),
                  fixed=pairs_of(settings or [], "--set"), integers=integers or [], require=_worst(require), seed=seed,
                  workers=workers, on=on, console=console)  # fmt: skip
    console.print(str(reached), highlight=False, markup=False, soft_wrap=True)
    console.print(f"Wrote {folder}", highlight=False, markup=False)


@app.command(cls=naming(solvers=solvers, executors=executors))
def doe(
    simulator: Simulator,
    n: Annotated[Optional[int], typer.Option("-n", help="Designs in all, those in the folder included.")] = None,  # noqa: UP045
    method: Annotated[str, typer.Option(help="sobol, latin-hypercube or factorial.")] = "sobol",
    levels: Annotated[
        Optional[list[str]],  # noqa: UP045
        typer.Option("--levels", help="Of a factorial: 3 for all parameters, or speed=3 for each."),
    ] = None,
    table: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option("--from", help="A CSV of designs in place of a method; units stand in its headers."),
    ] = None,
    outputs: Outputs = None,
    shapes: Shapes = None,
    vary: Vary = None,
    settings: Fixed = None,
    integers: Integers = None,
    seed: Seed = 0,
    out: Out = None,
    workers: Workers = None,
    on: On = "local",
) -> None:
    """Answer designs spread over a space, or of a table; run again to resume, or to extend without repeating."""
    from tramontane.studies import doe as run

    folder = out or Path("data") / f"{Path(simulator).name}-doe"
    experiment = run(
        simulator, n, out=folder, method=cast(Literal["sobol"], method), levels=_counts_of(levels, "--levels"),
        table=table, outputs=outputs or [], shapes=shapes, vary=pairs_of(vary or [], "--vary"),
        fixed=pairs_of(settings or [], "--set"), integers=integers or [], seed=seed, workers=workers, on=on,
        console=console,
    )  # fmt: skip
    _say(experiment, folder)


@app.command(cls=naming(solvers=solvers, executors=executors))
def sweep(
    simulator: Simulator,
    vary: Annotated[
        Optional[list[str]],  # noqa: UP045
        typer.Option("--vary", help="Bounds of a parameter, speed=20:40m/s; give one or two."),
    ] = None,
    steps: Annotated[
        Optional[list[str]],  # noqa: UP045
        typer.Option("--steps", help="Values from bound to bound: 11 for all, or speed=11 for each."),
    ] = None,
    outputs: Outputs = None,
    shapes: Shapes = None,
    settings: Fixed = None,
    out: Out = None,
    workers: Workers = None,
    on: On = "local",
) -> None:
    """Answer designs along one or two parameters, the others fixed; run again to resume, or with more steps."""
    from tramontane.studies import sweep as run

    folder = out or Path("data") / f"{Path(simulator).name}-sweep"
    swept = run(
        simulator, vary=pairs_of(vary or [], "--vary"), out=folder, steps=_counts_of(steps, "--steps") or 11,
        outputs=outputs or [], shapes=shapes, fixed=pairs_of(settings or [], "--set"), workers=workers, on=on,
        console=console,
    )  # fmt: skip
    _say(swept, folder)


@app.command(cls=naming(solvers=solvers, executors=executors))
def sensitivity(
    source: Annotated[
        str,
        typer.Argument(
            help="A saved surrogate, a solver folder, or the name of a solver ({solvers}); or answers that are there: "
            "the folder of a study, a dataset, or a table."
        ),
    ],
    outputs: Outputs = None,
    shapes: Shapes = None,
    vary: Vary = None,
    settings: Fixed = None,
    integers: Integers = None,
    answers: Annotated[Optional[int], typer.Option(help="Answers to emulate; needed for a solver.")] = None,  # noqa: UP045
    samples: Annotated[int, typer.Option(help="Blocks of the sample, a power of two.")] = 1024,
    seed: Seed = 0,
    out: Out = None,
    workers: Workers = None,
    on: On = "local",
) -> None:
    """Which parameters outputs follow: Sobol indices with intervals, and main effects."""
    from tramontane.studies import sensitivity as run

    folder = out or Path("data") / f"{Path(source).stem}-sensitivity"
    found = run(
        source, out=folder, outputs=outputs or [], shapes=shapes, vary=pairs_of(vary or [], "--vary"),
        fixed=pairs_of(settings or [], "--set"), integers=integers or [], answers=answers, samples=samples, seed=seed,
        workers=workers, on=on, console=console,
    )  # fmt: skip
    _say(found, folder)


def _counts_of(texts: list[str] | None, option: str) -> int | dict[str, str] | None:
    """One number for all, or numbers by name."""
    if not texts:
        return None
    if len(texts) == 1 and "=" not in texts[0]:
        try:
            return int(texts[0])
        except ValueError:
            raise typer.BadParameter(f"{texts[0]!r} is no whole number", param_hint=option) from None
    return pairs_of(texts, option)


def _say(result: object, folder: Path) -> None:
    console.print(str(result), highlight=False, markup=False, soft_wrap=True)
    console.print(f"Wrote {folder}", highlight=False, markup=False)


@app.command(cls=naming(solvers=solvers, executors=executors))
def screen(
    simulator: Simulator,
    minimise: Minimise = None,
    maximise: Maximise = None,
    target: Target = None,
    subject_to: SubjectTo = None,
    shapes: Shapes = None,
    vary: Vary = None,
    settings: Fixed = None,
    integers: Integers = None,
    count: Annotated[int, typer.Option("-n", min=1, help="Designs to screen.")] = 100_000,
    asked: Annotated[int, typer.Option(min=3, help="Designs that the simulator answers beforehand.")] = 128,
    best: Annotated[int, typer.Option(min=1, help="Designs that it answers in the end.")] = 10,
    seed: Seed = 0,
    out: Out = None,
) -> None:
    """Screen a great many designs, and ask the simulator itself for the best of them."""
    from tramontane.studies import screen as run

    folder = out or Path("data") / f"{Path(simulator).name}-screened"
    screened = run(simulator, minimise=minimise or [], maximise=maximise or [],
                   target=pairs_of(target or [], "--target"), subject_to=subject_to or [], out=folder, shapes=shapes,
                   vary=pairs_of(vary or [], "--vary"), fixed=pairs_of(settings or [], "--set"),
                   integers=integers or [], count=count, asked=asked, best=best, seed=seed,
                   console=console)  # fmt: skip
    console.print(str(screened), highlight=False, markup=False, soft_wrap=True)
    console.print(f"Wrote {folder}", highlight=False, markup=False)
