"use strict";
// The sigma-graph, its junction tree, and where to draw them. A graph is a Map from vertex to a Set of neighbours.

/** Interventions by position, joined where some factor holds both; those in no factor are left out. */
function sigmaGraph(factors) {
  const graph = new Map();
  for (const i of factors.flatMap((factor) => factor.sigma).sort((a, b) => a - b)) graph.set(i, new Set());
  for (const { sigma } of factors) {
    for (const i of sigma) for (const j of sigma) if (i !== j) graph.get(i).add(j);
  }
  return graph;
}

/** An elimination order by maximum cardinality search, and whether it is perfect (Tarjan and Yannakakis 1984). */
function cardinalityOrder(graph) {
  const down = (vertices) => [...vertices].sort((a, b) => b - a);
  const buckets = [down(graph.keys())]; // by the number of neighbours visited
  const weight = new Map([...graph.keys()].map((vertex) => [vertex, 0]));
  const visited = new Map();
  while (buckets.length) {
    const bucket = buckets[buckets.length - 1];
    if (!bucket.length) {
      buckets.pop();
      continue;
    }
    const vertex = bucket.pop();
    if (visited.has(vertex) || weight.get(vertex) !== buckets.length - 1) continue;
    visited.set(vertex, visited.size);
    for (const other of down(graph.get(vertex))) {
      if (visited.has(other)) continue;
      weight.set(other, weight.get(other) + 1);
      if (weight.get(other) === buckets.length) buckets.push([]);
      buckets[weight.get(other)].push(other);
    }
  }
  const order = [...visited.keys()].reverse();
  for (const vertex of order) {
    const later = [...graph.get(vertex)].filter((other) => visited.get(other) < visited.get(vertex));
    if (!later.length) continue;
    const first = later.reduce((a, b) => (visited.get(b) > visited.get(a) ? b : a));
    if (later.some((other) => other !== first && !graph.get(first).has(other))) return [order, false];
  }
  return [order, true];
}

function fillCount(graph, vertex) {
  const around = [...graph.get(vertex)];
  let count = 0;
  around.forEach((a, i) => around.slice(i + 1).forEach((b) => { if (!graph.get(a).has(b)) count += 1; }));
  return count;
}

/** Eliminate the vertex of least fill again and again: the order, later neighbours, and the edges added. */
function triangulate(given) {
  const graph = new Map([...given].map(([vertex, around]) => [vertex, new Set(around)]));
  const order = [];
  const later = new Map();
  const fill = [];
  while (graph.size) {
    let best = null;
    for (const vertex of graph.keys()) {
      const score = [fillCount(graph, vertex), graph.get(vertex).size, vertex];
      if (best === null || compareLists(score, best) < 0) best = score;
    }
    const vertex = best[2];
    const around = [...graph.get(vertex)].sort((a, b) => a - b);
    graph.delete(vertex);
    order.push(vertex);
    later.set(vertex, new Set(around));
    around.forEach((a, i) => {
      graph.get(a).delete(vertex);
      for (const b of around.slice(i + 1)) {
        if (!graph.get(a).has(b)) {
          fill.push([a, b]);
          graph.get(a).add(b);
          graph.get(b).add(a);
        }
      }
    });
  }
  fill.sort(compareLists);
  return [order, later, fill];
}

/** Maximal cliques, joined so that every vertex holds a connected part of the tree: as ifm_ident.messages.trees. */
function junctionTree(graph) {
  let [order, chordal] = cardinalityOrder(graph);
  let fill = [];
  let later;
  if (chordal) {
    const place = new Map(order.map((vertex, i) => [vertex, i]));
    later = new Map(order.map((v) => [v, new Set([...graph.get(v)].filter((u) => place.get(u) > place.get(v)))]));
  } else {
    [order, later, fill] = triangulate(graph);
  }
  const rank = new Map(order.map((vertex, i) => [vertex, i]));
  const cliques = [];
  const parent = [];
  const separators = [];
  const home = new Map();
  for (const vertex of [...order].reverse()) {
    const around = [...later.get(vertex)];
    const nearest = around.length ? around.reduce((a, b) => (rank.get(b) < rank.get(a) ? b : a)) : null;
    const joined = around.length ? home.get(nearest) : Math.min(cliques.length, 1) - 1;
    if (around.length && around.length === cliques[joined].length) {
      cliques[joined].push(vertex);
      home.set(vertex, joined);
    } else {
      home.set(vertex, cliques.length);
      cliques.push([...around, vertex]);
      parent.push(joined);
      separators.push(around.sort((a, b) => a - b));
    }
  }
  if (!cliques.length) return { cliques: [[]], parent: [-1], separators: [[]], chordal, fill };
  return { cliques: cliques.map((clique) => clique.sort((a, b) => a - b)), parent, separators, chordal, fill };
}

function distances(graph, start) {
  const far = new Map([[start, 0]]);
  for (const vertex of far.keys()) {
    for (const other of graph.get(vertex)) if (!far.has(other)) far.set(other, far.get(vertex) + 1);
  }
  return far;
}

