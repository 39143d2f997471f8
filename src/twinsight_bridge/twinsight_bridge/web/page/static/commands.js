// Commands to a robot: a form for each, what became of it, and its end.

import { act, newKey, operator, setOperator, setToken, wantsToken } from './acting.js';
import { get } from './api.js';
import { fieldOf } from './command_fields.js';
import { el, setText, show } from './dom.js';

const LOOK_MS = 500;
const ON_THE_WAY = ['accepted', 'running'];

/** Return `{ root }`: what a robot may be asked to do; it is asked for when it is opened. */
export function commandsView(robot) {
  const path = `/robots/${encodeURIComponent(robot)}/commands`;
  const list = el('div', { class: 'command-list' });
  const problem = el('p', { class: 'problem', role: 'status' });
  const root = el('details', { class: 'commands' }, el('summary', {}, 'Commands'), problem, list);
  root.addEventListener('toggle', async () => {
    if (!root.open || list.childElementCount) return;
    try {
      const { commands } = await get(path);
      const usable = commands.filter(({ available }) => available);
      setText(problem, usable.length ? '' : 'No command is mapped: see commands in api.yaml.');
      if (usable.length) list.append(whoAsks(), ...usable.map((each) => commandView(path, each)));
    } catch (error) {
      setText(problem, error.message);
    }
  });
  return { root };
}

function whoAsks() {
  const name = el('input', { type: 'text', autocomplete: 'name', placeholder: 'for the record' });
  name.value = operator();
  name.addEventListener('input', () => setOperator(name.value.trim()));
  return el('label', {}, 'your name ', name);
}

function commandView(path, { name, description, fields }) {
  const inputs = fields.map((each) => [each.name, fieldOf(each)]);
  const outcome = el('output');
  const cancel = el('button', { type: 'button', hidden: true }, 'Cancel');
  const token = el('input', { type: 'password', autocomplete: 'off' });
  const asksToken = el('label', { hidden: true }, 'token ', token);
  const label = name.replaceAll('_', ' ');
  const button = el('button', { type: 'submit', class: name === 'stop' ? 'stop' : '' }, label);
  const form = el('form', { class: 'command', title: description, 'data-command': name },
    ...inputs.map(([, field]) => field.root), asksToken, button, cancel, outcome);
  let key = newKey();
  let place = '';
  token.addEventListener('input', () => setToken(token.value));
  cancel.addEventListener('click', () => attempt(() => act('DELETE', place)));
  form.addEventListener('submit', (event) => {
    event.preventDefault();
    const given = inputs.map(([field, input]) => [field, input.value()]);
    const body = Object.fromEntries(given.filter(([, value]) => value !== undefined));
    attempt(async () => {
      const told = await act('POST', `${path}/${encodeURIComponent(name)}`, body, key);
      key = newKey(); // what was not answered is asked for with the same: it is done once
      return told;
    });
  });

  async function attempt(asked) {
    setText(outcome, '…');
    try {
      let told = await asked();
      place = `${path}/${told.id}`;
      while (ON_THE_WAY.includes(told.state) && form.isConnected) {
        tell(told);
        await new Promise((resolve) => { setTimeout(resolve, LOOK_MS); });
        told = await get(place);
      }
      tell(told);
    } catch (error) {
      setText(outcome, error.message);
      show(cancel, false);
      if (wantsToken(error)) show(asksToken, true);
      if (error.status > 0) key = newKey();
    }
  }

  function tell({ state, message }) {
    setText(outcome, message ? `${state}: ${message}` : state.replaceAll('_', ' '));
    show(cancel, ON_THE_WAY.includes(state));
  }

  return form;
}
