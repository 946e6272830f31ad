/**
 * Bundles the front end into `ncut_widgets/static/`, which is part of the Python package.
 *
 *   node js/build.mjs            minified, checked against the size budgets
 *   node js/build.mjs --watch    rebuilt on every change, unminified, with inline source maps
 *
 * One ES module per widget, because anywidget imports each widget separately, and one classic script for exported pages,
 * because a page opened from disk cannot import modules.
 */
import { build, context } from "esbuild";
import { existsSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { basename, dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";

const SOURCES = join(dirname(fileURLToPath(import.meta.url)), "src");
const ROOT = dirname(dirname(SOURCES));
const OUTPUT = join(ROOT, "ncut_widgets", "static");
const LICENSES = join(OUTPUT, "THIRD_PARTY_LICENSES.txt");
/** Written after a production build within its budgets; `make` compares its time stamp with the sources. */
const STAMP = join(OUTPUT, ".built");

/** Maximum bundle sizes in bytes: bundles are sent with every notebook and embedded in every exported page. */
const BUDGETS = {
  // Every view bundle includes Preact, error messages and the kernel status.
  embedding_scatter: { raw: 60_000, gzipped: 23_000 },
  // Shared by all views of a page: arrays, masks, colormaps.
  session: { raw: 60_000, gzipped: 24_000 },
  // The view with the most functions, including zip and PNG export.
  click_segmenter: { raw: 64_000, gzipped: 25_000 },
  // An editable legend, level thumbnails, and the search for clicks that reproduce a cluster.
  cluster_panel: { raw: 60_000, gzipped: 24_000 },
  // Bars, curves, thumbnails, and kernel requests.
  channel_bars: { raw: 64_000, gzipped: 24_000 },
};
const DEFAULT_BUDGET = { raw: 60_000, gzipped: 20_000 };

const watch = process.argv.includes("--watch");

/** @returns {{ widgets: Record<string, string>, page: Record<string, string> }} entry points by bundle name */
function entryPoints() {
  const widgets = {};
  const page = {};
  for (const folder of readdirSync(join(SOURCES, "widgets"))) {
    const name = folder.replaceAll("-", "_");
    addEntries(widgets, name, join(SOURCES, "widgets", folder), folder);
  }
  addEntries(page, "standalone", join(SOURCES, "standalone"), "standalone");
  return { widgets, page };
}

function addEntries(entries, name, folder, stylesheet) {
  const script = join(folder, "index.ts");
  const style = join(folder, `${stylesheet}.css`);
  if (existsSync(script)) entries[name] = script;
  // With the extension, so that the style sheet of a widget does not collide with its script.
  if (existsSync(style)) entries[`${name}.css`] = style;
}

/** @returns {import("esbuild").BuildOptions} */
function options(entries, format) {
  return {
    entryPoints: Object.entries(entries).map(([name, path]) => ({ in: path, out: name.replace(/\.css$/, "") })),
    outdir: OUTPUT,
    absWorkingDir: ROOT,
    bundle: true,
    format,
    target: "es2022",
    platform: "browser",
    jsx: "automatic",
    jsxImportSource: "preact",
    loader: { ".svg": "text", ".glsl": "text" },
    define: { "process.env.NODE_ENV": watch ? '"development"' : '"production"' },
    minify: !watch,
    sourcemap: watch ? "inline" : false,
    legalComments: "eof",
    metafile: true,
    logLevel: "warning",
  };
}

function budgetOf(name, viewNames) {
  if (name !== "standalone") return BUDGETS[name] ?? DEFAULT_BUDGET;
  const views = viewNames.map((view) => budgetOf(view, []));
  return {
    raw: views.reduce((sum, view) => sum + view.raw, 0),
    gzipped: views.reduce((sum, view) => sum + view.gzipped, 0),
  };
}

/** Prints the size of every bundle and returns error messages for those over budget. */
function checkSizes(files, viewNames) {
  const errors = [];
  const kilobytes = (bytes) => `${(bytes / 1000).toFixed(1)} kB`;
  console.log(`${"bundle".padEnd(26)}${"size".padStart(10)}${"gzipped".padStart(10)}   budget`);
  for (const file of files.sort()) {
    const content = readFileSync(file);
    const size = { raw: content.length, gzipped: gzipSync(content).length };
    let budget = "";
    if (file.endsWith(".js")) {
      const limit = budgetOf(basename(file, ".js"), viewNames);
      budget = `${kilobytes(limit.raw)} / ${kilobytes(limit.gzipped)}`;
      if (size.raw > limit.raw || size.gzipped > limit.gzipped) {
        errors.push(
          `${relative(ROOT, file)} must be at most ${budget} gzipped; got ${kilobytes(size.raw)} / ` +
            `${kilobytes(size.gzipped)}. Import less, or raise the budget in js/build.mjs and state the reason.`,
        );
      }
    }
    console.log(
      `${basename(file).padEnd(26)}${kilobytes(size.raw).padStart(10)}${kilobytes(size.gzipped).padStart(10)}   ${budget}`,
    );
  }
  return errors;
}

/** Minification drops most license notices, which must be distributed with the code. */
function writeLicenses(metafiles) {
  const packages = new Set();
  for (const { inputs } of metafiles) {
    for (const input of Object.keys(inputs)) {
      const match = input.match(/^(.*node_modules\/(?:@[^/]+\/)?[^/]+)\//);
      if (match) packages.add(match[1]);
    }
  }
  const notices = [...packages].sort().map((folder) => {
    const { name, version, license } = JSON.parse(readFileSync(join(ROOT, folder, "package.json"), "utf8"));
    const file = readdirSync(join(ROOT, folder)).find((entry) => /^licen[cs]e/i.test(entry));
    if (file === undefined) throw new Error(`${folder} has no license file and cannot be distributed.`);
    return `${name} ${version} (${license})\n\n${readFileSync(join(ROOT, folder, file), "utf8").trim()}\n`;
  });
  writeFileSync(LICENSES, `The bundles in this folder contain:\n\n${notices.join(`\n${"-".repeat(80)}\n\n`)}`);
}

/** Removes bundles without a source, which would otherwise stay in the package. */
function removeStale(files) {
  const kept = new Set([...files, LICENSES]);
  for (const name of readdirSync(OUTPUT)) {
    const file = join(OUTPUT, name);
    if (/\.(js|css|map|txt)$/.test(name) && !kept.has(file)) rmSync(file);
  }
}

const { widgets, page } = entryPoints();
const jobs = [options(widgets, "esm"), options(page, "iife")].filter((job) => job.entryPoints.length > 0);
mkdirSync(OUTPUT, { recursive: true });
rmSync(STAMP, { force: true });

if (watch) {
  for (const job of jobs) await (await context({ ...job, logLevel: "info" })).watch();
} else {
  const metafiles = (await Promise.all(jobs.map((job) => build(job)))).map((result) => result.metafile);
  const files = metafiles.flatMap(({ outputs }) => Object.keys(outputs).map((file) => join(ROOT, file)));
  const views = Object.keys(widgets).filter((name) => !name.endsWith(".css"));
  removeStale(files);
  writeLicenses(metafiles);
  const errors = checkSizes(files, views);
  for (const error of errors) console.error(error);
  if (errors.length > 0) process.exitCode = 1;
  else writeFileSync(STAMP, "");
}
