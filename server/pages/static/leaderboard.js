// Sorting, filtering and live updates of the leaderboard. Without this script the page is complete, in the server's order.
"use strict";

{
  const board = document.getElementById("board");
  const filter = document.getElementById("filter");
  const live = board.querySelector(".live");
  const SLOWEST_POLL_S = 120;
  let order = null; // {column, direction} once the reader has chosen one
  let etag = board.dataset.etag;
  let delayS = Number(board.dataset.pollS);

  const rowsOf = (root) => [...root.querySelectorAll("tbody tr")];
  const isReference = (row) => row.classList.contains("reference");
  const teamOf = (row) => row.querySelector(".team").textContent;
  const keyOf = (row, column) => row.cells[column].dataset.sort ?? row.cells[column].textContent.trim();

  function compare(a, b, column, kind) {
    const [left, right] = [keyOf(a, column), keyOf(b, column)];
    return kind === "number" ? Number(left) - Number(right) : left.localeCompare(right, "en", { sensitivity: "base" });
  }

  // Reference rows keep their place among scores; under any other order they stand last.
  function arrange() {
    if (!order) return;
    const heads = [...board.querySelectorAll("thead th")];
    const head = heads[order.column];
    const sign = order.direction === "ascending" ? 1 : -1;
    const apart = !head.classList.contains("score");
    const body = board.querySelector("tbody");
    const sorted = rowsOf(board).sort((a, b) => (apart && isReference(a) - isReference(b))
      || sign * compare(a, b, order.column, head.dataset.kind));
    body.append(...sorted);
    for (const other of heads) other.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", order.direction);
  }

  function sift() {
    const wanted = filter.value.trim().toLocaleLowerCase();
    for (const row of rowsOf(board)) {
      row.hidden = !isReference(row) && !teamOf(row).toLocaleLowerCase().includes(wanted);
    }
    return rowsOf(board).filter((row) => !row.hidden && !isReference(row)).length;
  }

  function addButtons() {
    board.querySelector(".filter").hidden = !board.querySelector("tbody tr:not(.reference)");
    board.querySelector("thead")?.classList.add("sortable");
    board.querySelectorAll("thead th[data-kind]").forEach((head) => {
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = head.textContent;
      head.replaceChildren(button);
      button.addEventListener("click", () => {
        const turned = head.getAttribute("aria-sort") === "ascending" ? "descending" : "ascending";
        const direction = head.hasAttribute("aria-sort") ? turned : head.dataset.first ?? "ascending";
        order = { column: head.cellIndex, direction };
        arrange();
      });
    });
  }

  const pieces = (root) => new Map([...root.querySelectorAll("[data-live]")].map((piece) => [piece.dataset.live, piece]));

  // Swaps only what changes, so that the filter and the focus stay; the first score ever brings a table and replaces all.
  function swap(fresh) {
    const before = new Map(rowsOf(board).map((row) => [teamOf(row), keyOf(row, 2)]));
    const [old, found] = [pieces(board), pieces(fresh)];
    if ([...old.keys()].join() === [...found.keys()].join()) {
      for (const [name, piece] of found) old.get(name).replaceWith(piece);
    } else {
      const tools = board.querySelector(".tools");
      board.replaceChildren(tools, ...[...fresh.children].filter((child) => !child.classList.contains("tools")));
      order = null;
      addButtons();
    }
    for (const row of rowsOf(board)) row.classList.toggle("changed", before.get(teamOf(row)) !== keyOf(row, 2));
    arrange();
    sift();
  }

  async function poll() {
    if (document.hidden) return;
    const answer = await fetch(location.href, { headers: { "If-None-Match": etag }, cache: "no-store" });
    const text = await answer.text(); // even of a 304: an unread answer counts as an aborted request
    if (answer.status !== 304 && !answer.ok) throw new Error(`HTTP ${answer.status}`);
    if (answer.ok) {
      const fresh = new DOMParser().parseFromString(text, "text/html").getElementById("board");
      swap(fresh);
      etag = answer.headers.get("ETag");
      live.textContent = `Updated at ${new Date().toISOString().slice(11, 19)} UTC`;
    } else if (live.dataset.lost) {
      live.textContent = "Updates by itself";
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
        live.textContent = "No connection; trying again";
        delayS = Math.min(2 * delayS, SLOWEST_POLL_S);
      }
      follow();
    }, 1000 * delayS);
  }

  filter.addEventListener("input", () => {
    const count = sift();
    live.textContent = filter.value.trim() ? `${count} ${count === 1 ? "team" : "teams"} found` : "";
  });
  addButtons();
  live.textContent = "Updates by itself";
  follow();
}
