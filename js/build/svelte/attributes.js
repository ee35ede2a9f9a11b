/**
 * Stands in for svelte's `internal/shared/attributes.js` in the bundle: classes are words, none of
 * them given twice, and styles are given one by one.
 */
export const clsx = (value) => value ?? "";
/** Only a server writes attributes. */
export const attr = clsx;

export function to_class(value, hash, directives = {}) {
  const on = Object.keys(directives).filter((name) => directives[name]);
  return [value, hash, ...on].filter(Boolean).join(" ") || null;
}

export function to_style(value, styles = {}) {
  const set = Object.entries(styles).filter(([, each]) => each != null && each !== "");
  return [value, ...set.map((each) => each.join(": "))].filter(Boolean).join("; ") || null;
}
