// Pages in a headless Chromium: browser.js CHROMIUM
'use strict';
const { chromium } = require('playwright-core');
const { emit, serve } = require('./commands');
const { servePages } = require('./pages');

const LOAD_MS = 60_000;
const OPTIONS = {
  timeout: LOAD_MS,
  executablePath: process.argv[2],
  args: [
    // WebGL without a graphics card.
    '--use-angle=swiftshader', '--enable-unsafe-swiftshader', '--disable-gpu-compositing',
    '--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost',
  ],
};
const pages = [];

/** Return the function that a script is the text of; Playwright runs a text as an expression. */
function made(script) {
  return new Function(`return (${script})`)();
}

/** Tell whatever goes wrong in a page. */
function watch(page, number) {
  const tell = (text) => emit('problem', { page: number, text });
  page.on('console', (message) => {
    if (message.type() === 'error') tell(`console: ${message.text()}`);
  });
  page.on('pageerror', (error) => tell(`exception: ${error.stack ?? error}`));
  page.on('crash', () => tell('the page crashed'));
  page.on('requestfailed', (request) => {
    const { errorText } = request.failure() ?? {};
    if (errorText !== 'net::ERR_ABORTED') tell(`${request.url()}: ${errorText}`);
  });
  page.on('response', (response) => {
    if (response.status() >= 400) tell(`${response.url()}: ${response.status()}`);
  });
}

(async () => {
  const [browser, base] = await Promise.all([
    chromium.launch(OPTIONS), servePages(process.env.NODE_PATH),
  ]);
  serve({
    async open({ url, width, height, mobile }) {
      const viewport = { width, height };
      const context = await browser.newContext({ viewport, isMobile: mobile, hasTouch: mobile });
      const page = await context.newPage();
      const number = pages.push(page) - 1;
      watch(page, number);
      await page.goto(new URL(url, base).href, { timeout: LOAD_MS });
      return number;
    },

    evaluate({ page, script, argument }) {
      return pages[page].evaluate(made(script), argument);
    },

    waitFor({ page, script, argument, timeoutMs }) {
      const timeout = { timeout: timeoutMs };
      return pages[page].waitForFunction(made(script), argument, timeout)
        .then((found) => found.jsonValue());
    },

    click({ page, selector }) {
      return pages[page].click(selector);
    },

    fill({ page, selector, text }) {
      return pages[page].fill(selector, text);
    },

    press({ page, key }) {
      return pages[page].keyboard.press(key);
    },

    screenshot({ page }) {
      return pages[page].screenshot();
    },

    close({ page }) {
      return pages[page].context().close();
    },
  });
  emit('ready', { base });
})();
