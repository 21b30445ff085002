"use strict";
// Reading a study: JSON, and the simple YAML of study files, into values that know their line. Nothing is evaluated.
//
// Block maps and lists by indentation, [lists] and {maps} inline, texts in either quotes, plain texts and numbers of the
// YAML 1.2 core schema, comments. Anything else (anchors, tags, block texts, texts over several lines) is refused by its line.

const MOST_CHARACTERS = 2000000;
const MOST_VALUES = 200000;
const MOST_NESTING = 64;

/** What is wrong with a study, with the line it stands on, 0 where there is none. */
class StudyError extends Error {
  constructor(message, line = 0) {
    super(line ? `line ${line}: ${message}` : message);
    this.line = line;
  }
}

const NUMBER = /^[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?$/;
const NOT_FINITE = /^([-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN))$/;
const DATE = /^[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}([Tt ].*)?$/;
const KIND_WORDS = {
  map: "a map", seq: "a list", str: "text", int: "a whole number", float: "a number", bool: "a boolean", null: "null", date: "a date",
};
const ESCAPES = {
  0: "\0", a: "\x07", b: "\b", t: "\t", "\t": "\t", n: "\n", v: "\v", f: "\f", r: "\r", e: "\x1b", " ": " ", '"': '"', "/": "/",
  "\\": "\\", N: "\x85", _: "\xa0", L: "\u2028", P: "\u2029",
};

/** A number as Python writes it: 1.0, 0.5, 1e-05. */
function pythonFloat(value) {
  if (Object.is(value, -0)) return "-0.0";
  const [, sign, digits, rest = "", exponent] = value.toExponential().match(/^(-?)(\d)(?:\.(\d+))?e([-+]\d+)$/);
  const power = Number(exponent);
  const all = digits + rest;
  if (power < -4 || power >= 16) {
    return `${sign}${digits}${rest ? `.${rest}` : ""}e${power < 0 ? "-" : "+"}${String(Math.abs(power)).padStart(2, "0")}`;
  }
  if (power < 0) return `${sign}0.${"0".repeat(-power - 1)}${all}`;
  const whole = all.slice(0, power + 1).padEnd(power + 1, "0");
  return `${sign}${whole}.${all.slice(power + 1) || "0"}`;
}

/** A scalar as the core schema reads it: { kind, text, raw, line }; `text` is what Python's str gives. */
function plainScalar(raw, line) {
  const node = (kind, text = raw) => ({ kind, text, raw, line });
  if (/^(null|Null|NULL|~|)$/.test(raw)) return node("null");
  if (/^(true|True|TRUE|false|False|FALSE)$/.test(raw)) return node("bool");
  if (/^([-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+)$/.test(raw)) {
    if (raw.length > 1000) throw new StudyError(`a number of ${raw.length} digits; write it in quotes`, line);
    const plain = raw.replace(/^[-+]/, "");
    return node("int", String(raw.startsWith("-") ? -BigInt(plain) : BigInt(plain)));
  }
  if (NUMBER.test(raw)) {
    const value = Number(raw);
    return node("float", Number.isFinite(value) ? pythonFloat(value) : "inf");
  }
  if (NOT_FINITE.test(raw)) return node("float", "inf");
  return node(DATE.test(raw) ? "date" : "str");
}

class Reader {
  constructor(text) {
    if (text.length > MOST_CHARACTERS) {
      throw new StudyError(`a text of ${text.length.toLocaleString("en")} characters is too long for this page`);
    }
    this.text = text.replace(/^\ufeff/, "").replace(/\r\n?/g, "\n");
    this.at = 0;
    this.depth = 0;
    this.values = 0;
    // eslint-disable-next-line no-control-regex
    const bad = this.text.search(/[\0-\x08\x0b-\x1f\x7f-\x84\x86-\x9f\ufffe\uffff]|[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/);
    if (bad >= 0) {
      this.at = bad;
      const code = this.text.charCodeAt(bad).toString(16).toUpperCase().padStart(4, "0");
      this.refuse(`the character U+${code} may not stand in a study; write it as an escape in double quotes`);
    }
  }

  /** The line of a place, counted from 1. */
  line(at = this.at) {
    if (this.ends === undefined) this.ends = [...this.text.matchAll(/\n/g)].map((match) => match.index);
    let [low, high] = [0, this.ends.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.ends[middle] < at) low = middle + 1;
      else high = middle;
    }
    return low + 1;
  }

  refuse(message, at = this.at) {
    throw new StudyError(message, this.line(at));
  }

  get here() {
    return this.text[this.at] || "";
  }

  follows(words) {
    return this.text.startsWith(words, this.at);
  }

  get column() {
    return this.at - (this.text.lastIndexOf("\n", this.at - 1) + 1);
  }

  /** A blank, a line's end or the text's end after `count` characters. */
  gap(count) {
    const next = this.text[this.at + count];
    return next === undefined || next === " " || next === "\n" || next === "\t";
  }

  whole() {
    this.skip();
    if (this.follows("---") && this.gap(3)) {
      this.at += 3;
      this.endOfLine();
      this.skip();
    }
    if (this.here === "") throw new StudyError("the study is empty");
    const flow = this.here === "{" || this.here === "[";
    const node = flow ? this.flow() : this.block();
    if (flow) this.endOfLine();
    this.skip();
    if (this.here !== "") this.refuse("something follows that belongs to nothing before it; check the indentation");
    return node;
  }

  /** To the next character that is no blank, comment or empty line; tabs indent nothing. */
  skip() {
    for (;;) {
      const start = this.at;
      while (this.here === " ") this.at += 1;
      if (this.here === "\t") {
        const after = this.text.slice(this.at).match(/^[\t ]*(\n|$)/);
        if (!after) this.refuse("a tab indents this line; indent with spaces");
        while (this.here === "\t" || this.here === " ") this.at += 1;
      }
      if (this.here === "#" && (this.at === 0 || /\s/.test(this.text[this.at - 1]))) this.comment();
      if (this.here === "\n") this.at += 1;
      else if (this.at === start || this.here !== " ") return;
    }
  }

  comment() {
    const end = this.text.indexOf("\n", this.at);
    this.at = end < 0 ? this.text.length : end;
  }

  blanks() {
    while (this.here === " " || this.here === "\t") this.at += 1;
  }

  endOfLine() {
    const before = this.at;
    this.blanks();
    if (this.here === "#") {
      if (before === this.at) this.refuse("a comment needs a blank before its #");
      this.comment();
    }
    if (this.here !== "" && this.here !== "\n") this.refuse(`this is not expected here: ${this.rest()}`);
  }

  rest() {
    const line = this.text.slice(this.at).split("\n", 1)[0];
    return line.length > 30 ? `${line.slice(0, 30)}…` : line;
  }

  counted(node) {
    this.values += 1;
    if (this.values > MOST_VALUES) this.refuse("this study has too many values for this page");
    return node;
  }

  nested(read) {
    this.depth += 1;
    if (this.depth > MOST_NESTING) this.refuse(`lists and maps stand more than ${MOST_NESTING} deep in one another`);
    const node = read();
    this.depth -= 1;
    return node;
  }

  /** A value in block style that begins here. */
  block() {
    const column = this.column;
    if (this.here === "-" && this.gap(1)) return this.nested(() => this.blockList(column));
    if (this.here === "?" && this.gap(1)) this.refuse("keys that begin with ? are not read here; write key: value");
    if (this.atKey()) return this.nested(() => this.blockMap(column));
    return this.inline();
  }

  /** Whether `text:` begins here. */
  atKey() {
    const before = [this.at, this.values];
    try {
      if (this.here === '"' || this.here === "'") this.quoted();
      else if (!this.plainStarts(false)) return false;
      else this.plain(false);
      return this.here === ":" && this.gap(1);
    } catch (error) {
      if (error instanceof StudyError) return false;
      throw error;
    } finally {
      [this.at, this.values] = before;
    }
  }

  blockList(column) {
    const node = this.counted({ kind: "seq", line: this.line(), items: [] });
    while (this.column === column && this.here === "-" && this.gap(1)) {
      const line = this.line();
      this.at += 1;
      if (/^ *\t/.test(this.text.slice(this.at, this.at + 80))) this.refuse("a tab follows this dash; write a blank");
      this.blanks();
      if (this.here === "" || this.here === "\n" || this.here === "#") {
        this.skip();
        node.items.push(this.here !== "" && this.column > column ? this.block() : plainScalar("", line));
      } else {
        node.items.push(this.block());
      }
      this.skip();
    }
    return this.closed(node, column);
  }

  blockMap(column) {
    const node = this.counted({ kind: "map", line: this.line(), entries: new Map() });
    while (this.column === column && this.here !== "" && !(this.here === "-" && this.gap(1))) {
      if (!this.atKey()) {
        const unusual = "&*!|>%@`".includes(this.here);
        if (unusual) this.inline();
        this.refuse(`a key and a colon are due here, such as name: value; got ${this.rest()}`);
      }
      const key = this.key(node);
      this.at += 1;
      const line = this.line();
      this.blanks();
      let value;
      if (this.here === "" || this.here === "\n" || this.here === "#") {
        this.skip();
        const list = this.column === column && this.here === "-" && this.gap(1);
        value = this.here !== "" && (this.column > column || list) ? this.block() : plainScalar("", line);
      } else {
        value = this.inline();
      }
      node.entries.set(key.text, { ...value, keyLine: key.line });
      this.skip();
    }
    return this.closed(node, column);
  }

  closed(node, column) {
    if (this.here !== "" && this.column > column) this.refuse("this line is indented more than those it follows");
    return node;
  }

  key(map) {
    const quoted = this.here === '"' || this.here === "'";
    const node = quoted ? this.quoted() : this.plain(true, this.inFlow);
    if (node.kind !== "str") {
      throw new StudyError(`the key ${node.raw} is ${KIND_WORDS[node.kind]}, not text; write "${node.raw}"`, node.line);
    }
    if (map.entries.has(node.text)) {
      throw new StudyError(`the key ${JSON.stringify(node.text)} is here twice; remove one`, node.line);
    }
    return { ...node, quoted };
  }

  /** A value on one line in block style. */
  inline() {
    let node;
    if (this.here === "{" || this.here === "[") node = this.flow();
    else if (this.here === '"' || this.here === "'") node = this.quoted();
    else node = this.plain(true);
    if (this.here === ":" && this.gap(1)) this.refuse("a second colon on this line; put the value in quotes, or on lines of its own");
    this.endOfLine();
    const follows = this.at;
    this.skip();
    this.at = follows;
    return node;
  }

  /** Blanks, comments and line ends inside brackets. */
  space() {
    for (;;) {
      const before = this.at;
      while (/[ \t\n]/.test(this.here)) this.at += 1;
      if (this.here === "#") {
        if (before === this.at) this.refuse("a comment needs a blank before its #");
        this.comment();
      } else return;
    }
  }

  flow() {
    if (this.here === '"' || this.here === "'") return this.quoted();
    if (this.here !== "{" && this.here !== "[") return this.plain(true, true);
    return this.nested(() => (this.here === "{" ? this.flowMap() : this.flowList()));
  }

  flowList() {
    const node = this.counted({ kind: "seq", line: this.line(), items: [] });
    const start = this.at;
    this.at += 1;
    this.space();
    while (this.here !== "]") {
      if (this.here === "") this.refuse("this [ is never closed", start);
      node.items.push(this.flow());
      this.space();
      if (this.here === ":") this.refuse("a map in a list stands in braces: {key: value}");
      this.separate("]", start);
    }
    this.at += 1;
    return node;
  }

  flowMap() {
    const node = this.counted({ kind: "map", line: this.line(), entries: new Map() });
    const start = this.at;
    this.at += 1;
    this.space();
    while (this.here !== "}") {
      if (this.here === "") this.refuse("this { is never closed", start);
      this.inFlow = true;
      const key = this.key(node);
      this.inFlow = false;
      if (key.quoted) this.space();
      else this.blanks();
      if (this.here !== ":") this.refuse(`a colon is due after the key ${JSON.stringify(key.text)}`);
      this.at += 1;
      this.space();
      const empty = this.here === "," || this.here === "}";
      const value = empty ? plainScalar("", this.line()) : this.flow();
      node.entries.set(key.text, { ...value, keyLine: key.line });
      this.space();
      this.separate("}", start);
    }
    this.at += 1;
    return node;
  }

  separate(close, start) {
    if (this.here === ",") {
      this.at += 1;
      this.space();
      if (this.here === ",") this.refuse("two commas without a value between them");
    } else if (this.here !== close) {
      if (this.here === "") this.refuse(`this ${this.text[start]} is never closed`, start);
      this.refuse(`, or ${close} is due here; got ${this.rest()}`);
    }
  }

  quoted() {
    const mark = this.here;
    const start = this.at;
    let text = "";
    this.at += 1;
    for (;;) {
      const c = this.here;
      if (c === "" || c === "\n") this.refuse("a text in quotes ends on the line it begins on; write \\n for a line's end", start);
      this.at += 1;
      if (c === mark) {
        if (mark === "'" && this.here === "'") {
          text += "'";
          this.at += 1;
        } else break;
      } else if (c === "\\" && mark === '"') text += this.escape();
      else text += c;
    }
    if (/[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/.test(text)) {
      this.refuse("this text holds half a surrogate pair; write the whole character", start);
    }
    return this.counted({ kind: "str", text: this.short(text), raw: text, line: this.line(start) });
  }

  escape() {
    const c = this.here;
    const long = { x: 2, u: 4, U: 8 }[c];
    this.at += 1;
    if (long === undefined) {
      if (ESCAPES[c] === undefined) this.refuse(`\\${c} is no escape; write \\\\ for a backslash`);
      return ESCAPES[c];
    }
    const digits = this.text.slice(this.at, this.at + long);
    const code = /^[0-9a-fA-F]+$/.test(digits) && digits.length === long ? parseInt(digits, 16) : Infinity;
    if (code > 0x10ffff) this.refuse(`\\${c} is followed by ${long} hexadecimal digits of a character`);
    this.at += long;
    return String.fromCodePoint(code);
  }

  short(text) {
    if (text.length > 10000) this.refuse(`a text of ${text.length.toLocaleString("en")} characters is too long`);
    return text;
  }

  plainStarts(loud) {
    const c = this.here;
    const names = {
      "&": "anchors and aliases", "*": "anchors and aliases", "!": "tags", "|": "block texts", ">": "block texts",
      "%": "directives", "@": "texts that begin with @", "`": "texts that begin with `", "?": "keys that begin with ?",
    };
    if (names[c] && !(c === "?" && !this.gap(1))) {
      if (!loud) return false;
      this.refuse(`${names[c]} are not read here; write the value out, text in quotes`);
    }
    if (c === "" || ",[]{}#:\"'".includes(c) || (c === "-" && this.gap(1))) {
      if (!loud) return false;
      this.refuse(`a value is due here; got ${this.rest() || "nothing"}`);
    }
    if (/^(---|\.\.\.)(\s|$)/.test(this.text.slice(this.at, this.at + 4)) && this.column === 0) {
      if (!loud) return false;
      this.refuse("a second document starts here; a study is one document");
    }
    return true;
  }

  /** A text without quotes: to `: `, ` #` or the line's end, inside brackets to any of , [ ] { } too. */
  plain(loud, inFlow = false) {
    if (!this.plainStarts(loud)) this.refuse("no text begins here");
    const start = this.at;
    for (;;) {
      const c = this.here;
      if (c === "" || c === "\n" || (c === "#" && /\s/.test(this.text[this.at - 1]))) break;
      if (c === ":" && this.gap(1)) break;
      if (c === ":" && inFlow && ",[]{}".includes(this.text[this.at + 1])) this.refuse("a blank is due after this colon");
      if (inFlow && ",[]{}".includes(c)) break;
      if (inFlow && c === "?") this.refuse("inside brackets a text with ? stands in quotes", start);
      this.at += 1;
    }
    const raw = this.text.slice(start, this.at).replace(/[ \t]+$/, "");
    this.at = start + raw.length;
    const end = this.at;
    this.blanks();
    if (this.here !== ":") this.at = end;
    if (this.follows("\n") && !inFlow && loud) this.refuseContinuation(start);
    if (inFlow) this.refuseInside(start);
    return this.counted(plainScalar(this.short(raw), this.line(start)));
  }

  /** A text without quotes that goes on in the next line is refused: one line further in, and no key or item. */
  refuseContinuation(start) {
    const lineStart = this.text.lastIndexOf("\n", start - 1) + 1;
    const indent = this.text.slice(lineStart).match(/^ */)[0].length;
    const next = this.text.slice(this.at + 1).match(/^(?:[ \t]*(?:#.*)?\n)*( *)([^\n]*)/);
    if (!next || !next[2].trim() || next[2].startsWith("#")) return;
    const before = [this.at, this.values];
    this.at += 1 + next[0].length - next[2].length;
    const joins = next[1].length > indent && !this.atKey() && !(this.here === "-" && this.gap(1));
    [this.at, this.values] = before;
    if (joins) this.refuse("a text over several lines stands in quotes on one line", start);
  }

  refuseInside(start) {
    const before = this.at;
    this.space();
    if (this.here !== "" && !",[]{}:".includes(this.here)) this.refuse("a text over several lines stands in quotes on one line", start);
    this.at = before;
  }
}

/** The tree of a study's text; StudyError with the line for what is not read. */
function readText(text) {
  return new Reader(text).whole();
}
