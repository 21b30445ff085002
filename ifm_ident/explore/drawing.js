"use strict";
// Formulas, tables and pictures as elements. Every text goes in as text, never as markup.

const SVG = "http://www.w3.org/2000/svg";
const VERDICTS = [
  { words: "observed", symbol: "●" },
  { words: "identified: one formula", symbol: "✓" },
  { words: "identified: full conditionals", symbol: "◐" },
  { words: "not identified", symbol: "✕" },
  { words: "no joint formula", symbol: "✕" },
];
const MOST_TERMS = 60;
const MOST_CELLS = 48;

/** An element with attributes (those that are null are left out, on... are listeners) and children. */
function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (key.startsWith("on")) made.addEventListener(key.slice(2), value);
    else made.setAttribute(key, value === true ? "" : String(value));
  }
  made.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== ""));
  return made;
}

function svg(name, attributes, ...children) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, String(value));
  made.append(...children);
  return made;
}

/** A text without what turns the direction of writing or is no character. */
function visible(text) {
  // eslint-disable-next-line no-control-regex
  return text.replace(/[\0-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/g, "\ufffd");
}

function short(text, most = 24) {
  const characters = [...visible(text)];
  return characters.length > most ? `${characters.slice(0, most - 1).join("")}…` : characters.join("");
}

function counted(count, noun) {
  return `${count.toLocaleString("en")} ${noun}${count === 1 ? "" : "s"}`;
}

function joined(names, most = 5) {
  const shown = names.slice(0, most);
  if (names.length > most) return `${shown.join(", ")} and ${names.length - most} more`;
  return shown.length > 1 ? `${shown.slice(0, -1).join(", ")} and ${shown[shown.length - 1]}` : shown[0] || "none";
}

function digits(value) {
  const text = String(value < 0n ? -value : value);
  return text.length > 20 ? `[${text.length} digits]` : text;
}

/** A fraction as text, with its sign. */
function fraction(above, below = 1n) {
  return `${above < 0n ? "−" : ""}${digits(above)}${below === 1n ? "" : `/${digits(below)}`}`;
}

function spokenPower(above, below) {
  return above === below ? "" : ` to the power ${fraction(above < 0n ? -above : above, below)}`;
}

/** A formula in words, for who hears it. */
function spoken(terms, names) {
  const half = (sign) => terms.filter((term) => (term[1] > 0n) === sign)
    .map(([train, above, below]) => `p of ${names(train)}${spokenPower(above < 0n ? -above : above, below)}`);
  const [over, under] = [half(true), half(false)];
  return `${over.slice(0, 12).join(" times ") || "1"}${under.length ? `, divided by ${under.slice(0, 12).join(" times ")}` : ""}`;
}

/** A formula as plain text: p(110) p(011) / p(010), as Python writes it. */
function formulaText(terms, names, given = "") {
  const power = ([train, above, below]) => {
    const size = fraction(above < 0n ? -above : above, below);
    const raised = size === "1" ? "" : /^\d+$/.test(size) ? `^${size}` : `^(${size})`;
    return `p(${given ? `x | ${given}; ` : ""}${names(train)})${raised}`;
  };
  const over = terms.filter((term) => term[1] > 0n).map(power);
  const under = terms.filter((term) => term[1] < 0n).map(power);
  const divided = under.length === 1 ? under[0] : `(${under.join(" ")})`;
  return (over.join(" ") || "1") + (under.length ? ` / ${divided}` : "");
}

function densityPart(name, given, above, below, kind = "") {
  const part = element("span", { class: `density ${kind}` }, "p(", given ? `x | ${short(given)}; ` : "", element("b", {}, short(name, 40)), ")");
  if (above !== below) part.append(element("sup", {}, fraction(above, below)));
  return part;
}

/** A formula as a fraction with what it is proportional to in front. */
function formulaPicture(lead, terms, names, given) {
  const shownTerms = terms.slice(0, MOST_TERMS);
  const half = (sign) => shownTerms.filter((term) => (term[1] > 0n) === sign)
    .map(([train, above, below]) => densityPart(names(train), given, above < 0n ? -above : above, below, sign ? "over" : "under"));
  const over = half(true);
  const under = half(false);
  const body = under.length
    ? element("span", { class: "fraction" }, element("span", { class: "above" }, over.length ? over : "1"), element("span", { class: "below" }, under))
    : element("span", { class: "above" }, over.length ? over : "1");
  const more = terms.length > MOST_TERMS ? element("span", { class: "quiet" }, ` · ${terms.length - MOST_TERMS} more densities`) : null;
  const label = `${lead.spoken} is proportional to ${spoken(terms, names)}`;
  return element("div", { class: "formula", role: "img", "aria-label": label }, element("span", { class: "lead" }, lead.shown, " ", element("span", { class: "sign" }, "∝")), body, more);
}

/** The rows of a formula, cell by cell: what they add up to is the target's row. */
function sumTable(design, study, block, factors, terms, regime, names, targetName) {
  const used = terms.slice(0, 24);
  const cells = [];
  const moved = [];
  for (const k of factors) {
    const keys = new Map();
    for (const row of [...used.map(([train]) => design.train[train]), regime]) {
      const levels = design.factors[k].sigma.map((i) => row[i]);
      keys.set(levels.join(), levels);
    }
    if (keys.size < 2 && factors.length > 4) continue; // one cell throughout says nothing, where there are many
    moved.push(k);
    for (const levels of [...keys.values()].sort(compareLists)) cells.push({ factor: k, levels });
  }
  if (cells.length > MOST_CELLS || terms.length > used.length) return null;
  const shows = (row, { factor, levels }) => design.factors[factor].sigma.every((i, j) => row[i] === levels[j]);
  const levelNames = ({ factor, levels }) => design.factors[factor].sigma.map((i, j) => study.interventions[i].levels[levels[j]].text);
  const first = (i) => (i === 0 || cells[i].factor !== cells[i - 1].factor ? "first" : "");
  const groups = moved.map((k) => [k, cells.filter((cell) => cell.factor === k).length]);
  const head = element("thead", {},
    element("tr", {}, element("td", { colspan: 2 }), groups.map(([k, span]) => element("th", { colspan: span, scope: "colgroup", class: "first" }, short(study.factors[k].name, 16)))),
    element("tr", {}, element("th", { scope: "col" }, "q"), element("th", { scope: "col" }, "regime"),
      cells.map((cell, i) => {
        const texts = levelNames(cell);
        const tight = texts.every((text) => text.length === 1);
        return element("th", { scope: "col", class: `cell ${first(i)}` }, short(texts.join(tight ? "" : ", ") || "·", 14));
      })));
  const body = used.map(([train, above, below]) => element("tr", {},
    element("td", { class: above > 0n ? "over" : "under" }, `${above > 0n ? "+" : ""}${fraction(above, below)}`),
    element("th", { scope: "row" }, short(names(train))),
    cells.map((cell, i) => {
      const here = shows(design.train[train], cell);
      return element("td", { class: `cell ${first(i)} ${here ? (above > 0n ? "over" : "under") : ""}` }, here ? `${above > 0n ? "+" : ""}${fraction(above, below)}` : "");
    })));
  const foot = element("tr", {}, element("td", {}, "="), element("th", { scope: "row" }, short(targetName)),
    cells.map((cell, i) => element("td", { class: `cell ${first(i)}` }, shows(regime, cell) ? "1" : "0")));
  return element("table", { class: "sum" }, element("caption", { class: "unseen" }, "The rows of the formula's regimes, times their exponents, add up to the row of the target"),
    head, element("tbody", {}, body), element("tfoot", {}, foot));
}

/** A count that may be very long: 1,024, or about 1.4 × 10^45. */
function countText(count) {
  const text = String(count);
  return text.length > 15 ? `about ${text[0]}.${text[1]} × 10^${text.length - 1}` : count.toLocaleString("en");
}

/** Powers of two as text: 2, 1/2, 2^(-30). */
function powerText(weight) {
  if (weight > 20n || weight < -20n) return `2^(${fraction(weight)})`;
  const size = String(2n ** (weight < 0n ? -weight : weight));
  return weight < 0n ? `1/${size}` : size;
}

/** p and 1 - p as odds of 2^w to 2^-w: the probability of 1 in the two models of a certificate. */
function chance(weight) {
  if (weight > 20n || weight < -20n) return `1/(1 + 2^(${fraction(-weight)}))`;
  if (weight === 0n) return "1/2";
  const size = 2n ** (weight < 0n ? -weight : weight);
  return weight > 0n ? `${size}/${size + 1n}` : `1/${size + 1n}`;
}

/** Two models that agree in training and differ in the target, as tables. */
function modelsTable(study, design, kernel, value, variable, targetName) {
  const row = (cells, head = false) => element("tr", {}, cells.map((text, i) => element(head ? "th" : i ? "td" : "th", { scope: head ? "col" : i ? null : "row" }, text)));
  const cellText = ({ factor, levels }) => design.factors[factor].sigma
    .map((i, j) => `${study.interventions[i].name}=${study.interventions[i].levels[levels[j]].text}`).join(", ") || "always";
  const few = kernel.cells.slice(0, 12);
  const rows = few.map((cell) => row([short(study.factors[cell.factor].name), short(cellText(cell), 60), powerText(cell.weight), powerText(-cell.weight)]));
  const more = kernel.cells.length > few.length ? element("p", { class: "quiet" }, `and ${kernel.cells.length - few.length} more level combinations`) : null;
  const say = `p(${short(variable)} = 1)`;
  return [
    element("p", {}, `Every variable is 0 or 1, and every factor is 1, except where ${short(variable)} = 1:`),
    element("div", { class: "scroll" }, element("table", { class: "models" }, element("thead", {}, row(["factor", "at", "model 1", "model 2"], true)), element("tbody", {}, rows))), more,
    element("div", { class: "scroll" }, element("table", { class: "models" }, element("thead", {}, row([say, "model 1", "model 2"], true)),
      element("tbody", {}, row(["every regime you ran", "1/2", "1/2"]), row([short(targetName), chance(value), chance(-value)])))),
  ];
}

/** The sigma-graph: interventions joined where a factor holds both; those off baseline in the target are filled. */
function graphPicture(graph, names, active, fill) {
  const places = graphPlaces(graph);
  if (!places.size) return null;
  const step = 92;
  const at = (vertex) => places.get(vertex).map((value) => value * step);
  const labels = [...graph.keys()].map((vertex) => short(names[vertex], 12));
  const pad = Math.max(34, Math.max(...labels.map((label) => label.length)) * 3.6 + 8);
  const xs = [...places.values()].map((place) => place[0] * step);
  const ys = [...places.values()].map((place) => place[1] * step);
  const low = [Math.min(...xs) - pad, Math.min(...ys) - 30];
  const size = [Math.max(...xs) - low[0] + pad, Math.max(...ys) - low[1] + 46];
  const words = [...graph].map(([vertex, around]) => `${names[vertex]} with ${joined([...around].map((i) => names[i])) || "none"}`).join("; ");
  const made = svg("svg", { viewBox: `${low[0]} ${low[1]} ${size[0]} ${size[1]}`, width: size[0], height: size[1], role: "img", "aria-label": `Interventions that act together: ${words}` });
  for (const [vertex, around] of graph) {
    for (const other of around) {
      if (other < vertex) continue;
      const [[x1, y1], [x2, y2]] = [at(vertex), at(other)];
      made.append(svg("line", { x1, y1, x2, y2, class: "edge" }));
    }
  }
  for (const [a, b] of fill) {
    const [[x1, y1], [x2, y2]] = [at(a), at(b)];
    made.append(svg("line", { x1, y1, x2, y2, class: "edge fill" }));
  }
  [...graph.keys()].forEach((vertex, i) => {
    const [x, y] = at(vertex);
    const label = svg("text", { x, y: y + 28, class: "label", "text-anchor": "middle" });
    label.textContent = labels[i];
    made.append(svg("circle", { cx: x, cy: y, r: 11, class: active[vertex] ? "node on" : "node" }), label);
  });
  return made;
}

/** The junction tree: a box for each clique, with the regime that message passing asks for and whether it was run. */
function treePicture(tree, names, asks) {
  const places = treePlaces(tree.parent);
  const texts = tree.cliques.map((clique) => short(clique.map((i) => names[i]).join(" · ") || "no intervention", 26));
  const wide = Math.max(...texts.map((text) => text.length), ...asks.map((ask) => short(ask.text, 20).length + 3)) * 7.4 + 26;
  const separators = tree.separators.map((separator) => short(separator.map((i) => names[i]).join(" · "), 18));
  const gap = Math.max(44, Math.max(...separators.map((text) => text.length)) * 6.4 + 22);
  const [stepX, stepY, tall] = [wide + gap, 68, 46];
  const width = Math.max(...places.map(([depth]) => depth)) * stepX + wide + 4;
  const height = Math.max(...places.map(([, row]) => row)) * stepY + tall + 4;
  const words = tree.cliques.map((clique, i) => `${joined(clique.map((v) => names[v]))}${i ? `, joined by ${joined(tree.separators[i].map((v) => names[v]))}` : ""}`).join("; ");
  const made = svg("svg", { viewBox: `-2 -2 ${width} ${height}`, width, height, role: "img", "aria-label": `Junction tree: ${words}` });
  const corner = ([depth, row]) => [depth * stepX, row * stepY];
  tree.parent.forEach((parent, i) => {
    if (parent < 0) return;
    const [from, to] = [corner(places[parent]), corner(places[i])];
    const [x1, y1, x2, y2] = [from[0] + wide, from[1] + tall / 2, to[0], to[1] + tall / 2];
    made.append(svg("path", { d: `M${x1} ${y1} C${x1 + gap / 2} ${y1} ${x2 - gap / 2} ${y2} ${x2} ${y2}`, class: "edge" }));
    if (!separators[i]) {
      made.lastChild.classList.add("fill");
      return;
    }
    const label = svg("text", { x: x2 - gap / 2, y: (y1 + y2) / 2 - 7, class: "separator", "text-anchor": "middle" });
    label.textContent = separators[i];
    made.append(label);
  });
  tree.cliques.forEach((clique, i) => {
    const [x, y] = corner(places[i]);
    const title = svg("text", { x: x + wide / 2, y: y + 19, class: "label", "text-anchor": "middle" });
    title.textContent = texts[i];
    const below = svg("text", { x: x + wide / 2, y: y + 36, class: asks[i].run ? "ask run" : "ask", "text-anchor": "middle" });
    below.textContent = `${asks[i].run ? "✓" : "✕"} ${short(asks[i].text, 20)}`;
    made.append(svg("rect", { x, y, width: wide, height: tall, rx: 9, class: "clique" }), title, below);
  });
  return made;
}
