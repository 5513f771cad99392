// Drops and pastes files, and checks a file as soon as it is chosen. Without this script the two buttons do that.
"use strict";

{
  const root = document.getElementById("submit");
  const form = root.querySelector("form[enctype]");
  const file = form.querySelector("input[type=file]");
  const drop = form.querySelector(".drop");
  const source = form.querySelector("textarea");

  let asked = 0; // only the newest question's answer counts

  async function check() {
    const question = ++asked;
    const sent = new FormData(form);
    sent.set("check", "1");
    const answer = await fetch(form.action, { method: "POST", body: sent });
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    if (question !== asked) return;
    const verdict = page.querySelector("[data-part=verdict]");
    root.querySelector("[data-part=verdict]")?.remove();
    if (!verdict) return;
    root.prepend(verdict);
    verdict.querySelector("h2").focus(); // also scrolls it into view
  }

  function take(files) {
    if (!files.length) return;
    file.files = files;
    file.dispatchEvent(new Event("change"));
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
    take(event.dataTransfer.files);
  });
  document.addEventListener("paste", (event) => {
    if (event.clipboardData.files.length) {
      event.preventDefault();
      take(event.clipboardData.files);
    } else if (event.target === source) {
      file.value = ""; // what was pasted last counts, and a file would come before it
      setTimeout(() => check().catch(() => {})); // once the text is there
    }
  });
  file.addEventListener("change", () => {
    if (file.files.length) check().catch(() => {});
  });
}
