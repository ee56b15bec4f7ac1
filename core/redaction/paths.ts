/** A place in a JSON document; what lies there and below is reached with `step`. */
export interface PathNode {
  /** What its value is replaced with, without the brackets; null for a place on the way. */
  label: string | null;
  readonly children: Map<string, PathNode>;
  /** Of the `*`. */
  any: PathNode | null;
}

/** Where a walk through a document is: in several places at once, as `*` and a name may both fit. Empty: no path leads on. */
export type Places = readonly PathNode[];

const NOWHERE: Places = [];

/** Adds paths (`messages.*.content`) below a root. Names are compared without case: some upstreams read them so. */
export function addPaths(root: PathNode, paths: readonly string[], label: string): void {
  for (const path of paths) {
    let node = root;
    for (const name of path.toLowerCase().split('.')) node = name === '*' ? anyOf(node) : childOf(node, name);
    node.label ??= label;
  }
}

export function emptyNode(): PathNode {
  return { label: null, children: new Map(), any: null };
}

function anyOf(node: PathNode): PathNode {
  node.any ??= emptyNode();
  return node.any;
}

function childOf(node: PathNode, name: string): PathNode {
  let child = node.children.get(name);
  if (child === undefined) {
    child = emptyNode();
    node.children.set(name, child);
  }
  return child;
}

/** Where a key or index leads from these places. */
export function step(places: Places, key: string): Places {
  if (places.length === 0) return NOWHERE;
  const name = key.toLowerCase();
  const next: PathNode[] = [];
  for (const { children, any } of places) {
    const child = children.get(name);
    if (child !== undefined) next.push(child);
    if (any !== null) next.push(any);
  }
  return next.length === 0 ? NOWHERE : next;
}

/** What the value at these places is replaced with; null when it stays. */
export function labelAt(places: Places): string | null {
  for (const { label } of places) if (label !== null) return label;
  return null;
}
