// Loaded before anything is painted, so that a page never flashes in the other theme.
"use strict";
try {
  const kept = localStorage.getItem("tercet-theme");
  if (kept === "light" || kept === "dark") document.documentElement.dataset.theme = kept;
} catch {
  // Storage may be shut off; the system's theme holds then.
}
