"""Training on the page, in a real browser: started, watched, ended, kept, found among the models, thrown away."""

from __future__ import annotations

import itertools
import math
import re
import shutil
import signal
from pathlib import Path
from typing import Any

import pytest

from helpers.browsing import Tab
from helpers.serving import Running
from tramontane.dataset import Dataset
from tramontane.page.language.words import catalogue
from tramontane.surrogate.kinds import ASKED

pytest.importorskip("nicegui", reason="the page needs nicegui: pip install 'tramontane[serve]'")

GROWN = (
    "([name, count]) => Number(document.querySelector(`[data-curve='${name}'] [data-points]`)?.dataset.points) > count"
)


def start(models: Path, dataset: Dataset, folder: Path, *options: str) -> Running:
    models.mkdir(exist_ok=True)
    return Running(models, folder / "state", "--data", str(dataset.path), *options)


def choose(tab: Tab, kind: str) -> None:
    tab.page.get_by_label("Kind of model").click()
    tab.page.get_by_role("option").get_by_text(kind, exact=True).click()


def wait_for(tab: Tab, state: str) -> None:
    tab.page.locator(f"[data-state={state}]").wait_for(timeout=300_000)  # a training gives way to everything else


def test_a_training_is_started_watched_ended_and_kept(browser: Any, saved: Path, few: Dataset, tmp_path: Path) -> None:
    with start(tmp_path / "models", few, tmp_path) as server, Tab(browser, server.url) as tab:
        tab.open("/page/data")
        tab.page.get_by_role("button", name="Train a model").click()
        tab.page.wait_for_url("**/page/training**")
        tab.page.get_by_text("Nothing was trained here yet.").wait_for()
        choose(tab, "Network on points (AB-UPT)")
        tab.page.get_by_role("button", name="Start").click()
        wait_for(tab, "running")
        (training,) = server.http.get("/v1/trainings").json()["trainings"]
        assert (training["model"], training["budget"], training["state"]) == ("ab-upt", 600.0, "running")
        assert tab.parameter("id") == training["id"]
        # The curve grows while one looks.
        tab.page.wait_for_function(GROWN, arg=["loss", 1], timeout=300_000)
        points = int(tab.page.locator("[data-curve=loss] [data-points]").get_attribute("data-points"))
        tab.page.wait_for_function(GROWN, arg=["loss", points], timeout=300_000)
        assert tab.page.get_by_role("button", name="Start").is_disabled()
        tab.page.get_by_role("button", name="End now").click()
        wait_for(tab, "done")
        done = server.http.get(f"/v1/trainings/{training['id']}").json()
        for each in done["progress"]["errors"]:
            caption = tab.page.locator(f"[data-curve='{each['field']}'] figcaption").inner_text()
            shown, unit, share = re.fullmatch(rf"{each['field']}: (\S+) (\S*), (\S+) %", caption).groups()  # type: ignore[union-attr]
            factor = {"Pa": 1.0, "kPa": 1e-3, "µm": 1e6, "mm": 1e3, "nm": 1e9}[unit]
            assert float(shown) == pytest.approx(factor * each["absolute"][-1], rel=1e-2)
            assert float(share) == pytest.approx(100 * each["relative"][-1], abs=0.1)
        tab.picture("training-done")
        name = tab.page.locator("[data-name]")
        assert name.input_value() == few.path.name  # type: ignore[union-attr]
        name.fill("../outside")
        tab.page.get_by_role("button", name="Publish").click()
        tab.page.locator(".q-notification").get_by_text("A name has letters").wait_for()
        shutil.copytree(saved, tmp_path / "models" / "taken")
        server.http.post("/v1/models/reload")
        name.fill("taken")
        tab.page.get_by_role("button", name="Publish").click()
        tab.page.get_by_role("dialog").get_by_role("button", name="Cancel").click()
        assert server.http.get("/v1/models/taken").json()["architecture"] == "ab-upt"
        name.fill("from-the-page")
        tab.page.get_by_role("button", name="Publish").click()
        tab.page.locator(".tag").get_by_text("Published as from-the-page").wait_for()
        served = {each["name"]: each["hash"] for each in server.http.get("/v1/models").json()["models"]}
        assert set(served) == {"from-the-page", "taken"}
        assert served["from-the-page"] != served["taken"]
        tab.open("/page/")
        tab.page.locator("[data-model=from-the-page]").wait_for()
        tab.open("/page/training")
        tab.page.get_by_role("button", name="Delete").click()
        tab.page.get_by_role("dialog").get_by_role("button", name="Delete").click()
        tab.page.get_by_text("Nothing was trained here yet.").wait_for()
        assert server.http.get("/v1/trainings").json()["trainings"] == []
        assert server.http.get("/v1/models/from-the-page").status_code == 200
        tab.is_clean()
        assert '"level": "error"' not in server.log.read_text()


