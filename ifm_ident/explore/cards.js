"use strict";
// The cards of the page, each drawn from a view of the study: { study, target, criterion, nameOf, targetName, fault } and,
// where there is an answer, { identifier, design, trainName, answer, verdict, map }. Edits are those of page.js.

const MOST_MAP = 1024;
const MOST_BANDS = 2000;
const MANY = 12;

function variablesOf(study, identifier, block) {
  return block === JOINT ? study.variables : study.variables.filter((_, v) => identifier.coverOf[v] === block);
}

function verdictNumber(answer) {
  if (answer.status === "observed") return 0;
  if (answer.status === "identified") return answer.criterion === "joint" ? 1 : 2;
  return answer.criterion === "joint" ? 4 : 3;
}

function shellQuoted(text) {
  return /^[A-Za-z0-9_@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\"'\"'")}'`;
}

function button(label, action, attributes = {}) {
  return element("button", { type: "button", onclick: action, ...attributes }, label);
}

function densityLead(view, whose) {
  const given = givenText(view.study);
  const rest = whose ? `${joined(whose.map((name) => short(name)), 4)} | rest` : "";
  const inside = whose ? `${rest}; ` : given ? `x | ${short(given)}; ` : "x; ";
  return {
    shown: element("span", { class: "density" }, "p(", inside, element("b", {}, [...view.targetName].length > 20 ? "this regime" : short(view.targetName)), ")"),
    spoken: `the density of ${whose ? `${joined(whose)} given the rest` : "x"} in ${view.targetName}`,
  };
}

function givenText(study) {
  const names = study.covariates.join(", ");
  return names.length <= 30 ? names : "z";
}

function spokenAnswer(view) {
  if (view.fault) return view.fault;
  const { answer, targetName } = view;
  if (answer.status === "observed") return `${targetName} is observed: it was run.`;
  if (answer.status === "not_identified") {
    return answer.criterion === "joint" ? `${targetName} has no joint formula.` : `${targetName} is not identified: ${reason(view)}.`;
  }
  if (answer.criterion === "joint") return `${targetName} is identified: ${spoken(answer.formulas[0].terms, view.trainName)}.`;
  return `${targetName} is identified by ${counted(answer.formulas.length, "full conditional")}.`;
}

/** Why a regime is refused, in one line. */
function reason({ answer, study, design, identifier }) {
  const { block, cells } = answer.kernel;
  if (cells.length === 1) {
    const [{ factor, levels }] = cells;
    const where = design.factors[factor].sigma.map((i, j) => `${study.interventions[i].name}=${study.interventions[i].levels[levels[j]].text}`);
    return `factor ${short(study.factors[factor].name)} was never seen at ${short(where.join(", "), 80)}`;
  }
  const factors = [...new Set(cells.map((cell) => cell.factor))].map((k) => short(study.factors[k].name));
  const own = variablesOf(study, identifier, block);
  const where = own.length < study.variables.length ? ` in ${joined(own.map((name) => short(name)))} given the rest` : "";
  return `training leaves ${factors.length > 1 ? `the product of ${joined(factors)}` : `factor ${factors[0]}`} open${where}`;
}

function hero(view) {
  const { study, target, targetName, answer } = view;
  const ran = study.train.filter((row) => row.on).length;
  const parts = [
    element("h2", { id: "question", class: "eyebrow" }, `Do the ${counted(ran, "regime")} you ran determine this one?`),
    element("div", { class: "target", role: "group", "aria-label": "Target regime" }, study.interventions.map((one, i) => levelChooser(one, i, target[i]))),
  ];
  if (view.fault) return [...parts, element("p", { class: "verdict v3" }, element("span", { "aria-hidden": "true" }, "!"), " no answer"), element("p", { class: "why" }, visible(view.fault))];
  const { words, symbol } = VERDICTS[view.verdict];
  parts.push(element("p", { class: `verdict v${view.verdict}` }, element("span", { "aria-hidden": "true" }, symbol), ` ${words.split(":")[0]}`));
  parts.push(...formulas(view), element("div", { class: "why" }, explanation(view)));
  const trained = answer.status === "observed";
  parts.push(element("div", { class: "tools" },
    button(trained ? `Take ${short(targetName)} out of training` : `Add ${short(targetName)} to training`, () => toggleTraining(target), { "data-key": "toggle-target", class: "primary" }),
    element("fieldset", { class: "segments", "aria-label": "Criterion" }, element("legend", {}, "criterion"), ["auto", "joint", "conditional"].map((name) => segment(`criterion`, name, name, view.criterion === name, () => edit({ criterion: name }))))));
  return parts;
}

