"use strict";
// Money as `router.console.wording` writes it.
const usd = (dollars) => {
  if (dollars == null) return "unknown";
  const size = Math.abs(dollars);
  const digits = size === 0 || size >= 1 ? 2 : size >= 0.01 ? 4 : size >= 5e-7 ? 6 : 9;
  return `${dollars < 0 ? "-" : ""}$${size.toFixed(digits)}`;
};
(() => {
  const root = document.documentElement;
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const isDark = () => (root.dataset.theme ? root.dataset.theme === "dark" : dark.matches);
  const told = () => document.dispatchEvent(new Event("tercet:theme"));

  const theme = document.getElementById("theme");
  const name = () => {
    theme.textContent = isDark() ? "Light" : "Dark";
    theme.setAttribute("aria-label", `Switch to the ${isDark() ? "light" : "dark"} theme`);
  };
  if (theme) {
    theme.hidden = false;
    name();
    theme.addEventListener("click", () => {
      root.dataset.theme = isDark() ? "light" : "dark";
      try {
        localStorage.setItem("tercet-theme", root.dataset.theme);
      } catch {
        // It holds for this page alone where nothing may be stored.
      }
      name();
      told();
    });
    dark.addEventListener("change", () => { name(); told(); });
  }

  // What updates by itself can be stopped, and does not ask while nobody looks.
  const pause = document.getElementById("pause");
  let isPaused = false;
  if (pause) {
    pause.hidden = false;
    pause.addEventListener("click", () => {
      isPaused = !isPaused;
      pause.textContent = isPaused ? "Go on updating" : "Stop updating";
    });
  }
  document.addEventListener("htmx:before:request", (event) => {
    const held = document.activeElement?.closest?.("[hx-trigger]");
    if (document.hidden || isPaused || held) event.preventDefault();
  });
})();
