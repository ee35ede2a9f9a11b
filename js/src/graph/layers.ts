/**
 * A layered drawing of boxes and what flows between them: ranks by the longest path, order in a
 * rank by the neighbours' middle, then as straight as the gaps allow (after Sugiyama, Tagawa and
 * Toda, "Methods for Visual Understanding of Hierarchical System Structures", 1981).
 */

export interface Size {
  width: number;
  height: number;
}

export interface Edge {
  from: number;
  to: number;
}

export interface Point {
  x: number;
  y: number;
}

export interface Drawing {
  /** The middle of each box. */
  boxes: Point[];
  /** Of each edge, from box to box. */
  edges: Point[][];
  width: number;
  height: number;
}

const GAP = { across: 14, down: 16, edge: 10, margin: 4 };
const SWEEPS = 8;

/** A box, or the place where a long edge crosses a rank. */
interface Node extends Size {
  rank: number;
  x: number;
  above: Node[];
  below: Node[];
}

/** Edges that lead back, or nowhere, are drawn and bear on nothing. */
export function layers(sizes: readonly Size[], edges: readonly Edge[]): Drawing {
  const nodes = sizes.map(
    ({ width, height }): Node => ({ width, height, rank: 0, x: 0, above: [], below: [] }),
  );
  const forward = edges.filter(({ from, to }) => from < to);
  for (const { from, to } of [...forward].sort((a, b) => a.from - b.from)) {
    nodes[to].rank = Math.max(nodes[to].rank, nodes[from].rank + 1);
  }
  const ranks: Node[][] = [];
  const put = (node: Node) => {
    ranks[node.rank] ??= [];
    ranks[node.rank].push(node);
  };
  nodes.forEach(put);
  const chains = new Map<Edge, Node[]>();
  for (const edge of forward) {
    const chain = [nodes[edge.from]];
    for (let rank = nodes[edge.from].rank + 1; rank < nodes[edge.to].rank; rank++) {
      const bend: Node = { width: GAP.edge, height: 0, rank, x: 0, above: [], below: [] };
      put(bend);
      chain.push(bend);
    }
    chain.push(nodes[edge.to]);
    for (let i = 1; i < chain.length; i++) {
      chain[i - 1].below.push(chain[i]);
      chain[i].above.push(chain[i - 1]);
    }
    chains.set(edge, chain);
  }
  for (const rank of ranks) spread(rank, 0);
  for (let sweep = 0; sweep < SWEEPS; sweep++) settle(ranks, sweep % 2 === 0, sweep < SWEEPS - 2);
  return draw(nodes, ranks, edges, chains);
}

/** One after the other, as narrow as the gaps allow, about a middle. */
function spread(rank: Node[], middle: number) {
  const whole = rank.reduce((sum, { width }) => sum + width + GAP.across, -GAP.across);
  let x = middle - whole / 2;
  for (const node of rank) {
    node.x = x + node.width / 2;
    x += node.width + GAP.across;
  }
}

function middleOf(nodes: readonly Node[]): number | null {
  if (!nodes.length) return null;
  const sorted = nodes.map(({ x }) => x).sort((a, b) => a - b);
  const half = sorted.length >> 1;
  return sorted.length % 2 ? sorted[half] : (sorted[half - 1] + sorted[half]) / 2;
}

/** Each rank towards the middle of what is above it, or below it. */
function settle(ranks: Node[][], down: boolean, reorder: boolean) {
  for (const rank of down ? ranks : [...ranks].reverse()) {
    const wanted = new Map(
      rank.map((node) => [node, middleOf(down ? node.above : node.below) ?? node.x]),
    );
    const at = (node: Node) => wanted.get(node) ?? 0;
    if (reorder) rank.sort((a, b) => at(a) - at(b));
    place(rank, rank.map(at));
  }
}

/** As near to the wanted places as their order and gaps allow: neighbours that meet share theirs. */
function place(rank: Node[], wanted: readonly number[]) {
  interface Block {
    from: number;
    sum: number;
    count: number;
  }
  // Distances of each node from the first, were all of them to touch.
  const offsets = [0];
  for (let i = 1; i < rank.length; i++) {
    const apart = (rank[i - 1].width + rank[i].width) / 2 + GAP.across;
    offsets.push(offsets[i - 1] + apart);
  }
  const blocks: Block[] = [];
  wanted.forEach((x, i) => {
    let block: Block = { from: i, sum: x - offsets[i], count: 1 };
    for (let last = blocks.at(-1); last; last = blocks.at(-1)) {
      if (last.sum / last.count <= block.sum / block.count) break;
      block = { from: last.from, sum: last.sum + block.sum, count: last.count + block.count };
      blocks.pop();
    }
    blocks.push(block);
  });
  for (const { from, sum, count } of blocks) {
    for (let i = from; i < from + count; i++) rank[i].x = sum / count + offsets[i];
  }
}

function draw(
  nodes: readonly Node[],
  ranks: readonly Node[][],
  edges: readonly Edge[],
  chains: ReadonlyMap<Edge, Node[]>,
): Drawing {
  const all = ranks.flat();
  const left = Math.min(0, ...all.map(({ x, width }) => x - width / 2)) - GAP.margin;
  const right = Math.max(0, ...all.map(({ x, width }) => x + width / 2)) + GAP.margin;
  const middles: number[] = [];
  let y = GAP.margin;
  for (const rank of ranks) {
    const height = Math.max(0, ...rank.map((node) => node.height));
    middles.push(y + height / 2);
    y += height + GAP.down;
  }
  const point = ({ x, rank }: Node): Point => ({ x: x - left, y: middles[rank] });
  const line = (chain: readonly Node[]): Point[] => {
    const points = chain.map(point);
    points[0].y += chain[0].height / 2;
    points[points.length - 1].y -= chain[chain.length - 1].height / 2;
    return points;
  };
  return {
    boxes: nodes.map(point),
    edges: edges.map((edge) => line(chains.get(edge) ?? [nodes[edge.from], nodes[edge.to]])),
    width: right - left,
    height: ranks.length ? y - GAP.down + GAP.margin : 0,
  };
}