function segment(group, value, label, checked, action) {
  return element("label", {}, element("input", { type: "radio", name: group, value, checked, "data-key": `${group}-${value}`, onchange: action }), element("span", {}, label));
}

function levelChooser(one, i, now) {
  const choose = (code) => edit({ target: replaced(page.now.target, i, code) });
  const name = short(one.name, 18);
  if (one.levels.length > 6 || page.now.study.interventions.length > 16) {
    return element("label", { class: "chooser" }, element("span", {}, name), element("select", { "data-key": `target-${i}`, onchange: (event) => choose(Number(event.target.value)) },
      one.levels.map((level, code) => element("option", { value: code, selected: code === now }, short(level.text)))));
  }
  return element("fieldset", { class: "segments" }, element("legend", { title: visible(one.name) }, name),
    one.levels.map((level, code) => segment(`target-${i}`, code, short(level.text, 12), code === now, () => choose(code))));
}

function formulas(view) {
  const { answer, study, identifier } = view;
  const given = givenText(study);
  const lead = densityLead(view, null);
  if (answer.status === "observed") return [element("div", { class: "formula" }, lead.shown)];
  if (!answer.formulas.length) {
    return [element("div", { class: "formula", role: "img", "aria-label": `${lead.spoken}: no formula` }, element("span", { class: "lead" }, lead.shown, element("span", { class: "sign" }, "∝")), element("span", { class: "unknown" }, "?"))];
  }
  return answer.formulas.map(({ block, terms }) => formulaPicture(
    densityLead(view, block === JOINT ? null : variablesOf(study, identifier, block)), terms, view.trainName, given));
}

function explanation(view) {
  const { answer, study, identifier, targetName } = view;
  const say = (...text) => element("p", {}, ...text);
  if (answer.status === "observed") return [say(`${targetName} is training regime ${answer.train + 1}: it was run, so there is nothing to identify.`)];
  if (answer.status === "identified" && answer.criterion === "joint") {
    const free = identifier.distinct.length - identifier.system(JOINT).rank;
    const size = answer.formulas[0].terms.reduce((sum, [, above, below]) => sum + Math.abs(Number(above)) / Number(below), 0);
    const only = free ? `One formula of many: the model claims ${counted(free, "relation")} between the regimes you ran.` : "These exponents are the only ones.";
    return [say(`Up to a factor that does not depend on x. ${only}`, size > 12 ? ` Its exponents add up to ${Number(size.toPrecision(3))} in size: determined, and hard to estimate.` : "")];
  }
  if (answer.status === "identified") {
    return [say("No single product gives the density; each full conditional has a formula of its own, and together they determine it (Brook’s lemma).")];
  }
  if (answer.criterion === "joint") {
    return [say(`No single product of training densities gives ${targetName}: ${reason(view)}. The full conditionals may still determine it; the criterion “conditional” decides.`)];
  }
  const open = study.variables.filter((_, v) => !answer.formulas.some(({ block }) => block === identifier.coverOf[v]));
  const known = study.variables.filter((name) => !open.includes(name));
  return [
    say("No method can tell, given these factors: ", element("strong", {}, reason(view)), "."),
    known.length ? say(`Still determined: ${joined(known.map((name) => short(name)))} given ${joined(open.map((name) => short(name)))}, by the formulas above.`) : null,
  ];
}

