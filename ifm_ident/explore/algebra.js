"use strict";
// What a design identifies, in whole numbers: the incidence system, factored once and asked many times.
//
// A design is { levels: [levels of each intervention], factors: [{ x: [variables], sigma: [interventions] }],
// variables: how many, train: [regimes] }; a regime lists one level index for each intervention, and a cell is a
// factor with levels of its interventions. Everything here is exact: whole numbers, as BigInt where they are long.

const MOST_UNKNOWNS = 500;
const MOST_TRAINING = 1500;

let patience = 4000; // milliseconds for the systems of a design

/** An entry beyond the whole numbers that a double holds: the same is done with BigInt. */
class TooLong extends Error {}

/** An elimination that takes too long for a page that answers as one types. */
class TooSlow extends Error {}

const SHORT = {
  zero: 0, one: 1,
  kept(value) {
    if (!Number.isSafeInteger(value)) throw new TooLong();
    return value;
  },
};
const LONG = { zero: 0n, one: 1n, kept: (value) => value };

function gcd(a, b) {
  while (b) [a, b] = [b, a % b];
  return a < 0 ? -a : a;
}

const PRIME = 67108859; // products of two remainders are below 2^53

/** The rows that are independent of those before them modulo a prime, ascending. */
function independentModulo(rows, seen) {
  const place = new Map([...seen].map((column, i) => [column, i]));
  const pivots = []; // [column, row] with 1 at the column
  const basis = [];
  rows.forEach((columns, index) => {
    const row = new Float64Array(place.size);
    for (const column of columns) row[place.get(column)] = 1;
    for (const [column, own] of pivots) {
      const entry = row[column];
      if (!entry) continue;
      for (let j = 0; j < row.length; j += 1) if (own[j]) row[j] = (row[j] + (PRIME - entry) * own[j]) % PRIME;
    }
    const lead = row.findIndex((entry) => entry !== 0);
    if (lead < 0) return;
    const unit = inverse(row[lead]);
    for (let j = 0; j < row.length; j += 1) row[j] = (row[j] * unit) % PRIME;
    pivots.push([lead, row]);
    basis.push(index);
  });
  return basis;
}

/** The inverse of a remainder by Fermat's theorem. */
function inverse(value) {
  let [power, base, left] = [1, value, PRIME - 2];
  while (left) {
    if (left % 2) power = (power * base) % PRIME;
    base = (base * base) % PRIME;
    left = Math.floor(left / 2);
  }
  return power;
}

/** The row space of 0/1 rows, each a list of columns with a 1; rows are taken in order, the first ones first.
 *
 * A kept row is { pivot, lead, cells, mix }: `cells` (column to entry) is the combination `mix` (row to weight) of
 * the rows given, `lead` its entry at `pivot`, where every other kept row has 0. The rows kept are the first row basis
 * in the order given, so that a formula on them depends on that order alone, as in ifm_ident.solve.
 */
class RowSpace {
  constructor(rows, limit = patience) {
    this.given = rows;
    this.deadline = Date.now() + limit;
    try {
      this.build(SHORT);
    } catch (error) {
      if (!(error instanceof TooLong)) throw error;
      this.build(LONG);
    }
  }

  /** What is independent modulo a prime is independent; what is not is checked exactly, by every kernel vector. */
  build(whole) {
    this.whole = whole;
    this.kept = [];
    this.byPivot = new Map();
    this.holders = new Map(); // column to the kept rows that have an entry there
    this.seen = new Set(this.given.flat());
    this.table = null;
    const basis = independentModulo(this.given, this.seen);
    const shortFirst = [...basis].sort((a, b) => this.given[a].length - this.given[b].length || a - b);
    for (const index of shortFirst) this.add(this.given[index], index);
    const chosen = new Set(basis);
    this.others = this.given.map((_, index) => index).filter((index) => !chosen.has(index));
    for (const index of this.others.filter((other) => !this.holds(this.given[other]))) {
      this.add(this.given[index], index); // an unlucky prime
      this.others = this.others.filter((other) => other !== index);
    }
  }

  get rank() {
    return this.kept.length;
  }

