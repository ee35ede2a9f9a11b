/** The page of `dev/`, built once into a folder that any server may serve: for tests of looks. */
import { svelte } from "@sveltejs/vite-plugin-svelte";
import { defineConfig } from "vite";

export default defineConfig({
  root: import.meta.dirname,
  base: "./",
  plugins: [svelte({ configFile: "../svelte.config.js" })],
  build: { target: "es2022", emptyOutDir: true },
});