function designPart(view) {
  const { study } = view;
  return [element("h2", { id: "design-title", class: "unseen" }, "Design"), trainingCard(view), factorsCard(study), interventionsCard(study)];
}

function card(title, note, ...children) {
  return element("div", { class: "card" }, element("h3", {}, title, note ? element("span", { class: "quiet" }, ` ${note}`) : null), ...children);
}

function error(key) {
  return page.message && page.message.key === key ? element("p", { class: "error", id: `${key}-error`, role: "alert" }, visible(page.message.text)) : null;
}

/** What a field holds: what was typed where that was refused, else what the study says. */
function typed(key, value) {
  return page.message && page.message.key === key ? page.message.typed : value;
}

function trainingCard(view) {
  const { study, answer, target } = view;
  const used = new Map();
  let on = -1;
  const only = answer && answer.formulas.length === 1 ? answer.formulas[0].terms : [];
  for (const [train, above, below] of only) used.set(train, [above, below]);
  const chips = study.train.map((row, i) => {
    on += row.on ? 1 : 0;
    const power = row.on ? used.get(on) : undefined;
    const name = view.nameOf(row.codes);
    const here = compareLists(row.codes, target) === 0;
    return button([short(name, 30), power ? element("sup", { class: power[0] > 0n ? "over" : "under" }, `${power[0] > 0n ? "+" : ""}${fraction(...power)}`) : null], () => {
      editStudy({ train: replaced(study.train, i, { ...row, on: !row.on }) });
    }, { class: `chip${here ? " here" : ""}`, "aria-pressed": String(row.on), "data-key": `train-${i}`, title: row.on ? "in training: click to leave it out" : "left out: click to take it in" });
  });
  const off = study.train.filter((row) => !row.on).length;
  return card("You ran", counted(study.train.length - off, "regime"),
    element("div", { class: "chips", "data-scroll": "chips", role: "group", "aria-label": "Training regimes, pressed where they count" }, chips),
    element("form", { class: "add", onsubmit: (event) => {
      event.preventDefault();
      addTraining(event.target.elements.regime.value);
    } }, element("label", { class: "unseen", for: "add-regime" }, "Another training regime"),
    element("input", { id: "add-regime", name: "regime", "data-key": "add-regime", placeholder: `such as ${short(view.targetName, 20)}`, value: typed("add-regime", ""), autocomplete: "off", spellcheck: "false", "aria-describedby": "add-regime-error" }),
    element("button", { type: "submit" }, "Add"),
    off ? button(`Drop ${off} left out`, () => editStudy({ train: study.train.filter((row) => row.on) }), { "data-key": "drop" }) : null), error("add-regime"));
}

function factorsCard(study) {
  const rows = study.factors.map((factor, k) => element("li", { class: "factor" },
    element("div", { class: "row" }, nameField(`factor-${k}`, `Name of factor ${k + 1}`, factor.name, (name) => editStudy({ factors: replaced(study.factors, k, { ...factor, name }) })),
      button("×", () => editStudy({ factors: without(study.factors, k) }), { class: "remove", "aria-label": `Remove factor ${factor.name}`, "data-key": `remove-factor-${k}` })),
    members(study.interventions.map((one) => one.name), factor.sigma, `sees`, `Interventions of ${factor.name}`, k, "sigma"),
    study.variables.length > 1 ? members(study.variables, factor.x, `acts on`, `Variables of ${factor.name}`, k, "x") : null));
  return card("Factors", "what acts together", element("ul", { class: "factors", "data-scroll": "factors" }, rows),
    choices("every-intervention", study.interventions.map((one) => one.name)), choices("every-variable", study.variables), button("Add a factor", addFactor, { "data-key": "add-factor" }));
}

/** What a field completes to, once for all of them. */
function choices(id, names) {
  return names.length > MANY ? element("datalist", { id }, names.map((name) => element("option", { value: name }))) : null;
}

