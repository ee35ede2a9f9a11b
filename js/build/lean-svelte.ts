import { fileURLToPath } from "node:url";
import type { Plugin } from "vite";

const RUNTIME = /\/svelte\/src\/internal\//;
/** Who takes what waits for promises; a block of the template that does keeps the whole. */
const WAITING = /\/(effects|deriveds|attributes)\.js$/;

/** Builds svelte without the parts of its runtime that nothing here uses: see `svelte/`. */
export function leanSvelte(): Plugin {
  return {
    name: "lean-svelte",
    apply: "build",
    enforce: "pre",
    resolveId: {
      filter: { id: /\/(hydration|proxy|boundary|async)\.js$/ },
      handler: (id, importer = "") => {
        const name = id.split("/").at(-1);
        if (!RUNTIME.test(importer) || (name === "async.js" && !WAITING.test(importer))) return;
        return fileURLToPath(new URL(`./svelte/${name}`, import.meta.url));
      },
    },
  };
}
