import { fileURLToPath } from "node:url";
import type { Plugin } from "vite";

const RUNTIME = /\/svelte\/src\/internal\//;
/** Who takes what waits for promises; a block of the template that does keeps the whole. */
const WAITING = /\/(effects|deriveds|attributes)\.js$/;

/** A class's derived field, and what svelte writes so that it could be set by hand all the same. */
const DERIVED = /#(\w+) = \$\.derived\(/g;
/** For components as they were in the version before; nothing reads it. */
const SLOTS = /,\s*\$\$slots: \{ default: true \}/g;
const SETTER = /set \w+\(value\) \{\s*\$\.set\(this\.#(\w+), value\);\s*\}/g;

/**
 * Builds svelte without the parts of its runtime that nothing here uses (see `svelte/`), and
 * what it compiles without setters of what is derived: setting that is an error.
 */
export function leanSvelte(): Plugin {
  return {
    name: "lean-svelte",
    apply: "build",
    enforce: "pre",
    resolveId: {
      filter: { id: /\/(hydration|proxy|boundary|async|attributes)\.js$/ },
      handler: (id, importer = "") => {
        const name = id.split("/").at(-1);
        if (!RUNTIME.test(importer) || (name === "async.js" && !WAITING.test(importer))) return;
        if (name === "attributes.js" && !id.includes("shared")) return;
        return fileURLToPath(new URL(`./svelte/${name}`, import.meta.url));
      },
    },
    transform: {
      order: "post",
      filter: { id: /\.svelte(\.ts)?$/ },
      handler: (code) => {
        const derived = new Set([...code.matchAll(DERIVED)].map(([, name]) => name));
        const lean = code
          .replace(SETTER, (all, name) => (derived.has(name) ? "" : all))
          .replace(SLOTS, "");
        return { code: lean, map: null };
      },
    },
  };
}
