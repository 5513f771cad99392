// Dropping a file, and the static check as soon as a file is chosen. Without this script the two buttons do the same.
"use strict";

{
  const root = document.getElementById("submit");
  const form = root.querySelector("form[enctype]");
  const file = form.querySelector("input[type=file]");
  const drop = form.querySelector(".drop");

  async function check() {
    const sent = new FormData(form);
    sent.set("check", "1");
    const answer = await fetch(form.action, { method: "POST", body: sent });
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const verdict = page.querySelector("[data-part=verdict]");
    root.querySelector("[data-part=verdict]")?.remove();
    if (verdict) root.prepend(verdict);
  }

  drop.querySelector(".hint").hidden = false;
  for (const name of ["dragover", "dragenter"]) {
    drop.addEventListener(name, (event) => {
      event.preventDefault();
      drop.classList.add("over");
    });
  }
  drop.addEventListener("dragleave", () => drop.classList.remove("over"));
  drop.addEventListener("drop", (event) => {
    event.preventDefault();
    drop.classList.remove("over");
    if (!event.dataTransfer.files.length) return;
    file.files = event.dataTransfer.files;
    file.dispatchEvent(new Event("change"));
  });
  file.addEventListener("change", () => {
    if (file.files.length) check().catch(() => {});
  });
}
