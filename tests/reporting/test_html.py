"""The HTML report in a real browser, and what holds of it without one."""

from __future__ import annotations

import base64
import json
import os
import re
import shutil
from html.parser import HTMLParser
from pathlib import Path

import msgspec
import pytest
from arbitrary import NASTY, documents, filled
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from samples import BROKEN, DOCUMENTS, H100, T4, TINY_BERT, UNREADABLE, document, report
from test_formats import HOSTILE
from test_json import strictly

from card_doctor.model import Card, Comparison, Machine, ScoreRow, Source, Verdict
from card_doctor.reporting import json as json_format
from card_doctor.reporting.curves import beside, chart, curves
from card_doctor.reporting.html import render

SLOW = settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
RESULTS = tuple(
    {"epoch": n, "step": 822 * n, "validation_loss": 0.7 + n / 50, "accuracy": 0.68, "f1": 0.6} for n in range(1, 9)
)
CURVED = msgspec.structs.replace(TINY_BERT, results=RESULTS)


def card(name):
    return Card(name, Source("file", f"{name}.md"))


ON = {name: Machine("535.54", (gpu,), "fp16", ("gpu", "driver")) for name, gpu in (("T4", T4), ("H100", H100))}
EVIL = "</script><script>window.evil = 1</script><img src=x onerror=window.evil=1>"
PAGES = {
    **DOCUMENTS,
    "curves": document(report(card=CURVED)),
    "matrix": document(
        *(report(card=one, machine=machine) for one in (CURVED, card("other")) for machine in ON.values()),
    ),
    "many": document(
        *(report(card=card(f"card-{n}"), verdict=Verdict("yes", "exact")) for n in range(6)),
        *(BROKEN, UNREADABLE),
    ),
}