function members(names, own, verb, label, k, part) {
  const toggle = (i) => button(short(names[i], 18), () => toggleMember(k, part, i), { class: "chip small", "aria-pressed": String(own.includes(i)), "data-key": `member-${k}-${part}-${i}` });
  const many = names.length > MANY;
  const chips = (many ? own : names.map((_, i) => i)).map(toggle);
  const list = part === "sigma" ? "every-intervention" : "every-variable";
  const choice = many ? element("input", {
    class: "more", list, value: typed(`more-${k}-${part}`, ""), placeholder: "add…", "aria-label": `Add to ${label}`, "data-key": `more-${k}-${part}`, autocomplete: "off", spellcheck: "false",
    onchange: (event) => {
      const i = names.indexOf(event.target.value.trim());
      if (i < 0) complain(new StudyError(`there is no ${quote(event.target.value.trim())} to add`), `more-${k}-${part}`, event.target.value);
      else if (!own.includes(i)) toggleMember(k, part, i);
    },
  }) : null;
  return element("div", { class: "members", role: "group", "aria-label": label }, element("span", { class: "quiet" }, verb), element("span", { class: "toggles" }, chips, choice, error(`more-${k}-${part}`)));
}

function nameField(key, label, value, commit) {
  return element("input", {
    class: "name", value, "aria-label": label, "data-key": key, autocomplete: "off", spellcheck: "false", maxlength: 200,
    onchange: (event) => {
      if (event.target.value.trim() !== value) commit(event.target.value.trim());
    },
  });
}

function interventionsCard(study) {
  const rows = study.interventions.map((one, i) => element("li", { class: "row" },
    nameField(`intervention-${i}`, `Name of intervention ${i + 1}`, one.name, (name) => editStudy({ interventions: replaced(study.interventions, i, { ...one, name }) })),
    element("input", { class: "levels", value: typed(`levels-${i}`, levelsShown(one.levels)), "aria-label": `Levels of ${one.name}, the baseline first`, "data-key": `levels-${i}`, autocomplete: "off", spellcheck: "false", onchange: (event) => setLevels(i, event.target.value) }),
    button("×", () => removeIntervention(i), { class: "remove", "aria-label": `Remove intervention ${one.name}`, "data-key": `remove-intervention-${i}` }), error(`levels-${i}`)));
  return card("Interventions", "levels, the baseline first", element("ul", { class: "interventions", "data-scroll": "interventions" }, rows),
    button("Add an intervention", addIntervention, { "data-key": "add-intervention" }),
    element("label", { class: "variables" }, element("span", {}, "Variables"), element("input", { value: study.variables.join(", "), "data-key": "variables", autocomplete: "off", spellcheck: "false", onchange: (event) => setVariables(event.target.value) })));
}

function evidence(view) {
  return [...whyCards(view), graphCard(view), implicationsCard(view), commandCard(view)].filter(Boolean);
}

/** The regimes of the map with their verdicts: all of them, or those of few interventions off baseline. */
function mapOf({ study, identifier, criterion }) {
  const maps = page.cache.maps;
  if (!maps.has(criterion)) maps.set(criterion, mapMade(study, identifier, criterion));
  return maps.get(criterion);
}

function mapMade(study, identifier, criterion) {
  const levels = study.interventions.map((one) => one.levels.length);
  const total = levels.reduce((all, count) => all * BigInt(count), 1n);
  const regimes = [];
  if (total <= MOST_MAP) {
    for (let n = 0; n < Number(total); n += 1) {
      let rest = n;
      const codes = new Array(levels.length);
      for (let i = levels.length - 1; i >= 0; i -= 1) {
        codes[i] = rest % levels[i];
        rest = Math.floor(rest / levels[i]);
      }
      regimes.push(codes);
    }
  } else {
    let order = [levels.map(() => 0)];
    while (order.length && regimes.length < MOST_BANDS) {
      regimes.push(...order.slice(0, MOST_BANDS - regimes.length));
      const next = [];
      for (const codes of order) {
        let last = levels.length - 1;
        while (last >= 0 && !codes[last]) last -= 1;
        for (let i = last + 1; i < levels.length && next.length < MOST_BANDS; i += 1) {
          for (let code = 1; code < levels[i]; code += 1) next.push(replaced(codes, i, code));
        }
      }
      order = next;
    }
  }
  const verdicts = regimes.map((codes) => identifier.verdict(codes, criterion));
  const counts = VERDICTS.map((_, number) => verdicts.filter((verdict) => verdict === number).length);
  return { regimes, verdicts, counts, total, whole: total <= MOST_MAP, levels };
}

