// Making elements. What is shown goes in as text, never as HTML.

/**
 * Return an element. `on` holds listeners by event; all else are attributes: true stands for one
 * without a value, null, undefined and false for none. Children are nodes and texts.
 */
export function el(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name === 'on') {
      for (const [type, listener] of Object.entries(value)) made.addEventListener(type, listener);
    } else {
      setAttribute(made, name, value);
    }
  }
  made.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return made;
}

/** Return what has an id. */
export function byId(id) {
  return document.getElementById(id);
}

/** Give an element a text; nothing is touched where it has it. */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** Give an element an attribute, or take it away, as el() reads them. */
export function setAttribute(element, name, value) {
  if (value === null || value === undefined || value === false) element.removeAttribute(name);
  else if (element.getAttribute(name) !== String(value)) {
    element.setAttribute(name, value === true ? '' : value);
  }
}

/** Show or hide an element. */
export function show(element, shown) {
  element.hidden = !shown;
}

/**
 * The children of an element, one for each item of a list.
 *
 * `make(item)` returns `{ root, update }`; what stays in the list keeps its element, and so the
 * focus and what is selected in it.
 */
export class Keyed {
  constructor(parent, make) {
    this.parent = parent;
    this.make = make;
    this.views = new Map();
  }

  /** Show items in their order; `keyOf(item)` is another one for each. */
  show(items, keyOf) {
    const keys = items.map(keyOf);
    const wanted = new Set(keys);
    for (const [key, view] of this.views) {
      if (wanted.has(key)) continue;
      view.root.remove();
      this.views.delete(key);
    }
    let place = this.parent.firstElementChild;
    items.forEach((item, number) => {
      const view = this.views.get(keys[number]) ?? this.make(item);
      this.views.set(keys[number], view);
      view.update(item);
      if (view.root === place) place = place.nextElementSibling;
      else this.parent.insertBefore(view.root, place);
    });
  }
}