def test_a_training_that_the_server_left_is_gone_on_with(browser: Any, few: Dataset, tmp_path: Path) -> None:
    with start(tmp_path / "models", few, tmp_path) as server:
        request = {"dataset": few.path.name, "model": "classical"}  # type: ignore[union-attr]
        identity = server.http.post("/v1/trainings", json=request).json()["id"]
        server.end(signal.SIGKILL)
    narrow = {"viewport": {"width": 390, "height": 844}, "locale": "de-DE", "color_scheme": "dark"}
    with start(tmp_path / "models", few, tmp_path) as server, Tab(browser, server.url, **narrow) as tab:
        tab.open(f"/page/training?id={identity}")
        wait_for(tab, "stopped")
        assert "the server ended meanwhile" in tab.page.get_by_role("alert").inner_text()
        tab.page.get_by_role("button", name="Fortsetzen").click()
        wait_for(tab, "done")
        left = server.http.get(f"/v1/trainings/{identity}").json()["progress"]["candidates"][0]["errors"]
        table = tab.page.locator("table.figures").inner_text()
        for field, error in left.items():
            assert re.search(rf"{field}\s+{100 * error:.1f} %".replace(".", ","), table)
        assert tab.page.evaluate("document.documentElement.scrollWidth") <= 390
        tab.picture("de-training")
        # Why it was chosen is said in the reader's language; the API's own sentence is English.
        done = server.http.get(f"/v1/trainings/{identity}").json()
        mean, count = sum(left.values()) / len(left), len(few.splits["train"])
        why = (
            f"Kriging wurde gewählt. Fehler der Kreuzvalidierung, Mittel der Felder ({len(left)}): "
            f"Kriging {f'{100 * mean:.1f}'.replace('.', ',')} % an {count} von {count} Fällen."
        )
        assert tab.page.locator("[data-why]").inner_text() == why
        assert done["why"].startswith("kriging of corresponding points; mean error of")
        assert "kriging of corresponding" not in tab.page.locator(".page-body").inner_text()
        # What the server says stays English, and is named as such in the reader's language.
        models = tmp_path / "models"
        models.rename(tmp_path / "away")
        models.write_text("in its place")
        tab.page.locator("[data-name]").fill("kept")
        tab.page.get_by_role("button", name="Veröffentlichen").click()
        notification = tab.page.locator(".q-notification", has_text="Der Server meldet: the model cannot be written")
        notification.get_by_text("folder of models, models (Not a directory)").wait_for()
        models.unlink()
        (tmp_path / "away").rename(models)
        tab.page.get_by_role("button", name="Veröffentlichen").click()
        tab.page.get_by_text("Veröffentlicht als kept").first.wait_for()
        tab.open("/page/")
        assert tab.page.locator("[data-model=kept] [data-why]").inner_text() == why
        assert tab.page.evaluate("document.documentElement.scrollWidth") <= 390
        tab.is_clean()


def test_who_may_not_train_is_told(browser: Any, saved: Path, dataset: Dataset, tmp_path: Path) -> None:
    from tramontane.service.access.tokens import create_token
    from tramontane.service.database import open_database
    from tramontane.service.settings import Settings

    (tmp_path / "state").mkdir()
    engine, sessions = open_database(Settings(models=saved, state=tmp_path / "state").database_url)
    token = create_token(sessions, "Anna", scope="predict")
    engine.dispose()
    with start(tmp_path / "models", dataset, tmp_path, "--require-tokens") as server, Tab(browser, server.url) as tab:
        tab.open("/page/training")
        tab.page.fill("input[name=token]", token)
        tab.page.keyboard.press("Enter")
        tab.page.get_by_text("Training needs a token of scope admin").wait_for()
        assert tab.page.get_by_role("button", name="Start").count() == 0
        tab.is_clean()