  add(columns, index) {
    const { one } = this.whole;
    if (Date.now() > this.deadline) throw new TooSlow();
    const row = { cells: new Map(), mix: new Map([[index, one]]) };
    for (const column of columns) row.cells.set(column, one);
    for (const column of columns) {
      const pivotRow = this.byPivot.get(column);
      if (pivotRow) this.clear(row, pivotRow);
    }
    if (row.cells.size === 0) return;
    row.pivot = this.cheapest(row.cells);
    row.lead = row.cells.get(row.pivot);
    for (const other of [...(this.holders.get(row.pivot) || [])]) this.clear(other, row, true);
    this.byPivot.set(row.pivot, row);
    this.kept.push(row);
    for (const column of row.cells.keys()) this.hold(column, row);
    this.table = null;
  }

  hold(column, row) {
    if (!this.holders.has(column)) this.holders.set(column, new Set());
    this.holders.get(column).add(row);
  }

  cheapest(cells) {
    let best = null;
    for (const [column, entry] of cells) {
      const size = entry < 0 ? -entry : entry;
      const count = (this.holders.get(column) || { size: 0 }).size;
      const better = best === null || size < best.size
        || (size === best.size && (count < best.count || (count === best.count && column < best.column)));
      if (better) best = { column, size, count };
    }
    return best.column;
  }

  /** row := (lead row - entry pivotRow) / common divisor: 0 at the pivot's column. */
  clear(row, pivotRow, indexed = false) {
    const entry = row.cells.get(pivotRow.pivot);
    const common = gcd(entry, pivotRow.lead);
    const times = pivotRow.lead / common;
    const less = entry / common;
    this.combine(row.cells, times, pivotRow.cells, less, indexed ? row : null);
    this.combine(row.mix, times, pivotRow.mix, less, null);
    let divisor = this.whole.zero;
    for (const part of [row.cells, row.mix]) {
      for (const value of part.values()) {
        divisor = gcd(divisor, value);
        if (divisor === this.whole.one) break;
      }
      if (divisor === this.whole.one) break;
    }
    if (divisor !== this.whole.one) {
      for (const part of [row.cells, row.mix]) {
        for (const [key, value] of part) part.set(key, value / divisor);
      }
    }
    if (row.pivot !== undefined) row.lead = row.cells.get(row.pivot);
  }

  combine(into, times, other, less, indexed) {
    const { kept, zero, one } = this.whole;
    if (times !== one) for (const [key, value] of into) into.set(key, kept(times * value));
    for (const [key, value] of other) {
      const before = into.get(key);
      const after = kept((before === undefined ? zero : before) - kept(less * value));
      if (after) {
        into.set(key, after);
        if (indexed && before === undefined) this.hold(key, indexed);
      } else {
        into.delete(key);
        if (indexed && before !== undefined) this.holders.get(key).delete(indexed);
      }
    }
  }

  /** The combination of the rows that is 1 at `columns` and 0 elsewhere: [[row, numerator, denominator]], BigInt,
   * ascending; null where there is none. */
  solve(columns) {
    const left = new Map();
    const mix = new Map();
    let scale = 1n;
    const used = [];
    for (const column of columns) {
      if (!this.seen.has(column)) return null;
      const row = this.byPivot.get(column);
      if (!row) continue;
      const lead = BigInt(row.lead);
      used.push([row, lead]);
      const size = lead < 0n ? -lead : lead;
      scale = (scale / gcd(scale, size)) * size;
    }
    const add = (into, key, value) => {
      const sum = (into.get(key) || 0n) + value;
      if (sum) into.set(key, sum);
      else into.delete(key);
    };
    for (const column of columns) add(left, column, scale);
    for (const [row, lead] of used) {
      const times = scale / lead;
      for (const [key, value] of row.cells) add(left, key, -times * BigInt(value));
      for (const [key, value] of row.mix) add(mix, key, times * BigInt(value));
    }
    if (left.size) return null;
    return [...mix].sort((a, b) => a[0] - b[0]).map(([row, value]) => {
      const common = gcd(value, scale);
      return [row, value / common, scale / common];
    });
  }

