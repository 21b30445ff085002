"""How long the page of `ifm explore` takes for an answer: random designs in a headless Chromium, beside Python.

python benchmarks/explore.py -o benchmarks
"""

from __future__ import annotations

import argparse
import itertools
import random
import shutil
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from playwright.sync_api import sync_playwright

from ifm_ident import Design, Factor, Identifier, Intervention, Model, Regimes, Study
from ifm_ident.explore.page import explore_page

REPEATS = 21
SIZES = ((6, 6, 16), (10, 15, 40), (14, 30, 80), (18, 41, 110))

MEASURE = """([design, repeats]) => {
  const times = [];
  for (let i = 0; i < repeats; i += 1) {
    const start = performance.now();
    new Identifier(design).identify(design.levels.map(() => 1));
    times.push(performance.now() - start);
  }
  return times;
}"""


def drawn(width: int, pairs: int, regimes: int) -> tuple[dict[str, Any], Design]:
    """A design of pairs of two-level interventions and random training regimes, for the page and for Python."""
    rng = random.Random(width)
    scopes = rng.sample([*itertools.combinations(range(width), 2)], pairs)
    train = [[int(rng.random() < 0.3) for _ in range(width)] for _ in range(regimes)]
    names = [f"s{i}" for i in range(width)]
    factors = tuple(Factor(f"f{k}", ("x",), tuple(names[i] for i in scope)) for k, scope in enumerate(scopes))
    model = Model(tuple(Intervention(name, (0, 1)) for name in names), ("x",), factors)
    page = {
        "levels": [2] * width,
        "variables": 1,
        "factors": [{"x": [0], "sigma": s} for s in scopes],
        "train": train,
    }
    return page, Design(model, Regimes.from_codes(np.array(train)))


def by_python(design: Design) -> float:
    """Milliseconds for the same question, a new identifier each time; the median."""
    target = Regimes.from_codes(np.ones((1, len(design.model)), dtype=np.int64))
    times = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        Identifier(design).identify(target)
        times.append(1000 * (time.perf_counter() - start))
    return statistics.median(times)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-o", "--output", type=Path)
    output = parser.parse_args().output
    chromium = next(
        found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))
    )
    lines = [
        "# Answers of the explorer",
        "",
        "`python benchmarks/explore.py`: factoring a design anew and answering one regime in a headless Chromium, "
        f"{REPEATS} times, beside Python in the same run; milliseconds.",
        "",
        "| factors | training regimes | unknowns | median | longest | Python, median |",
        "| ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    with sync_playwright() as playwright, tempfile.TemporaryDirectory() as folder:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--headless", "--no-sandbox"])
        page = browser.new_page()
        file = Path(folder) / "page.html"
        file.write_text(explore_page(Study.from_labels(["ctrl", "A", "B"])), encoding="utf-8")
        page.goto(file.as_uri())
        for size in SIZES:
            asked, design = drawn(*size)
            times = page.evaluate(MEASURE, [asked, REPEATS])
            unknowns = 1 + size[0] + size[1]
            shown = (statistics.median(times), max(times), by_python(design))
            lines.append(
                f"| {size[1]} | {size[2]} | {unknowns} | " + " | ".join(f"{one:.1f}" for one in shown) + " |"
            )
        browser.close()
    text = "\n".join(lines) + "\n"
    if output is None:
        sys.stdout.write(text)
    else:
        (output / "explore.md").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
