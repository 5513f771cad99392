// Searching, sorting and turning pages without a reload, and live updates. The server does all of it; this script only
// fetches the page that a link or the search leads to and swaps the standings in it. Without it the links work as links.
"use strict";

{
  const board = document.getElementById("board");
  const form = board.querySelector("form.filter");
  const filter = document.getElementById("filter");
  const live = board.querySelector(".live");
  const SLOWEST_POLL_S = 120;
  const TYPING_MS = 200;
  let etag = board.dataset.etag;
  let delayS = Number(board.dataset.pollS);
  let shown = location.search;
  let asked = 0; // only the newest question's answer counts

  const scores = () => new Map([...board.querySelectorAll("tbody:not(.mine) tr:not(.opened)")].map((row) => [
    row.querySelector(".team bdi").textContent, row.querySelector(".score b").textContent, row]));

  // Puts the standings of another page in the place of these; the focus stays on the link that has the same id.
  function swap(fresh, { mark }) {
    const before = scores();
    const focused = document.activeElement?.id;
    document.getElementById("standings").replaceWith(fresh.querySelector("#standings"));
    form.hidden = fresh.querySelector("form.filter").hidden; // the first score ever brings the search
    if (focused) document.getElementById(focused)?.focus({ preventScroll: true });
    if (!mark) return;
    for (const row of board.querySelectorAll("tbody tr:not(.opened)")) {
      const name = row.querySelector(".team bdi").textContent;
      row.classList.toggle("changed", before.get(name) !== row.querySelector(".score b").textContent);
    }
  }

  async function load(address, headers = {}) {
    const question = ++asked;
    const answer = await fetch(address, { headers, cache: "no-store" });
    const text = await answer.text(); // even of a 304: an unread answer counts as an aborted request
    if (answer.status !== 304 && (!answer.ok || !text)) throw new Error(`HTTP ${answer.status}`);
    if (question !== asked || answer.status === 304) return null;
    etag = answer.headers.get("ETag");
    return new DOMParser().parseFromString(text, "text/html").getElementById("board");
  }

  async function visit(address, { push }) {
    try {
      const fresh = await load(address);
      if (!fresh) return;
      swap(fresh, { mark: false });
      live.textContent = fresh.querySelector(".live").textContent;
      if (push) history.pushState(null, "", address);
      else history.replaceState(null, "", address);
      shown = location.search;
    } catch {
      location.assign(address);
    }
  }

  async function poll() {
    if (document.hidden) return;
    const fresh = await load(location.href, { "If-None-Match": etag });
    if (fresh) {
      swap(fresh, { mark: true });
      live.textContent = live.dataset.updated.replace("{time}", new Date().toLocaleTimeString("en-GB", { timeZoneName: "short" }));
    } else if (live.dataset.lost) {
      live.textContent = live.dataset.follows;
    }
    delete live.dataset.lost;
    delayS = Number(board.dataset.pollS);
  }

  function follow() {
    setTimeout(async () => {
      try {
        await poll();
      } catch {
        live.dataset.lost = "yes";
        live.textContent = live.dataset.away;
        delayS = Math.min(2 * delayS, SLOWEST_POLL_S);
      }
      follow();
    }, 1000 * delayS);
  }

  board.addEventListener("click", (event) => {
    const link = event.target.closest("a[data-swap]");
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey || event.button) return;
    event.preventDefault();
    visit(link.href, { push: true });
  });
  window.addEventListener("popstate", () => { // also fired by links within the page
    if (location.search !== shown) visit(location.href, { push: false });
  });

  function found() { // keeps the board, its order and its scale
    const wanted = new URLSearchParams(location.search);
    wanted.set("q", filter.value);
    wanted.delete("page");
    return `${form.action}?${wanted}`;
  }

  let typing = 0;
  form.querySelector("button").hidden = true;
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    visit(found(), { push: false });
  });
  filter.addEventListener("input", () => {
    clearTimeout(typing);
    typing = setTimeout(() => visit(found(), { push: false }), TYPING_MS);
  });
  if (!live.textContent) live.textContent = live.dataset.follows;
  follow();
}
