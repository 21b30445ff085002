"use strict";
// The page: one study at a time as a value, every edit a new value that can be undone, everything else drawn from it.

const MOST_MAP = 1024;
const MOST_BANDS = 2000;
const MOST_HISTORY = 500;
const MANY = 12;

const page = {
  past: [], future: [], now: null, // { study, target, criterion }
  cache: { key: null, identifier: null },
  message: "", // what a field has to say of what was typed into it
  broken: "", // why the page answers nothing at all
};
const $ = (id) => document.getElementById(id);

/* Edits. Each makes a new study; undo brings back the one before. */

function edit(change) {
  const before = page.now;
  const after = { ...before, ...change };
  if (change.study) after.target = fitted(after.study, change.target || after.target);
  page.past.push(before);
  if (page.past.length > MOST_HISTORY) page.past.shift();
  page.future = [];
  page.now = after;
  page.message = "";
  render();
}

function editStudy(change) {
  edit({ study: { ...page.now.study, ...change } });
}

function travel(from, to) {
  if (!from.length) return;
  to.push(page.now);
  page.now = from.pop();
  page.message = "";
  page.broken = "";
  render();
}

/** A regime with a level for each intervention that there is. */
function fitted(study, regime) {
  return study.interventions.map((one, i) => (regime[i] < one.levels.length ? regime[i] : 0));
}

function replaced(list, index, value) {
  return list.map((old, i) => (i === index ? value : old));
}

function without(list, index) {
  return list.filter((_, i) => i !== index);
}

function freeName(stem, taken) {
  let number = 1;
  while (taken.includes(`${stem}${number}`)) number += 1;
  return `${stem}${number}`;
}

function toggleTraining(codes) {
  const { train } = page.now.study;
  const found = train.findIndex((row) => compareLists(row.codes, codes) === 0);
  if (found < 0) editStudy({ train: [...train, { codes, on: true }] });
  else {
    const on = !train.some((row) => row.on && compareLists(row.codes, codes) === 0);
    editStudy({ train: train.map((row) => (compareLists(row.codes, codes) === 0 ? { ...row, on } : row)) });
  }
}

function addTraining(text) {
  try {
    const { codes } = new Regimes(page.now.study.interventions).read(text.trim());
    const { train } = page.now.study;
    if (train.some((row) => row.on && compareLists(row.codes, codes) === 0)) throw new StudyError(`${text.trim()} is in the training already`);
    toggleTraining(codes);
  } catch (error) {
    complain(error, "add-regime");
  }
}

function complain(error, key) {
  if (!(error instanceof StudyError)) throw error;
  page.message = { key, text: error.message };
  render();
}

/** Levels as typed, "0, 1" or "low, high"; numbers stay numbers. */
function levelsTyped(text) {
  return text.split(",").map((part) => part.trim()).filter(Boolean).map((part) => {
    const quotes = part.match(/^"(.*)"$/);
    if (quotes) return { text: quotes[1], kind: "str" };
    const node = plainScalar(part, 0);
    return ["int", "float"].includes(node.kind) && node.text !== "inf" ? { text: node.text, kind: node.kind } : { text: part, kind: "str" };
  });
}

function setLevels(i, text) {
  const { study } = page.now;
  const old = study.interventions[i];
  const levels = levelsTyped(text);
  const fault = levelFault(levels, old.name);
  if (fault) {
    complain(new StudyError(fault), `levels-${i}`);
    return;
  }
  const moved = old.levels.map((level) => levels.findIndex((one) => one.text === level.text));
  const keep = (codes) => moved[codes[i]] >= 0;
  const recode = (codes) => replaced(codes, i, moved[codes[i]]);
  const test = study.test.kind === "list" ? { ...study.test, rows: study.test.rows.filter(keep).map(recode) } : study.test;
  const { target } = page.now;
  edit({
    study: {
      ...study,
      interventions: replaced(study.interventions, i, { ...old, levels }),
      train: study.train.filter((row) => keep(row.codes)).map((row) => ({ ...row, codes: recode(row.codes) })),
      test: test.kind === "list" && !test.rows.length ? { kind: "all" } : test,
    },
    target: replaced(target, i, Math.max(moved[target[i]], 0)),
  });
}