function mapCard(view) {
  const { map } = view;
  const unseen = map.regimes.length - map.counts[0];
  const identified = map.counts[1] + map.counts[2];
  const note = unseen ? `${identified.toLocaleString("en")} of ${counted(unseen, "unseen regime")}${map.whole ? "" : " drawn here"} ${identified === 1 ? "is" : "are"} identified` : "all of them were run";
  const legend = element("ul", { class: "legend" }, VERDICTS.map(({ words }, number) => (map.counts[number]
    ? element("li", {}, element("span", { class: `cell c${number}`, "aria-hidden": "true" }), `${words} (${map.counts[number].toLocaleString("en")})`) : null)));
  const cut = map.whole ? null : element("p", { class: "quiet" }, `The first ${map.regimes.length.toLocaleString("en")} of ${countText(map.total)} regimes, by the number of interventions off baseline.`);
  const drawn = drawnMap(view);
  if (drawn.card === undefined) { // stays where it is from then on: to lay a thousand cells out again takes longer than all else
    drawn.card = card("All regimes", note, drawn.holder);
    drawn.card.id = "map";
    drawn.card.classList.toggle("wide", !map.whole || drawn.across > 8);
  }
  drawn.card.querySelector("h3 .quiet").textContent = ` ${note}`;
  while (drawn.holder.nextSibling) drawn.holder.nextSibling.remove();
  drawn.card.append(legend, cut || "");
  return drawn.card;
}

/** The cells of the map: made once for some interventions, then only marked anew. */
function drawnMap({ map, study, target, nameOf }) {
  const key = JSON.stringify([study.interventions, study.notation]);
  if (page.map === undefined || page.map.key !== key) page.map = { key, ...mapPicture(map, study, nameOf) };
  const { cells, names, shown: before } = page.map;
  cells.forEach((cell, number) => {
    const verdict = map.verdicts[number];
    if (before[number] === verdict) return;
    before[number] = verdict;
    cell.className = `cell c${verdict}`;
    cell.title = `${names[number]}: ${VERDICTS[verdict].words}`;
    cell.setAttribute("aria-label", cell.title);
  });
  const here = map.regimes.findIndex((codes) => compareLists(codes, target) === 0);
  for (const old of page.map.holder.querySelectorAll(".here")) {
    old.classList.remove("here");
    old.removeAttribute("aria-current");
  }
  for (const old of page.map.holder.querySelectorAll("[tabindex='0'].cell")) old.tabIndex = -1;
  if (here >= 0) {
    cells[here].classList.add("here");
    cells[here].setAttribute("aria-current", "true");
  }
  cells[Math.max(here, 0)].tabIndex = 0;
  return page.map;
}

