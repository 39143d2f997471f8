// The fields of a command as a form, and what is in them as JSON.

import { el } from './dom.js';

const LISTS = { numbers: Number, integers: Number, texts: String };

/** Return `{ root, value }` of a parameter, as GET /robots/{id}/commands has it. */
export function fieldOf(parameter) {
  const { name, type, unit, description, required, choices } = parameter;
  const input = inputOf(parameter);
  const label = `${name.replaceAll('_', ' ')}${unit ? ` (${unit})` : ''}`;
  const root = el('label', { title: description }, `${label} `, input);
  if (required) input.required = true;
  return {
    root,
    /** Return what is given, undefined for nothing: then the default holds. */
    value() {
      if (type === 'boolean') return input.checked;
      const text = input.value.trim();
      if (text === '' && !required) return undefined;
      if (choices.length || type === 'text') return text;
      if (type === 'labels') return labelsOf(text);
      return type in LISTS ? partsOf(text).map(LISTS[type]) : Number(text);
    },
  };
}

function inputOf({ type, least, most, choices, default: usual }) {
  if (choices.length) {
    const options = choices.map((each) => el('option', { selected: each === usual }, each));
    return el('select', {}, ...options);
  }
  if (type === 'boolean') return el('input', { type: 'checkbox', checked: usual === true });
  if (type === 'number' || type === 'integer') {
    return el('input', {
      type: 'number', inputmode: 'decimal', step: type === 'integer' ? 1 : 'any', min: least,
      max: most, placeholder: usual ?? '',
    });
  }
  const hint = { labels: 'name=value, …' }[type] ?? (type in LISTS ? '…, …' : usual ?? '');
  return el('input', { type: 'text', placeholder: hint, autocomplete: 'off' });
}

function partsOf(text) {
  return text.split(',').map((part) => part.trim()).filter(Boolean);
}

function labelsOf(text) {
  return Object.fromEntries(partsOf(text).map((part) => {
    const [name, ...value] = part.split('=');
    return [name.trim(), value.join('=').trim()];
  }));
}
