"use strict";
// A study as this page edits it, from a tree of values and to text again; regimes as texts (as ifm_ident.design.notation).
//
// { name, interventions: [{ name, levels: [{ text, kind }] }], variables, covariates, randomised, factors: [{ name, x, sigma,
// z }] with positions in x and sigma, train: [{ codes, on }], test, data, notation, left }: `left` are the keys that this page
// does not carry on. Every function here gives new values and changes none.

const BASELINE = "ctrl";
const KEYS = ["name", "interventions", "variables", "covariates", "randomised", "factors", "train", "test", "data", "samples"];
const ELSEWHERE = "give the study to `ifm explore`, which reads the table and puts its regimes into the page";

/** What two texts that look alike have in common. */
function look(text) {
  // eslint-disable-next-line no-control-regex
  if (/^[\0-\x7f]*$/.test(text)) return text;
  const plain = (given) => given.replace(/[\p{Cf}\ufe00-\ufe0f]/gu, "");
  const dashes = /[\u2010-\u2015\u2212\ufe58\ufe63\uff0d]/g;
  return plain(plain(text).replace(dashes, "-").normalize("NFKC"));
}

function listed(names, most = 8) {
  const shown = names.slice(0, most).join(", ");
  return names.length > most ? `${shown}, ... (${names.length} in all)` : shown;
}

function quote(text) {
  return JSON.stringify(text);
}

/** What is wrong with a name of some kind, "" where nothing is. */
function nameFault(kind, name) {
  if (!name) return `the name of ${kind} is empty; write some text`;
  if (kind === "an intervention") {
    const bad = [...name].find((c) => "+,=:".includes(c) || /[\s\x1c-\x1f\x85]/.test(c)); // eslint-disable-line no-control-regex
    if (bad) return `the intervention name ${quote(name)} holds ${quote(bad)}; names hold none of + , = : or white space`;
    if (look(name) === BASELINE || look(name) === "all") return `an intervention cannot be called ${quote(name)}: the word is reserved`;
  }
  return "";
}

/** The first of some names that is another one again, or looks like it; -1 without. */
function repeated(names) {
  const seen = new Set();
  return names.findIndex((name) => seen.size === seen.add(look(name)).size);
}

function levelFault(levels, name) {
  const twice = repeated(levels.map((level) => level.text));
  if (twice >= 0) return `intervention ${quote(name)} has the level ${quote(levels[twice].text)} twice, or one that looks like it`;
  const numbers = levels.filter((level) => level.kind !== "str").map((level) => Number(level.text));
  if (new Set(numbers).size < numbers.length) return `intervention ${quote(name)} has one number twice among its levels`;
  if (levels.length < 2) return `intervention ${quote(name)} has ${levels.length} level(s); it needs the baseline and at least one other`;
  return "";
}

/** What is wrong with a study, in words, "" where nothing is: what Python would refuse. */
function studyFault(study) {
  const names = study.interventions.map((one) => one.name);
  if (!names.length) return "there is no intervention; add one";
  const checks = [
    ...names.map((name) => nameFault("an intervention", name)),
    ...study.interventions.map((one) => levelFault(one.levels, one.name)),
    ...study.variables.map((name) => nameFault("a variable", name)),
    ...study.covariates.map((name) => nameFault("a covariate", name)),
    ...study.factors.map((factor) => nameFault("a factor", factor.name)),
  ];
  const found = checks.find(Boolean);
  if (found) return found;
  for (const [kind, own] of [["intervention", names], ["variable", study.variables], ["covariate", study.covariates],
    ["factor", study.factors.map((factor) => factor.name)]]) {
    const at = kind === "factor" ? own.findIndex((name, k) => own.indexOf(name) < k) : repeated(own);
    if (at >= 0) return `${kind} ${quote(own[at])} is named twice, or looks like another; names must be distinct`;
  }
  const shared = [...study.variables, ...study.covariates].find((name, i) => names.includes(name)
    || (i >= study.variables.length && study.variables.includes(name)));
  if (shared !== undefined) return `${quote(shared)} names two things; rename one`;
  if (!study.variables.length) return "there is no variable; add one";
  if (study.randomised && !study.covariates.length) return "`randomised` is about covariates, and there are none";
  if (!study.factors.length) return "there is no factor; add one";
  const empty = study.factors.find((factor) => !factor.x.length);
  if (empty) return `factor ${quote(empty.name)} holds no variable; a factor needs at least one`;
  const outside = study.variables.findIndex((_, v) => !study.factors.some((factor) => factor.x.includes(v)));
  if (outside >= 0) return `variable ${quote(study.variables[outside])} is in no factor; put it into one`;
  if (!study.train.some((row) => row.on)) return "no training regime is switched on; a design needs at least one";
  return "";
}

