// The files of studio.html on a free port of this machine.
'use strict';
const { readFile } = require('node:fs/promises');
const http = require('node:http');
const path = require('node:path');

const TYPES = { '.html': 'text/html', '.js': 'text/javascript', '.wasm': 'application/wasm' };
// Most of the bundle is a source map at its end: without it the page loads in two thirds.
const MAP = '//# sourceMappingURL=data:';
const MODULES = '/modules/';

/** Serve the pages of this folder, and packages under /modules/; return the address. */
async function servePages(modules) {
  const server = http.createServer(async (request, response) => {
    const { pathname } = new URL(request.url, 'http://localhost');
    const [folder, name] = pathname.startsWith(MODULES)
      ? [modules, pathname.slice(MODULES.length)] : [__dirname, pathname];
    const file = path.join(folder, path.normalize(`/${decodeURIComponent(name)}`));
    const data = await readFile(file).catch(() => undefined);
    if (data === undefined) return response.writeHead(404).end();
    const suffix = path.extname(file);
    const end = suffix === '.js' ? data.lastIndexOf(MAP) : -1;
    const type = TYPES[suffix] ?? 'application/octet-stream';
    response.writeHead(200, { 'content-type': type }).end(end < 0 ? data : data.subarray(0, end));
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  return `http://127.0.0.1:${server.address().port}`;
}

module.exports = { servePages };
