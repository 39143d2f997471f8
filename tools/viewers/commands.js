// Commands come as lines of JSON on standard input; answers and events leave as such lines.
'use strict';
const readline = require('node:readline');
const { plain, revive } = require('./values');

/** Write an event. */
function emit(event, fields) {
  process.stdout.write(`${JSON.stringify(plain({ event, ...fields }))}\n`);
}

/** Call `handlers[op]` for each command, and end with the standard input. */
function serve(handlers) {
  const lines = readline.createInterface({ input: process.stdin });
  lines.on('line', async (line) => {
    const { id, op, ...fields } = revive(JSON.parse(line));
    try {
      emit('done', { id, result: await handlers[op](fields) });
    } catch (error) {
      emit('failed', { id, error: error.message });
    }
  });
  lines.on('close', () => process.exit());
}

module.exports = { emit, serve };