/** Regimes of some interventions as texts: labels (A+B), level strings (110) and assignments (A=1,B=2). */
class Regimes {
  constructor(interventions) {
    this.all = interventions;
    this.names = interventions.map((one) => one.name);
    this.position = new Map(this.names.map((name, i) => [name, i]));
    this.byLook = new Map(this.names.map((name, i) => [look(name), i]));
    this.levels = interventions.map((one) => new Map(one.levels.map((level, i) => [level.text, i])));
    this.levelsByLook = interventions.map((one) => new Map(one.levels.map((level, i) => [look(level.text), i])));
    this.short = interventions.every((one) => one.levels.every((level) => [...level.text].length === 1));
    this.letters = new Set(this.short ? interventions.flatMap((one) => one.levels.map((level) => level.text)) : []);
  }

  find(name) {
    return this.position.has(name) ? this.position.get(name) : this.byLook.get(look(name));
  }

  index(i, text) {
    const own = this.levels[i];
    const at = own.has(text) ? own.get(text) : this.levelsByLook[i].get(look(text));
    if (at !== undefined) return at;
    throw new StudyError(`intervention ${quote(this.names[i])} has no level ${quote(text)}; legal: ${listed([...own.keys()])}`);
  }

  known(name, regime) {
    const i = this.find(name);
    if (i === undefined) throw new StudyError(`${regime}unknown intervention ${quote(name)}; legal: ${listed(this.names)}`);
    return i;
  }

  get baseline() {
    return this.names.map(() => 0);
  }

  /** The regime that a text writes, and its notation; StudyError where no notation fits, or two with different regimes. */
  read(text) {
    if (text === BASELINE) return { codes: this.baseline, notation: "label" };
    const found = [];
    let complaint = null;
    for (const notation of this.candidates(text)) {
      try {
        found.push({ codes: this[notation](text), notation });
      } catch (error) {
        if (!(error instanceof StudyError)) throw error;
        complaint = complaint || error;
      }
    }
    if (!found.length) throw complaint;
    if (found.length > 1 && compareLists(found[0].codes, found[1].codes) !== 0) {
      throw new StudyError(`regime ${quote(text)} can be read in two ways; write a map such as {${this.names[0]}: ${this.all[0].levels[0].text}}`);
    }
    return found[0];
  }

  candidates(text) {
    if (text.includes("=")) return this.letters.has("=") ? ["assignment", "string"] : ["assignment"];
    const characters = [...text];
    const fits = characters.length && characters.every((c) => this.letters.has(c));
    const wide = characters.length === this.names.length && characters.some((c) => this.letters.has(c)) && !text.includes("+");
    return fits || wide ? ["string", "label"] : ["label"];
  }

  string(text) {
    const characters = [...text];
    if (characters.length !== this.names.length) {
      throw new StudyError(`regime ${quote(text)} has ${characters.length} level(s), the study ${this.names.length} intervention(s)`);
    }
    return characters.map((c, i) => {
      if (!this.levels[i].has(c)) throw new StudyError(`regime ${quote(text)}: intervention ${quote(this.names[i])} has no level ${quote(c)}`);
      return this.levels[i].get(c);
    });
  }

  label(text) {
    const codes = this.baseline;
    if (!text.trim()) throw new StudyError(`a regime cannot be empty; write ${BASELINE} for the baseline`);
    if (text.trim() === BASELINE) return codes;
    for (const part of text.split("+").map((one) => one.trim())) {
      if (!part) throw new StudyError(`regime ${quote(text)} has an empty part; write names joined by single + signs`);
      if (part === BASELINE) throw new StudyError(`regime ${quote(text)}: ${BASELINE} is the baseline and stands alone`);
      const i = this.known(part, `regime ${quote(text)}: `);
      if (this.all[i].levels.length > 2) {
        throw new StudyError(`regime ${quote(text)}: ${quote(part)} has ${this.all[i].levels.length} levels; write ${part}=${this.all[i].levels[1].text}`);
      }
      if (codes[i]) throw new StudyError(`regime ${quote(text)} names ${quote(part)} twice`);
      codes[i] = 1;
    }
    return codes;
  }

