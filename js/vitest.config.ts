import { svelte } from "@sveltejs/vite-plugin-svelte";
import { defineConfig } from "vitest/config";
import { leanSvelte } from "./build/lean-svelte.ts";

export default defineConfig({
  // What is tested is the runtime that the bundle has.
  plugins: [svelte(), { ...leanSvelte(), apply: undefined }],
  resolve: { conditions: ["browser"] },
  test: {
    include: ["src/**/*.test.ts"],
    server: { deps: { inline: [/svelte/] } },
  },
});
