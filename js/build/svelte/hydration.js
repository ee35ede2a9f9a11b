/**
 * Stands in for svelte's `internal/client/dom/hydration.js` in the bundle: no server renders this
 * page, so nothing is ever taken over. As a constant, what depends on it falls away.
 */
export const hydrating = false;
export const hydrate_node = null;

/*@__NO_SIDE_EFFECTS__*/
export function set_hydrating() {}
/*@__NO_SIDE_EFFECTS__*/
export function set_hydrate_node() {}
/*@__NO_SIDE_EFFECTS__*/
export function hydrate_next() {}
/*@__NO_SIDE_EFFECTS__*/
export function hydrate_template() {}
/*@__NO_SIDE_EFFECTS__*/
export function reset() {}
/*@__NO_SIDE_EFFECTS__*/
export function next() {}
/*@__NO_SIDE_EFFECTS__*/
export function skip_nodes() {}
/*@__NO_SIDE_EFFECTS__*/
export function read_hydration_instruction() {}
