"use strict";
(() => {
  function reach() {
    for (const part of document.querySelectorAll(".scroll")) {
      if (part.scrollWidth > part.clientWidth) part.tabIndex = 0;
      else part.removeAttribute("tabindex");
    }
  }
  window.addEventListener("resize", reach);
  document.addEventListener("toggle", reach, true);
  reach();

  const closed = [];
  window.addEventListener("beforeprint", () => {
    for (const proof of document.querySelectorAll("details.refusal:not([open])")) {
      closed.push(proof);
      proof.open = true;
    }
  });
  window.addEventListener("afterprint", () => {
    for (const proof of closed.splice(0)) proof.open = false;
  });

  const table = document.getElementById("regime-table");
  if (!table) return;
  const group = 50;
  const search = document.getElementById("search");
  const filter = document.getElementById("verdict");
  const status = document.getElementById("shown");
  const rows = Array.from(table.querySelectorAll("tbody tr"), (element, order) => ({
    element,
    order,
    name: element.querySelector("th").textContent,
    active: Number(element.dataset.active),
    verdict: Number(element.dataset.verdict),
    size: Number(element.dataset.size),
    text: null,
  }));
  const collator = new Intl.Collator(undefined, { numeric: true });
  let sorted = rows.slice();

  function text(row) {
    if (row.text === null) row.text = row.element.textContent.toLowerCase().replace(/\s+/g, " ");
    return row.text;
  }

  function show() {
    const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    const verdict = filter.value;
    const kept = sorted.filter((row) =>
      (verdict === "" || row.verdict === Number(verdict)) && words.every((word) => text(row).includes(word)));
    for (const body of Array.from(table.tBodies)) body.remove();
    const bodies = document.createDocumentFragment();
    for (let i = 0; i < Math.max(kept.length, 1); i += group) {
      const part = kept.slice(i, i + group);
      const body = document.createElement("tbody");
      body.setAttribute("role", "rowgroup");
      body.style.containIntrinsicSize = `auto ${part.length * 66}px`;
      body.append(...part.map((row) => row.element));
      bodies.append(body);
    }
    table.append(bodies);
    const all = rows.length.toLocaleString("en");
    status.textContent = kept.length === rows.length ? `${all} regimes shown`
      : `${kept.length.toLocaleString("en")} of ${all} regimes match`;
  }

  function sort(header) {
    const up = header.getAttribute("aria-sort") !== "ascending";
    const key = header.dataset.key;
    const sign = up ? 1 : -1;
    sorted = rows.slice().sort((a, b) =>
      sign * (key === "name" ? collator.compare(a.name, b.name) : a[key] - b[key]) || a.order - b.order);
    for (const other of table.querySelectorAll("thead th")) other.setAttribute("aria-sort", "none");
    header.setAttribute("aria-sort", up ? "ascending" : "descending");
    show();
  }

  let waiting = 0;
  search.addEventListener("input", () => {
    clearTimeout(waiting);
    waiting = setTimeout(show, 80);
  });
  filter.addEventListener("change", show);
  for (const button of table.querySelectorAll("thead button")) {
    button.addEventListener("click", () => sort(button.closest("th")));
  }
  function follow() {
    const target = location.hash.length > 1 && document.getElementById(location.hash.slice(1));
    if (target && target.tagName === "DETAILS") target.open = true;
  }
  window.addEventListener("hashchange", follow);
  follow();
  document.querySelector(".tools").hidden = false;
})();