  /** Primitive whole vectors w, each { columns: Map }, with A w = 0, one for each column that is no pivot. */
  get kernel() {
    if (this.table === null) {
      const vectors = [];
      const at = new Map(); // column to [[vector, weight]]
      for (const free of [...this.seen].sort((a, b) => a - b)) {
        if (this.byPivot.has(free)) continue;
        const rows = [...(this.holders.get(free) || [])];
        let scale = 1n;
        for (const row of rows) {
          const lead = BigInt(row.lead);
          const size = (lead < 0n ? -lead : lead) / gcd(lead, BigInt(row.cells.get(free)));
          scale = (scale / gcd(scale, size)) * size;
        }
        const vector = new Map([[free, scale]]);
        for (const row of rows) vector.set(row.pivot, (-scale * BigInt(row.cells.get(free))) / BigInt(row.lead));
        const number = vectors.push(vector) - 1;
        for (const [column, weight] of vector) {
          if (!at.has(column)) at.set(column, []);
          const short = weight > -1000000000n && weight < 1000000000n; // sums of a few million stay whole numbers
          at.get(column).push([number, short ? Number(weight) : weight]);
        }
      }
      const all = [...at.values()].flat();
      if (all.some(([, weight]) => typeof weight === "bigint")) {
        for (const pair of all) pair[1] = BigInt(pair[1]);
      }
      this.table = { vectors, at };
    }
    return this.table;
  }

  /** Whether the row with 1 at `columns` is a combination of the rows. */
  holds(columns) {
    const { at } = this.kernel;
    const sums = new Map();
    for (const column of columns) {
      if (!this.seen.has(column)) return false;
      for (const [number, weight] of at.get(column) || []) {
        const before = sums.get(number);
        sums.set(number, before === undefined ? weight : before + weight);
      }
    }
    for (const sum of sums.values()) if (sum) return false;
    return true;
  }

  /** A whole vector, column to weight, that is 0 on every row and not on `columns`; null where there is none. */
  refuse(columns) {
    const unseen = columns.find((column) => !this.seen.has(column));
    if (unseen !== undefined) return new Map([[unseen, 1n]]);
    let best = null;
    for (const vector of this.kernel.vectors) {
      let sum = 0n;
      for (const column of columns) sum += vector.get(column) || 0n;
      if (sum && (best === null || vector.size < best.vector.size)) best = { vector, sum };
    }
    return best && best.vector;
  }
}

/** A design made ready for questions. Blocks of factors: JOINT, all of them, or the index of a set K(v).
 *
 * Systems are in baseline coordinates (docs/theory/model.md): one column for each set T of interventions that some factor
 * holds together and levels t of T off baseline, 1 where a regime agrees with t on T; a factor of many cells has one
 * column for each of its cells instead.
 */
const JOINT = -1;
const WIDE = 256;

class Identifier {
  constructor(design) {
    this.design = design;
    this.columns = new Map(); // text of a column to its number
    this.columnOf = []; // { positions, levels }, or { factor, levels } of a factor of many cells
    this.distinct = []; // index of the first of equal training regimes
    this.observed = new Map(); // text of a regime to that index
    design.train.forEach((regime, index) => {
      const key = regime.join();
      if (this.observed.has(key)) return;
      this.observed.set(key, index);
      this.distinct.push(index);
    });
    this.relevant = design.levels.map((_, i) => design.factors.some((factor) => factor.sigma.includes(i)));
    this.wide = design.factors.map(({ sigma }) => sigma.reduce((all, i) => all * design.levels[i], 1) > WIDE);
    this.twins = new Map();
    for (const index of this.distinct) {
      const key = this.relevantText(design.train[index]);
      if (!this.twins.has(key)) this.twins.set(key, index);
    }
    this.cellColumns = design.factors.map(() => new Map()); // by factor: text of a cell to the columns it shows
    this.seenCells = design.factors.map((_, k) => new Set(this.distinct.map((i) => this.cell(k, design.train[i]).join())));
    this.covers = [];
    this.coverOf = [];
    const known = new Map();
    for (let v = 0; v < design.variables; v += 1) {
      const factors = design.factors.map((_, k) => k).filter((k) => design.factors[k].x.includes(v));
      const key = factors.join();
      if (!known.has(key)) known.set(key, this.covers.push(factors) - 1);
      this.coverOf.push(known.get(key));
    }
    this.systems = new Map();
    this.left = patience;
  }

  relevantText(regime) {
    return regime.filter((_, i) => this.relevant[i]).join();
  }

  factorsOf(block) {
    return block === JOINT ? this.design.factors.map((_, k) => k) : this.covers[block];
  }

  /** The levels that a factor sees in a regime. */
  cell(factor, regime) {
    return this.design.factors[factor].sigma.map((i) => regime[i]);
  }