function mapPicture(map, study, nameOf) {
  const cells = map.regimes.map((_, number) => element("button", { type: "button", tabindex: -1, "data-key": `map-${number}`, "data-number": number }));
  let inside;
  let across = 40;
  if (map.whole) {
    const split = splitAt(map.levels);
    across = map.levels.slice(split).reduce((all, count) => all * count, 1);
    inside = mapGrid(study, map, split, across, cells);
  } else {
    inside = element("div", { class: "bands" }, bandsOf(map).map(([active, numbers]) => element("div", {},
      element("p", { class: "quiet" }, active ? `${active} off baseline` : "baseline"), element("div", { class: "band" }, numbers.map((number) => cells[number])))));
  }
  const arrows = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -across, ArrowDown: across };
  const numberOf = (event) => Number(event.target.dataset.number);
  const holder = element("div", {
    class: "map scroll", "data-scroll": "map", role: "group", "aria-label": "Map of the regimes; arrows move, Enter chooses",
    onclick: (event) => {
      if (event.target.dataset.number !== undefined) edit({ target: map.regimes[numberOf(event)] });
    },
    onkeydown: (event) => {
      const next = cells[numberOf(event) + arrows[event.key]];
      if (arrows[event.key] === undefined) return;
      event.preventDefault();
      if (next) next.focus();
    },
  }, inside);
  return { holder, cells, across, names: map.regimes.map(nameOf), shown: [] };
}

/** Where to split the interventions into rows and columns: as square as it gets, rather wide than tall. */
function splitAt(levels) {
  const size = (part) => part.reduce((all, count) => all + Math.log(count), 0);
  const skew = (at) => Math.abs(size(levels.slice(at)) - size(levels.slice(0, at)) - 0.3);
  return levels.map((_, at) => at).reduce((a, b) => (skew(b) < skew(a) ? b : a));
}

function mapGrid(study, map, split, across, cells) {
  const rows = map.regimes.length / across;
  const text = (codes, from, to) => {
    const own = codes.slice(from, to).map((code, i) => study.interventions[from + i].levels[code].text);
    return own.every((one) => one.length === 1) ? own.join("") : own.map((one) => short(one, 8)).join(" ");
  };
  const roomy = across <= 16 && rows <= 16;
  const titles = (from, to) => study.interventions.slice(from, to).map((one) => short(one.name, 10)).join(" ");
  const head = element("thead", {}, element("tr", {}, split ? element("th", { class: "axis", scope: "col" }, titles(0, split)) : null, element("th", { class: "axis", colspan: across, scope: "colgroup" }, titles(split))),
    roomy ? element("tr", {}, split ? element("td") : null, Array.from({ length: across }, (_, j) => element("th", { scope: "col" }, text(map.regimes[j], split)))) : null);
  const body = Array.from({ length: rows }, (_, i) => element("tr", {},
    split ? element("th", { scope: "row" }, roomy ? text(map.regimes[i * across], 0, split) : "") : null,
    Array.from({ length: across }, (_, j) => element("td", {}, cells[i * across + j]))));
  return element("table", { class: roomy ? "grid roomy" : "grid" }, head, element("tbody", {}, body));
}

function bandsOf(map) {
  const bands = new Map();
  map.regimes.forEach((codes, number) => {
    const active = codes.filter(Boolean).length;
    if (!bands.has(active)) bands.set(active, []);
    bands.get(active).push(number);
  });
  return [...bands];
}

function whyCards(view) {
  const { answer, study, identifier, design, target, targetName } = view;
  if (answer.status === "observed") return [];
  const tables = answer.formulas.map(({ block, terms }) => {
    const table = sumTable(design, study, block, identifier.factorsOf(block), terms, target, view.trainName, targetName);
    const whose = block === JOINT ? null : element("h4", {}, `${joined(variablesOf(study, identifier, block).map((name) => short(name)))} given the rest`);
    return [whose, table ? element("div", { class: "scroll", "data-scroll": `sum-${block}` }, table) : element("p", { class: "quiet" }, `${counted(terms.length, "density").replace("densitys", "densities")}: too many to draw.`)];
  });
  const cards = [];
  if (answer.kernel) {
    const { block } = answer.kernel;
    const common = study.variables.findIndex((_, v) => answer.kernel.cells.every(({ factor }) => design.factors[factor].x.includes(v)));
    const own = block === JOINT ? Math.max(common, 0) : study.variables.findIndex((_, v) => identifier.coverOf[v] === block);
    const ignores = block === JOINT && common < 0;
    cards.push(card("Why not", "two models that your experiments cannot tell apart", ...modelsTable(study, design, answer.kernel, identifier.weight(answer.kernel, target), study.variables[own], targetName),
      ignores ? element("p", { class: "quiet" }, "These let every factor depend on that variable, which not all do in the study: they show that no single product works, not that no method can.") : null));
  }
  if (tables.length) {
    const made = card("Why", "the rows add up", ...tables.flat());
    if ([...made.querySelectorAll("tfoot tr")].some((row) => row.childElementCount > 14)) made.classList.add("wide");
    cards.push(made);
  }
  return cards;
}

