import { defineConfig } from "vitest/config";

export default defineConfig({
  oxc: { jsx: { runtime: "automatic", importSource: "preact" } },
  test: {
    environment: "happy-dom",
    include: ["src/**/*.test.{ts,tsx}"],
    // styles.test.ts reads the style sheets.
    css: true,
    restoreMocks: true,
    unstubGlobals: true,
  },
});
