// Elements by their id, and new ones. Text only ever becomes text, never markup.

/** @returns {HTMLElement} */
export const by = (id) => document.getElementById(id);

/** A new element: `make("td", { className: "x" }, "text", child)`. */
export function make(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  Object.assign(element, properties);
  element.append(...children.filter((child) => child !== null && child !== ""));
  return element;
}

/** Shows a text in an element, or hides the element when there is none. */
export function tell(element, text) {
  if (element.textContent !== text) element.textContent = text;
  element.hidden = !text;
}
