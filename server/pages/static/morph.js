// Turns the nodes of a page into those of a newer answer in place: what has not changed stays the same node, so focus,
// places of scrolling, opened details and live regions survive.
"use strict";

{
  const label = (node) => node.getAttribute?.("id") ?? node.getAttribute?.("aria-labelledby") ?? node.getAttribute?.("data-part") ?? "";
  const isSame = (one, other) => one.nodeType === other.nodeType && one.nodeName === other.nodeName && label(one) === label(other);
  const kept = (node, name) => name === "open" && node.nodeName === "DETAILS"; // what the reader opened or closed

  function attributes(old, fresh) {
    for (const { name } of [...old.attributes]) if (!fresh.hasAttribute(name) && !kept(old, name)) old.removeAttribute(name);
    for (const { name, value } of fresh.attributes) {
      if (old.getAttribute(name) !== value && !kept(old, name)) old.setAttribute(name, value);
    }
  }

  // Makes the children of `old` those of `fresh`; a child that is in both, in the same order, stays.
  window.morph = function morph(old, fresh) {
    if (old.isEqualNode(fresh)) return;
    if (old.nodeType !== Node.ELEMENT_NODE) {
      old.nodeValue = fresh.nodeValue;
      return;
    }
    attributes(old, fresh);
    let place = old.firstChild;
    for (const wanted of [...fresh.childNodes]) {
      let match = place;
      while (match && !isSame(match, wanted)) match = match.nextSibling;
      if (!match) {
        old.insertBefore(wanted, place);
        continue;
      }
      while (place !== match) {
        const gone = place;
        place = place.nextSibling;
        gone.remove();
      }
      place = place.nextSibling;
      morph(match, wanted);
    }
    while (place) {
      const gone = place;
      place = place.nextSibling;
      gone.remove();
    }
  };
}
