// The two ways into Foxglove as links: its app, and its page.

import { el, setAttribute } from './dom.js';

const UNREACHED = 'A page of https does not reach this unencrypted address: '
  + 'use the app, or a bridge with TLS';

/** Return `{ root, update(links) }` of links as foxgloveLive() and foxgloveFile() return them. */
export function foxgloveLinks(label, what) {
  const app = el('a', { class: 'button primary', 'aria-label': `${what}, in the Foxglove app` },
    label);
  const web = el('a', { class: 'button', target: '_blank', rel: 'noopener noreferrer' }, 'web');
  return {
    root: el('span', { class: 'joined' }, app, web),
    update(links) {
      setAttribute(app, 'href', links.app);
      setAttribute(app, 'title', links.url);
      setAttribute(web, 'href', links.web);
      setAttribute(web, 'class', links.webWorks ? 'button' : 'button doubtful');
      setAttribute(web, 'title', links.webWorks ? links.url : `${UNREACHED} (${links.url})`);
      const doubt = links.webWorks ? '' : ` (${UNREACHED})`;
      setAttribute(web, 'aria-label', `${what}, in Foxglove in the browser${doubt}`);
    },
  };
}
