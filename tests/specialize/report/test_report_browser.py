"""The report in a real browser: its script runs, its filters work, nothing is fetched."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from specialize.report import write_report
from tests.specialize.report.test_report import EVERY, _attack
from tests.support.report_toys import toy_recipe

BROWSER = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)
DRIVER = """
const seen = () => [...document.querySelectorAll("details.case")].filter((c) => !c.hidden);
const told = {all: seen().length, output: document.querySelector("output").textContent};
const choose = (name, value) => {
  const control = document.querySelector(`select[name=${name}]`);
  control.value = value;
  control.dispatchEvent(new Event("input"));
};
choose("kind", "fixed");
told.fixed = seen().map((c) => c.dataset.kind);
choose("kind", "");
choose("set", document.querySelector("select[name=set]").options[1].value);
told.sets = seen().map((c) => c.dataset.set);
const words = document.querySelector("input[type=search]");
words.value = "no such words";
words.dispatchEvent(new Event("input"));
told.none = seen().length;
const figures = [...document.querySelectorAll("figure svg")];
told.figures = figures.map((figure) => figure.getBoundingClientRect().height);
told.overflow = document.documentElement.scrollWidth - document.documentElement.clientWidth;
document.title = "TOLD" + JSON.stringify(told);
"""


@pytest.mark.skipif(BROWSER is None, reason="no chromium on this machine")
def test_in_a_browser(tmp_path: Path) -> None:
    recipe = toy_recipe([f"shop{EVERY}", f"farm{EVERY}"], name=f"toy{EVERY}")
    run = tmp_path / "run"
    run.mkdir()
    _attack(recipe, run, EVERY)
    page = write_report(recipe, run)
    driven = tmp_path / "driven.html"
    driven.write_text(_with_script(page.read_text(encoding="utf-8"), DRIVER), encoding="utf-8")
    log = tmp_path / "net.json"
    done = subprocess.run(
        [
            BROWSER, "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic",
            "--no-first-run", "--disable-background-networking", "--disable-component-update",
            "--disable-sync", "--disable-extensions", "--window-size=500,900",
            "--host-resolver-rules=MAP * ~NOTFOUND", "--enable-logging=stderr",
            f"--user-data-dir={tmp_path / 'profile'}", f"--log-net-log={log}",
            "--dump-dom", driven.as_uri(),
        ],
        capture_output=True, text=True, timeout=180, check=True,
    )  # fmt: skip
    assert not [line for line in done.stderr.splitlines() if "CONSOLE" in line]
    told = json.loads(re.search(r"TOLD(\{.*?\})</title>", done.stdout)[1].replace("&amp;", "&"))
    assert told["all"] > 8
    assert told["output"] == f"{told['all']} of {told['all']} shown"
    assert set(told["fixed"]) == {"fixed"}
    assert len(set(told["sets"])) == 1
    assert len(told["sets"]) < told["all"]
    assert told["none"] == 0
    assert min(told["figures"]) > 50
    assert told["overflow"] <= 0, "a phone must not scroll sideways"
    asked = re.findall(r'"url":"(?:https?|wss?)://([^"/]+)', log.read_text())
    # what a browser asks its maker for has nothing to do with the page
    assert not [host for host in asked if not re.search(r"(google|gvt1|gstatic)[a-z]*\.", host)]


def _with_script(html: str, more: str) -> str:
    """The page with ``more`` behind its own script, and the policy that allows just that."""
    script = re.search(r"<script>(.*?)</script>", html, re.DOTALL)[1]
    longer = script + more
    before, after = (
        base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        for text in (script, longer)
    )
    assert before in html
    return html.replace(before, after).replace(script, longer)