/** A place [x, y] for every vertex, neighbours about 1 apart, the parts of the graph side by side.
 *
 * Stress majorisation from a circle (Gansner, Koren and North 2004): the same graph, the same places.
 */
function graphPlaces(graph) {
  const parts = [];
  const seen = new Set();
  for (const start of graph.keys()) {
    if (seen.has(start)) continue;
    const part = [...distances(graph, start).keys()].sort((a, b) => a - b);
    part.forEach((vertex) => seen.add(vertex));
    parts.push(part);
  }
  parts.sort((a, b) => b.length - a.length || a[0] - b[0]);
  const places = new Map();
  let left = 0;
  let top = 0;
  let tall = 0;
  for (const part of parts) {
    const box = upright(relaxed(graph, part));
    const low = [0, 1].map((axis) => Math.min(...box.map((place) => place[axis])));
    const size = [0, 1].map((axis) => Math.max(...box.map((place) => place[axis])) - low[axis] + 1.1);
    if (left && left + size[0] > Math.max(4.5, Math.sqrt(2 * graph.size))) {
      left = 0;
      top += tall;
      tall = 0;
    }
    part.forEach((vertex, i) => places.set(vertex, [left + box[i][0] - low[0], top + box[i][1] - low[1]]));
    left += size[0];
    tall = Math.max(tall, size[1]);
  }
  return places;
}

function relaxed(graph, part) {
  const ends = part.filter((vertex) => graph.get(vertex).size === 1);
  if (ends.length === 2 && part.every((vertex) => graph.get(vertex).size <= 2)) {
    const far = distances(graph, ends[0]);
    return part.map((vertex) => [far.get(vertex) * 1.15, 0]);
  }
  const want = part.map((vertex) => {
    const far = distances(graph, vertex);
    return part.map((other) => far.get(other));
  });
  const n = part.length;
  let places = part.map((_, i) => {
    const angle = (2 * Math.PI * i) / n - Math.PI / 2 - (n > 2 ? Math.PI / n : 0);
    return [(n / 5) * Math.cos(angle), (n / 5) * Math.sin(angle)];
  });
  for (let round = 0; round < (n > 1 ? 200 : 0); round += 1) {
    places = places.map((own, i) => { // each vertex where the others want it, on average
      let sum = 0;
      const at = [0, 0];
      places.forEach((other, j) => {
        if (i === j) return;
        const weight = 1 / want[i][j] ** 2;
        const length = Math.hypot(own[0] - other[0], own[1] - other[1]) || 1e-9;
        sum += weight;
        for (const axis of [0, 1]) {
          at[axis] += weight * (other[axis] + (want[i][j] * (own[axis] - other[axis])) / length);
        }
      });
      return [at[0] / sum, at[1] / sum];
    });
  }
  return places;
}

/** Turned so that the part is widest from left to right, its first vertex on the left and, where it can be, above. */
function upright(places) {
  const mean = [0, 1].map((axis) => places.reduce((sum, place) => sum + place[axis], 0) / places.length);
  const [xx, yy, xy] = places.reduce((sums, [x, y]) => {
    const [a, b] = [x - mean[0], y - mean[1]];
    return [sums[0] + a * a, sums[1] + b * b, sums[2] + a * b];
  }, [0, 0, 0]);
  const even = Math.abs(xx - yy) < 1e-6 && Math.abs(xy) < 1e-6; // a triangle or a square lies well already
  const angle = even ? 0 : Math.atan2(2 * xy, xx - yy) / 2;
  const turned = places.map(([x, y]) => {
    const [a, b] = [x - mean[0], y - mean[1]];
    return [a * Math.cos(angle) + b * Math.sin(angle), b * Math.cos(angle) - a * Math.sin(angle)];
  });
  const signs = [0, 1].map((axis) => (turned[0][axis] > 1e-9 ? -1 : 1));
  return turned.map(([x, y]) => [x * signs[0], y * signs[1]]);
}

/** The depth and row of every node of a tree, the leaves on rows of their own. */
function treePlaces(parent) {
  const children = parent.map((_, i) => parent.map((p, j) => (p === i ? j : -1)).filter((j) => j >= 0));
  const depth = [];
  parent.forEach((p, i) => { depth[i] = p < 0 ? 0 : depth[p] + 1; });
  const row = [];
  let leaves = 0;
  const order = [];
  const stack = parent.map((p, i) => [p, i]).filter(([p]) => p < 0).map(([, i]) => i).reverse();
  while (stack.length) {
    const node = stack.pop();
    order.push(node);
    stack.push(...[...children[node]].reverse());
  }
  for (const node of order) if (!children[node].length) { row[node] = leaves; leaves += 1; }
  for (const node of order.reverse()) {
    if (children[node].length) {
      const own = children[node].map((child) => row[child]);
      row[node] = (own[0] + own[own.length - 1]) / 2;
    }
  }
  return parent.map((_, i) => [depth[i], row[i]]);
}