function addIntervention() {
  const { study, target } = page.now;
  const taken = [...study.interventions.map((one) => one.name), ...study.variables, ...study.covariates];
  const longer = (codes) => [...codes, 0];
  edit({
    study: {
      ...study,
      interventions: [...study.interventions, { name: freeName("s", taken), levels: [{ text: "0", kind: "int" }, { text: "1", kind: "int" }] }],
      train: study.train.map((row) => ({ ...row, codes: longer(row.codes) })),
      test: study.test.kind === "list" ? { ...study.test, rows: study.test.rows.map(longer) } : study.test,
    },
    target: longer(target),
  });
}

function removeIntervention(i) {
  const { study, target } = page.now;
  const train = study.train.filter((row) => row.codes[i] === 0).map((row) => ({ ...row, codes: without(row.codes, i) }));
  edit({
    study: {
      ...study,
      interventions: without(study.interventions, i),
      factors: study.factors.map((factor) => ({ ...factor, sigma: factor.sigma.filter((j) => j !== i).map((j) => (j > i ? j - 1 : j)) })),
      train,
      test: study.test.kind === "list" ? { kind: "all" } : study.test,
    },
    target: without(target, i),
  });
}

function setVariables(text) {
  const { study } = page.now;
  const names = text.split(",").map((part) => part.trim()).filter(Boolean);
  const moved = study.variables.map((name) => names.indexOf(name));
  const fresh = names.map((name, v) => v).filter((v) => !study.variables.includes(names[v]));
  const factors = study.factors.map((factor, k) => {
    const kept = factor.x.map((v) => moved[v]).filter((v) => v >= 0);
    const x = k === 0 ? [...kept, ...fresh] : kept;
    return { ...factor, x: x.length || !names.length ? x : [0] };
  });
  editStudy({ variables: names, factors });
}

function toggleMember(k, part, i) {
  const factor = page.now.study.factors[k];
  const own = factor[part].includes(i) ? factor[part].filter((j) => j !== i) : [...factor[part], i].sort((a, b) => a - b);
  editStudy({ factors: replaced(page.now.study.factors, k, { ...factor, [part]: own }) });
}

function addFactor() {
  const { study } = page.now;
  const name = freeName("f", study.factors.map((factor) => factor.name));
  editStudy({ factors: [...study.factors, { name, x: study.variables.map((_, v) => v), sigma: [], z: [] }] });
}

/** Put a study in place of the one there is; its target is the last regime that nobody ran, if it asks about some. */
function startingAt(study) {
  const codes = study.interventions.map((one) => (one.levels.length > 1 ? 1 : 0));
  if (study.test.kind !== "list") return codes;
  const ran = new Set(study.train.map((row) => row.codes.join()));
  return study.test.rows.find((row) => !ran.has(row.join())) || study.test.rows[0];
}

function use(text) {
  const study = studyFrom(readText(text));
  page.broken = "";
  if (page.now) edit({ study, target: startingAt(study) });
  else {
    page.now = { study, target: startingAt(study), criterion: "auto" };
    render();
  }
}

/* Answers. */

function identifierOf(study) {
  const design = designOf(study);
  const key = JSON.stringify(design);
  if (page.cache.key !== key) page.cache = { key, identifier: new Identifier(design), slow: false };
  return page.cache.identifier;
}

/** Why a design is beyond this page, "" where it is not. */
function beyond(identifier) {
  const { unknowns } = identifier;
  if (page.cache.slow) return `This design takes more than ${PATIENCE / 1000} seconds here. ifm identify answers it.`;
  if (identifier.distinct.length > MOST_TRAINING) return `This design has ${counted(identifier.distinct.length, "training regime")}; this page answers up to ${MOST_TRAINING.toLocaleString("en")}. ifm identify answers it.`;
  return unknowns > MOST_UNKNOWNS ? `This design has ${counted(unknowns, "unknown")}; this page answers up to ${MOST_UNKNOWNS}. ifm identify answers it.` : "";
}

/** Everything that is said of a target, with each claim checked from the definition. */
function answered(study, identifier, target, criterion) {
  const answer = identifier.identify(target, criterion);
  const right = answer.formulas.every(({ block, terms }) => identifier.formulaHolds(block, terms, target))
    && (answer.kernel === null || identifier.kernelHolds(answer.kernel, target));
  if (!right) throw new Error("an answer does not hold: please report this study");
  return answer;
}

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

/* Drawing. */

function button(label, action, attributes = {}) {
  return element("button", { type: "button", onclick: action, ...attributes }, label);
}

