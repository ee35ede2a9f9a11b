/** Work done in slices, so that the page stays at hand; strict pages refuse workers. */

/** No longer at a stretch than a frame has room for. */
const SLICE_MS = 10;

/** Tells all that is found so far after every slice, the first at once; returns how to stop. */
export function workThrough<T>(
  steps: Iterator<T>,
  told: (found: readonly T[]) => void,
  clock: () => number = () => performance.now(),
): () => void {
  const found: T[] = [];
  let timer: ReturnType<typeof setTimeout> | undefined;
  const work = () => {
    const end = clock() + SLICE_MS;
    let next = steps.next();
    while (!next.done) {
      found.push(next.value);
      if (clock() >= end) break;
      next = steps.next();
    }
    if (!next.done) timer = setTimeout(work);
    told([...found]);
  };
  work();
  return () => clearTimeout(timer);
}