  assignment(text) {
    const codes = this.baseline;
    const given = new Set();
    const part = /\s*([^+,=:\s]+)\s*=\s*("(?:[^"\\]|\\[^])*"|[^,=+:"\s]+)\s*(,|$)/y;
    do {
      const from = part.lastIndex;
      const match = part.exec(text);
      if (!match) throw new StudyError(`regime ${quote(text)} is no assignment from character ${from + 1} on; write A=1,B=2`);
      const i = this.known(match[1], `regime ${quote(text)}: `);
      if (given.has(i)) throw new StudyError(`regime ${quote(text)} assigns ${quote(match[1])} twice`);
      given.add(i);
      let level = match[2];
      if (level.startsWith('"')) {
        try {
          level = JSON.parse(level);
        } catch {
          throw new StudyError(`regime ${quote(text)}: ${level} is no text in JSON quotes`);
        }
      }
      codes[i] = this.index(i, level);
      if (match[3] === "") return codes;
    } while (true); // eslint-disable-line no-constant-condition
  }

  /** The regime of a map from names to values; what is left out is at baseline. */
  map(node) {
    const codes = this.baseline;
    for (const [name, value] of node.entries) {
      const place = value.keyLine;
      const i = this.find(name);
      if (i === undefined) throw new StudyError(`unknown intervention ${quote(name)}; legal: ${listed(this.names)}`, place);
      codes[i] = this.level(i, levelOf(value));
    }
    return codes;
  }

  /** A level by its text, a number by its value too. */
  level(i, { text, kind, line }) {
    if (this.levels[i].has(text) || kind === "str") return at(line, () => this.index(i, text));
    const same = this.all[i].levels.map((level, k) => k).filter((k) => {
      const own = this.all[i].levels[k].text;
      return NUMBER.test(own) && Number(own) === Number(text);
    });
    if (same.length > 1) throw new StudyError(`${text} is the value of two levels of ${quote(this.names[i])}; write it in quotes`, line);
    return same.length ? same[0] : at(line, () => this.index(i, text));
  }

  /** A regime as text in a notation, such that reading gives it back. */
  format(codes, notation) {
    let text;
    const active = codes.map((code, i) => [i, code]).filter(([, code]) => code > 0);
    if (notation === "levels" && this.short) text = codes.map((code, i) => this.all[i].levels[code].text).join("");
    else if (!active.length) text = BASELINE;
    else if (notation === "label" && active.every(([i]) => this.all[i].levels.length === 2)) text = active.map(([i]) => this.names[i]).join("+");
    else text = this.assigned(active);
    return this.reads(text, codes) ? text : this.assigned(codes.map((code, i) => [i, code]));
  }

  assigned(pairs) {
    return pairs.map(([i, code]) => {
      const { text } = this.all[i].levels[code];
      return `${this.names[i]}=${/[,=+:"\s]/.test(text) ? quote(text) : text}`;
    }).join(",");
  }

  reads(text, codes) {
    try {
      return compareLists(this.read(text).codes, codes) === 0;
    } catch (error) {
      if (error instanceof StudyError) return false;
      throw error;
    }
  }
}

/** Runs a check, with the line of what it is about where it complains. */
function at(line, check) {
  try {
    return check();
  } catch (error) {
    if (error instanceof StudyError && !error.line) throw new StudyError(error.message, line);
    throw error;
  }
}

function shown(node) {
  if (node.kind === "str") return quote(node.text);
  return node.kind === "map" || node.kind === "seq" ? KIND_WORDS[node.kind] : `the unquoted ${node.raw || "nothing"}`;
}

function levelOf(node) {
  if (!["str", "int", "float"].includes(node.kind) || (node.kind === "float" && node.text === "inf")) {
    throw new StudyError(`a level is text or a number, got ${shown(node)}; write it in quotes, or another level`, node.line);
  }
  if (node.text === "") throw new StudyError('the empty text "" cannot be a level; name it', node.line);
  return node;
}

function textOf(node, what) {
  if (node.kind !== "str") {
    const remedy = node.kind === "map" || node.kind === "seq" ? "" : `; write it in quotes: "${node.raw}"`;
    throw new StudyError(`${what} is text, got ${shown(node)}${remedy}`, node.line);
  }
  if (!node.text) throw new StudyError(`${what} is empty; write some text`, node.line);
  return node.text;
}

function itemsOf(node, what) {
  if (node.kind !== "seq") throw new StudyError(`${what} is a list, got ${shown(node)}`, node.keyLine || node.line);
  return node.items;
}

function onlyKeys(node, legal, what) {
  if (node.kind !== "map") throw new StudyError(`${what} is a map with the keys ${legal.join(", ")}; got ${shown(node)}`, node.line);
  for (const [key, value] of node.entries) {
    if (!legal.includes(key)) throw new StudyError(`unknown key ${quote(key)} in ${what}; legal: ${legal.join(", ")}`, value.keyLine);
  }
}

