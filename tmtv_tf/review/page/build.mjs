// Builds ../static: app.js (our modules and NiiVue in one file), app.css, index.html, and the licences of what is inside.
import { cp, mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { build } from "esbuild";

const out = new URL("../static/", import.meta.url).pathname;
await rm(out, { recursive: true, force: true });
await mkdir(out, { recursive: true });
const { metafile } = await build({
  entryPoints: ["src/main.js"],
  bundle: true,
  minify: true,
  format: "esm",
  target: ["chrome110", "firefox115"],
  outfile: `${out}app.js`,
  metafile: true,
  legalComments: "none",
  logLevel: "warning",
  // NiiVue reads Zarr through WebAssembly codecs (1.4 MB). We read NIfTI only, so the page needs no WebAssembly.
  external: [],
  alias: Object.fromEntries(["blosc", "gzip", "lz4", "zlib", "zstd"].map((n) => [`numcodecs/${n}`, "./src/no_codec.js"])),
});
const packages = new Set(
  Object.keys(metafile.inputs).flatMap((path) => path.match(/node_modules\/((?:@[^/]+\/)?[^/]+)/)?.[1] ?? []),
);
const licences = await Promise.all(
  [...packages].sort().map(async (name) => {
    const { version, license } = JSON.parse(await readFile(`node_modules/${name}/package.json`, "utf8"));
    return `${name} ${version} (${license})`;
  }),
);
await writeFile(`${out}LICENSES.txt`, `app.js holds these packages:\n${licences.join("\n")}\n`);
for (const name of ["index.html", "app.css"]) await cp(name, `${out}${name}`);