function graphCard(view) {
  const { study, design, identifier, target } = view;
  const graph = sigmaGraph(design.factors);
  if (graph.size > 40) return card("Sigma-graph", "", element("p", { class: "quiet" }, `${counted(graph.size, "intervention")} are too many to draw here; ifm report draws them.`));
  if (!graph.size) return null;
  const tree = junctionTree(graph);
  const names = study.interventions.map((one) => one.name);
  const asks = tree.cliques.map((clique) => {
    const codes = target.map((code, i) => (clique.includes(i) ? code : 0));
    return { text: view.nameOf(codes), run: identifier.twins.has(identifier.relevantText(codes)) };
  });
  const run = asks.filter((ask) => ask.run).length;
  const made = card("Graph and junction tree", "what acts together",
    element("div", { class: "pictures" }, element("div", { class: "scroll" }, graphPicture(graph, names, target, tree.fill)), element("div", { class: "scroll" }, treePicture(tree, names, asks))),
    element("p", { class: "quiet" }, tree.chordal ? "" : "The graph is not chordal: dashed edges were added for the tree. ",
      `Message passing asks for the target on each clique, the rest at baseline: ${run === asks.length ? "all of these were run" : `${run || "none"} of these ${run === 1 ? "was" : "were"} run, so this route decides nothing; the algebra above does`}.`));
  made.classList.add("wide");
  return made;
}

function implicationsCard(view) {
  const { study, identifier, criterion } = view;
  const most = 12;
  const blocks = criterion === "conditional" ? [] : [JOINT];
  const joint = new Set(identifier.system(JOINT).others);
  if (criterion !== "joint") blocks.push(...identifier.covers.map((_, block) => block));
  const items = [];
  let total = 0;
  for (const block of blocks) {
    if (block !== JOINT && criterion === "auto" && identifier.covers[block].length === study.factors.length) continue;
    const skip = block !== JOINT && criterion === "auto" ? joint : new Set();
    const rows = identifier.system(block).others.filter((row) => !skip.has(row));
    total += rows.length;
    const own = block === JOINT ? "x" : `${joined(variablesOf(study, identifier, block).map((name) => short(name)))} given the rest`;
    for (const terms of identifier.relations(block, rows.slice(0, Math.max(0, most - items.length)))) {
      items.push(element("li", {}, element("code", {}, visible(formulaText(terms.slice(0, 40), view.trainName, givenText(study)))), ` does not depend on ${own}`));
    }
  }
  const note = total ? `${counted(total, "relation")} that data can refute` : "nothing can be tested";
  const made = card("Implications", note, total ? element("ul", { class: "relations" }, items)
    : element("p", { class: "quiet" }, "Any densities in the regimes you ran agree with a product of this kind: no relation between them can be tested."),
  total > items.length ? element("p", { class: "quiet" }, `and ${total - items.length} more: ifm implications lists them`) : null);
  return made;
}

function commandCard(view) {
  const flags = view.criterion === "auto" ? "" : ` --criterion ${view.criterion}`;
  const command = `ifm explain study.yaml --regime ${shellQuoted(view.targetName)}${flags}`;
  const made = card("The same on the command line", "", element("div", { class: "row command" }, element("code", { id: "command" }, command), button("Copy", (event) => copy(command, event.currentTarget), { "data-key": "copy-command" })),
    element("p", { class: "quiet" }, "with the study file of this page, saved as study.yaml"));
  return made;
}
