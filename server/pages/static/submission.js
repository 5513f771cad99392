// Refreshes the page of a submission during its evaluation: when the server reports a change, the page is fetched
// again and its nodes are changed in place (morph.js). Without server-sent events it asks every few seconds; without script, reloading works.
"use strict";

{
  const root = document.getElementById("submission");
  const SLOWEST_POLL_S = 60;
  const AGAIN_EVERY_S = 30; // elapsed time and estimate change without an event
  let etag = null;
  let delayS = Number(root.dataset.pollS);
  let stream = null;

  const isLive = () => root.dataset.live === "yes";

  async function refresh() {
    const answer = await fetch(location.href, { headers: etag ? { "If-None-Match": etag } : {}, cache: "no-store" });
    const text = await answer.text();
    if (answer.status === 304) return;
    if (!answer.ok) throw new Error(`HTTP ${answer.status}`);
    etag = answer.headers.get("ETag");
    const fresh = new DOMParser().parseFromString(text, "text/html").getElementById("submission");
    const isUsed = root.contains(document.activeElement);
    morph(root, fresh);
    if (isUsed && !root.contains(document.activeElement)) document.getElementById("state").focus({ preventScroll: true });
    if (!isLive()) stream?.close();
  }

  function poll() {
    setTimeout(async () => {
      try {
        if (!document.hidden) await refresh();
        delayS = Number(root.dataset.pollS);
      } catch {
        delayS = Math.min(2 * delayS, SLOWEST_POLL_S);
      }
      if (isLive()) poll();
    }, 1000 * delayS);
  }

  function listen() {
    stream = new EventSource(root.dataset.events);
    const changed = () => refresh().catch(() => {});
    stream.addEventListener("submission", changed);
    stream.addEventListener("message", changed);
    stream.addEventListener("error", () => {
      if (stream.readyState !== EventSource.CLOSED) return; // the browser connects again by itself
      if (isLive()) poll();
    });
  }

  if (isLive()) {
    listen();
    setInterval(() => {
      if (isLive() && !document.hidden) refresh().catch(() => {});
    }, 1000 * AGAIN_EVERY_S);
  }
}
