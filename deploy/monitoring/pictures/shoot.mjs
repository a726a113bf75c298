// node shoot.mjs PROMETHEUS NOW OUT DASHBOARD...: a picture of each dashboard into the folder OUT, as of NOW (seconds).
// Exits with 1 if a panel could not be drawn or is empty; EMPTY_IS_FINE=1: only the former.
import { readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { basename, dirname, extname, join, normalize } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import puppeteer from 'puppeteer-core';
import sharp from 'sharp';

const WIDTH = 1600;
const MOST_BYTES = 400_000;
const TYPES = { '.svg': 'image/svg+xml', '.js': 'text/javascript', '.css': 'text/css', '.html': 'text/html', '.woff2': 'font/woff2' };

const here = dirname(fileURLToPath(import.meta.url));
const [prometheus, now, out, ...dashboards] = process.argv.slice(2);

// Their ES modules are named .mjs, for which esbuild takes default imports as Node does; they were not written for that.
const grafana = Object.fromEntries(
  ['data', 'schema', 'ui'].map((name) => [`@grafana/${name}`, join(here, `node_modules/@grafana/${name}/dist/cjs/index.cjs`)])
);
const built = await build({
  entryPoints: [join(here, 'page.tsx')],
  bundle: true,
  write: false,
  outdir: '/',
  format: 'esm',
  jsx: 'automatic',
  alias: grafana,
  loader: { '.ttf': 'dataurl', '.woff': 'dataurl', '.woff2': 'dataurl', '.svg': 'dataurl', '.png': 'dataurl' },
  define: { 'process.env.NODE_ENV': '"production"', global: 'window', 'process.env': '{}' },
  logLevel: 'error',
});
const files = new Map(built.outputFiles.map((file) => [basename(file.path), file.contents]));
files.set('page.html', '<!doctype html><meta charset="utf-8"><link rel="icon" href="data:,"><link rel="stylesheet" href="page.css">' +
  '<script>window.__grafana_public_path__ = "/public/"</script><script type="module" src="page.js"></script><body style="margin: 0"></body>');
const modules = join(here, 'node_modules');
const fonts = {
  'Inter-Regular': 'inter/files/inter-latin-400-normal.woff2',
  'Inter-Medium': 'inter/files/inter-latin-500-normal.woff2',
  'RobotoMono-Regular': 'roboto-mono/files/roboto-mono-latin-400-normal.woff2',
  'RobotoMono-Medium': 'roboto-mono/files/roboto-mono-latin-500-normal.woff2',
};

/** What @grafana/ui asks a Grafana server for: its icons, and its fonts. */
function fromServer(path) {
  const font = fonts[basename(path, '.woff2')];
  return readFileSync(font ? join(modules, '@fontsource', font) : join(modules, '@grafana/ui/dist', path));
}

const server = createServer((request, response) => {
  const path = normalize(new URL(request.url, 'http://here').pathname);
  let body = files.get(path.slice(1));
  try {
    body ??= path.startsWith('/public/') ? fromServer(path) : undefined;
  } catch {
    body = undefined;
  }
  response.writeHead(body ? 200 : 404, { 'content-type': TYPES[extname(path)] ?? 'application/octet-stream' });
  response.end(body);
});
await new Promise((listening) => server.listen(0, '127.0.0.1', listening));

const browser = await puppeteer.launch({
  executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
  args: ['--no-sandbox', '--disable-gpu', '--hide-scrollbars', '--force-color-profile=srgb'],
  headless: true,
});
let failed = false;
try {
  for (const file of dashboards) {
    const name = basename(file, '.json');
    const page = await browser.newPage();
    const complaints = [];
    page.on('pageerror', (error) => complaints.push(error.message));
    page.on('console', (message) => message.type() === 'error' && complaints.push(`${message.text()} ${message.location().url ?? ''}`));
    await page.setViewport({ width: WIDTH, height: 1000 });
    await page.goto(`http://127.0.0.1:${server.address().port}/page.html`, { waitUntil: 'load' });
    const dashboard = JSON.parse(readFileSync(file, 'utf8'));
    const told = await page.evaluate((asked) => window.draw(asked), {
      dashboard,
      prometheus,
      now: Number(now) * 1000,
      scrapeMs: 15_000,
      width: WIDTH,
    });
    await page.waitForSelector('#dashboard', { timeout: 10_000 }).catch((error) => {
      throw new Error([error.message, ...complaints].join('\n'));
    });
    const height = await page.$eval('#dashboard', (element) => element.offsetHeight);
    await page.setViewport({ width: WIDTH, height });
    await page.waitForNetworkIdle({ idleTime: 500 });
    const taken = await page.screenshot({ type: 'png' });
    const picture = await sharp(taken).png({ palette: true, colours: 256, effort: 10, compressionLevel: 9 }).toBuffer();
    writeFileSync(join(out, `${name}.png`), picture);
    console.log(`${name}.png: ${WIDTH} x ${height}, ${Math.round(picture.length / 1000)} kB`);
    for (const title of told.empty) {
      console.log(`  empty: ${title}`);
    }
    for (const problem of [...told.problems, ...complaints]) {
      console.log(`  could not be drawn: ${problem}`);
    }
    failed ||= told.problems.length > 0 || complaints.length > 0 || picture.length > MOST_BYTES;
    failed ||= told.empty.length > 0 && !process.env.EMPTY_IS_FINE;
    await page.close();
  }
} finally {
  await browser.close();
  server.close();
}
process.exitCode = failed ? 1 : 0;
