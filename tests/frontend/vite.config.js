import vue from "@vitejs/plugin-vue";
import { defineConfig } from "vite";

export default defineConfig({
  base: "/dist/",
  plugins: [vue({ template: { compilerOptions: { isCustomElement: (tag) => tag.startsWith("portal-") } } })],
  esbuild: { jsx: "automatic" },
  build: {
    modulePreload: { polyfill: false },
    rollupOptions: { input: ["./react/index.html", "./vue/index.html"], external: ["/portal/-/widget.js"] },
  },
});
