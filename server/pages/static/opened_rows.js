// Opens a team's row in its place: what the page behind its link says is put under it. Without script the link is a link.
"use strict";

{
  const board = document.getElementById("board");
  const opened = new Map(); // from the address of a row's page to what it says

  function put(link) {
    const row = link.closest("tr");
    const isOpen = opened.has(link.href);
    link.setAttribute("aria-expanded", String(isOpen));
    const below = row.nextElementSibling?.matches(".opened") ? row.nextElementSibling : null;
    if (!isOpen) below?.remove();
    if (!isOpen || below) return;
    const cell = document.createElement("td");
    cell.colSpan = row.cells.length;
    cell.setAttribute("role", "cell");
    cell.append(...opened.get(link.href).cloneNode(true).childNodes);
    const line = document.createElement("tr");
    line.className = "opened";
    line.setAttribute("role", "row");
    line.append(cell);
    row.after(line);
  }

  const links = () => board.querySelectorAll("a[data-open]");
  const putAll = () => links().forEach((link) => {
    const row = link.closest("tr").nextElementSibling;
    if (!link.ariaExpanded || opened.has(link.href) !== Boolean(row?.matches(".opened"))) put(link);
  });

  async function load(address) {
    const answer = await fetch(address);
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    if (!answer.ok) throw new Error(`HTTP ${answer.status}`);
    return page.getElementById("opened");
  }

  board.addEventListener("click", async (event) => {
    const link = event.target.closest("a[data-open]");
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey || event.button) return;
    event.preventDefault();
    try {
      if (!opened.delete(link.href)) opened.set(link.href, await load(link.href));
      putAll();
    } catch {
      location.assign(link.href);
    }
  });

  putAll();
  new MutationObserver(putAll).observe(board, { childList: true, subtree: true }); // live updates bring new rows
}
