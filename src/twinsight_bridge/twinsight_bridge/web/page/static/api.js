// Asking the API: JSON, and one sentence where that fails.

const AGAIN_S = 5;

/** Why a question was not answered; `status` is 0 where the server itself is away. */
export class ApiError extends Error {
  constructor(message, status, retryS = AGAIN_S) {
    super(message);
    this.status = status;
    this.retryS = retryS;
  }
}

/** Return path and query; a list stands for several values, nothing and '' for none. */
export function address(path, query = {}) {
  const given = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    for (const each of Array.isArray(value) ? value : [value]) {
      if (each !== undefined && each !== null && each !== '') given.append(name, each);
    }
  }
  const text = given.toString();
  return text ? `${path}?${text}` : path;
}

/** Return what a path answers; raise ApiError, or AbortError where `signal` ends it. */
export async function get(path, query, signal) {
  return (await ask(address(path, query), { signal })).json();
}

/** Return what the server answers to a JSON body. */
export async function send(method, path, body, headers = {}) {
  const response = await ask(path, {
    method,
    headers: { 'Content-Type': 'application/json', ...headers },
    body: body === undefined ? undefined : JSON.stringify(body),
  });
  return response.status === 204 ? null : response.json();
}

async function ask(url, options) {
  let response;
  try {
    response = await fetch(url, options);
  } catch (error) {
    if (error.name === 'AbortError') throw error;
    throw new ApiError('the server does not answer', 0);
  }
  if (!response.ok) throw await errorOf(response);
  return response;
}

async function errorOf(response) {
  const told = await response.json().catch(() => ({}));
  const retryS = Number(response.headers.get('Retry-After')) || AGAIN_S;
  const text = sentence(told.detail) || `status ${response.status}`;
  return new ApiError(text, response.status, retryS);
}

function sentence(detail) {
  if (!Array.isArray(detail)) return detail ?? '';
  return detail.map(({ loc, msg }) => `${loc.at(-1)}: ${msg}`).join('; ');
}
