// Gives every block of code a button that copies it. Without this script the blocks are complete.
"use strict";

for (const block of document.querySelectorAll("[data-copy]")) {
  if (!navigator.clipboard) break; // browsers offer it on https and localhost only
  const button = document.createElement("button");
  button.type = "button";
  button.textContent = block.dataset.copy;
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(block.querySelector("code").textContent);
      button.textContent = block.dataset.copied;
    } catch {
      button.textContent = block.dataset.refused;
    }
    setTimeout(() => { button.textContent = block.dataset.copy; }, 2000);
  });
  block.append(button);
}