class Reader(HTMLParser):
    """What a page has: its tags in order, its text outside of style and script, the JSON inside."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags, self.text, self.data, self._inside = [], "", "", ""
        self.feed(page)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        self._inside = tag

    def handle_endtag(self, tag):
        self._inside = ""

    def handle_data(self, data):
        if self._inside == "script":
            self.data += data
        elif self._inside != "style":
            self.text += data


def harmless(page: str, made) -> Reader:
    read = Reader(page)
    assert [tag for tag, _ in read.tags].count("script") == 1
    assert strictly(read.data) == strictly(json_format.render(made))
    for tag, attributes in read.tags:
        assert tag in TAGS
        assert not [name for name in attributes if name.startswith("on") or name in {"src", "srcdoc", "style"}]
        assert re.match(r"#|https://", attributes.get("href", "#"))
    assert all(char.isprintable() or char == "\n" for char in read.text)
    return read


TAGS = {
    *("html", "head", "meta", "title", "style", "body", "a", "header", "h1", "h2", "h3", "h4", "p", "main", "section"),
    *("div", "strong", "span", "pre", "code", "details", "summary", "article", "ul", "li", "dl", "dt", "dd", "table"),
    *("caption", "thead", "tbody", "tr", "th", "td", "svg", "line", "text", "polyline", "footer", "script"),
}


@pytest.mark.parametrize("name", PAGES)
def test_a_page_holds_all_and_nothing_that_runs(name):
    read = harmless(render(PAGES[name]), PAGES[name])
    ids = [attributes["id"] for _, attributes in read.tags if "id" in attributes]
    assert len(set(ids)) == len(ids)
    assert {attributes["href"][1:] for _, attributes in read.tags if attributes.get("href", "").startswith("#")} <= {
        *ids
    }


def test_the_verdict_comes_first_then_the_remedy_then_what_was_found():
    text = Reader(render(DOCUMENTS["broken"])).text
    places = [
        text.index(one) for one in ("trains: no", "One command fixes it all", "Breaks training (4)", "beside the env")
    ]
    assert places == sorted(places)


def test_cards_of_different_precision_share_the_columns_of_the_machines():
    half = [msgspec.structs.replace(one, precision=mode) for mode in ("fp16", "fp32") for one in ON.values()]
    page = render(document(*(report(card=card(f"c{n // 2}"), machine=one) for n, one in enumerate(half))))
    (table,) = re.findall(r"<table><caption>Will it train.*?</table>", page, re.DOTALL)
    assert re.findall(r'<th scope="col">(.*?)</th>', table) == [
        "card", "Tesla T4 (assumed), driver 535.54", "NVIDIA H100 80GB HBM3 (assumed), driver 535.54",
    ]  # fmt: skip
    assert table.count("[ok] yes") == 4


@SLOW
@given(documents())
def test_any_document_makes_a_page(made):
    harmless(render(made), made)


@SLOW
@given(
    st.lists(
        st.one_of(NASTY, st.sampled_from([*HOSTILE, "</script><script>alert(1)</script>", "<!--"])), max_size=4
    ).map("".join)
)
def test_hostile_text_is_only_shown(text):
    made = filled(DOCUMENTS["broken"], text)
    harmless(render(made), made)


def test_a_runs_curves_are_drawn_beside_the_cards():
    run = [{"epoch": 1.0, "validation_loss": 0.9}, {"epoch": 2.0, "validation_loss": 0.8, "accuracy": 0.5}]
    card = [{"epoch": 1, "validation_loss": 0.7, "f1": 0.1}, {"epoch": 2, "validation_loss": 0.6, "f1": 0.2}]
    assert beside(card, run) == {
        "Loss by epoch": {
            "run: validation_loss": [(1.0, 0.9), (2.0, 0.8)],
            "card: validation_loss": [(1.0, 0.7), (2.0, 0.6)],
        },
        "Scores by epoch": {"card: f1": [(1.0, 0.1), (2.0, 0.2)]},
    }
    compared = Comparison("run", results=tuple(run), scores=(ScoreRow("f1", 0.2, 0.1, 0.05, "below"),))
    page = render(document(msgspec.structs.replace(report(card=CURVED), run=compared)))
    assert "The run beside the card" not in page, "no parameters were compared"
    assert "run: validation_loss" in page
    assert ">below<" in page


def test_results_become_curves_with_their_numbers_in_words():
    drawn = curves(RESULTS)
    assert {title: list(lines) for title, lines in drawn.items()} == {
        "Loss by epoch": ["validation_loss"], "Scores by epoch": ["accuracy", "f1"],
    }  # fmt: skip
    image = chart("Loss by epoch", drawn["Loss by epoch"], "x")
    assert image[0].text == "Loss by epoch. validation_loss: 0.72 at first, best 0.72 at 1, 0.86 at last."
    points = [tuple(map(float, point.split(","))) for point in image.find("polyline").get("points").split()]
    assert len(points) == 8
    assert [x for x, _ in points] == sorted({x for x, _ in points})
    assert [y for _, y in points] == sorted({y for _, y in points}, reverse=True), "a rising loss goes up"


@pytest.mark.parametrize("results", [(), RESULTS[:1], ({"epoch": "one", "loss": 1}, {"epoch": "two", "loss": 2})])
def test_what_is_no_curve_is_not_drawn(results):
    assert curves(results) == {}


@given(st.lists(st.fixed_dictionaries({"epoch": st.floats(), "loss": st.floats() | st.none() | st.text()}), max_size=5))
def test_whatever_numbers_a_card_has_it_is_drawn_inside_of_the_picture(results):
    for title, lines in curves(results).items():
        for line in chart(title, lines, "x").iter("polyline"):
            for point in line.get("points").split():
                x, y = map(float, point.split(","))
                assert 0 <= x <= 640
                assert 0 <= y <= 240


# In Chromium


@pytest.fixture(scope="module")
def browser():
    """Headless Chromium; gone when the tests are."""
    webdriver = pytest.importorskip("selenium.webdriver")
    chromium, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if not (chromium and driver):
        pytest.skip("Chromium and its driver are not installed (Debian: chromium, chromium-driver)")
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for flag in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu", "--hide-scrollbars"):
        options.add_argument(flag)
    with webdriver.Chrome(options=options, service=webdriver.ChromeService(driver)) as started:
        yield started


@pytest.fixture
def opened(browser, tmp_path):
    """Opens a page at a width, in a colour scheme. $CARD_DOCTOR_SCREENSHOTS names a folder for pictures of them."""

    def show(name, made, *, width=1280, scheme="light"):
        path = tmp_path / "report.html"
        path.write_text(render(made), encoding="utf-8")
        size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 600}
        browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
        browser.get(path.as_uri())
        if os.environ.get("CARD_DOCTOR_SCREENSHOTS"):
            whole = browser.execute_cdp_cmd("Page.captureScreenshot", {"captureBeyondViewport": True})["data"]
            picture = Path(os.environ["CARD_DOCTOR_SCREENSHOTS"]) / f"{name}-{width}-{scheme}.png"
            picture.write_bytes(base64.b64decode(whole))
        return browser

    return show


@pytest.fixture(scope="module")
def axe():
    package = pytest.importorskip("axe_selenium_python", reason="ships axe-core")
    (script,) = Path(package.__file__).parent.rglob("axe.min.js")
    return script.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("name", "scheme"),
    [("broken", "light"), ("broken", "dark"), ("matrix", "dark"), ("many", "light"), ("hostile", "dark")],
)
def test_axe_finds_no_violation_and_nothing_sticks_out(opened, axe, name, scheme):
    page = opened(name, PAGES[name], width=1280 if scheme == "light" else 375, scheme=scheme)
    page.execute_script("document.querySelectorAll('details').forEach(one => one.open = true)")
    page.execute_script(axe)
    found = page.execute_async_script("axe.run().then(arguments[0])")
    assert [(one["id"], [node["html"][:200] for node in one["nodes"]]) for one in found["violations"]] == []
    assert len(found["passes"]) > 10
    assert page.execute_script("return document.documentElement.scrollWidth <= window.innerWidth")


def test_the_page_asks_the_network_for_nothing_and_runs_nothing(opened):
    page = opened("hostile", filled(DOCUMENTS["broken"], EVIL))
    assert page.execute_script("return performance.getEntriesByType('resource').length") == 0
    assert page.execute_script("return typeof window.evil") == "undefined"
    held = json.loads(page.execute_script("return document.getElementById('card-doctor-report').textContent"))
    assert held["schema"] == "card-doctor/report/1"


def test_a_keyboard_gets_from_the_overview_to_a_report(opened):
    keys = pytest.importorskip("selenium.webdriver.common.keys").Keys
    page = opened("many", PAGES["many"])

    def tab():
        page.switch_to.active_element.send_keys(keys.TAB)
        return page.switch_to.active_element

    assert tab().text == "Skip to the report"
    assert tab().get_attribute("role") == "region"
    assert tab().get_attribute("href").endswith("#report-0")


def test_what_is_folded_is_printed(opened):
    page = opened("many", PAGES["many"])
    page.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    folded = "return getComputedStyle(document.querySelector('details'), '::details-content').contentVisibility"
    assert page.execute_script(folded) == "visible"
