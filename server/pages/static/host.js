// Refreshes the counts and the workers on a host's page. Without this script, reloading does.
"use strict";

{
  const delayMs = 1000 * Number(document.querySelector("[data-poll-s]").dataset.pollS);

  async function refresh() {
    if (document.hidden) return;
    const answer = await fetch(location.pathname, { cache: "no-store" });
    const text = await answer.text();
    if (!answer.ok) return;
    const fresh = new DOMParser().parseFromString(text, "text/html");
    for (const part of document.querySelectorAll("[data-live]")) {
      const found = fresh.querySelector(`[data-live=${part.dataset.live}]`);
      if (found) morph(part, found);
    }
  }

  setInterval(() => refresh().catch(() => {}), delayMs);
}
