/**
 * Bundles the front end into `ncut_widgets/static/`, where the Python package finds it.
 *
 *   node js/build.mjs            minified, within the size budgets
 *   node js/build.mjs --watch    rebuilt at every change, readable, with inline source maps
 *
 * One ES module per widget, because anywidget imports each widget on its own, and one classic script for exported
 * pages, because a page opened from disk may not import modules.
 */
import { build, context } from "esbuild";
import { existsSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { basename, dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";

const SOURCES = join(dirname(fileURLToPath(import.meta.url)), "src");
const ROOT = dirname(dirname(SOURCES));
const OUTPUT = join(ROOT, "ncut_widgets", "static");
const LICENCES = join(OUTPUT, "THIRD_PARTY_LICENSES.txt");
/** Written last, by a production build within its budgets: what `make` compares with the sources. */
const STAMP = join(OUTPUT, ".built");

/** Bytes that a bundle may weigh: what is sent with every notebook and lies in every exported page. */
const BUDGETS = {
  // Every view carries Preact, its errors, and what it says and does without a kernel.
  embedding_scatter: { raw: 60_000, gzipped: 23_000 },
  // What all views share, masks and colour tables included, is there once on a page.
  session: { raw: 60_000, gzipped: 24_000 },
  // The most that a view has to offer, zips and PNGs of its masks included, beside the 9 kB of Preact that each carries.
  click_segmenter: { raw: 64_000, gzipped: 25_000 },
  // A legend that edits, a patch at every level, and the search for the clicks that make a mask of a cluster.
  cluster_panel: { raw: 60_000, gzipped: 24_000 },
  // Bars, curves, small maps, and the questions to the kernel.
  channel_bars: { raw: 64_000, gzipped: 24_000 },
};
const DEFAULT_BUDGET = { raw: 60_000, gzipped: 20_000 };

const watch = process.argv.includes("--watch");

/** @returns {{ widgets: Record<string, string>, page: Record<string, string> }} entry points by the name of their bundle */
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
  // A key with the extension keeps the style sheet of a widget from colliding with its script.
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

/** Prints what every bundle weighs and returns the complaints about those over their budget. */
function weigh(files, viewNames) {
  const complaints = [];
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
        complaints.push(
          `${relative(ROOT, file)} must weigh at most ${budget} gzipped; got ${kilobytes(size.raw)} / ` +
            `${kilobytes(size.gzipped)}. Import less, or raise the budget in js/build.mjs with a reason.`,
        );
      }
    }
    console.log(
      `${basename(file).padEnd(26)}${kilobytes(size.raw).padStart(10)}${kilobytes(size.gzipped).padStart(10)}   ${budget}`,
    );
  }
  return complaints;
}

/** Minifying drops most licence notices, and the licences ask that they travel with the code. */
function writeLicences(metafiles) {
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
    if (file === undefined) throw new Error(`${folder} carries no licence file; do not ship it.`);
    return `${name} ${version} (${license})\n\n${readFileSync(join(ROOT, folder, file), "utf8").trim()}\n`;
  });
  writeFileSync(LICENCES, `The bundles in this folder contain:\n\n${notices.join(`\n${"-".repeat(80)}\n\n`)}`);
}

/** A bundle whose source is gone would be shipped for ever. */
function removeStale(files) {
  const kept = new Set([...files, LICENCES]);
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
  writeLicences(metafiles);
  const complaints = weigh(files, views);
  for (const complaint of complaints) console.error(complaint);
  if (complaints.length > 0) process.exitCode = 1;
  else writeFileSync(STAMP, "");
}
