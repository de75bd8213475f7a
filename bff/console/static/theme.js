// Before anything is painted: what was chosen the last time. Without a choice the system decides.
(() => {
  const kept = localStorage.getItem("bff.theme");
  if (kept === "light" || kept === "dark") document.documentElement.dataset.theme = kept;
})();
