"""The report in a real browser: its script runs, its filters work, nothing is fetched."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import shutil
import subprocess
from collections.abc import Mapping
from html import unescape
from pathlib import Path

import pytest

from specialize.inspection.store_page import write_page
from specialize.report import write_comparison, write_report
from tests.specialize.report.test_report import EVERY, _attack
from tests.support.report_toys import renamed, toy_recipe, write_toy_run
from tests.support.store_samples import write_store

BROWSER = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)


def _find_axe() -> Path | None:
    """axe-core's script, where npm has installed it: here or for all."""
    npm = shutil.which("npm")
    roots = [Path("node_modules")]
    if npm is not None:
        done = subprocess.run(
            [npm, "root", "--global"], capture_output=True, text=True, check=False
        )
        roots.append(Path(done.stdout.strip()))
    found = (root / "axe-core" / "axe.min.js" for root in roots)
    return next((path for path in found if path.is_file()), None)


AXE = _find_axe() if BROWSER else None
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
    recipe = renamed(toy_recipe(("shop", "farm")), EVERY)
    run = tmp_path / "run"
    run.mkdir()
    _attack(recipe, run, EVERY)
    page = write_report(recipe, run)
    driven = tmp_path / "driven.html"
    driven.write_text(_with_script(page.read_text(encoding="utf-8"), DRIVER), encoding="utf-8")
    log = tmp_path / "net.json"
    done = open_page(driven, tmp_path, f"--log-net-log={log}", "--enable-logging=stderr")
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


def open_page(page: Path, folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """The page's document after its scripts have run, on a narrow screen without a network."""
    assert BROWSER is not None
    return subprocess.run(
        [
            BROWSER, "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic",
            "--no-first-run", "--disable-background-networking", "--disable-component-update",
            "--disable-sync", "--disable-extensions", "--window-size=500,900",
            "--host-resolver-rules=MAP * ~NOTFOUND", f"--user-data-dir={folder / 'profile'}",
            "--virtual-time-budget=20000", *options, "--dump-dom", page.as_uri(),
        ],
        capture_output=True, text=True, timeout=180, check=True,
    )  # fmt: skip


CHECK = """
for (const details of document.querySelectorAll("details")) details.open = true;
axe.run(document, {resultTypes: ["violations"]}).then((found) => {
  const told = {
    dark: matchMedia("(prefers-color-scheme: dark)").matches,
    passes: found.passes.length,
    violations: found.violations.map((v) => `${v.id}: ${v.nodes[0].html.slice(0, 90)}`),
  };
  document.title = "TOLD" + JSON.stringify(told);
});
"""


@pytest.mark.skipif(BROWSER is None, reason="no chromium on this machine")
@pytest.mark.skipif(AXE is None, reason="no axe-core; npm install --global axe-core")
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("kind", ["report", "comparison", "store"])
def test_axe_finds_nothing(tmp_path: Path, scheme: str, kind: str) -> None:
    told = axe_says(_page(tmp_path, kind).read_text(encoding="utf-8"), tmp_path, scheme)
    assert told["violations"] == []
    assert told["dark"] is (scheme == "dark")
    assert told["passes"] > 12


def axe_says(html: str, folder: Path, scheme: str) -> Mapping[str, object]:
    """What axe finds on a page in a ``light`` or ``dark`` browser."""
    # the page's policy allows no script but its own, and axe is another
    html = re.sub(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", html)
    assert AXE is not None
    tools = AXE.read_text(encoding="utf-8").replace("</script", "<\\/script")
    checked = folder / "checked.html"
    checked.write_text(f"{html}<script>{tools}</script><script>{CHECK}</script>", encoding="utf-8")
    dark = ["--blink-settings=preferredColorScheme=0"] if scheme == "dark" else []
    done = open_page(checked, folder, *dark)
    found = re.search(r"TOLD(\{.*?\})</title>", done.stdout, re.DOTALL)
    assert found is not None
    told: Mapping[str, object] = json.loads(unescape(found[1]))
    return told


def _page(tmp_path: Path, kind: str) -> Path:
    if kind == "store":
        write_store(tmp_path / "store")
        write_page(tmp_path / "store", None, 0, tmp_path / "store.html")
        return tmp_path / "store.html"
    runs = []
    for seed in (5, 6) if kind == "comparison" else (5,):
        recipe, run = toy_recipe(), tmp_path / f"run{seed}"
        write_toy_run(run, recipe, count=40, steps=(0, 100, 200), seed=seed)
        runs.append((recipe, run))
    return write_report(*runs[0]) if kind == "report" else write_comparison(runs, tmp_path / "out")


def _with_script(html: str, more: str) -> str:
    """The page with ``more`` after its own script, and the policy that allows just that."""
    script = re.search(r"<script>(.*?)</script>", html, re.DOTALL)[1]
    longer = script + more
    before, after = (
        base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        for text in (script, longer)
    )
    assert before in html
    return html.replace(before, after).replace(script, longer)