function render() {
  const focused = document.activeElement && document.activeElement.dataset ? document.activeElement.dataset.key : null;
  $("banner").hidden = !page.broken;
  $("banner").textContent = page.broken;
  document.querySelector("main").inert = Boolean(page.broken);
  document.body.classList.toggle("broken", Boolean(page.broken));
  $("undo").disabled = !page.past.length;
  $("redo").disabled = !page.future.length;
  if (!page.now) return;
  const { study, target, criterion } = page.now;
  const scrolled = new Map([...document.querySelectorAll("[data-scroll]")].map((one) => [one.dataset.scroll, [one.scrollTop, one.scrollLeft]]));
  if ($("name") !== document.activeElement) $("name").value = study.name;
  document.title = `${visible(study.name)}: which regimes are identified`;
  const names = new Regimes(study.interventions);
  const notation = study.notation;
  const nameOf = (codes) => visible(names.format(codes, notation));
  const view = { study, target, criterion, nameOf, targetName: nameOf(target), fault: studyFault(study), answer: null };
  if (!view.fault) {
    view.identifier = identifierOf(study);
    view.design = view.identifier.design;
    view.trainName = (index) => nameOf(view.design.train[index]);
    view.fault = beyond(view.identifier);
    try {
      if (!view.fault) {
        view.answer = answered(study, view.identifier, target, criterion);
        view.verdict = verdictNumber(view.answer);
        view.map = mapOf(view);
      }
    } catch (error) {
      if (!(error instanceof TooSlow)) throw error;
      page.cache.slow = true;
      view.fault = beyond(view.identifier);
      view.answer = null;
    }
  }
  $("answer").replaceChildren(...hero(view));
  $("design").replaceChildren(...designPart(view));
  $("evidence").replaceChildren(...(view.answer ? evidence(view) : []));
  const said = spokenAnswer(view);
  if ($("live").textContent !== said) $("live").textContent = said;
  for (const [key, [top, left]] of scrolled) {
    const one = document.querySelector(`[data-scroll="${CSS.escape(key)}"]`);
    if (one) [one.scrollTop, one.scrollLeft] = [top, left];
  }
  if (focused) {
    const again = document.querySelector(`[data-key="${CSS.escape(focused)}"]`);
    if (again) again.focus({ preventScroll: true });
  }
  for (const part of document.querySelectorAll(".scroll")) {
    if (part.scrollWidth > part.clientWidth + 1) part.tabIndex = 0;
  }
}

function densityLead(view, whose) {
  const given = givenText(view.study);
  const rest = whose ? `${joined(whose.map((name) => short(name)), 4)} | rest` : "";
  const inside = whose ? `${rest}; ` : given ? `x | ${short(given)}; ` : "x; ";
  return {
    shown: element("span", { class: "density" }, "p(", inside, element("b", {}, short(view.targetName, 40)), ")"),
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
    element("input", { id: "add-regime", name: "regime", "data-key": "add-regime", placeholder: `such as ${short(view.targetName, 20)}`, autocomplete: "off", spellcheck: "false", "aria-describedby": "add-regime-error" }),
    element("button", { type: "submit" }, "Add"),
    off ? button(`Drop ${off} left out`, () => editStudy({ train: study.train.filter((row) => row.on) }), { "data-key": "drop" }) : null), error("add-regime"));
}

function factorsCard(study) {
  const rows = study.factors.map((factor, k) => element("li", { class: "factor" },
    element("div", { class: "row" }, nameField(`factor-${k}`, `Name of factor ${k + 1}`, factor.name, (name) => editStudy({ factors: replaced(study.factors, k, { ...factor, name }) })),
      button("×", () => editStudy({ factors: without(study.factors, k) }), { class: "remove", "aria-label": `Remove factor ${factor.name}`, "data-key": `remove-factor-${k}` })),
    members(study.interventions.map((one) => one.name), factor.sigma, `sees`, `Interventions of ${factor.name}`, k, "sigma"),
    study.variables.length > 1 ? members(study.variables, factor.x, `acts on`, `Variables of ${factor.name}`, k, "x") : null));
  return card("Factors", "what acts together", element("ul", { class: "factors", "data-scroll": "factors" }, rows), button("Add a factor", addFactor, { "data-key": "add-factor" }));
}

