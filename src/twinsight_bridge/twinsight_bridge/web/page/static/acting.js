// Having something done: who asks, the token, and asking once.

import { ApiError, send } from './api.js';

const OPERATOR = 'twinsight.operator';

let token = ''; // it is forgotten with the page

/** Return how the operator calls themselves. */
export function operator() {
  return localStorage.getItem(OPERATOR) ?? '';
}

export function setOperator(name) {
  localStorage.setItem(OPERATOR, name);
}

export function setToken(text) {
  token = text;
}

/** Return whether an error asks for the token. */
export function wantsToken(error) {
  return error instanceof ApiError && error.status === 401;
}

/** Return a text that no other request has. */
export function newKey() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}

/** Return what the server answers to a request that has something done; see send(). */
export function act(method, path, body, key = '') {
  const headers = {};
  if (token) headers.Authorization = `Bearer ${token}`;
  if (operator()) headers['X-Operator'] = asciiOf(operator());
  if (key) headers['Idempotency-Key'] = key;
  return send(method, path, body, headers);
}

/** Return a text as a header can have it. */
function asciiOf(text) {
  return text.normalize('NFKD').replace(/[^\x20-\x7e]/g, '');
}
