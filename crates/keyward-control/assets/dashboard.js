// Copy buttons and the filter of a list of choices. Nothing depends on this file.
"use strict";
document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copy]");
  if (!button) return;
  const source = document.getElementById(button.dataset.copy);
  const label = button.querySelector("span");
  try {
    await navigator.clipboard.writeText(source.textContent.trimEnd());
    label.textContent = "Copied";
  } catch {
    getSelection().selectAllChildren(source);
    label.textContent = "Selected";
  }
  setTimeout(() => { label.textContent = "Copy"; }, 2000);
});
document.addEventListener("input", (event) => {
  const list = document.getElementById(event.target.dataset.filter);
  if (!list) return;
  const words = event.target.value.trim().toLowerCase();
  for (const choice of list.children) {
    const found = (choice.textContent + choice.querySelector("input").value).toLowerCase().includes(words);
    choice.hidden = !found && !choice.querySelector(":checked");
  }
});