function members(names, own, verb, label, k, part) {
  const toggle = (i) => button(short(names[i], 18), () => toggleMember(k, part, i), { class: "chip small", "aria-pressed": String(own.includes(i)), "data-key": `member-${k}-${part}-${i}` });
  const many = names.length > MANY;
  const chips = (many ? own : names.map((_, i) => i)).map(toggle);
  const choice = many ? element("select", { "aria-label": `Add to ${label}`, "data-key": `more-${k}-${part}`, onchange: (event) => toggleMember(k, part, Number(event.target.value)) },
    element("option", { value: "" }, "add…"), names.map((name, i) => (own.includes(i) ? null : element("option", { value: i }, short(name))))) : null;
  return element("div", { class: "members", role: "group", "aria-label": label }, element("span", { class: "quiet" }, verb), chips, choice);
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
    element("input", { class: "levels", value: one.levels.map((level) => level.text).join(", "), "aria-label": `Levels of ${one.name}, the baseline first`, "data-key": `levels-${i}`, autocomplete: "off", spellcheck: "false", onchange: (event) => setLevels(i, event.target.value) }),
    button("×", () => removeIntervention(i), { class: "remove", "aria-label": `Remove intervention ${one.name}`, "data-key": `remove-intervention-${i}` }), error(`levels-${i}`)));
  return card("Interventions", "levels, the baseline first", element("ul", { class: "interventions", "data-scroll": "interventions" }, rows),
    button("Add an intervention", addIntervention, { "data-key": "add-intervention" }),
    element("label", { class: "variables" }, element("span", {}, "Variables"), element("input", { value: study.variables.join(", "), "data-key": "variables", autocomplete: "off", spellcheck: "false", onchange: (event) => setVariables(event.target.value) })));
}

function evidence(view) {
  return [mapCard(view), ...whyCards(view), graphCard(view), implicationsCard(view), commandCard(view)].filter(Boolean);
}

/** The regimes of the map with their verdicts: all of them, or those of few interventions off baseline. */
function mapOf({ study, identifier, criterion }) {
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
  const { map, study, target } = view;
  const unseen = map.regimes.length - map.counts[0];
  const identified = map.counts[1] + map.counts[2];
  const note = unseen ? `${identified.toLocaleString("en")} of ${counted(unseen, "unseen regime")} ${identified === 1 ? "is" : "are"} identified` : "all of them were run";
  const cell = (number) => {
    const codes = map.regimes[number];
    const here = compareLists(codes, target) === 0;
    const words = `${view.nameOf(codes)}: ${VERDICTS[map.verdicts[number]].words}`;
    return button("", () => edit({ target: codes }), {
      class: `cell c${map.verdicts[number]}${here ? " here" : ""}`, "aria-label": words, title: words, "aria-current": here ? "true" : null,
      tabindex: here ? 0 : -1, "data-key": `map-${number}`, "data-number": number,
    });
  };
  let inside;
  let across;
  if (map.whole) {
    const split = splitAt(map.levels);
    across = map.levels.slice(split).reduce((all, count) => all * count, 1);
    inside = mapGrid(study, map, split, across, cell);
  } else {
    across = 40;
    inside = element("div", { class: "bands" }, bandsOf(map).map(([active, numbers]) => element("div", {},
      element("p", { class: "quiet" }, active ? `${active} off baseline` : "baseline"), element("div", { class: "band" }, numbers.map(cell)))));
  }
  const arrows = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -across, ArrowDown: across };
  const holder = element("div", { class: "map scroll", "data-scroll": "map", role: "group", "aria-label": "Map of the regimes; arrows move, Enter chooses", onkeydown: (event) => {
    const number = Number(event.target.dataset.number);
    if (arrows[event.key] === undefined || Number.isNaN(number)) return;
    event.preventDefault();
    const next = event.currentTarget.querySelector(`[data-number="${number + arrows[event.key]}"]`);
    if (next) next.focus();
  } }, inside);
  if (!map.regimes.some((codes) => compareLists(codes, target) === 0)) {
    const first = holder.querySelector(".cell");
    if (first) first.tabIndex = 0;
  }
  const legend = element("ul", { class: "legend" }, VERDICTS.map(({ words }, number) => (map.counts[number]
    ? element("li", {}, element("span", { class: `cell c${number}`, "aria-hidden": "true" }), `${words} (${map.counts[number].toLocaleString("en")})`) : null)));
  const cut = map.whole ? null : element("p", { class: "quiet" }, `The first ${map.regimes.length.toLocaleString("en")} of ${map.total.toLocaleString("en")} regimes, by the number of interventions off baseline.`);
  const made = card("All regimes", note, holder, legend, cut);
  if (!map.whole || across > 8) made.classList.add("wide");
  return made;
}

