import { svelte } from "@sveltejs/vite-plugin-svelte";
import { defineConfig } from "vite";

export default defineConfig({
  plugins: [svelte()],
  // The page of dev/ may load the built bundle.
  server: { fs: { allow: [".."] } },
  build: {
    outDir: "../talaria_widget/static",
    emptyOutDir: false,
    target: "es2022",
    lib: {
      entry: "src/widget.ts",
      formats: ["es"],
      fileName: () => "widget.js",
      cssFileName: "widget",
    },
    rolldownOptions: { output: { minify: true, codeSplitting: false } },
  },
});