  /** The columns of a block with a 1 in a regime's row. */
  row(block, regime) {
    const found = new Set();
    for (const k of this.factorsOf(block)) {
      const cell = this.cell(k, regime);
      const key = cell.join();
      let columns = this.cellColumns[k].get(key);
      if (columns === undefined) {
        columns = this.columnsOf(k, cell);
        this.cellColumns[k].set(key, columns);
      }
      for (const column of columns) found.add(column);
    }
    return [...found];
  }

  columnsOf(factor, cell) {
    if (this.wide[factor]) return [this.column(`f${factor}|${cell.join()}`, { factor, levels: cell })];
    const active = this.design.factors[factor].sigma.map((i, j) => [i, cell[j]]).filter(([, level]) => level > 0);
    active.sort((a, b) => a[0] - b[0]);
    let subsets = [[]];
    for (const pair of active) subsets = [...subsets, ...subsets.map((subset) => [...subset, pair])];
    return subsets.map((subset) => this.column(subset.map((pair) => pair.join("=")).join(), {
      positions: subset.map(([i]) => i), levels: subset.map(([, level]) => level),
    }));
  }

  column(key, what) {
    if (!this.columns.has(key)) this.columns.set(key, this.columnOf.push(what) - 1);
    return this.columns.get(key);
  }

  /** The unknowns of the joint system: its columns that are seen in training. */
  get unknowns() {
    if (this.count === undefined) {
      this.count = new Set(this.distinct.flatMap((index) => this.row(JOINT, this.design.train[index]))).size;
    }
    return this.count;
  }

  system(block) {
    const whole = this.covers.findIndex((factors) => factors.length === this.design.factors.length);
    const place = block === JOINT && whole >= 0 ? whole : block;
    if (!this.systems.has(place)) {
      const rows = this.distinct.map((index) => this.row(place, this.design.train[index]));
      const start = Date.now();
      this.systems.set(place, new RowSpace(rows, this.left));
      this.left -= Date.now() - start;
    }
    return this.systems.get(place);
  }

  /** [[training index as written, numerator, denominator]], positive exponents first; null where there is none. */
  formula(block, regime) {
    const found = this.system(block).solve(this.row(block, regime));
    if (found === null) return null;
    const terms = found.map(([row, above, below]) => [this.distinct[row], above, below]);
    return [...terms.filter((term) => term[1] > 0n), ...terms.filter((term) => term[1] < 0n)];
  }

  /** Verdict with formulas or certificate, as ifm_ident.Identifier.identify gives them.
   *
   * { status, criterion, train, formulas: [{ block, terms }], kernel: { block, cells: [{ factor, levels, weight }] } }
   */
  identify(regime, criterion = "auto") {
    const answer = { status: "observed", criterion: null, train: -1, formulas: [], kernel: null };
    const observed = this.observed.get(regime.join());
    if (observed !== undefined) return { ...answer, train: observed };
    const blocks = this.covers.map((_, block) => block);
    const twin = this.twins.get(this.relevantText(regime));
    if (twin !== undefined) {
      const joint = criterion !== "conditional";
      const terms = [[twin, 1n, 1n]];
      const formulas = (joint ? [JOINT] : blocks).map((block) => ({ block, terms }));
      return { ...answer, status: "identified", criterion: joint ? "joint" : "conditional", formulas };
    }
    if (criterion !== "conditional") {
      const terms = this.formula(JOINT, regime);
      if (terms !== null) {
        return { ...answer, status: "identified", criterion: "joint", formulas: [{ block: JOINT, terms }] };
      }
      if (criterion === "joint") {
        return { ...answer, status: "not_identified", criterion, kernel: this.refusal(JOINT, regime) };
      }
    }
    let kernel = null;
    const formulas = [];
    for (const block of blocks) {
      const terms = this.formula(block, regime);
      if (terms !== null) formulas.push({ block, terms });
      else if (kernel === null) kernel = this.refusal(block, regime);
    }
    const status = kernel === null ? "identified" : "not_identified";
    return { ...answer, status, criterion: "conditional", formulas, kernel };
  }