/** The study that a tree of values writes; StudyError, with the line, for what is none or is beyond this page. */
function studyFrom(root) {
  onlyKeys(root, KEYS, "a study");
  const entry = (key) => root.entries.get(key);
  for (const key of ["interventions", "factors", "train"]) {
    if (!entry(key)) throw new StudyError(`the study has no key \`${key}\`; add it`, root.line);
  }
  const given = entry("interventions");
  if (given.kind !== "map") throw new StudyError("`interventions` is a map such as {A: [0, 1]}", given.line);
  const interventions = [...given.entries].map(([name, node]) => {
    if (node.kind === "map") {
      throw new StudyError(`${quote(name)} has levels with values (a basis); this page answers for named levels only: use \`ifm identify\``, node.keyLine);
    }
    const levels = itemsOf(node, `the levels of ${quote(name)}`).map((item) => {
      const { text, kind } = levelOf(item);
      return { text, kind };
    });
    const fault = nameFault("an intervention", name) || levelFault(levels, name);
    if (fault) throw new StudyError(fault, node.keyLine);
    return { name, levels };
  });
  const namesOf = (key, what) => (entry(key) ? itemsOf(entry(key), `\`${key}\``).map((item) => textOf(item, what)) : null);
  const variables = namesOf("variables", "a variable") || ["x"];
  const covariates = namesOf("covariates", "a covariate") || [];
  const randomised = entry("randomised") ? entry("randomised").text : "false";
  if (entry("randomised") && entry("randomised").kind !== "bool") throw new StudyError("`randomised` is true or false", entry("randomised").line);
  const regimes = new Regimes(interventions);
  const positions = (node, own, what) => {
    const found = itemsOf(node, `\`${what}\``).map((item) => {
      const name = textOf(item, what === "sigma" ? "an intervention" : "a name");
      const place = own.indexOf(name);
      if (place < 0) throw new StudyError(`a factor names the unknown ${quote(name)}; legal: ${listed(own)}`, item.line);
      return place;
    });
    if (new Set(found).size < found.length) throw new StudyError(`\`${what}\` names one thing twice`, node.line);
    return found;
  };
  const factors = itemsOf(entry("factors"), "`factors`").map((node, k) => {
    onlyKeys(node, ["name", "x", "sigma", "z"], "a factor");
    const part = (key) => node.entries.get(key);
    if (!part("sigma")) throw new StudyError("this factor has no key `sigma`; write sigma: [] if no intervention acts on it", node.line);
    return {
      name: part("name") ? textOf(part("name"), "the name of a factor") : `f${k + 1}`,
      x: part("x") ? positions(part("x"), variables, "x") : variables.map((_, v) => v),
      sigma: positions(part("sigma"), regimes.names, "sigma"),
      z: part("z") ? positions(part("z"), covariates, "z").map((i) => covariates[i]) : [],
    };
  });
  const { rows, notation } = regimesFrom(entry("train"), regimes, "train");
  const { test, notation: second } = testFrom(entry("test"), regimes);
  const study = {
    name: entry("name") ? textOf(entry("name"), "`name`") : "study",
    interventions, variables, covariates, randomised: randomised.toLowerCase() === "true", factors,
    train: rows.map((codes) => ({ codes, on: true })),
    test, data: entry("data") || null, notation: notation || second || "assignment", left: entry("samples") ? ["samples"] : [],
  };
  const fault = studyFault(study);
  if (fault) throw new StudyError(fault, root.line);
  return study;
}

/** A list of regimes, and the notation of the first text among them that is not ctrl. */
function regimesFrom(node, regimes, what) {
  if (node.kind === "map") throw new StudyError(`\`${what}\` names a table, and this page opens no files; ${ELSEWHERE}`, node.keyLine);
  if (node.kind === "str" && node.text === "data") throw new StudyError(`\`${what}: data\` is about a table, and this page opens no files; ${ELSEWHERE}`, node.keyLine);
  let notation = null;
  let baselineOnly = true;
  const rows = itemsOf(node, `\`${what}\``).map((item) => {
    if (item.kind === "map") return regimes.map(item);
    if (item.kind !== "str") {
      const remedy = item.kind === "seq" ? "" : `; write it in quotes: "${item.raw}"`;
      throw new StudyError(`a regime is text or a map, got ${shown(item)}${remedy}`, item.line);
    }
    const found = at(item.line, () => regimes.read(item.text));
    if (baselineOnly) {
      notation = found.notation === "string" ? "levels" : found.notation;
      baselineOnly = item.text === BASELINE;
    }
    return found.codes;
  });
  if (!rows.length) throw new StudyError(`\`${what}\` is an empty list; list a regime`, node.line);
  return { rows, notation };
}