def test_numbers_are_short_and_plain() -> None:
    from tramontane.page.language.readable_units import number

    expected = {999.6: "1000", 1234.5: "1234", 123456.0: "123456", 0.00123: "0.00123", 1.5e7: "1.50e+07", 0.0: "0"}
    assert {value: number(value, 3) for value in expected} == expected


def test_every_kind_of_model_can_be_chosen() -> None:

    assert {key for key in catalogue() if key.startswith("kind.")} >= {f"kind.{kind}" for kind in ASKED}


def test_why_a_kind_was_chosen_is_said_in_every_language() -> None:
    from tramontane.page.figures import because
    from tramontane.page.language.words import Words
    from tramontane.service.trainings.schemas import ChoiceAnswer

    compared = [
        {"cases": 11, "errors": {"classical": 0.05, "corrected": 0.0412}},
        {"cases": 3, "errors": {"classical": 0.061, "tokens": 0.2}},
    ]
    choice = ChoiceAnswer.model_validate({"chosen": "corrected", "fields": 2, "cases": 11, "compared": compared})
    sentences = {language: because(Words(language), choice) for language in ("en", "fr", "de", "zh")}
    assert sentences["en"] == (
        "Kriging + network was chosen. Cross-validation error, mean of the fields (2): Kriging 5.0 %, "
        "Kriging + network 4.1 % on 11 of 11 cases; Kriging 6.1 %, Network 20.0 % on 3 of 11 cases."
    )
    assert sentences["fr"] == (
        "Krigeage + réseau : choisi. Erreur de validation croisée, moyenne des champs (2) : Krigeage 5,0 %, "
        "Krigeage + réseau 4,1 % sur 11 cas parmi 11; Krigeage 6,1 %, Réseau 20,0 % sur 3 cas parmi 11."
    )
    for text in sentences.values():
        shares = re.findall(r"([\d.,]+) %", text)
        assert [float(share.replace(",", ".")) for share in shares] == [5.0, 4.1, 6.1, 20.0]


def test_curves_are_drawn_to_a_logarithmic_scale() -> None:
    from tramontane.page.charts import curves
    from tramontane.page.language.words import Words

    steps, values = [0, 10, 20, 40], [1.0, 0.1, 0.01, 0.001]
    drawn = curves(
        Words("en"), [("first", [0, 40], [1.0, 1.0]), ("second", steps, values)], label="loss", unit="m", axis="steps"
    )
    path = re.findall(r'data-network="second".*?<path d="M(.*?)"/>', drawn)[0]
    points = [tuple(map(float, pair.split())) for pair in path.split(" L")]
    widths = [b[0] - a[0] for a, b in itertools.pairwise(points)]
    assert widths[1] == pytest.approx(widths[0], abs=0.11)
    assert widths[2] == pytest.approx(2 * widths[0], abs=0.11)
    falls = [b[1] - a[1] for a, b in itertools.pairwise(points)]
    assert min(falls) > 0
    assert falls == pytest.approx([falls[0]] * 3, abs=0.11)
    ticks = [float(text) for text in re.findall(r'text-anchor="end">([\d.e+-]+)</text><path class="grid"', drawn)]
    assert [round(math.log10(tick), 6) for tick in ticks] == [-3, -2, -1, 0]
    assert curves(Words("en"), [("none", [], [])], label="loss", unit="", axis="steps") == ""
    close = curves(Words("en"), [("one", [1, 2], [6.5, 8.4])], label="loss", unit="Pa", axis="steps")
    ticks = [float(text) for text in re.findall(r'text-anchor="end">([\d.e+-]+)</text><path class="grid"', close)]
    assert ticks == [7.0, 8.0]