  /** A cell that training never shows, where there is one; else a kernel vector, as weights of cells. */
  refusal(block, regime) {
    const factors = this.factorsOf(block);
    const unseen = factors.find((k) => !this.seenCells[k].has(this.cell(k, regime).join()));
    if (unseen !== undefined) return { block, cells: [{ factor: unseen, levels: this.cell(unseen, regime), weight: 1n }] };
    const total = new Map();
    const row = this.row(block, regime);
    const vector = this.system(block).refuse(row);
    const sum = row.reduce((all, column) => all + (vector.get(column) || 0n), 0n);
    for (const [column, size] of vector) {
      const weight = sum < 0n ? -size : size; // above 0 in the regime refused
      for (const [factor, levels] of this.cellsOf(this.columnOf[column], factors)) {
        const key = `${factor}|${levels.join()}`;
        const before = total.get(key) || { factor, levels, weight: 0n };
        total.set(key, { ...before, weight: before.weight + weight });
      }
    }
    const cells = [...total.values()].filter((cell) => cell.weight !== 0n);
    cells.sort((a, b) => a.factor - b.factor || compareLists(a.levels, b.levels));
    return { block, cells };
  }

  /** The cells that sum to a column: those that agree with it, in the smallest factor that holds its set. */
  cellsOf(column, factors) {
    if (column.factor !== undefined) return [[column.factor, column.levels]];
    const { levels, factors: all } = this.design;
    const holders = factors.filter((k) => !this.wide[k] && column.positions.every((i) => all[k].sigma.includes(i)));
    const k = holders.reduce((a, b) => (all[b].sigma.length < all[a].sigma.length ? b : a));
    let cells = [[]];
    for (const i of all[k].sigma) {
      const fixed = column.positions.indexOf(i);
      const choices = fixed >= 0 ? [column.levels[fixed]] : Array.from({ length: levels[i] }, (_, level) => level);
      cells = cells.flatMap((cell) => choices.map((level) => [...cell, level]));
    }
    return cells.map((cell) => [k, cell]);
  }

  /** The verdict alone, as a number: 0 observed, 1 one formula, 2 full conditionals, 3 not identified, 4 no joint. */
  verdict(regime, criterion = "auto") {
    if (this.observed.has(regime.join())) return 0;
    const twin = this.twins.has(this.relevantText(regime));
    if (twin) return criterion === "conditional" ? 2 : 1;
    const inside = (block) => this.system(block).holds(this.row(block, regime));
    if (criterion !== "conditional" && inside(JOINT)) return 1;
    if (criterion === "joint") return 4;
    return this.covers.every((_, block) => inside(block)) ? 2 : 3;
  }

  /** Relations between training densities that the model claims: whole exponents c with c A = 0 in a block. */
  relations(block, rows = this.system(block).others) {
    const space = this.system(block);
    return rows.map((index) => {
      const found = space.solve(space.given[index]);
      const common = found.reduce((all, [, , below]) => (all / gcd(all, below)) * below, 1n);
      const own = [index, -common];
      const terms = [...found.map(([row, above, below]) => [row, (above * common) / below]), own];
      return terms.sort((a, b) => a[0] - b[0]).map(([row, value]) => [this.distinct[row], -value, 1n]);
    });
  }

  /** Checked from the definition, cell by cell: that exponents give a regime's row back. */
  formulaHolds(block, terms, regime) {
    const common = terms.reduce((all, [, , below]) => (all / gcd(all, below)) * below, 1n);
    const sums = new Map();
    const add = (row, weight) => {
      for (const k of this.factorsOf(block)) {
        const key = `${k}|${this.cell(k, row).join()}`;
        sums.set(key, (sums.get(key) || 0n) + weight);
      }
    };
    for (const [train, above, below] of terms) add(this.design.train[train], (above * common) / below);
    add(regime, -common);
    return [...sums.values()].every((sum) => sum === 0n);
  }

  /** The sum of a certificate's weights over the cells that a regime shows. */
  weight(kernel, regime) {
    let sum = 0n;
    for (const { factor, levels, weight } of kernel.cells) {
      const { sigma } = this.design.factors[factor];
      if (sigma.every((i, j) => regime[i] === levels[j])) sum += weight;
    }
    return sum;
  }

  /** Checked from the definition: that a certificate is of its block, 0 in training and not in a regime. */
  kernelHolds(kernel, regime) {
    const own = this.factorsOf(kernel.block);
    return kernel.cells.every(({ factor }) => own.includes(factor))
      && this.design.train.every((row) => this.weight(kernel, row) === 0n) && this.weight(kernel, regime) !== 0n;
  }
}

function compareLists(a, b) {
  for (let i = 0; i < a.length; i += 1) if (a[i] !== b[i]) return a[i] - b[i];
  return 0;
}
