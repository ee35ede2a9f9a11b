import { svelte } from "@sveltejs/vite-plugin-svelte";
import { defineConfig } from "vite";
import { leanSvelte } from "./build/lean-svelte.ts";

export default defineConfig({
  plugins: [svelte(), leanSvelte()],
  // The page of dev/ may load the built bundle.
  server: { fs: { allow: [".."] } },
  build: {
    outDir: "../talaria_widget/static",
    emptyOutDir: false,
    target: "es2022",
    // Browsers that know `:has` know nested rules.
    cssTarget: ["chrome120", "firefox121", "safari17.2"],
    lib: {
      entry: "src/widget.ts",
      formats: ["es"],
      fileName: () => "widget.js",
      cssFileName: "widget",
    },
    rolldownOptions: {
      // Annotations only help those who bundle the bundle.
      output: { minify: true, codeSplitting: false, comments: { annotation: false } },
    },
  },
});
