/**
 * Stands in for svelte's `internal/client/reactivity/async.js` in the bundle: no component awaits,
 * so that every value is there when it is asked for.
 */
import { derived } from "svelte/internal/client";

export function flatten(_blockers, sync, _promises, draw) {
  draw(sync.map(derived));
}
export const increment_pending = () => () => {};
export function unset_context() {}
