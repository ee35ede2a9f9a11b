import { fileURLToPath } from "node:url";
import type { Plugin } from "vite";

/** Builds svelte without the parts of its runtime that nothing here uses: see `svelte/`. */
export function leanSvelte(): Plugin {
  return {
    name: "lean-svelte",
    apply: "build",
    enforce: "pre",
    resolveId: {
      filter: { id: /\/(hydration|proxy)\.js$/ },
      handler: (id) => fileURLToPath(new URL(`./svelte/${id.split("/").at(-1)}`, import.meta.url)),
    },
  };
}
