"use strict";
// The page: one study at a time as a value, every edit a new value that can be undone, everything else drawn from it.

const MOST_HISTORY = 500;

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
    complain(error, "add-regime", text);
  }
}

function complain(error, key, typed) {
  if (!(error instanceof StudyError)) throw error;
  page.message = { key, text: error.message, typed };
  render();
}

/** Levels as typed, "0, 1" or "low, high"; numbers stay numbers, and quotes hold a comma. */
function levelsTyped(text) {
  const parts = text.match(/\s*"(?:[^"\\]|\\.)*"\s*(?=,|$)|[^,]+/g) || [];
  return parts.map((part) => part.trim()).filter(Boolean).map((part) => {
    try {
      if (part.startsWith('"')) return { text: JSON.parse(part), kind: "str" };
    } catch {
      return { text: part, kind: "str" };
    }
    const node = plainScalar(part, 0);
    const number = ["int", "float"].includes(node.kind) && node.text !== "inf";
    return { text: number ? node.text : part, kind: number ? node.kind : "str" };
  });
}

/** Levels as a field shows them, such that they are read back from it. */
function levelsShown(levels) {
  return levels.map(({ text, kind }) => {
    const [again] = levelsTyped(text);
    return again && again.text === text && again.kind === kind && levelsTyped(text).length === 1 ? text : quote(text);
  }).join(", ");
}

/** Where each of some texts went: by itself, else to a new text in its place, which is its new name; -1 for nowhere. */
function renamed(before, after) {
  return before.map((text, i) => {
    const found = after.indexOf(text);
    return found < 0 && i < after.length && !before.includes(after[i]) ? i : found;
  });
}

function setLevels(i, text) {
  const { study } = page.now;
  const old = study.interventions[i];
  const levels = levelsTyped(text);
  const fault = levelFault(levels, old.name);
  if (fault) {
    complain(new StudyError(fault), `levels-${i}`, text);
    return;
  }
  const moved = renamed(old.levels.map((level) => level.text), levels.map((level) => level.text));
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
  const moved = renamed(study.variables, names);
  const fresh = names.map((_, v) => v).filter((v) => !moved.includes(v));
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
  if (study.test.kind === "order") return codes.map((code, i) => (i < Number(study.test.order) ? code : 0));
  if (study.test.kind === "all") return codes;
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
  if (page.cache.key !== key) page.cache = { key, identifier: new Identifier(design), slow: false, maps: new Map() };
  return page.cache.identifier;
}

/** Why a design is beyond this page, "" where it is not. */
function beyond(identifier) {
  const { unknowns } = identifier;
  if (page.cache.slow) return `This design takes more than ${patience / 1000} seconds here. ifm identify answers it.`;
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

/* Drawing. */

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
  const map = view.answer ? mapCard(view) : element("div", { id: "map", hidden: true });
  if ($("map") !== map) $("map").replaceWith(map);
  while ($("map").nextSibling) $("map").nextSibling.remove();
  $("evidence").append(...(view.answer ? evidence(view) : []));
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

/** Inside another page, by #embed; #embed-dark and #embed-light are in the colours of that page. */
function embed() {
  const [, scheme] = location.hash.match(/^#embed(?:-(dark|light))?$/) || [];
  if (!location.hash.startsWith("#embed")) return;
  document.documentElement.classList.add("embed");
  $("whole").hidden = false;
  $("whole").href = location.href.split("#")[0];
  if (scheme === undefined) return;
  document.documentElement.style.colorScheme = scheme;
  for (const rule of document.styleSheets[0].cssRules) {
    const dark = rule.media && (rule.dark || rule.media.mediaText.includes("prefers-color-scheme: dark"));
    if (dark) {
      rule.dark = true; // which rule it is, once its condition is another one
      rule.media.mediaText = scheme === "dark" ? "all" : "not all";
    }
  }
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
  window.addEventListener("hashchange", embed);
  embed();
  try {
    use($("study").textContent);
  } catch (fault) {
    if (!(fault instanceof StudyError)) throw fault;
    page.broken = visible(`${fault.message.replace(/^line \d+: /, "")}. Open another study, or paste one under “Study file”.`);
    render();
  }
}

start();