function testFrom(node, regimes) {
  if (!node || (node.kind === "str" && node.text === "all")) return { test: { kind: "all" }, notation: null };
  if (node.kind === "map" && node.entries.has("order")) {
    onlyKeys(node, ["order"], "`test`");
    const order = node.entries.get("order");
    if (order.kind !== "int" || order.text.startsWith("-")) throw new StudyError("`order` is a whole number of 0 or more", order.line);
    return { test: { kind: "order", order: order.text }, notation: null };
  }
  if (node.kind !== "seq" && node.kind !== "map") {
    throw new StudyError("`test` is all, {order: 2} or a list of regimes", node.line);
  }
  const { rows, notation } = regimesFrom(node, regimes, "test");
  return { test: { kind: "list", rows }, notation };
}

/** A text as YAML holds it: plain where every reader takes it as that text, else in double quotes. */
function yamlText(text) {
  const plain = /^[A-Za-z_][A-Za-z0-9_.-]*( [A-Za-z0-9_.-]+)*$/.test(text);
  const word = /^(null|true|false|yes|no|on|off|y|n)$/i.test(text);
  return plain && !word ? text : quoted(text);
}

/** A text in double quotes that is JSON and YAML; what nobody sees is written as escapes. */
function quoted(text) {
  // eslint-disable-next-line no-control-regex
  const unseen = /[\x7f-\xa0\xad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff0-\uffff]/g;
  return quote(text).replace(unseen, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, "0")}`);
}

function yamlLevel({ text, kind }) {
  return kind === "str" ? yamlText(text) : text;
}

/** A tree of values on one line. */
function yamlNode(node) {
  if (node.kind === "map") return `{${[...node.entries].map(([key, value]) => `${yamlText(key)}: ${yamlNode(value)}`).join(", ")}}`;
  if (node.kind === "seq") return `[${node.items.map(yamlNode).join(", ")}]`;
  return node.kind === "str" ? yamlText(node.text) : node.raw || "null";
}

/** The study file: what is switched on, and what was read beside it. */
function studyText(study) {
  const regimes = new Regimes(study.interventions);
  const list = (texts) => `[${texts.join(", ")}]`;
  const named = (own, places) => list(places.map((i) => yamlText(own[i])));
  const names = regimes.names;
  const regime = (codes) => quoted(regimes.format(codes, study.notation));
  const every = study.variables.map((_, v) => v).join();
  const lines = [`name: ${yamlText(study.name)}`, "interventions:"];
  for (const one of study.interventions) lines.push(`  ${yamlText(one.name)}: ${list(one.levels.map(yamlLevel))}`);
  if (study.variables.join() !== "x") lines.push(`variables: ${list(study.variables.map(yamlText))}`);
  if (study.covariates.length) lines.push(`covariates: ${list(study.covariates.map(yamlText))}`);
  if (study.randomised) lines.push("randomised: true");
  lines.push("factors:");
  for (const factor of study.factors) {
    const parts = [`name: ${yamlText(factor.name)}`];
    if (factor.x.join() !== every) parts.push(`x: ${named(study.variables, factor.x)}`);
    parts.push(`sigma: ${named(names, factor.sigma)}`);
    if (factor.z.length) parts.push(`z: ${list(factor.z.map(yamlText))}`);
    lines.push(`  - {${parts.join(", ")}}`);
  }
  const wrapped = (key, texts) => {
    const one = `${key}: ${list(texts)}`;
    if (one.length <= 100) lines.push(one);
    else lines.push(`${key}:`, ...texts.map((text) => `  - ${text}`));
  };
  wrapped("train", study.train.filter((row) => row.on).map((row) => regime(row.codes)));
  if (study.test.kind === "list") wrapped("test", study.test.rows.map(regime));
  else lines.push(study.test.kind === "all" ? "test: all" : `test: {order: ${study.test.order}}`);
  if (study.data) lines.push(`data: ${yamlNode(study.data)}`);
  for (const key of study.left) lines.push(`# ${key}: left out here, as it belongs to the study as it was`);
  return `${lines.join("\n")}\n`;
}

/** The design of ifm_ident.explore's algebra: positions in place of names, and the regimes that are switched on. */
function designOf(study) {
  return {
    levels: study.interventions.map((one) => one.levels.length),
    variables: study.variables.length,
    factors: study.factors.map(({ x, sigma }) => ({ x, sigma })),
    train: study.train.filter((row) => row.on).map((row) => row.codes),
  };
}
