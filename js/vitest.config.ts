import { defineConfig } from "vitest/config";

export default defineConfig({
  oxc: { jsx: { runtime: "automatic", importSource: "preact" } },
  test: {
    environment: "happy-dom",
    include: ["src/**/*.test.{ts,tsx}"],
    // As they are: a test reads them.
    css: true,
    restoreMocks: true,
    unstubGlobals: true,
  },
});
