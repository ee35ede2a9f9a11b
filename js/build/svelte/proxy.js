/**
 * Stands in for svelte's `internal/client/proxy.js` in the bundle: all state here is `$state.raw`,
 * so that nothing is ever wrapped.
 */
export const proxy = (value) => value;
export const get_proxied_value = proxy;
export const is = Object.is;