/** Where to split the interventions into rows and columns: as square as it gets, wider than tall. */
function splitAt(levels) {
  const size = (part) => part.reduce((all, count) => all * count, 1);
  let best = 0;
  levels.forEach((_, at) => {
    const [rows, columns] = [size(levels.slice(0, at)), size(levels.slice(at))];
    if (columns >= rows) best = at;
  });
  return best;
}

function mapGrid(study, map, split, across, cell) {
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
    Array.from({ length: across }, (_, j) => element("td", {}, cell(i * across + j)))));
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
  if (tables.length) cards.push(card("Why", "the rows add up", ...tables.flat()));
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
      `Message passing asks for the target on each clique, the rest at baseline: ${run === asks.length ? "all of these were run" : `${run} of these ${asks.length} ${run === 1 ? "was" : "were"} run, so this route decides nothing; the algebra above does`}.`));
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

/* Files, the clipboard, the keyboard. */

async function copy(text, where) {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    const area = element("textarea", { class: "unseen" });
    area.value = text;
    (document.querySelector("dialog[open]") || document.body).append(area);
    area.select();
    document.execCommand("copy");
    area.remove();
  }
  const before = where.textContent;
  where.textContent = "Copied";
  setTimeout(() => { where.textContent = before; }, 1500);
}

function save(text) {
  const link = element("a", { href: URL.createObjectURL(new Blob([text], { type: "text/yaml" })), download: "study.yaml" });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}

function openText() {
  $("source").value = page.now && !studyFault(page.now.study) ? studyText(page.now.study) : "";
  $("text-error").textContent = page.now && studyFault(page.now.study) ? `The study on the page is not complete: ${studyFault(page.now.study)}.` : "";
  $("text").showModal();
}

function applied(text, error) {
  try {
    use(text);
    return true;
  } catch (fault) {
    if (!(fault instanceof StudyError)) throw fault;
    error(visible(fault.message));
    return false;
  }
}

async function openFile(file) {
  if (!file) return;
  const text = file.size > 4 * MOST_CHARACTERS ? " ".repeat(MOST_CHARACTERS + 1) : await file.text();
  applied(text, (message) => {
    $("source").value = text.slice(0, 100000);
    $("text-error").textContent = `${visible(file.name)}, ${message}`;
    if (!$("text").open) $("text").showModal();
  });
}

function start() {
  $("undo").addEventListener("click", () => travel(page.past, page.future));
  $("redo").addEventListener("click", () => travel(page.future, page.past));
  $("open").addEventListener("click", () => $("chosen").click());
  $("chosen").addEventListener("change", async () => {
    await openFile($("chosen").files[0]);
    $("chosen").value = "";
  });
  $("file").addEventListener("click", openText);
  $("apply").addEventListener("click", () => {
    if (applied($("source").value, (message) => { $("text-error").textContent = message; })) $("text").close();
  });
  $("copy").addEventListener("click", () => copy($("source").value, $("copy")));
  $("save").addEventListener("click", () => save($("source").value));
  $("name").addEventListener("change", () => {
    const name = $("name").value.trim();
    if (page.now && name && name !== page.now.study.name) editStudy({ name });
    else if (page.now) $("name").value = page.now.study.name;
  });
  document.addEventListener("keydown", (event) => {
    const typing = event.target.matches("textarea, input:not([type=radio])");
    if (!(event.ctrlKey || event.metaKey) || event.altKey || typing || $("text").open) return;
    const key = event.key.toLowerCase();
    if (key !== "z" && key !== "y") return;
    event.preventDefault();
    if (key === "y" || event.shiftKey) travel(page.future, page.past);
    else travel(page.past, page.future);
  });
  document.addEventListener("dragover", (event) => event.preventDefault());
  document.addEventListener("drop", (event) => {
    event.preventDefault();
    openFile(event.dataTransfer.files[0]);
  });
  if (location.hash === "#embed") {
    document.documentElement.classList.add("embed");
    $("whole").hidden = false;
    $("whole").href = location.href.split("#")[0];
  }
  try {
    use($("study").textContent);
  } catch (fault) {
    if (!(fault instanceof StudyError)) throw fault;
    page.broken = visible(`${fault.message.replace(/^line \d+: /, "")}. Open another study, or paste one under “Study file”.`);
    render();
  }
}

start();
