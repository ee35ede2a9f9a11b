import { fileURLToPath } from "node:url";
import type { Plugin } from "vite";

/** Builds svelte without what takes over a page that a server rendered: there is none. */
export function neverHydrated(): Plugin {
  return {
    name: "never-hydrated",
    apply: "build",
    enforce: "pre",
    resolveId: {
      filter: { id: /\/hydration\.js$/ },
      handler: () => fileURLToPath(new URL("./no-hydration.js", import.meta.url)),
    },
  };
}
